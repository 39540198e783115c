//! Events on their way through the hub: over Redis and over HTTP, to clients of both protocols.
#![cfg(feature = "hub")]

mod common;

use common::hub::Hub;
use common::*;

fn changed(to: &str) -> Value {
    json!({"eventType": "status.changed", "toStatus": to, "trigger": "manual"})
}

over_all! {
    fn a_change_of_status_reaches_the_campaigns_room(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("a"), "c1");
        let mut outside = hub.member(protocol, &admin("b"), "c2");
        hub.publish("campaign:c1", json!({
            "eventType": "status.changed", "campaignId": "c1", "fromStatus": "DRAFT", "toStatus": "RUNNING",
            "trigger": "manual", "metadata": {"by": "ops", "deep": [1, {"x": null}]},
            "timestamp": "2026-05-04T12:20:30.1239+02:00", "eventId": "e1", "unknown": true,
        }));
        assert_eq!(client.expect_event("campaign:status_changed"), json!({
            "campaignId": "c1", "status": "RUNNING", "previousStatus": "DRAFT", "trigger": "manual",
            "timestamp": "2026-05-04T10:20:30.123Z", "metadata": {"by": "ops", "deep": [1, {"x": null}]},
        }));
        outside.expect_nothing_but_pong();
    }

    fn absent_fields_are_left_out_and_the_time_is_that_of_receipt(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("a"), "c1");
        let before = roomcast::clock::now_ms();
        hub.publish("campaign:c1", changed("RUNNING"));
        let event = client.expect_event("campaign:status_changed");
        let time = roomcast::clock::parse_rfc3339(event["timestamp"].as_str().unwrap()).unwrap();
        assert!((before..=roomcast::clock::now_ms()).contains(&time), "{event}");
        assert_eq!(event, json!({"campaignId": "c1", "status": "RUNNING", "trigger": "manual", "timestamp": event["timestamp"]}));
    }

    fn a_time_in_milliseconds_is_passed_on_as_text(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("a"), "c1");
        hub.publish("campaign:c1", json!({"eventType": "updated", "timestamp": 1_777_890_030_123_i64}));
        let event = client.expect_event("campaign:updated");
        assert_eq!(event, json!({"campaignId": "c1", "timestamp": "2026-05-04T10:20:30.123Z"}));
    }

    fn an_update_carries_its_own_fields(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("a"), "c1");
        hub.publish("campaign:c1", json!({
            "eventType": "updated", "eventId": "e9", "budget": 7, "名": "值", "nested": {"a": [1, 2]}, "none": null,
        }));
        let mut event = client.expect_event("campaign:updated");
        let timestamp = event.as_object_mut().unwrap().remove("timestamp");
        assert!(timestamp.is_some_and(|t| t.is_string()));
        assert_eq!(event, json!({"campaignId": "c1", "budget": 7, "名": "值", "nested": {"a": [1, 2]}, "none": null}));
    }

    fn the_owner_in_both_rooms_gets_one_copy_and_in_its_user_room_alone_too(protocol: Protocol, hub: Hub) {
        hub.server.store().campaign("c1", Some("owner"), "DRAFT");
        let mut both = hub.member(protocol, &user("owner"), "c1");
        both.emit_bare("subscribe:user");
        both.wait_for("subscribed");
        let mut own = hub.in_user_room(protocol, &user("owner"));
        let mut stranger = hub.in_user_room(protocol, &user("stranger"));
        hub.publish("campaign:c1", json!({"eventType": "status.changed", "toStatus": "RUNNING", "trigger": "t", "metadata": {"m": 1}}));
        let copy = both.expect_event("campaign:status_changed");
        assert_eq!(copy["metadata"], json!({"m": 1}));
        assert_eq!(own.expect_event("campaign:status_changed"), copy);
        for client in [&mut both, &mut own, &mut stranger] {
            client.expect_nothing_but_pong();
        }
    }

    fn who_owns_by_the_token_alone_gets_the_owners_copy(protocol: Protocol, hub: Hub) {
        let token = Claims::of("owner").with("ownedCampaigns", json!(["c1"])).token();
        let mut own = hub.in_user_room(protocol, &token);
        hub.publish("campaign:c1", changed("RUNNING"));
        assert_eq!(own.expect_event("campaign:status_changed")["status"], "RUNNING");
        hub.publish("campaign:c1", json!({"eventType": "updated"})); // for the campaign's room alone
        own.expect_nothing_but_pong();
    }

    fn who_owns_by_the_token_gets_no_copy_where_the_store_names_another(protocol: Protocol, hub: Hub) {
        hub.server.store().campaign("c1", Some("true-owner"), "DRAFT");
        let token = Claims::of("pretender").with("ownedCampaigns", json!(["c1"])).token();
        let mut pretender = hub.in_user_room(protocol, &token);
        let mut owner = hub.in_user_room(protocol, &user("true-owner"));
        hub.publish("campaign:c1", changed("RUNNING"));
        owner.expect_event("campaign:status_changed");
        pretender.expect_nothing_but_pong();
    }

    fn an_alert_reaches_the_system_room(protocol: Protocol, hub: Hub) {
        let mut boss = hub.server.connect(protocol, &admin("a"));
        boss.emit_bare("subscribe:system");
        boss.wait_for("subscribed");
        hub.publish("system:alerts", json!({
            "level": "critical", "title": "Disk", "message": "full", "metadata": {"node": 3}, "timestamp": 0,
        }));
        assert_eq!(boss.wait_for("system:alert"), json!({
            "level": "critical", "title": "Disk", "message": "full", "metadata": {"node": 3},
            "timestamp": "1970-01-01T00:00:00.000Z",
        }));
    }

    fn a_change_of_status_is_written_to_the_store_and_an_older_one_is_not(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("a"), "c1");
        let at = |to: &str, time: i64| json!({"eventType": "status.changed", "toStatus": to, "trigger": "t", "timestamp": time});
        hub.publish("campaign:c1", at("NEW", 2_000));
        hub.publish("campaign:c1", at("OLD", 1_000));
        assert_eq!(client.expect_event("campaign:status_changed")["status"], "NEW");
        assert_eq!(client.expect_event("campaign:status_changed")["status"], "OLD");
        eventually_true("it is written", || hub.server.store().status_of("c1").as_deref() == Some("NEW"));
        hub.publish("campaign:c1", at("NEWER", 2_000)); // the same time: the later one counts
        eventually_true("it is written", || hub.server.store().status_of("c1").as_deref() == Some("NEWER"));
    }

    fn what_cannot_be_understood_is_refused_and_counted_and_hurts_nobody(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("a"), "c1");
        client.emit_bare("subscribe:user");
        client.wait_for("subscribed");
        let far = roomcast::clock::now_ms() + 3_600_000;
        let mut bad: Vec<(&str, String)> = [
            ("campaign:c1", r#"{"eventType":"exploded"}"#),
            ("campaign:c1", r#"{"toStatus":"RUNNING","trigger":"t"}"#),
            ("campaign:c1", r#"{"eventType":"status.changed","trigger":"t"}"#),
            ("campaign:c1", r#"{"eventType":"status.changed","toStatus":5,"trigger":"t"}"#),
            ("campaign:c1", r#"{"eventType":"status.changed","toStatus":"RUNNING","trigger":"t","campaignId":"c2"}"#),
            ("campaign:c1", r#"{"eventType":"updated","campaignId":7}"#),
            ("campaign:c1", r#"{"eventType":"updated","timestamp":"yesterday"}"#),
            ("campaign:c1", r#"{"eventType":["updated"]}"#),
            ("campaign:c1", r#"[]"#),
            ("campaign:c1", r#""updated""#),
            ("campaign:c1", r#"null"#),
            ("campaign:events", r#"{"eventType":"updated"}"#),
            ("campaign:", r#"{"eventType":"updated"}"#),
            ("campaign:a b", r#"{"eventType":"updated"}"#),
            ("user:a", r#"{"type":"shout","title":"t","message":"m"}"#),
            ("user:a", r#"{"type":"info","title":"t"}"#),
            ("user:a", r#"{"type":"info","title":"t","message":"m","actionUrl":"javascript:alert(1)"}"#),
            ("user:a", r#"{"type":"info","title":"t","message":"m","userId":"b"}"#),
            ("system:alerts", r#"{"level":"loud","title":"t","message":"m"}"#),
            ("system:alerts", r#"{"level":"info","title":"t"}"#),
        ]
        .map(|(channel, payload)| (channel, payload.to_owned()))
        .into();
        bad.push(("campaign:c1", json!({"eventType": "updated", "timestamp": far}).to_string()));
        if hub.redis.is_some() {
            bad.push(("campaign:c1", "{no json".to_owned()));
            bad.push(("campaign:c1", String::new()));
            bad.push(("campaign:c1", json!({"eventType": "updated", "x": "y".repeat(1_000_001)}).to_string()));
        }
        for (channel, payload) in &bad {
            hub.publish_bad(channel, payload);
        }
        hub.publish("campaign:c1", json!({"eventType": "updated", "good": true}));
        assert_eq!(client.expect_event("campaign:updated")["good"], true);
        eventually_true("all are counted", || {
            hub.server.metric("roomcast_refused_messages_total", "") as usize == bad.len()
        });
        client.expect_nothing_but_pong();
    }

    fn five_thousand_events_come_each_once_and_in_order(protocol: Protocol, hub: Hub) {
        let mut clients: Vec<TestClient> =
            (0..4).map(|n| hub.member(protocol, &admin(&format!("a{n}")), "c1")).collect();
        let messages: Vec<(String, Value)> =
            (0..5000).map(|n| ("campaign:c1".to_owned(), json!({"eventType": "updated", "n": n}))).collect();
        hub.publish_all(&messages);
        for client in &mut clients {
            for n in 0..5000 {
                assert_eq!(client.expect_event("campaign:updated")["n"], n);
            }
            client.expect_nothing_but_pong();
        }
    }
}

#[test]
fn redis_bytes_that_are_no_utf8_are_refused_and_counted() {
    let hub = Hub::over_redis();
    let mut client = hub.member(Protocol::Plain, &admin("a"), "c1");
    let redis = hub.redis.as_ref().unwrap();
    redis.publish_text("campaign:c1", b"{\"eventType\":\"updated\",\"x\":\"\xff\xfe\"}");
    redis.publish_text(r"campaign:c1", br#"{"eventType":"updated","x":"\ud800"}"#);
    hub.publish("campaign:c1", json!({"eventType": "updated", "good": true}));
    assert_eq!(client.expect_event("campaign:updated")["good"], true);
    eventually_true("both are counted", || {
        hub.server.metric("roomcast_refused_messages_total", "") as usize == 2
    });
}

#[test]
fn http_a_batch_is_answered_item_by_item() {
    let hub = Hub::over_http();
    let mut client = hub.member(Protocol::Plain, &admin("a"), "c1");
    let batch = json!([
        {"channel": "campaign:c1", "payload": {"eventType": "updated", "n": 1}},
        {"channel": "campaign:c1", "payload": {"eventType": "nonsense"}},
        {"channel": "nowhere:c1", "payload": {"eventType": "updated"}},
        {"channel": "campaign:c1", "payload": {"eventType": "updated", "n": 2}},
    ]);
    let answer = hub.server.post("/api/v1/events", &common::tokens::publisher(), &batch);
    assert_eq!(answer.status, 202, "{answer:?}");
    let results = answer.json()["results"].clone();
    let oks: Vec<&Value> = results.as_array().unwrap().iter().map(|result| &result["ok"]).collect();
    assert_eq!(oks, [true, false, false, true]);
    assert_eq!(client.expect_event("campaign:updated")["n"], 1);
    assert_eq!(client.expect_event("campaign:updated")["n"], 2);
}

#[test]
fn http_only_who_may_publish_publishes() {
    let server = TestServer::start();
    let mut client = server.connect(Protocol::Plain, &admin("a"));
    client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
    client.wait_for("subscribed");
    let body = json!({"channel": "campaign:c1", "payload": {"eventType": "updated"}});
    let nobody = http::post(&server.url("/api/v1/events"), &[], &body.to_string());
    assert_eq!((nobody.status, &nobody.json()["error"]["code"]), (401, &json!("auth_failed")));
    let wrong = server.post("/api/v1/events", "nonsense", &body);
    assert_eq!((wrong.status, &wrong.json()["error"]["code"]), (401, &json!("auth_failed")));
    let plain_user = server.post("/api/v1/events", &user("u1"), &body);
    assert_eq!((plain_user.status, &plain_user.json()["error"]["code"]), (403, &json!("access_denied")));
    client.expect_nothing_but_pong();
    assert_eq!(server.post("/api/v1/events", &admin("b"), &body).status, 202);
    client.expect_event("campaign:updated");
}

#[test]
fn http_a_configured_key_publishes() {
    let key = "a-key-of-a-backend-that-is-long-enough-to-be-one";
    let server = TestServer::builder().set("auth.api_keys", key).start();
    let body = json!({"channel": "campaign:c1", "payload": {"eventType": "updated"}}).to_string();
    let url = server.url("/api/v1/events");
    assert_eq!(http::post(&url, &[("X-Api-Key", key)], &body).status, 202);
    assert_eq!(http::post(&url, &[("X-Api-Key", "another")], &body).status, 401);
}

#[test]
fn http_a_body_that_is_no_publication_is_an_invalid_payload() {
    let server = TestServer::start();
    let bearer = format!("Bearer {}", common::tokens::publisher());
    for body in ["", "no json", "7", "{}", r#"{"channel":"campaign:c1"}"#, r#"{"channel":5,"payload":{}}"#] {
        let answer = http::post(&server.url("/api/v1/events"), &[("Authorization", &bearer)], body);
        assert!(matches!(answer.status, 400 | 422), "{body}: {answer:?}");
        assert!(answer.body.contains("invalid_payload"), "{body}: {answer:?}");
    }
    let large =
        json!({"channel": "campaign:c1", "payload": {"eventType": "updated", "x": "y".repeat(1_100_000)}});
    let answer = server.post("/api/v1/events", &common::tokens::publisher(), &large);
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (413, &json!("too_large")));
    assert_eq!(server.get("/health/live").status, 200);
}

#[test]
fn http_a_repeat_with_the_same_event_id_is_taken_and_sent_once() {
    let hub = Hub::over_http();
    let mut client = hub.member(Protocol::Plain, &admin("a"), "c1");
    for n in 0..3 {
        hub.publish("campaign:c1", json!({"eventType": "updated", "eventId": "e1", "n": n}));
    }
    hub.publish("campaign:c1", json!({"eventType": "updated", "eventId": "e2", "n": 9}));
    assert_eq!(client.expect_event("campaign:updated")["n"], 0);
    assert_eq!(client.expect_event("campaign:updated")["n"], 9);
}

#[test]
fn fifty_clients_of_both_protocols_get_five_hundred_events_each_once_and_in_order() {
    let hub = Hub::over_redis();
    let mut clients: Vec<TestClient> = (0..50)
        .map(|n| {
            let protocol = if n % 2 == 0 { Protocol::SocketIo } else { Protocol::Plain };
            hub.member(protocol, &admin(&format!("a{n}")), "swarm")
        })
        .collect();
    let messages: Vec<(String, Value)> = (0..500)
        .map(|n| {
            let update = json!({"eventType": "updated", "n": n});
            let status = json!({"eventType": "status.changed", "toStatus": n.to_string(), "trigger": "t", "timestamp": n});
            ("campaign:swarm".to_owned(), if n % 2 == 0 { update } else { status })
        })
        .collect();
    hub.redis.as_ref().unwrap().publish_all(&messages);
    for client in &mut clients {
        for n in 0..500 {
            match client.next_event() {
                (name, data) if name == "campaign:updated" => assert_eq!(data["n"], n),
                (name, data) if name == "campaign:status_changed" => {
                    assert_eq!(data["status"], n.to_string())
                }
                other => panic!("{other:?}"),
            }
        }
        client.expect_nothing_but_pong();
    }
    eventually_true("the last status is written", || {
        hub.server.store().status_of("swarm").as_deref() == Some("499")
    });
}
