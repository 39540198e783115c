//! `auth:refresh`: a fresh token on the live socket.

use crate::common::*;
use crate::hub::*;
use crate::{over_both, over_every_transport};

over_every_transport! {
    fn auth_refresh_lets_a_socket_outlive_its_first_token(protocol: Protocol) {
        let server = TestServer::builder().set("auth.expiry_warning_ms", 1_000).set("auth.leeway_ms", 0).start();
        let mut client = server.connect(protocol, &expiring_in("u1", 2).token());
        let exp = tokens::now() + 5;
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
        let (url, bearer) = (server.url("/api/v1/events"), format!("Bearer {}", tokens::publisher()));
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
