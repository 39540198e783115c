//! CONTRACT 2 on the running hub: tokens that run out, are replaced on the live socket, or are revoked.
#![cfg(feature = "hub")]

mod common;

use common::*;

fn expiring_in(sub: &str, seconds: u64) -> Claims {
    Claims::of(sub).with("exp", json!(common::tokens::now() + seconds))
}

/// RFC 3339 of a token's `exp`.
fn stamp(seconds: u64) -> Value {
    json!(roomcast::clock::rfc3339(seconds as i64 * 1_000))
}

fn claiming(sub: &str, campaigns: &[&str]) -> Claims {
    Claims::of(sub).with("participatingCampaigns", json!(campaigns))
}

fn subscribe(client: &mut TestClient, campaign: &str) {
    let answer = client.request("subscribe:campaign", json!({"campaignId": campaign}));
    assert_eq!(answer["ok"], true, "{answer}");
    client.expect_event("campaign:status");
    client.expect_event("subscribed");
}

/// Replaces the token; the client is told when it runs out, as an event and in the ack.
fn refresh(client: &mut TestClient, token: &str) {
    let answer = client.request("auth:refresh", json!({"token": token}));
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(client.expect_event("auth:refreshed"), answer["data"]);
}

fn left(room: Value) -> Value {
    let mut left = room;
    left["reason"] = json!("permission");
    left
}

fn campaign(id: &str) -> Value {
    json!({"type": "campaign", "campaignId": id})
}

fn update(server: &TestServer, id: &str, n: u64) {
    server.publish(&format!("campaign:{id}"), &json!({"eventType": "updated", "n": n}));
}

fn alert(server: &TestServer) {
    server.publish("system:alerts", &json!({"level": "info", "title": "t", "message": "m"}));
}

/// Passes over the hub's own status, which everybody in the system room gets each second.
fn next_but_pulse(client: &mut TestClient) -> (String, Value) {
    loop {
        let (name, data) = client.next_event();
        if name != "system:service_status" {
            return (name, data);
        }
    }
}

// ── a token that runs out ───────────────────────────────────────────────────────────────────────────────────

over_every_transport! {
    fn auth_expiring_comes_once_before_the_end_and_then_token_expired(protocol: Protocol) {
        let server = TestServer::builder().set("auth.expiry_warning_ms", 2_000).set("auth.leeway_ms", 1_000).start();
        let exp = common::tokens::now() + 4;
        let mut client = server.connect(protocol, &Claims::of("u1").with("exp", json!(exp)).token());
        assert_eq!(client.expect_event("auth:expiring"), json!({"expiresAt": stamp(exp)}));
        assert!(roomcast::clock::now_ms() >= exp as i64 * 1_000 - 2_000, "too early");
        client.expect_error("token_expired", "Token expired");
        assert!(roomcast::clock::now_ms() >= exp as i64 * 1_000 + 1_000, "within the leeway");
        assert_eq!(client.expect_close(), protocol.close(4401, "token_expired"));
    }

    fn auth_expiring_comes_at_once_behind_the_first_words_where_less_is_left(protocol: Protocol) {
        let server = TestServer::start();
        let exp = common::tokens::now() + 50;
        let mut client = server.connect(protocol, &Claims::of("u1").with("exp", json!(exp)).token());
        assert_eq!(client.expect_event("auth:expiring"), json!({"expiresAt": stamp(exp)}));
        client.expect_nothing_but_pong();
        let mut other = server.connect(protocol, &user("u1"));
        other.expect_nothing_but_pong();
    }
}

#[test]
fn auth_expiring_is_switched_off_by_0() {
    let server = TestServer::builder().set("auth.expiry_warning_ms", 0).set("auth.leeway_ms", 0).start();
    let mut client = server.connect(Protocol::Plain, &expiring_in("u1", 2).token());
    client.expect_error("token_expired", "Token expired");
}

// ── a fresh token ───────────────────────────────────────────────────────────────────────────────────────────

over_every_transport! {
    fn auth_refresh_lets_a_socket_outlive_its_first_token(protocol: Protocol) {
        let server = TestServer::builder().set("auth.expiry_warning_ms", 1_000).set("auth.leeway_ms", 0).start();
        let mut client = server.connect(protocol, &expiring_in("u1", 2).token());
        let exp = common::tokens::now() + 5;
        let id = client.emit_ack("auth:refresh", json!({"token": Claims::of("u1").with("exp", json!(exp)).token()}));
        assert_eq!(client.wait_for("auth:refreshed"), json!({"expiresAt": stamp(exp)}));
        assert_eq!(client.expect_answer(&id), json!({"ok": true, "data": {"expiresAt": stamp(exp)}}));
        // nothing of the first token's times; those of the fresh one count
        assert_eq!(client.expect_event("auth:expiring"), json!({"expiresAt": stamp(exp)}));
        client.expect_error("token_expired", "Token expired");
        assert!(roomcast::clock::now_ms() >= exp as i64 * 1_000);
    }

    fn auth_refresh_with_a_token_that_is_refused_leaves_the_old_identity_in_place(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &claiming("u1", &["c1"]).with("permissions", json!(["system:read"])).token());
        subscribe(&mut client, "c1");
        for (token, reason) in [
            (user("u2"), "invalid"),
            (admin("u2"), "invalid"),
            (Claims::of("u1").with("exp", json!(1_600_000_000)).token(), "expired"),
            (Claims::of("u1").signed(jsonwebtoken::Algorithm::HS256, "another secret of thirty-two bytes and more"), "invalid"),
            ("nonsense".to_owned(), "invalid"),
            (String::new(), "missing"),
        ] {
            let id = client.emit_ack("auth:refresh", json!({"token": token}));
            let error = client.expect_error("auth_failed", "Authentication failed");
            assert_eq!((&error["reason"], &error["event"]), (&json!(reason), &json!("auth:refresh")), "{error}");
            let answer = client.expect_answer(&id);
            assert_eq!((&answer["ok"], &answer["error"]["code"]), (&json!(false), &json!("auth_failed")));
        }
        for shape in [json!({}), json!({"token": 7}), json!("token"), Value::Null, json!([])] {
            let id = client.emit_ack("auth:refresh", shape);
            client.expect_error("invalid_payload", "expected {token}: a string");
            assert_eq!(client.expect_answer(&id)["error"]["code"], "invalid_payload");
        }
        update(&server, "c1", 1);
        assert_eq!(client.expect_event("campaign:updated")["n"], 1);
        assert_eq!(client.request("subscribe:system", json!({}))["ok"], true);
    }

    fn auth_refresh_leaves_the_rooms_that_the_fresh_token_does_not_give(protocol: Protocol) {
        let server = TestServer::start();
        let mut store = server.store();
        store.participant("c2", "boss");
        store.campaign("c4", Some("boss"), "A");
        let mut client = server.connect(protocol, &admin("boss"));
        for id in ["c1", "c2", "c3", "c4"] {
            subscribe(&mut client, id);
        }
        for (event, data) in [("subscribe:user", json!({"userId": "u2"})), ("subscribe:user", json!({})), ("subscribe:system", json!({}))] {
            assert_eq!(client.request(event, data)["ok"], true);
            client.wait_for("subscribed");
        }
        let id = client.emit_ack("auth:refresh", json!({"token": claiming("boss", &["c3"]).token()}));
        let mut rooms = Vec::new();
        let mut refreshed = false;
        while rooms.len() < 3 || !refreshed {
            match client.next() {
                Incoming::Event(name, room) if name == "unsubscribed" => rooms.push(room.to_string()),
                Incoming::Event(name, _) if name == "system:service_status" || name == "auth:refreshed" => {}
                Incoming::Answer(of, answer) => {
                    assert_eq!((&of, &answer["ok"]), (&id, &json!(true)));
                    refreshed = true;
                }
                other => panic!("{other:?}"),
            }
        }
        rooms.sort();
        let mut expected = [left(campaign("c1")), left(json!({"type": "user", "userId": "u2"})), left(json!({"type": "system"}))]
            .map(|room| room.to_string());
        expected.sort();
        assert_eq!(rooms, expected);
        // what it may still see goes on: by the store, by the token, by being its own
        for (n, id) in ["c1", "c2", "c3", "c4"].into_iter().enumerate() {
            update(&server, id, n as u64);
        }
        alert(&server);
        for room in ["u2", "boss"] {
            server.publish(&format!("user:{room}"), &json!({"type": "info", "title": room, "message": "m"}));
        }
        for n in 1..4 {
            assert_eq!(client.expect_event("campaign:updated")["n"], n);
        }
        assert_eq!(client.expect_event("notification")["title"], "boss");
        client.expect_nothing_but_pong();
        for (event, data) in [("subscribe:campaign", json!({"campaignId": "c1"})), ("subscribe:system", json!({}))] {
            assert_eq!(client.request(event, data)["ok"], false, "{event}");
        }
    }

    fn what_is_asked_right_behind_auth_refresh_is_judged_by_the_fresh_token(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &user("u1"));
        let ask = json!({"campaignId": "c1"});
        // the first may fall to either token, the second to the fresh one alone
        let first = client.emit_ack("subscribe:campaign", ask.clone());
        let fresh = client.emit_ack("auth:refresh", json!({"token": claiming("u1", &["c1"]).token()}));
        let second = client.emit_ack("subscribe:campaign", ask.clone());
        let mut answers = Vec::new();
        while answers.len() < 3 {
            if let Incoming::Answer(id, answer) = client.next() {
                answers.push((id, answer["ok"] == true));
            }
        }
        assert!(answers.contains(&(fresh, true)) && answers.contains(&(second, true)), "{first} {answers:?}");
        client.emit("auth:refresh", json!({"token": user("u1")}));
        let denied = client.emit_ack("subscribe:campaign", ask);
        update(&server, "c1", 7);
        let mut out = false;
        loop {
            match client.next() {
                Incoming::Event(name, room) if name == "unsubscribed" => {
                    assert_eq!(room, left(campaign("c1")));
                    out = true;
                }
                Incoming::Event(name, _) if name == "campaign:updated" => assert!(!out, "an event after unsubscribed"),
                Incoming::Answer(id, answer) if id == denied => {
                    assert_eq!(answer["error"]["code"], "access_denied");
                    break;
                }
                _ => {}
            }
        }
        assert!(out, "it was a member, and is told that it is none");
        update(&server, "c1", 8);
        client.expect_nothing_but_pong();
    }

    fn owner_copies_follow_the_fresh_token(protocol: Protocol) {
        let server = TestServer::start();
        let owning = |campaigns: &[&str]| Claims::of("u1").with("ownedCampaigns", json!(campaigns)).token();
        let mut client = server.connect(protocol, &owning(&["c1"]));
        client.emit_bare("subscribe:user");
        client.wait_for("subscribed");
        refresh(&mut client, &owning(&["c2"]));
        let changed = |to: &str| json!({"eventType": "status.changed", "toStatus": to, "trigger": "t"});
        let mut n = 0;
        eventually_true("copies of the new one come, and none of the old one", || {
            n += 1;
            server.publish("campaign:c1", &changed(&format!("old {n}")));
            server.publish("campaign:c2", &changed(&format!("new {n}")));
            client.emit_bare("ping");
            let mut came = Vec::new();
            loop {
                match client.next_event() {
                    (name, _) if name == "pong" => break,
                    (_, data) => came.push(data["status"].clone()),
                }
            }
            came == [json!(format!("new {n}"))]
        });
    }

    fn while_the_store_cannot_say_a_refreshed_socket_stays_in_its_rooms_until_it_can(protocol: Protocol) {
        let server = TestServer::builder().set("database.timeout_ms", 300).start();
        let mut store = server.store();
        let mut client = server.connect(protocol, &claiming("u1", &["c1"]).with("permissions", json!(["system:read"])).token());
        subscribe(&mut client, "c1");
        assert_eq!(client.request("subscribe:system", json!({}))["ok"], true);
        client.wait_for("subscribed");
        store.execute("ALTER TABLE campaign_participants RENAME TO elsewhere");
        refresh_in_system_room(&mut client, &user("u1"));
        assert_eq!(next_but_pulse(&mut client), ("unsubscribed".to_owned(), left(json!({"type": "system"}))));
        update(&server, "c1", 1);
        assert_eq!(client.expect_event("campaign:updated")["n"], 1);
        store.execute("ALTER TABLE elsewhere RENAME TO campaign_participants");
        assert_eq!(client.wait_for("unsubscribed"), left(campaign("c1")));
        update(&server, "c1", 2);
        client.expect_nothing_but_pong();
    }
}

/// Ends a loop beside a test, also where the test fails.
struct StopsAtTheEnd<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for StopsAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

over_both! {
    fn whatever_is_refreshed_asked_and_published_at_once_no_event_comes_outside_a_stay(protocol: Protocol) {
        let server = TestServer::builder().set("limits.messages_per_second", 0).start();
        let (with, without) = (claiming("u1", &["c1"]).token(), user("u1"));
        let stop = std::sync::atomic::AtomicBool::new(false);
        let (url, bearer) = (server.url("/api/v1/events"), format!("Bearer {}", common::tokens::publisher()));
        std::thread::scope(|scope| {
            let publisher = scope.spawn(|| {
                let event = json!({"channel": "campaign:c1", "payload": {"eventType": "updated"}});
                let events = Value::Array(vec![event; 20]);
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let answer = http::post(&url, &[("Authorization", &bearer)], &events.to_string());
                    assert_eq!(answer.status, 202);
                }
            });
            let stops = StopsAtTheEnd(&stop);
            let mut client = server.connect(protocol, &with);
            let (mut is_in, mut stays, mut events, mut round) = (false, 0, 0, 0);
            let deadline = std::time::Instant::now() + PATIENCE * 3;
            // until something has been tried, however slow the machine is
            while round < 150 || stays <= 5 || events <= 20 {
                assert!(std::time::Instant::now() < deadline, "{stays} stays, {events} events");
                round += 1;
                // in each order, without waiting in between: subscribe under the one, refresh to the other
                let token = if round % 2 == 0 { &without } else { &with };
                let mut last = client.emit_ack("subscribe:campaign", json!({"campaignId": "c1"}));
                client.emit("auth:refresh", json!({"token": token}));
                if round % 3 == 0 {
                    last = client.emit_ack("subscribe:campaign", json!({"campaignId": "c1"}));
                }
                loop {
                    let (name, data) = match client.next() {
                        Incoming::Event(name, data) => (name, data),
                        Incoming::Answer(id, _) if id == last => break,
                        Incoming::Answer(..) => continue,
                        other => panic!("{other:?}"),
                    };
                    match name.as_str() {
                        "subscribed" => {
                            stays += usize::from(!is_in);
                            is_in = true;
                        }
                        "unsubscribed" => {
                            assert!(is_in, "round {round}: left a room that it was not in");
                            assert_eq!(data, left(campaign("c1")));
                            is_in = false;
                        }
                        "campaign:updated" => {
                            assert!(is_in, "round {round}: an event outside a stay");
                            events += 1;
                        }
                        "error" => assert_eq!(data["code"], "access_denied", "{data}"),
                        "auth:refreshed" | "campaign:status" => {}
                        other => panic!("{other} {data}"),
                    }
                }
            }
            drop(stops);
            publisher.join().unwrap();
        });
    }
}

fn refresh_in_system_room(client: &mut TestClient, token: &str) {
    client.emit("auth:refresh", json!({"token": token}));
    assert_eq!(next_but_pulse(client).0, "auth:refreshed");
}

// ── revoked tokens ──────────────────────────────────────────────────────────────────────────────────────────

fn issued(sub: &str, at: u64) -> Claims {
    Claims::of(sub).with("iat", json!(at))
}

fn revoke(server: &TestServer, user: &str) -> u64 {
    let answer = server.call("POST", &format!("/api/v1/users/{user}/revoke"), &admin("boss"), "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["disconnected"].as_u64().unwrap()
}

fn assert_revoked(client: &mut TestClient, protocol: Protocol) {
    let error = client.expect_event("error");
    assert_eq!(
        error,
        json!({"code": "auth_failed", "message": "Authentication failed", "reason": "revoked"})
    );
    assert_eq!(client.expect_close(), protocol.close(4401, "auth_failed"));
}

/// The token does not let in any more, and the client is told why.
fn assert_refused_as_revoked(server: &TestServer, protocol: Protocol, token: &str) {
    let mut client = TestClient::open(server, protocol);
    client.send_token(token);
    if protocol == Protocol::Plain {
        assert_eq!(client.expect_event("error")["reason"], "revoked");
        return;
    }
    let Incoming::Refused(body) = client.next() else { panic!("no CONNECT_ERROR") };
    if !protocol.is_old() {
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["data"], json!({"code": "auth_failed", "reason": "revoked"}));
    }
}

over_every_transport! {
    fn revoking_a_user_closes_the_sockets_with_older_tokens_and_refuses_those_tokens(protocol: Protocol) {
        let server = TestServer::start();
        let now = common::tokens::now();
        let old = issued("u1", now - 10).token();
        let without = Claims::of("u1").without("iat").token();
        let newer = issued("u1", now + 100).token();
        let mut clients = [&old, &without].map(|token| server.connect(protocol, token));
        let mut renewed = server.connect(protocol, &old);
        refresh(&mut renewed, &newer);
        let mut stays = server.connect(protocol, &newer);
        let mut other = server.connect(protocol, &issued("u2", now - 10).token());
        assert_eq!(revoke(&server, "u1"), 2);
        clients.iter_mut().for_each(|client| assert_revoked(client, protocol));
        for client in [&mut stays, &mut other, &mut renewed] {
            client.expect_nothing_but_pong();
        }
        for token in [&old, &without] {
            assert_refused_as_revoked(&server, protocol, token);
        }
        let id = stays.emit_ack("auth:refresh", json!({"token": old}));
        assert_eq!(stays.expect_error("auth_failed", "Authentication failed")["reason"], "revoked");
        assert_eq!(stays.expect_answer(&id)["ok"], false);
        stays.expect_nothing_but_pong();
    }
}

#[test]
fn a_token_of_the_second_of_the_revocation_is_refused_and_one_of_the_next_is_not() {
    let server = TestServer::start();
    revoke(&server, "u1");
    let before = server.store().number("SELECT \"before\" AS value FROM token_revocations") as u64;
    let of = |second: u64| {
        TestClient::open(&server, Protocol::Plain).refused_or_not(&issued("u1", second).token())
    };
    assert_eq!((of(before / 1_000), of(before / 1_000 + 1)), (true, false));
}

trait RefusedOrNot {
    fn refused_or_not(self, token: &str) -> bool;
}

impl RefusedOrNot for TestClient {
    fn refused_or_not(mut self, token: &str) -> bool {
        self.send_token(token);
        self.next_event().0 == "error"
    }
}

#[test]
fn http_calls_with_a_revoked_token_are_refused_and_only_admins_revoke() {
    let server = TestServer::start();
    let publisher =
        issued("backend", common::tokens::now() - 5).with("permissions", json!(["publish"])).token();
    let publish = || {
        server.post(
            "/api/v1/events",
            &publisher,
            &json!({"channel": "campaign:c", "payload": {"eventType": "updated"}}),
        )
    };
    assert_eq!(publish().status, 202);
    for (token, status, code) in
        [(publisher.as_str(), 403, "admin_required"), ("nonsense", 401, "auth_failed")]
    {
        let answer = server.call("POST", "/api/v1/users/backend/revoke", token, "");
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)));
    }
    let key = http::post(&server.url("/api/v1/users/backend/revoke"), &[("X-Api-Key", "k")], "");
    assert_eq!(key.status, 401, "{key:?}");
    assert_eq!(server.call("POST", "/api/v1/users/a%20b/revoke", &admin("boss"), "").status, 400);
    assert_eq!(publish().status, 202);
    assert_eq!(revoke(&server, "backend"), 0);
    let answer = publish();
    assert_eq!((answer.status, &answer.json()["error"]["reason"]), (401, &json!("revoked")));
    assert_eq!(server.call("POST", "/api/v1/auth/refresh", &publisher, "").status, 401);
}

#[test]
fn ids_of_every_kind_can_be_revoked() {
    let server = TestServer::start();
    let mut client = server.connect(Protocol::Plain, &issued("auth0|a/b+团", 5).token());
    assert_eq!(revoke(&server, "auth0%7Ca%2Fb%2B%E5%9B%A2"), 1);
    assert_revoked(&mut client, Protocol::Plain);
}

on_both! {
    fn a_revocation_holds_on_every_node_and_after_a_restart(database: Database) {
        let dir = tempfile::tempdir().unwrap();
        let url = match database {
            Database::Sqlite => format!("sqlite://{}", dir.path().join("shared.db").display()),
            Database::Postgres => PostgresDatabase::create().url().to_owned(),
        };
        let node = || TestServer::builder().database(&url).start();
        let (here, mut there) = (node(), node());
        let old = issued("u1", common::tokens::now() - 5).token();
        let mut socket = there.connect(Protocol::SocketIo, &old);
        let mut other = there.connect(Protocol::Plain, &user("u2"));
        assert_eq!(revoke(&here, "u1"), 0, "none here");
        assert_revoked(&mut socket, Protocol::SocketIo);
        assert_refused_as_revoked(&there, Protocol::Plain, &old);
        other.expect_nothing_but_pong();
        there.kill_and_start_again();
        assert_refused_as_revoked(&there, Protocol::Plain, &old);
        let later = node(); // it was not there then
        assert_refused_as_revoked(&later, Protocol::Plain, &old);
    }
}

#[test]
fn a_revocation_holds_here_at_once_though_the_store_cannot_take_it_and_the_call_says_so() {
    let server = TestServer::builder().set("database.timeout_ms", 300).start();
    let old = issued("u1", common::tokens::now() - 5).token();
    let mut client = server.connect(Protocol::Plain, &old);
    let mut store = server.store();
    store.execute("BEGIN IMMEDIATE"); // nobody else writes
    let answer = server.call("POST", "/api/v1/users/u1/revoke", &admin("boss"), "");
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (503, &json!("unavailable")));
    assert_revoked(&mut client, Protocol::Plain);
    assert_refused_as_revoked(&server, Protocol::Plain, &old);
    store.execute("COMMIT");
    eventually_true("it is written later all the same", || store.count("token_revocations") == 1);
}

// ── refresh over HTTP ───────────────────────────────────────────────────────────────────────────────────────

fn refresh_over_http(server: &TestServer, token: &str) -> Response {
    server.call("POST", "/api/v1/auth/refresh", token, "")
}

/// The claims of a token that the hub made.
fn claims_of(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn http_refresh_gives_a_token_of_the_same_subject_permissions_and_lifetime() {
    let server = TestServer::builder().set("auth.issuer", "me").set("auth.audience", "hub").start();
    let now = common::tokens::now();
    let old = Claims::of("auth0|u1")
        .with("permissions", json!(["system:read", "x"]))
        .with("ownedCampaigns", json!(["c1"]))
        .with("participatingCampaigns", json!(["c2"]))
        .with("iss", json!("me"))
        .with("aud", json!(["hub", "other"]))
        .with("iat", json!(now - 100))
        .with("exp", json!(now + 500));
    let answer = refresh_over_http(&server, &old.token());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let body = answer.json();
    let claims = claims_of(body["token"].as_str().unwrap());
    let iat = claims["iat"].as_u64().unwrap();
    assert!(iat >= now, "{claims}");
    assert_eq!(
        claims,
        json!({
            "sub": "auth0|u1", "permissions": ["system:read", "x"], "ownedCampaigns": ["c1"],
            "participatingCampaigns": ["c2"], "iss": "me", "aud": "hub", "iat": iat, "exp": iat + 600,
            "auth_time": now - 100,
        })
    );
    assert_eq!(body["expiresAt"], stamp(iat + 600));
    let mut client = server.connect(Protocol::Plain, body["token"].as_str().unwrap());
    assert_eq!(client.request("subscribe:system", json!({}))["ok"], true);
    let again = refresh_over_http(&server, body["token"].as_str().unwrap()).json();
    assert_eq!(
        claims_of(again["token"].as_str().unwrap())["auth_time"],
        now - 100,
        "the session is the same"
    );
}

#[test]
fn http_refresh_ends_with_the_session_and_needs_its_beginning() {
    let server = TestServer::builder().set("auth.max_session_ms", 600_000).start();
    let now = common::tokens::now();
    let of = |began: u64| Claims::of("u1").with("auth_time", json!(now - began)).token();
    let cut = refresh_over_http(&server, &of(500)).json();
    assert_eq!(claims_of(cut["token"].as_str().unwrap())["exp"], now + 100, "an hour is cut to what is left");
    for token in [
        of(600),
        of(10_000),
        Claims::of("u1").without("iat").token(),
        Claims::of("u1").with("exp", json!(1)).token(),
        "x".into(),
    ] {
        let answer = refresh_over_http(&server, &token);
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("auth_failed")));
    }
    assert_eq!(server.call("GET", "/api/v1/auth/refresh", &of(1), "").status, 405);
    assert_eq!(http::post(&server.url("/api/v1/auth/refresh"), &[], "").json()["error"]["reason"], "missing");
}

#[test]
fn http_refresh_is_not_there_where_it_is_off_or_the_hub_has_nothing_to_sign_with() {
    let off = TestServer::builder().set("auth.refresh", false).start();
    assert_eq!(refresh_over_http(&off, &user("u1")).status, 404);
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/src/auth/testdata");
    let signed_elsewhere = TestServer::builder()
        .env("ROOMCAST_AUTH__SECRET", "")
        .set("auth.algorithms", "RS256")
        .set("auth.public_key_file", format!("{keys}/rsa.public.pem"))
        .start();
    let key =
        jsonwebtoken::EncodingKey::from_rsa_pem(&std::fs::read(format!("{keys}/rsa.private.pem")).unwrap());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    let claims = json!({"sub": "u1", "permissions": [], "exp": common::tokens::now() + 60, "iat": common::tokens::now()});
    let token = jsonwebtoken::encode(&header, &claims, &key.unwrap()).unwrap();
    signed_elsewhere.connect(Protocol::Plain, &token);
    assert_eq!(refresh_over_http(&signed_elsewhere, &token).status, 404);
}

// ── keys that change ────────────────────────────────────────────────────────────────────────────────────────

/// A key pair of the tests, as a JWKS has it and as it signs.
struct Issuer {
    kid: &'static str,
    algorithm: jsonwebtoken::Algorithm,
    key: jsonwebtoken::EncodingKey,
}

impl Issuer {
    fn of(kid: &'static str, algorithm: jsonwebtoken::Algorithm, file: &str) -> Issuer {
        let pem = std::fs::read(format!("{}/src/auth/testdata/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let key = match algorithm {
            jsonwebtoken::Algorithm::EdDSA => jsonwebtoken::EncodingKey::from_ed_pem(&pem),
            _ => jsonwebtoken::EncodingKey::from_ec_pem(&pem),
        };
        Issuer { kid, algorithm, key: key.unwrap() }
    }

    fn jwk(&self) -> Value {
        let mut jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.kid.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    fn token(&self, sub: &str) -> String {
        let header = jsonwebtoken::Header {
            kid: Some(self.kid.to_owned()),
            ..jsonwebtoken::Header::new(self.algorithm)
        };
        let claims = json!({"sub": sub, "permissions": [], "exp": common::tokens::now() + 600});
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }
}

/// Sends SIGHUP and waits until the log has said this so many times.
fn reload(server: &TestServer, says: &str, times: usize) {
    server.signal("HUP");
    eventually_true(says, || server.log().matches(says).count() == times);
}

#[test]
fn sighup_reads_a_rotated_key_set_anew_and_a_broken_one_keeps_the_old_keys() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    let old = Issuer::of("2025", jsonwebtoken::Algorithm::EdDSA, "ed25519.private.pem");
    let new = Issuer::of("2026", jsonwebtoken::Algorithm::ES256, "p256.private.pem");
    let write = |keys: &[&Issuer]| {
        let keys: Vec<Value> = keys.iter().map(|issuer| issuer.jwk()).collect();
        std::fs::write(&file, json!({"keys": keys}).to_string()).unwrap();
    };
    write(&[&old]);
    let settings = TestServer::builder().set("auth.algorithms", "HS256,EdDSA,ES256");
    let mut server = settings.set("auth.jwks_file", file.display()).start();
    let lets_in = |server: &TestServer, issuer: &Issuer| {
        !TestClient::open(server, Protocol::Plain).refused_or_not(&issuer.token("u1"))
    };
    let mut connected = server.connect(Protocol::SocketIo, &old.token("u1"));
    assert_eq!((lets_in(&server, &old), lets_in(&server, &new)), (true, false));
    write(&[&old, &new]);
    reload(&server, "keys were read anew", 1);
    assert_eq!((lets_in(&server, &old), lets_in(&server, &new)), (true, true));
    write(&[&new]);
    reload(&server, "keys were read anew", 2);
    assert_eq!((lets_in(&server, &old), lets_in(&server, &new)), (false, true));
    for (broken, named) in [("{\"keys\":[]}", "holds no key"), ("{\"keys\":[{", "not a JSON Web Key Set")] {
        std::fs::write(&file, broken).unwrap();
        reload(&server, named, 1);
        assert_eq!((lets_in(&server, &old), lets_in(&server, &new)), (false, true), "{broken}");
    }
    std::fs::remove_file(&file).unwrap();
    reload(&server, "keys stay as they are: auth.jwks_file: cannot read", 1);
    assert_eq!((lets_in(&server, &old), lets_in(&server, &new)), (false, true));
    // who is connected stays; a fresh token is judged by the keys as they are now
    let id = connected.emit_ack("auth:refresh", json!({"token": old.token("u1")}));
    assert_eq!(connected.expect_error("auth_failed", "Authentication failed")["reason"], "invalid");
    assert_eq!(connected.expect_answer(&id)["ok"], false);
    refresh(&mut connected, &new.token("u1"));
    refresh(&mut connected, &user("u1")); // the secret is still there
    assert!(server.is_running());
}
