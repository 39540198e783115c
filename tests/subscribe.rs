//! Rooms: who may join, what is answered and in which order, and what is no request at all.
#![cfg(feature = "hub")]

mod common;

use common::*;
use std::time::Duration;

fn campaign(id: &str) -> Value {
    json!({"campaignId": id})
}

/// Subscribes and passes over the snapshot.
fn join(client: &mut TestClient, id: &str) {
    client.emit("subscribe:campaign", campaign(id));
    assert_eq!(client.expect_event("campaign:status")["campaignId"], id);
    assert_eq!(client.expect_event("subscribed"), json!({"type": "campaign", "campaignId": id}));
}

fn update(server: &TestServer, id: &str, n: u64) {
    server.publish(&format!("campaign:{id}"), &json!({"eventType": "updated", "campaignId": id, "n": n}));
}

over_every_transport! {
    fn a_subscriber_gets_the_snapshot_then_subscribed_then_the_answer_then_live_events(protocol: Protocol) {
        let server = TestServer::start();
        server.store().campaign("c1", Some("u1"), "RUNNING");
        let mut client = server.connect(protocol, &user("u1"));
        let id = client.emit_ack("subscribe:campaign", campaign("c1"));
        assert_eq!(
            client.expect_event("campaign:status"),
            json!({"campaignId": "c1", "status": "RUNNING", "metadata": {"budget": 5}, "timestamp": "2023-11-14T22:13:20.000Z"})
        );
        let subscribed = json!({"type": "campaign", "campaignId": "c1"});
        assert_eq!(client.expect_event("subscribed"), subscribed);
        assert_eq!(client.expect_answer(&id), json!({"ok": true, "data": subscribed}));
        update(&server, "c1", 1);
        assert_eq!(client.expect_event("campaign:updated")["n"], 1);
    }

    fn a_request_without_an_ack_is_answered_with_events_alone(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &admin("a"));
        join(&mut client, "c1");
        client.expect_nothing_but_pong();
    }

    fn owner_participants_admins_and_holders_of_a_claim_may_join(protocol: Protocol) {
        let server = TestServer::start();
        let mut store = server.store();
        store.campaign("c1", Some("owner"), "RUNNING");
        store.participant("c1", "participant");
        for token in [
            user("owner"),
            user("participant"),
            admin("somebody"),
            Claims::of("x").with("ownedCampaigns", json!(["c0", "c1"])).token(),
            Claims::of("y").with("participatingCampaigns", json!(["c1"])).token(),
        ] {
            join(&mut server.connect(protocol, &token), "c1");
        }
    }

    fn everybody_else_is_denied_and_hears_nothing(protocol: Protocol) {
        let server = TestServer::start();
        server.store().campaign("c1", Some("owner"), "RUNNING");
        let publisher = common::tokens::publisher();
        let almost = Claims::of("x").with("permissions", json!(["not-admin", "system:read"]));
        for token in [user("u1"), publisher, almost.with("ownedCampaigns", json!(["c2"])).token()] {
            let mut client = server.connect(protocol, &token);
            let id = client.emit_ack("subscribe:campaign", campaign("c1"));
            assert_eq!(
                client.expect_event("error"),
                json!({
                    "code": "access_denied", "message": "Access denied to campaign",
                    "event": "subscribe:campaign", "campaignId": "c1",
                })
            );
            assert_eq!(
                client.expect_answer(&id),
                json!({"ok": false, "error": {"code": "access_denied", "message": "Access denied to campaign"}})
            );
            update(&server, "c1", 1);
            client.expect_nothing_but_pong();
        }
    }

    fn a_campaign_that_the_store_does_not_know_has_nulls_to_who_may_see_it(protocol: Protocol) {
        let server = TestServer::start();
        let mut boss = server.connect(protocol, &admin("a"));
        boss.emit("subscribe:campaign", campaign("new"));
        let nulls = json!({"campaignId": "new", "status": null, "metadata": null, "timestamp": null});
        assert_eq!(boss.expect_event("campaign:status"), nulls);
        boss.expect_event("subscribed");
        let mut stranger = server.connect(protocol, &user("u1"));
        stranger.emit("subscribe:campaign", campaign("new"));
        stranger.expect_error("access_denied", "Access denied to campaign");
    }

    fn a_snapshot_shows_the_newest_status_that_was_published(protocol: Protocol) {
        let server = TestServer::start();
        let status = |to: &str, at: &str| json!({"eventType": "status.changed", "toStatus": to, "trigger": "t", "timestamp": at});
        server.publish("campaign:c1", &status("RUNNING", "2026-05-04T10:00:02Z"));
        server.publish("campaign:c1", &status("LATE", "2026-05-04T10:00:01Z"));
        let mut client = server.connect(protocol, &admin("a"));
        client.emit("subscribe:campaign", campaign("c1"));
        let snapshot = client.expect_event("campaign:status");
        assert_eq!((&snapshot["status"], &snapshot["timestamp"]), (&json!("RUNNING"), &json!("2026-05-04T10:00:02.000Z")));
    }

    fn who_unsubscribes_is_told_and_hears_nothing_more(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &admin("a"));
        join(&mut client, "c1");
        let id = client.emit_ack("unsubscribe:campaign", campaign("c1"));
        let left = json!({"type": "campaign", "campaignId": "c1"});
        assert_eq!(client.expect_event("unsubscribed"), left);
        assert_eq!(client.expect_answer(&id), json!({"ok": true, "data": left}));
        update(&server, "c1", 1);
        client.expect_nothing_but_pong();
    }

    fn leaving_a_room_that_one_is_not_in_is_answered_like_leaving(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &user("u1"));
        client.emit("unsubscribe:campaign", campaign("foreign"));
        assert_eq!(client.expect_event("unsubscribed"), json!({"type": "campaign", "campaignId": "foreign"}));
        client.emit_bare("unsubscribe:user");
        assert_eq!(client.expect_event("unsubscribed"), json!({"type": "user", "userId": "u1"}));
        client.emit_bare("unsubscribe:system");
        assert_eq!(client.expect_event("unsubscribed"), json!({"type": "system"}));
    }

    fn subscribing_twice_sends_the_snapshot_again_and_each_event_once(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &admin("a"));
        join(&mut client, "c1");
        join(&mut client, "c1");
        update(&server, "c1", 1);
        update(&server, "c1", 2);
        assert_eq!(client.expect_event("campaign:updated")["n"], 1);
        assert_eq!(client.expect_event("campaign:updated")["n"], 2);
        client.expect_nothing_but_pong();
        client.emit("unsubscribe:campaign", campaign("c1"));
        client.expect_event("unsubscribed");
        update(&server, "c1", 3);
        client.expect_nothing_but_pong();
    }

    fn ids_of_every_script_and_with_signs_work(protocol: Protocol) {
        let server = TestServer::start();
        let longest = "x".repeat(128);
        for id in ["auth0|c1", "a/b/c", "活动一", "a+b", "кампания", "50%", "a:b", "{}", "\"quoted\"", "🎪", longest.as_str()] {
            let mut client = server.connect(protocol, &Claims::of(id).with("ownedCampaigns", json!([id])).token());
            join(&mut client, id);
            update(&server, id, 1);
            assert_eq!(client.expect_event("campaign:updated")["campaignId"], id);
            client.emit_bare("subscribe:user");
            assert_eq!(client.expect_event("subscribed"), json!({"type": "user", "userId": id}));
            server.publish(&format!("user:{id}"), &json!({"type": "info", "title": "t", "message": "m"}));
            client.expect_event("notification");
        }
    }

    fn what_is_no_id_is_an_invalid_payload(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &admin("a"));
        let too_long = "x".repeat(129);
        for id in [json!(""), json!("a b"), json!("a\nb"), json!("a\u{0}b"), json!("a\u{a0}b"), json!(too_long), json!(5), json!(null), json!(["c1"])] {
            let request = client.emit_ack("subscribe:campaign", json!({"campaignId": id}));
            let error = client.expect_event("error");
            assert_eq!((&error["code"], &error["event"]), (&json!("invalid_payload"), &json!("subscribe:campaign")), "{id}");
            assert_eq!(client.expect_answer(&request)["error"]["code"], "invalid_payload");
        }
        client.expect_nothing_but_pong();
    }

    fn an_event_without_its_payload_or_of_wrong_types_is_an_invalid_payload(protocol: Protocol) {
        let server = TestServer::start();
        let mut other = server.connect(protocol, &user("u2"));
        let mut client = server.connect(protocol, &admin("a"));
        let events = ["subscribe:campaign", "unsubscribe:campaign", "notifications:read"];
        for event in events {
            client.emit_bare(event);
            assert_eq!(client.expect_event("error")["event"], event);
            for data in [json!(null), json!("c1"), json!(7), json!(true), json!([]), json!({}), json!({"campaignId": {}}), json!({"ids": "n1"})] {
                client.emit(event, data.clone());
                let error = client.expect_event("error");
                assert_eq!((&error["code"], &error["event"]), (&json!("invalid_payload"), &json!(event)), "{event} {data}");
            }
        }
        for data in [json!({"userId": 5}), json!({"userId": ""}), json!("u1"), json!([1])] {
            client.emit("subscribe:user", data.clone());
            assert_eq!(client.expect_event("error")["code"], "invalid_payload", "{data}");
        }
        client.expect_nothing_but_pong();
        other.expect_nothing_but_pong();
    }

    fn an_unknown_event_is_named_in_the_error(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &user("u1"));
        for name in ["nonsense", "campaign:updated", "Subscribe:campaign", "订阅"] {
            let id = client.emit_ack(name, json!({}));
            let error = client.expect_error("unknown_event", &format!("Unknown event {name}"));
            assert_eq!(error["event"], name);
            assert_eq!(client.expect_answer(&id)["ok"], false);
        }
        client.expect_nothing_but_pong();
    }

    fn the_own_user_room_needs_no_id_and_a_foreign_one_is_denied(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &user("u1"));
        let own = json!({"type": "user", "userId": "u1"});
        for data in [json!({}), json!({"userId": "u1"}), json!(null)] {
            let id = client.emit_ack("subscribe:user", data);
            assert_eq!(client.expect_event("subscribed"), own);
            assert_eq!(client.expect_answer(&id), json!({"ok": true, "data": own}));
        }
        client.emit_bare("subscribe:user");
        assert_eq!(client.expect_event("subscribed"), own);
        client.emit("subscribe:user", json!({"userId": "u2"}));
        let error = client.expect_error("access_denied", "Access denied to user");
        assert_eq!((&error["event"], &error["userId"]), (&json!("subscribe:user"), &json!("u2")));
        client.emit("unsubscribe:user", json!({"userId": "u1"}));
        assert_eq!(client.expect_event("unsubscribed"), own);
    }

    fn an_admin_may_join_a_users_room(protocol: Protocol) {
        let server = TestServer::start();
        let mut boss = server.connect(protocol, &admin("a"));
        boss.emit("subscribe:user", json!({"userId": "u1"}));
        assert_eq!(boss.expect_event("subscribed"), json!({"type": "user", "userId": "u1"}));
        server.publish("user:u1", &json!({"type": "info", "title": "t", "message": "m"}));
        assert_eq!(boss.expect_event("notification")["title"], "t");
    }

    fn the_system_room_is_for_admins_and_who_may_read_it(protocol: Protocol) {
        let server = TestServer::start();
        let reader = Claims::of("r").with("permissions", json!(["system:read"])).token();
        for token in [admin("a"), reader] {
            let mut client = server.connect(protocol, &token);
            let id = client.emit_ack("subscribe:system", json!(null));
            assert_eq!(client.expect_event("subscribed"), json!({"type": "system"}));
            assert_eq!(client.expect_answer(&id), json!({"ok": true, "data": {"type": "system"}}));
        }
        let mut client = server.connect(protocol, &common::tokens::publisher());
        client.emit_bare("subscribe:system");
        let error = client.expect_error("admin_required", "Admin access required");
        assert_eq!(error["event"], "subscribe:system");
    }

    fn ping_is_answered_with_the_time(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &user("u1"));
        let before = roomcast::clock::now_ms();
        let id = client.emit_ack("ping", json!(null));
        let pong = client.expect_event("pong");
        assert!((before..=roomcast::clock::now_ms()).contains(&pong["timestamp"].as_i64().unwrap()), "{pong}");
        assert_eq!(client.expect_answer(&id), json!({"ok": true, "data": pong}));
    }

    fn a_full_room_refuses_newcomers_but_never_who_is_in_it(protocol: Protocol) {
        let server = TestServer::builder().set("limits.room_size", 2).start();
        let mut one = server.connect(protocol, &admin("a"));
        let mut two = server.connect(protocol, &admin("b"));
        let mut three = server.connect(protocol, &admin("c"));
        join(&mut one, "c1");
        join(&mut two, "c1");
        let id = three.emit_ack("subscribe:campaign", campaign("c1"));
        let error = three.expect_error("room_full", "Room campaign:c1 is full");
        assert_eq!((&error["event"], &error["campaignId"]), (&json!("subscribe:campaign"), &json!("c1")));
        assert_eq!(three.expect_answer(&id)["error"]["code"], "room_full");
        join(&mut two, "c1");
        update(&server, "c1", 1);
        two.expect_event("campaign:updated");
        three.expect_nothing_but_pong();
        one.close();
        eventually_true("the one is gone", || server.connections() == 2);
        join(&mut three, "c1");
    }

    fn a_socket_in_too_many_rooms_is_refused_further_ones(protocol: Protocol) {
        let server = TestServer::builder().set("limits.rooms_per_socket", 2).start();
        let mut client = server.connect(protocol, &admin("a"));
        join(&mut client, "c1");
        join(&mut client, "c2");
        client.emit("subscribe:campaign", campaign("c3"));
        let error = client.expect_error("room_limit", "Too many rooms");
        assert_eq!((&error["event"], &error["campaignId"]), (&json!("subscribe:campaign"), &json!("c3")));
        join(&mut client, "c2");
        client.emit("unsubscribe:campaign", campaign("c1"));
        client.expect_event("unsubscribed");
        join(&mut client, "c3");
    }

    fn who_vanishes_leaves_its_rooms(protocol: Protocol) {
        let server = TestServer::builder().set("limits.room_size", 1).start();
        let mut one = server.connect(protocol, &admin("a"));
        join(&mut one, "c1");
        one.vanish();
        eventually_true("it is noticed", || server.connections() == 0);
        join(&mut server.connect(protocol, &admin("b")), "c1");
    }

    fn requests_sent_in_one_go_are_answered_in_their_order(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &admin("a"));
        for _ in 0..20 {
            client.emit_bare("ping");
        }
        for n in 0..10 {
            client.emit("unsubscribe:campaign", campaign(&format!("c{n}")));
        }
        for _ in 0..20 {
            client.expect_event("pong");
        }
        for n in 0..10 {
            assert_eq!(client.expect_event("unsubscribed")["campaignId"], format!("c{n}"));
        }
    }

    fn a_subscribe_that_is_taken_back_at_once_leaves_the_client_outside(protocol: Protocol) {
        let server = TestServer::start();
        server.store().campaign("c1", None, "RUNNING");
        let mut client = server.connect(protocol, &admin("a"));
        for n in 0..20 {
            let join = client.emit_ack("subscribe:campaign", campaign("c1"));
            let leave = client.emit_ack("unsubscribe:campaign", campaign("c1"));
            let mut last = None;
            let mut open = vec![join, leave];
            while !open.is_empty() {
                match client.next() {
                    Incoming::Answer(id, answer) => {
                        assert_eq!(answer["ok"], true, "{answer}");
                        open.retain(|waiting| *waiting != id);
                    }
                    Incoming::Event(name, _) => last = Some(name),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(last.as_deref(), Some("unsubscribed"));
            update(&server, "c1", n);
            client.expect_nothing_but_pong();
        }
    }
}

#[test]
fn plain_an_id_comes_back_as_it_was_sent() {
    let server = TestServer::start();
    let mut client = server.connect(Protocol::Plain, &user("u1"));
    for id in [json!(0), json!(-7), json!(1.5), json!("a"), json!("编号"), json!("x".repeat(64)), json!("a")]
    {
        client.send_text(&json!({"event": "ping", "id": id, "unknown": [1, 2]}).to_string());
        client.expect_event("pong");
        assert_eq!(client.expect_answer(&id)["ok"], true);
    }
    client.send_text(r#"{"event":"ping","id":null}"#);
    client.expect_event("pong");
    client.expect_nothing_but_pong();
}

#[test]
fn plain_what_is_no_request_is_an_invalid_payload_and_the_socket_stays_open() {
    let server = TestServer::start();
    let mut client = server.connect(Protocol::Plain, &user("u1"));
    let long_id = format!(r#"{{"event":"ping","id":"{}"}}"#, "x".repeat(65));
    for text in [
        "",
        "no json",
        "{",
        "null",
        "7",
        r#""ping""#,
        r#"[{"event":"ping"}]"#,
        r#"{"data":{}}"#,
        r#"{"event":5}"#,
        r#"{"event":"ping","id":{}}"#,
        r#"{"event":"ping","id":true}"#,
        r#"{"event":"ping"}{"event":"ping"}"#,
        long_id.as_str(),
    ] {
        client.send_text(text);
        assert_eq!(client.expect_event("error")["code"], "invalid_payload", "{text}");
    }
    client.expect_nothing_but_pong();
}

#[test]
fn a_subscriber_of_one_protocol_hears_what_one_of_the_other_hears() {
    let server = TestServer::start();
    let mut one = server.connect(Protocol::SocketIo, &admin("a"));
    let mut two = server.connect(Protocol::Plain, &admin("b"));
    join(&mut one, "c1");
    join(&mut two, "c1");
    update(&server, "c1", 1);
    let heard = one.expect_event("campaign:updated");
    assert_eq!(heard, two.expect_event("campaign:updated"));
    one.expect_silence(Duration::from_millis(50));
}

over_every_transport! {
    fn json_with_half_a_character_is_refused_with_an_answer_and_the_socket_stays(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &user("u1"));
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        for data in [r#"{"campaignId":"\ud83d"}"#, deep.as_str()] {
            client.send_text(&match protocol {
                Protocol::Plain => format!(r#"{{"event":"subscribe:campaign","data":{data},"id":77}}"#),
                _ => format!(r#"4277["subscribe:campaign",{data}]"#),
            });
            assert_eq!(client.expect_event("error")["code"], "invalid_payload");
            assert_eq!(client.expect_answer(&json!(77))["error"]["code"], "invalid_payload");
        }
        client.expect_nothing_but_pong();
    }
}
