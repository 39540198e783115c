//! The read model over HTTP: campaigns and participants, and whose rights a change moves.
#![cfg(feature = "hub")]

mod common;

use std::time::Instant;

use common::tokens::publisher;
use common::*;
use diesel::connection::SimpleConnection as _;

const KEY: &str = "an-api-key-of-the-tests-long-enough";

fn start(database: Database) -> TestServer {
    TestServer::builder().on(database).start()
}

fn path(campaign: &str) -> String {
    format!("/api/v1/campaigns/{campaign}")
}

fn part(campaign: &str, user: &str) -> String {
    format!("/api/v1/campaigns/{campaign}/participants/{user}")
}

fn call_url(method: &str, url: &str, body: &str) -> Response {
    http::call(method, url, &[("Authorization", &format!("Bearer {}", publisher()))], body)
}

fn get(server: &TestServer, campaign: &str) -> Response {
    server.call("GET", &path(campaign), &publisher(), "")
}

fn put(server: &TestServer, campaign: &str, body: Value) -> Value {
    let answer = server.call("PUT", &path(campaign), &publisher(), &body.to_string());
    assert!([200, 201].contains(&answer.status), "{answer:?}");
    answer.json()
}

fn delete(server: &TestServer, campaign: &str) {
    let answer = server.call("DELETE", &path(campaign), &publisher(), "");
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
}

fn add(server: &TestServer, campaign: &str, user: &str) {
    let answer = server.call("PUT", &part(campaign, user), &publisher(), "");
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
}

fn remove(server: &TestServer, campaign: &str, user: &str) {
    let answer = server.call("DELETE", &part(campaign, user), &publisher(), "");
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
}

fn changed(to: &str) -> Value {
    json!({"eventType": "status.changed", "toStatus": to, "trigger": "t"})
}

fn changed_at(to: &str, timestamp: i64) -> Value {
    json!({"eventType": "status.changed", "toStatus": to, "trigger": "t", "timestamp": timestamp})
}

fn member(server: &TestServer, protocol: Protocol, token: &str, campaign: &str) -> TestClient {
    let mut client = server.connect(protocol, token);
    client.emit("subscribe:campaign", json!({"campaignId": campaign}));
    client.wait_for("subscribed");
    client
}

fn in_user_room(server: &TestServer, protocol: Protocol, token: &str) -> TestClient {
    let mut client = server.connect(protocol, token);
    client.emit_bare("subscribe:user");
    client.wait_for("subscribed");
    client
}

/// The status that a subscribe shows now.
fn snapshot(client: &mut TestClient, campaign: &str) -> Value {
    client.emit("subscribe:campaign", json!({"campaignId": campaign}));
    let shown = client.expect_event("campaign:status");
    client.expect_event("subscribed");
    shown["status"].clone()
}

fn lost(campaign: &str) -> Value {
    json!({"type": "campaign", "campaignId": campaign, "reason": "permission"})
}

/// Nothing has come, and nothing that was published before is on its way: the answer takes the events' way.
fn expect_nothing(client: &mut TestClient) {
    client.emit_bare("unsubscribe:system");
    assert_eq!(client.expect_event("unsubscribed"), json!({"type": "system"}));
}

/// An owner's copies come, now or soon; none that was published here is on its way then.
fn copies_come(server: &TestServer, client: &mut TestClient, status: &str) {
    eventually_true("the copies come", || {
        server.publish("campaign:c1", &changed(status));
        client.emit_bare("unsubscribe:system"); // its answer takes the events' way, as a pong would not
        let came = client.next_event().0 == "campaign:status_changed";
        if came {
            client.wait_for("unsubscribed");
        }
        came
    });
}

fn is_denied(client: &mut TestClient, campaign: &str) {
    let answer = client.request("subscribe:campaign", json!({"campaignId": campaign}));
    assert_eq!(answer["error"]["code"], "access_denied", "{answer}");
    client.expect_error("access_denied", "Access denied to campaign");
}

fn assert_error(answer: &Response, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)), "{answer:?}");
    assert!(answer.json()["error"]["message"].is_string(), "{answer:?}");
}

// ── the calls ───────────────────────────────────────────────────────────────────────────────────────────────

on_both! {
    fn a_campaign_is_made_read_replaced_and_deleted(database: Database) {
        let server = start(database);
        assert_error(&get(&server, "c1"), 404, "not_found");
        let body = json!({
            "name": "Spring", "status": "ACTIVE", "statusAt": "2026-05-04T12:20:30.1239+02:00", "ownerId": "o|1",
            "metadata": {"budget": 5, "tags": ["ü"]},
        });
        let made = server.call("PUT", &path("c1"), &publisher(), &body.to_string());
        let expected = json!({
            "campaignId": "c1", "name": "Spring", "status": "ACTIVE", "statusAt": "2026-05-04T10:20:30.123Z",
            "ownerId": "o|1", "metadata": {"budget": 5, "tags": ["ü"]}, "participants": [],
        });
        assert_eq!((made.status, made.json()), (201, expected.clone()));
        assert_eq!((get(&server, "c1").status, get(&server, "c1").json()), (200, expected.clone()));
        // what was answered may be sent back
        let again = server.call("PUT", &path("c1"), &publisher(), &expected.to_string());
        assert_eq!((again.status, again.json()), (200, expected));

        for user in ["u2", "u1", "u1"] {
            add(&server, "c1", user);
        }
        add(&server, "c1", "gone");
        remove(&server, "c1", "gone");
        remove(&server, "c1", "never");
        assert_eq!(get(&server, "c1").json()["participants"], json!(["u1", "u2"]));
        let replaced = json!({
            "campaignId": "c1", "name": null, "status": null, "statusAt": null, "ownerId": null, "metadata": null,
            "participants": ["u1", "u2"],
        });
        assert_eq!(put(&server, "c1", json!({})), replaced);
        delete(&server, "c1");
        assert_error(&get(&server, "c1"), 404, "not_found");
        delete(&server, "c1");
        assert_eq!(put(&server, "c1", json!({}))["participants"], json!([]));
    }

    fn a_status_is_of_now_and_an_older_one_leaves_it(database: Database) {
        let server = start(database);
        let before = roomcast::clock::now_ms();
        let at = put(&server, "c1", json!({"status": "A"}))["statusAt"].as_str().unwrap().to_owned();
        let at = roomcast::clock::parse_rfc3339(&at).unwrap();
        assert!((before..=roomcast::clock::now_ms()).contains(&at));
        let now = put(&server, "c1", json!({"name": "N", "status": "OLD", "statusAt": at - 1}));
        assert_eq!((&now["name"], &now["status"]), (&json!("N"), &json!("A")));
        let now = put(&server, "c1", json!({"status": "B", "statusAt": at}));
        assert_eq!(now["status"], "B", "of the same time the later one counts");
        // one that is none is no newer than any that follows
        assert_eq!(put(&server, "c1", json!({"statusAt": at - 1}))["status"], "B");
        assert_eq!(put(&server, "c1", json!({"statusAt": at}))["status"], Value::Null);
        assert_eq!(put(&server, "c1", json!({"status": "C", "statusAt": 1}))["status"], "C");
    }

    fn ids_of_every_script_are_percent_encoded_in_the_path(database: Database) {
        let server = start(database);
        for (raw, id) in [
            ("auth0%7C64af", "auth0|64af"), ("a%2Fb%2Fparticipants%2Fx", "a/b/participants/x"), ("a+b", "a+b"),
            ("a%2Bb", "a+b"), ("%25%32%46", "%2F"), ("%E5%9B%A2%E9%98%9F", "团队"), ("%F0%9F%98%80", "😀"),
            ("a:b'--%22", "a:b'--\""),
        ] {
            assert_eq!(put(&server, raw, json!({"name": id}))["campaignId"], json!(id), "{raw}");
            add(&server, raw, raw);
            let read = get(&server, raw).json();
            assert_eq!((&read["campaignId"], &read["participants"]), (&json!(id), &json!([id])), "{raw}");
            delete(&server, raw);
            assert_eq!(get(&server, raw).status, 404, "{raw}");
        }
        for raw in ["%20", "a%00b", "%FF", "a%0Ab", &"x".repeat(129)] {
            for method in ["GET", "PUT", "DELETE"] {
                let body = if method == "PUT" { "{}" } else { "" };
                assert_error(&server.call(method, &path(raw), &publisher(), body), 400, "invalid_payload");
            }
            for method in ["PUT", "DELETE"] {
                assert_error(&server.call(method, &part("c", raw), &publisher(), ""), 400, "invalid_payload");
                assert_error(&server.call(method, &part(raw, "u"), &publisher(), ""), 400, "invalid_payload");
            }
        }
    }

    fn what_is_wrong_is_refused_and_changes_nothing(database: Database) {
        let server = start(database);
        let good = put(&server, "c1", json!({"name": "N", "status": "A", "metadata": {"k": "v"}}));
        let ahead = roomcast::clock::now_ms() + 600_000;
        for body in [
            "", "{", "[]", "null", "1", r#"{"name":1}"#, r#"{"status":{}}"#, r#"{"ownerId":"a b"}"#,
            r#"{"ownerId":""}"#, r#"{"statusAt":"yesterday"}"#, r#"{"campaignId":"c2"}"#, r#"{"campaignId":7}"#,
            r#"{"name":"a\u0000b"}"#, r#"{"status":"\u0000"}"#, r#"{"metadata":["\u0000"]}"#,
            r#"{"ignored":"\u0000"}"#, r#"{"name":"\ud800"}"#, r#"{"name":"a","name":"b"}"#,
            &format!(r#"{{"statusAt":{ahead}}}"#),
            &format!(r#"{{"metadata":{}{}}}"#, "[".repeat(200), "]".repeat(200)),
        ] {
            assert_error(&server.call("PUT", &path("c1"), &publisher(), body), 400, "invalid_payload");
        }
        let metadata = |bytes: usize| json!({"metadata": "x".repeat(bytes - 2)}).to_string();
        assert_eq!(server.call("PUT", &path("c2"), &publisher(), &metadata(16 * 1024)).status, 201);
        let answer = server.call("PUT", &path("c1"), &publisher(), &metadata(16 * 1024 + 1));
        assert_error(&answer, 413, "too_large");
        let answer = server.call("PUT", &path("c1"), &publisher(), &format!(r#"{{"name":"{}"}}"#, "x".repeat(1_000_000)));
        assert_error(&answer, 413, "too_large");
        for method in ["POST", "PATCH"] {
            assert_error(&server.call(method, &path("c1"), &publisher(), "{}"), 405, "method_not_allowed");
        }
        assert_eq!(get(&server, "c1").json(), good);
    }

    fn a_participant_may_be_known_before_the_campaign_is(database: Database) {
        let server = start(database);
        add(&server, "c1", "u1");
        assert_error(&get(&server, "c1"), 404, "not_found");
        let mut client = member(&server, Protocol::Plain, &user("u1"), "c1");
        server.publish("campaign:c1", &changed("A"));
        assert_eq!(client.expect_event("campaign:status_changed")["status"], "A");
        assert_eq!(put(&server, "c1", json!({"name": "N"}))["participants"], json!(["u1"]));
    }
}

#[test]
fn admins_holders_of_publish_and_api_keys_may_and_nobody_else() {
    let server = TestServer::builder().set("auth.api_keys", KEY).start();
    let calls = [
        ("PUT", "/c1"),
        ("GET", "/c1"),
        ("PUT", "/c1/participants/u1"),
        ("DELETE", "/c1/participants/u1"),
        ("DELETE", "/c1"),
    ];
    let call = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let body = if (method, path) == ("PUT", "/c1") { "{}" } else { "" };
        http::call(method, &server.url(&format!("/api/v1/campaigns{path}")), headers, body)
    };
    let bearer = |token: String| format!("Bearer {token}");
    let weak = bearer(Claims::of("u1").with("permissions", json!(["system:read", "not-publish"])).token());
    let wrong = bearer(Claims::of("u1").with("exp", json!(1)).token());
    for (method, path) in calls {
        assert_error(&call(method, path, &[]), 401, "auth_failed");
        assert_error(&call(method, path, &[("Authorization", &wrong)]), 401, "auth_failed");
        assert_error(
            &call(method, path, &[("X-Api-Key", "another-key-which-is-not-configured")]),
            401,
            "auth_failed",
        );
        assert_error(&call(method, path, &[("Authorization", &weak)]), 403, "access_denied");
    }
    let (boss, backend) = (bearer(admin("a")), bearer(publisher()));
    for header in [("Authorization", boss.as_str()), ("Authorization", backend.as_str()), ("X-Api-Key", KEY)]
    {
        for (method, path) in calls {
            let status = call(method, path, &[header]).status;
            assert!((200..300).contains(&status), "{method} {path} {header:?}: {status}");
        }
    }
}

// ── who is put out ──────────────────────────────────────────────────────────────────────────────────────────

over_and_on_both! {
    fn a_removed_participant_leaves_at_once_with_all_his_sockets_and_stays_out_until_added_again(
        protocol: Protocol, database: Database
    ) {
        let server = start(database);
        put(&server, "c%7C1", json!({"status": "A", "ownerId": "o"}));
        add(&server, "c%7C1", "u1");
        add(&server, "c%7C1", "u2");
        let claims = Claims::of("u1").with("participatingCampaigns", json!(["c|1"])).with("ownedCampaigns", json!(["c|1"]));
        let mut gone = [
            member(&server, protocol, &user("u1"), "c|1"),
            member(&server, protocol, &user("u1"), "c|1"),
            member(&server, protocol, &claims.token(), "c|1"),
        ];
        let mut stays = member(&server, protocol, &user("u2"), "c|1");
        remove(&server, "c%7C1", "u1");
        server.publish("campaign:c|1", &changed("B"));
        for client in &mut gone {
            assert_eq!(client.expect_event("unsubscribed"), lost("c|1"));
            expect_nothing(client);
            is_denied(client, "c|1");
        }
        assert_eq!(stays.expect_event("campaign:status_changed")["status"], "B");
        add(&server, "c%7C1", "u1");
        for client in &mut gone {
            assert_eq!(snapshot(client, "c|1"), "B");
        }
    }

    fn an_admin_and_the_owner_stay_when_they_are_removed_as_participants(protocol: Protocol, database: Database) {
        let server = start(database);
        put(&server, "c1", json!({"ownerId": "owner"}));
        let mut clients =
            [member(&server, protocol, &user("owner"), "c1"), member(&server, protocol, &admin("boss"), "c1")];
        for user in ["owner", "boss"] {
            add(&server, "c1", user);
            remove(&server, "c1", user);
        }
        server.publish("campaign:c1", &changed("B"));
        for client in &mut clients {
            assert_eq!(client.expect_event("campaign:status_changed")["status"], "B");
        }
        // the owner's other right is gone, and now his last one
        put(&server, "c1", json!({"ownerId": "next"}));
        assert_eq!(clients[0].expect_event("unsubscribed"), lost("c1"));
        is_denied(&mut clients[0], "c1");
        expect_nothing(&mut clients[1]);
    }

    fn a_change_of_owner_puts_the_old_one_out_unless_another_right_holds(protocol: Protocol, database: Database) {
        let server = start(database);
        for (campaign, owner) in [("c1", "plain"), ("c2", "part"), ("c3", "claims"), ("c4", "barred")] {
            put(&server, campaign, json!({"ownerId": owner, "status": "A"}));
        }
        add(&server, "c2", "part");
        remove(&server, "c4", "barred");
        let claims = |sub: &str, campaign: &str| Claims::of(sub).with("participatingCampaigns", json!([campaign])).token();
        let mut plain = member(&server, protocol, &user("plain"), "c1");
        let mut part = member(&server, protocol, &user("part"), "c2");
        let mut claimant = member(&server, protocol, &claims("claims", "c3"), "c3");
        let mut barred = member(&server, protocol, &claims("barred", "c4"), "c4");
        for campaign in ["c1", "c2", "c3", "c4"] {
            put(&server, campaign, json!({"ownerId": "next", "status": "A"}));
            server.publish(&format!("campaign:{campaign}"), &json!({"eventType": "updated"}));
        }
        assert_eq!(plain.expect_event("unsubscribed"), lost("c1"));
        expect_nothing(&mut plain);
        part.expect_event("campaign:updated");
        claimant.expect_event("campaign:updated");
        assert_eq!(barred.expect_event("unsubscribed"), lost("c4"));
        expect_nothing(&mut barred);
        for campaign in ["c1", "c2", "c3", "c4"] {
            assert_eq!(snapshot(&mut server.connect(protocol, &user("next")), campaign), "A");
        }
    }

    fn a_deleted_campaign_leaves_only_those_whose_right_is_not_the_stores(protocol: Protocol, database: Database) {
        let server = start(database);
        put(&server, "c1", json!({"ownerId": "owner", "status": "A"}));
        add(&server, "c1", "part");
        let claims = Claims::of("claims").with("participatingCampaigns", json!(["c1"])).token();
        let mut out = [member(&server, protocol, &user("owner"), "c1"), member(&server, protocol, &user("part"), "c1")];
        let mut stay = [member(&server, protocol, &claims, "c1"), member(&server, protocol, &admin("boss"), "c1")];
        delete(&server, "c1");
        server.publish("campaign:c1", &json!({"eventType": "updated"}));
        for client in &mut out {
            assert_eq!(client.expect_event("unsubscribed"), lost("c1"));
            expect_nothing(client);
            is_denied(client, "c1");
        }
        for client in &mut stay {
            client.expect_event("campaign:updated");
            assert_eq!(snapshot(client, "c1"), Value::Null);
        }
    }

    fn nobody_gets_in_by_a_subscribe_that_was_under_way_when_he_was_removed(protocol: Protocol, database: Database) {
        let server = start(database);
        put(&server, "c1", json!({"status": "A"}));
        let claims = Claims::of("u1").with("participatingCampaigns", json!(["c1"])).token();
        let mut client = server.connect(protocol, &claims);
        let mut witness = member(&server, protocol, &admin("a"), "c1");
        for round in 0..40 {
            add(&server, "c1", "u1");
            let removal = server.url(&part("c1", "u1"));
            std::thread::scope(|scope| {
                scope.spawn(|| assert_eq!(call_url("DELETE", &removal, "").status, 204));
                client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
            });
            server.publish("campaign:c1", &json!({"eventType": "updated", "round": round}));
            // let in and put out again, denied at once, or asked too late: but never an event
            match client.next_event() {
                (name, _) if name == "error" => {}
                (name, data) => {
                    assert_eq!((name.as_str(), &data["status"]), ("campaign:status", &json!("A")));
                    client.expect_event("subscribed");
                    assert_eq!(client.expect_event("unsubscribed"), lost("c1"));
                }
            }
            expect_nothing(&mut client);
            assert_eq!(witness.expect_event("campaign:updated")["round"], round);
        }
    }

    fn what_comes_before_the_removal_comes_and_nothing_after_it(protocol: Protocol, database: Database) {
        let server = start(database);
        put(&server, "c1", json!({}));
        add(&server, "c1", "u1");
        let mut client = member(&server, protocol, &user("u1"), "c1");
        let events = server.url("/api/v1/events");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for batch in 0..20 {
                    let item = |n| json!({"channel": "campaign:c1", "payload": {"eventType": "updated", "n": batch * 20 + n}});
                    let items: Value = (0..20).map(item).collect();
                    assert_eq!(call_url("POST", &events, &items.to_string()).status, 202);
                }
            });
            assert_eq!(client.expect_event("campaign:updated")["n"], 0);
            remove(&server, "c1", "u1");
        });
        let mut next = 1;
        let last = loop {
            match client.next_event() {
                (name, data) if name == "campaign:updated" => {
                    assert_eq!(data["n"], next);
                    next += 1;
                }
                other => break other,
            }
        };
        assert_eq!(last, ("unsubscribed".to_owned(), lost("c1")));
        expect_nothing(&mut client);
    }
}

// ── owner copies ────────────────────────────────────────────────────────────────────────────────────────────

over_and_on_both! {
    fn owner_copies_follow_a_new_campaign_a_change_of_owner_and_a_delete_at_once(protocol: Protocol, database: Database) {
        let server = start(database);
        let mut one = in_user_room(&server, protocol, &user("one"));
        let mut two = in_user_room(&server, protocol, &user("two"));
        put(&server, "new", json!({"ownerId": "one"}));
        server.publish("campaign:new", &changed("A"));
        assert_eq!(one.expect_event("campaign:status_changed")["status"], "A");
        put(&server, "new", json!({"ownerId": "two"}));
        server.publish("campaign:new", &changed("B"));
        assert_eq!(two.expect_event("campaign:status_changed")["status"], "B");
        put(&server, "new", json!({}));
        server.publish("campaign:new", &changed("C"));
        put(&server, "new", json!({"ownerId": "one"}));
        delete(&server, "new");
        server.publish("campaign:new", &changed("D"));
        expect_nothing(&mut one);
        expect_nothing(&mut two);
    }

    fn a_claimed_owners_copies_end_with_his_removal_and_come_back_with_him(protocol: Protocol, database: Database) {
        let server = start(database);
        put(&server, "c1", json!({}));
        let token = Claims::of("u1").with("ownedCampaigns", json!(["c1"])).token();
        let mut client = in_user_room(&server, protocol, &token);
        server.publish("campaign:c1", &changed("A"));
        assert_eq!(client.expect_event("campaign:status_changed")["status"], "A");
        remove(&server, "c1", "u1");
        server.publish("campaign:c1", &changed("B"));
        expect_nothing(&mut client);
        add(&server, "c1", "u1");
        copies_come(&server, &mut client, "C");
        // an owner that the store names takes them, and one that it names no more gives them back
        put(&server, "c1", json!({"ownerId": "other"}));
        server.publish("campaign:c1", &changed("D"));
        expect_nothing(&mut client);
        put(&server, "c1", json!({}));
        copies_come(&server, &mut client, "E");
    }
}

// ── a status that is set here ───────────────────────────────────────────────────────────────────────────────

over_and_on_both! {
    fn a_status_that_is_put_is_ordered_like_an_event_without_a_message(protocol: Protocol, database: Database) {
        let server = start(database);
        let mut watching = member(&server, protocol, &admin("a"), "c1");
        let mut asking = server.connect(protocol, &admin("b"));
        let now = roomcast::clock::now_ms();
        server.publish("campaign:c1", &changed_at("EVENT", now - 1_000));
        put(&server, "c1", json!({"status": "PUT", "statusAt": now - 500}));
        assert_eq!(snapshot(&mut asking, "c1"), "PUT");
        // a late event is delivered like any other, and changes no snapshot
        server.publish("campaign:c1", &changed_at("LATE", now - 700));
        assert_eq!(asking.expect_event("campaign:status_changed")["status"], "LATE");
        assert_eq!(snapshot(&mut asking, "c1"), "PUT");
        server.publish("campaign:c1", &changed_at("NEW", now - 400));
        asking.expect_event("campaign:status_changed");
        put(&server, "c1", json!({"status": "OLD PUT", "statusAt": now - 450}));
        assert_eq!(snapshot(&mut asking, "c1"), "NEW");
        for status in ["EVENT", "LATE", "NEW"] {
            assert_eq!(watching.expect_event("campaign:status_changed")["status"], status);
        }
        expect_nothing(&mut watching);
    }

    fn no_snapshot_is_older_than_a_status_that_was_put_before_it(protocol: Protocol, database: Database) {
        let server = start(database);
        let mut client = server.connect(protocol, &admin("a"));
        let start = roomcast::clock::now_ms() - 100_000;
        for round in 0..40 {
            // an older event is still on its way to the store when the status is put
            server.publish("campaign:c1", &changed_at("EVENT", start + 10 * round));
            let put_as = format!("PUT {round}");
            put(&server, "c1", json!({"status": put_as, "statusAt": start + 10 * round + 1}));
            server.publish("campaign:c1", &changed_at("LATE", start + 10 * round));
            client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
            assert_eq!(client.wait_for("campaign:status")["status"], put_as);
            client.emit("unsubscribe:campaign", json!({"campaignId": "c1"}));
            client.wait_for("unsubscribed");
        }
    }
}

// ── a database that cannot answer ───────────────────────────────────────────────────────────────────────────

fn each_call(server: &TestServer) -> Vec<(String, Response)> {
    let calls = [
        ("GET", path("c1"), ""),
        ("PUT", path("c1"), r#"{"name":"M","status":"B"}"#),
        ("PUT", part("c1", "u1"), ""),
        ("DELETE", part("c1", "u2"), ""),
        ("DELETE", path("c2"), ""),
    ];
    let call = |(method, path, body): (&str, String, &str)| {
        (format!("{method} {path}"), server.call(method, &path, &publisher(), body))
    };
    calls.into_iter().map(call).collect()
}

fn while_away(server: &TestServer, may_read: bool) {
    let start = Instant::now();
    for (call, answer) in each_call(server) {
        if call.starts_with("GET") && may_read {
            assert_eq!(answer.status, 200);
            continue;
        }
        assert_error(&answer, 503, "unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"), "{call}");
    }
    assert!(start.elapsed() < PATIENCE, "each is answered when database.timeout_ms is over");
}

fn afterwards(server: &TestServer) {
    // what was asked for meanwhile is done, in its order, and then what follows
    eventually_true("it recovers by itself", || get(server, "c1").status == 200);
    assert_eq!(put(server, "c1", json!({"name": "after", "status": "C"}))["name"], "after");
    assert_eq!(get(server, "c1").json()["participants"], json!(["u1"]));
    assert_eq!(get(server, "c2").status, 404);
}

#[test]
fn while_postgres_does_not_answer_each_call_is_told_so_in_time() {
    let server = TestServer::builder().on(Database::Postgres).set("database.timeout_ms", 400).start();
    for campaign in ["c1", "c2"] {
        put(&server, campaign, json!({"status": "A"}));
    }
    let mut lock = server.postgres();
    lock.batch_execute("BEGIN; LOCK TABLE campaigns, campaign_participants").unwrap();
    while_away(&server, false);
    lock.batch_execute("COMMIT").unwrap();
    afterwards(&server);
}

#[test]
fn while_the_file_is_locked_by_another_process_changes_are_told_so_in_time_and_reads_go_on() {
    let server = TestServer::builder().set("database.timeout_ms", 400).start();
    for campaign in ["c1", "c2"] {
        put(&server, campaign, json!({"status": "A"}));
    }
    let mut lock = server.store();
    lock.execute("BEGIN IMMEDIATE");
    while_away(&server, true);
    lock.execute("COMMIT");
    afterwards(&server);
}
