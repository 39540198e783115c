//! The rows of CONTRACT's tables 3 (permissions), 5 and 6 (events) on the running hub, those that have no
//! test elsewhere. What each row lets through and refuses in all its forms is tested where it is parsed
//! (`src/events`); here each is seen to arrive: from Redis and over HTTP, at clients of both protocols.
#![cfg(feature = "hub")]

mod common;

use common::hub::Hub;
use common::*;

const AT: &str = "2026-05-04T12:20:30.1239+02:00";
const AT_UTC: &str = "2026-05-04T10:20:30.123Z";

/// Subscribes to the system room.
fn watcher(hub: &Hub, protocol: Protocol, token: &str) -> TestClient {
    let mut client = hub.server.connect(protocol, token);
    client.emit_bare("subscribe:system");
    client.wait_for("subscribed");
    client
}

/// The next status of that service: the hub tells its own each second.
fn status_of_service(client: &mut TestClient, service: &str) -> Value {
    loop {
        let status = client.wait_for("system:service_status");
        if status["service"] == service {
            return status;
        }
    }
}

fn changed(to: &str) -> Value {
    json!({"eventType": "status.changed", "toStatus": to, "trigger": "t"})
}

fn failed(retry: u64) -> Value {
    json!({
        "eventType": "failed", "timerId": "t1", "campaignId": "c1", "timerType": "start", "error": "no answer",
        "retryCount": retry, "nextRetryAt": 1_777_890_030_123_i64, "timestamp": AT, "x": 1,
    })
}

/// What the owner is told of [`failed`].
fn failure_notice(retry: u64) -> Value {
    json!({
        "id": format!("timer-failed:t1:{retry}"), "type": "error", "title": "Timer Execution Failed",
        "message": "Timer start failed for campaign c1", "timestamp": AT_UTC, "campaignId": "c1",
    })
}

fn subscribe(client: &mut TestClient, campaign: &str) -> Value {
    client.request("subscribe:campaign", json!({"campaignId": campaign}))
}

// ── table 6: what a backend publishes, and table 5: what a client gets ──────────────────────────────────────

over_all! {
    fn timer_scheduled_reaches_the_campaign_room_as_campaign_timer_scheduled(protocol: Protocol, hub: Hub) {
        hub.server.store().campaign("c1", Some("owner"), "RUNNING");
        let mut client = hub.member(protocol, &user("owner"), "c1");
        let mut owner = hub.in_user_room(protocol, &user("owner"));
        hub.publish("campaign:c1", json!({
            "eventType": "timer.scheduled", "campaignId": "c1", "timerId": "t|1", "timerType": "start",
            "scheduledAt": AT, "timestamp": 1_777_890_030_124_i64, "x": 1,
        }));
        assert_eq!(client.expect_event("campaign:timer_scheduled"), json!({
            "campaignId": "c1", "timerId": "t|1", "timerType": "start", "scheduledAt": AT_UTC,
            "timestamp": "2026-05-04T10:20:30.124Z",
        }));
        owner.expect_nothing_but_pong();
    }

    fn metrics_updated_reaches_the_campaign_room_with_its_three_numbers(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("a"), "c1");
        hub.publish_bad("campaign:c1", r#"{"eventType":"metrics.updated","metrics":{"participants":1,"engagements":2}}"#);
        hub.publish_bad("campaign:c1", r#"{"eventType":"metrics.updated","metrics":{"participants":1,"engagements":2,"rewards":"3"}}"#);
        hub.publish("campaign:c1", json!({
            "eventType": "metrics.updated", "timestamp": AT,
            "metrics": {"participants": 12, "engagements": 3.5, "rewards": 9_007_199_254_740_993_u64},
        }));
        assert_eq!(client.expect_event("campaign:metrics_updated"), json!({
            "campaignId": "c1", "timestamp": AT_UTC,
            "metrics": {"participants": 12, "engagements": 3.5, "rewards": 9_007_199_254_740_993_u64},
        }));
    }

    fn timer_executed_reaches_the_campaign_room(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("a"), "c1");
        let mut outside = hub.member(protocol, &admin("b"), "c2");
        let least = json!({
            "eventType": "executed", "campaignId": "c1", "timerType": "start", "status": "COMPLETED",
            "executionTime": 1_777_890_030_123_i64, "timestamp": AT,
        });
        hub.publish("timer:t1", least.clone());
        let expected = json!({
            "timerId": "t1", "campaignId": "c1", "timerType": "start", "status": "COMPLETED",
            "executionTime": AT_UTC, "timestamp": AT_UTC,
        });
        assert_eq!(client.expect_event("timer:executed"), expected);
        let mut more = least;
        (more["status"], more["processingTimeMs"], more["result"]) = (json!("FAILED"), json!(7.5), json!({"n": [1, null]}));
        hub.publish("timer:t1", more);
        let mut all = expected;
        (all["status"], all["processingTimeMs"], all["result"]) = (json!("FAILED"), json!(7.5), json!({"n": [1, null]}));
        assert_eq!(client.expect_event("timer:executed"), all);
        outside.expect_nothing_but_pong();
    }

    fn timer_failed_reaches_the_campaign_room_and_the_owner_is_told_and_keeps_it(protocol: Protocol, hub: Hub) {
        hub.server.store().campaign("c1", Some("owner"), "RUNNING");
        let mut client = hub.member(protocol, &admin("a"), "c1");
        let mut owner = hub.in_user_room(protocol, &user("owner"));
        let mut stranger = hub.in_user_room(protocol, &user("stranger"));
        hub.publish("timer:t1", failed(3));
        assert_eq!(client.expect_event("timer:failed"), json!({
            "timerId": "t1", "campaignId": "c1", "timerType": "start", "error": "no answer", "retryCount": 3,
            "nextRetryAt": AT_UTC, "timestamp": AT_UTC,
        }));
        assert_eq!(owner.expect_event("notification"), failure_notice(3));
        for client in [&mut client, &mut owner, &mut stranger] {
            client.expect_nothing_but_pong();
        }
        // stored: whoever comes later finds it, until it is read
        eventually_true("it is stored", || hub.server.store().count("notifications") == 1);
        let mut later = TestClient::connected(&hub.server, protocol, &user("owner"));
        later.expect_event("initial:campaigns");
        assert_eq!(later.expect_event("initial:notifications"), json!([failure_notice(3)]));
    }

    fn an_owner_in_both_rooms_gets_timer_failed_and_the_notification(protocol: Protocol, hub: Hub) {
        let token = Claims::of("owner").with("ownedCampaigns", json!(["c1"])).token();
        let mut owner = hub.member(protocol, &token, "c1");
        owner.emit_bare("subscribe:user");
        owner.wait_for("subscribed");
        hub.server.store().campaign("c1", Some("owner"), "RUNNING");
        hub.publish("timer:t1", failed(0));
        let mut names = [owner.next_event().0, owner.next_event().0];
        names.sort();
        assert_eq!(names, ["notification", "timer:failed"]);
        owner.expect_nothing_but_pong();
    }

    fn anything_else_of_a_timer_reaches_the_campaign_room_as_timer_event_with_its_own_fields(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("a"), "c1");
        hub.publish("timer:t1", json!({
            "eventType": "paused", "eventId": "e1", "campaignId": "c1", "by": "ops", "deep": {"名": [1, null]},
            "none": null, "timestamp": AT,
        }));
        assert_eq!(client.expect_event("timer:event"), json!({
            "timerId": "t1", "campaignId": "c1", "timestamp": AT_UTC, "by": "ops", "deep": {"名": [1, null]}, "none": null,
        }));
        hub.publish("timer:t1", json!({"campaignId": "c1", "timestamp": AT}));
        assert_eq!(client.expect_event("timer:event"), json!({"timerId": "t1", "campaignId": "c1", "timestamp": AT_UTC}));
        hub.publish_bad("timer:t1", r#"{"eventType":"paused"}"#); // of which campaign?
        client.expect_nothing_but_pong();
    }

    fn service_status_reaches_the_system_room(protocol: Protocol, hub: Hub) {
        let reader = Claims::of("r").with("permissions", json!(["system:read"])).token();
        let mut client = watcher(&hub, protocol, &reader);
        hub.publish("system:health", json!({
            "eventType": "service.status", "service": "mailer", "status": "degraded", "metrics": {"queue": [7, {}]},
            "timestamp": AT, "x": 1,
        }));
        assert_eq!(status_of_service(&mut client, "mailer"), json!({
            "service": "mailer", "status": "degraded", "metrics": {"queue": [7, {}]}, "timestamp": AT_UTC,
        }));
        hub.publish_bad("system:health", r#"{"eventType":"service.status","service":"mailer","status":"up"}"#);
        hub.publish("system:x", json!({"eventType": "service.status", "service": "mailer", "status": "unhealthy", "timestamp": 0}));
        assert_eq!(status_of_service(&mut client, "mailer"), json!({
            "service": "mailer", "status": "unhealthy", "timestamp": "1970-01-01T00:00:00.000Z",
        }));
    }

    fn anything_else_of_the_system_is_an_alert_whatever_its_event_type(protocol: Protocol, hub: Hub) {
        let mut client = watcher(&hub, protocol, &admin("a"));
        for level in ["info", "warning", "error", "critical"] {
            hub.publish("system:disks", json!({
                "eventType": "disk.full", "level": level, "title": "T", "message": "m", "timestamp": AT, "x": 1,
            }));
            assert_eq!(client.wait_for("system:alert"), json!({"level": level, "title": "T", "message": "m", "timestamp": AT_UTC}));
        }
    }

    fn a_notification_of_any_event_type_and_of_the_least_fields_gets_an_id_of_its_own(protocol: Protocol, hub: Hub) {
        let mut client = hub.in_user_room(protocol, &user("u1"));
        for kind in ["info", "success", "warning", "error"] {
            hub.publish("user:u1", json!({"eventType": "whatever", "type": kind, "title": "t", "message": "m", "timestamp": AT}));
            let mut got = client.expect_event("notification");
            let id = got.as_object_mut().unwrap().remove("id").unwrap();
            assert!(id.as_str().is_some_and(|id| !id.is_empty()), "{id}");
            assert_eq!(got, json!({"type": kind, "title": "t", "message": "m", "timestamp": AT_UTC}));
        }
    }

    fn a_notification_takes_the_event_id_for_its_id_where_it_has_none(protocol: Protocol, hub: Hub) {
        let mut client = hub.in_user_room(protocol, &user("u1"));
        hub.publish("user:u1", json!({"eventId": "e1", "type": "info", "title": "t", "message": "m"}));
        assert_eq!(client.expect_event("notification")["id"], "e1");
        hub.publish("user:u1", json!({"eventId": "e2", "id": "n2", "type": "info", "title": "t", "message": "m"}));
        assert_eq!(client.expect_event("notification")["id"], "n2");
    }

    fn a_channel_with_a_shared_suffix_takes_the_id_from_the_payload(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("u1"), "c1");
        client.emit_bare("subscribe:user");
        client.wait_for("subscribed");
        hub.publish("campaign:events", json!({"eventType": "updated", "campaignId": "c1", "n": 1}));
        assert_eq!(client.expect_event("campaign:updated")["n"], 1);
        hub.publish("campaign:lifecycle", json!({"eventType": "status.changed", "campaignId": "c1", "toStatus": "X", "trigger": "t"}));
        assert_eq!(client.expect_event("campaign:status_changed")["status"], "X");
        hub.publish("timer:events", json!({"timerId": "t9", "campaignId": "c1"}));
        assert_eq!(client.expect_event("timer:event")["timerId"], "t9");
        hub.publish("user:events", json!({"userId": "u1", "type": "info", "title": "t", "message": "m"}));
        assert_eq!(client.expect_event("notification")["title"], "t");
        hub.publish_bad("campaign:events", r#"{"eventType":"updated"}"#);
        hub.publish_bad("timer:events", r#"{"campaignId":"c1"}"#);
        hub.publish_bad("user:lifecycle", r#"{"type":"info","title":"t","message":"m"}"#);
        hub.publish_bad("campaign:events", r#"{"eventType":"updated","campaignId":"lifecycle"}"#); // no id
        client.expect_nothing_but_pong();
    }

    fn ids_of_channel_and_payload_have_to_agree(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("u1"), "c1");
        client.emit_bare("subscribe:user");
        client.wait_for("subscribed");
        hub.publish_bad("campaign:c2", r#"{"eventType":"updated","campaignId":"c1"}"#);
        hub.publish_bad("timer:t2", r#"{"timerId":"t1","campaignId":"c1"}"#);
        hub.publish_bad("user:u2", r#"{"userId":"u1","type":"info","title":"t","message":"m"}"#);
        eventually_true("each is counted", || {
            hub.server.metric("roomcast_refused_messages_total", "id_mismatch") as usize == 3
        });
        client.expect_nothing_but_pong();
    }

    fn a_timestamp_is_rfc3339_with_any_offset_or_milliseconds_and_at_most_five_minutes_ahead(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("a"), "c1");
        for (given, sent) in [
            (json!("2026-05-04T10:20:30Z"), "2026-05-04T10:20:30.000Z"),
            (json!("2026-05-04T05:50:30.5-04:30"), "2026-05-04T10:20:30.500Z"),
            (json!("2026-05-04T10:20:30.123999999+00:00"), AT_UTC),
            (json!(1_777_890_030_123_i64), AT_UTC),
            (json!(-1), "1969-12-31T23:59:59.999Z"),
        ] {
            hub.publish("campaign:c1", json!({"eventType": "updated", "timestamp": given}));
            assert_eq!(client.expect_event("campaign:updated")["timestamp"], sent, "{given}");
        }
        let ahead = |ms: i64| json!({"eventType": "updated", "timestamp": roomcast::clock::now_ms() + ms});
        hub.publish_bad("campaign:c1", &ahead(330_000).to_string());
        hub.publish("campaign:c1", ahead(270_000));
        client.expect_event("campaign:updated");
        client.expect_nothing_but_pong();
        assert_eq!(hub.server.metric("roomcast_refused_messages_total", "timestamp_ahead"), 1.0);
    }

    fn a_repeat_of_an_event_id_on_its_channel_is_dropped_and_counted_and_no_refusal_to_the_publisher(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("a"), "c1");
        let update = |n: u64| json!({"eventType": "updated", "campaignId": "c1", "eventId": "e1", "n": n});
        for n in 0..3 {
            hub.publish("campaign:c1", update(n));
        }
        hub.publish("campaign:events", update(7)); // another channel: another id
        assert_eq!(client.expect_event("campaign:updated")["n"], 0);
        assert_eq!(client.expect_event("campaign:updated")["n"], 7);
        client.expect_nothing_but_pong();
        assert_eq!(hub.server.metric("roomcast_refused_messages_total", "duplicate"), 2.0);
    }

    fn status_changed_goes_to_whoever_is_in_the_owners_room_with_its_metadata(protocol: Protocol, hub: Hub) {
        hub.server.store().campaign("c1", Some("owner"), "DRAFT");
        let mut boss = hub.server.connect(protocol, &admin("boss"));
        boss.emit("subscribe:user", json!({"userId": "owner"}));
        boss.wait_for("subscribed");
        let mut event = changed("RUNNING");
        event["metadata"] = json!({"m": 1});
        hub.publish("campaign:c1", event);
        assert_eq!(boss.expect_event("campaign:status_changed")["metadata"], json!({"m": 1}));
        for other in ["updated", "timer.scheduled", "metrics.updated"] {
            hub.publish("campaign:c1", json!({
                "eventType": other, "timerId": "t", "timerType": "x", "scheduledAt": 1,
                "metrics": {"participants": 1, "engagements": 2, "rewards": 3},
            }));
        }
        boss.expect_nothing_but_pong();
    }

    fn an_event_gives_an_unknown_campaign_its_status_and_time(protocol: Protocol, hub: Hub) {
        let mut client = hub.member(protocol, &admin("a"), "new");
        hub.publish("campaign:new", json!({"eventType": "status.changed", "toStatus": "DRAFT", "trigger": "t", "timestamp": AT, "metadata": {"m": 1}}));
        client.expect_event("campaign:status_changed");
        let status = json!({"campaignId": "new", "status": "DRAFT", "metadata": null, "timestamp": AT_UTC});
        client.emit("subscribe:campaign", json!({"campaignId": "new"}));
        assert_eq!(client.expect_event("campaign:status"), status);
        eventually_true("it is stored", || hub.server.store().status_of("new").as_deref() == Some("DRAFT"));
        let mut later = hub.server.connect(protocol, &admin("b"));
        later.emit("subscribe:campaign", json!({"campaignId": "new"}));
        assert_eq!(later.expect_event("campaign:status"), status);
    }
}

// ── table 3: who may ────────────────────────────────────────────────────────────────────────────────────────

over_both! {
    fn a_removed_participant_stays_out_whatever_the_token_claims_until_added_again(protocol: Protocol) {
        let server = TestServer::start();
        let mut store = server.store();
        store.campaign("c1", Some("owner"), "RUNNING");
        store.removed_participant("c1", "u1");
        store.removed_participant("unknown", "u1");
        let claims = Claims::of("u1")
            .with("participatingCampaigns", json!(["c1", "unknown"]))
            .with("ownedCampaigns", json!(["c1", "unknown"]));
        let mut client = TestClient::connected(&server, protocol, &claims.token());
        assert_eq!(client.expect_event("initial:campaigns"), json!([]));
        client.wait_for("initial:system_status");
        for campaign in ["c1", "unknown"] {
            assert_eq!(subscribe(&mut client, campaign)["error"]["code"], "access_denied", "{campaign}");
            client.expect_error("access_denied", "Access denied to campaign");
        }
        server.publish("campaign:c1", &json!({"eventType": "updated"}));
        client.expect_nothing_but_pong();
        store.add_again("c1", "u1");
        assert_eq!(subscribe(&mut client, "c1")["ok"], true);
    }

    fn the_owner_and_an_admin_get_in_though_they_were_removed_as_participants(protocol: Protocol) {
        let server = TestServer::start();
        let mut store = server.store();
        store.campaign("c1", Some("owner"), "RUNNING");
        store.removed_participant("c1", "owner");
        store.removed_participant("c1", "boss");
        for token in [user("owner"), admin("boss")] {
            assert_eq!(subscribe(&mut server.connect(protocol, &token), "c1")["ok"], true);
        }
    }

    fn a_claim_for_a_campaign_that_the_store_does_not_know_lets_in(protocol: Protocol) {
        let server = TestServer::start();
        for claim in ["ownedCampaigns", "participatingCampaigns"] {
            let mut client = server.connect(protocol, &Claims::of("u1").with(claim, json!(["new"])).token());
            client.emit("subscribe:campaign", json!({"campaignId": "new"}));
            assert_eq!(
                client.expect_event("campaign:status"),
                json!({"campaignId": "new", "status": null, "metadata": null, "timestamp": null})
            );
        }
    }

    fn an_admin_is_no_owner_and_gets_no_owners_copy_in_the_own_room(protocol: Protocol) {
        let server = TestServer::start();
        server.store().campaign("c1", Some("owner"), "RUNNING");
        let mut boss = server.connect(protocol, &admin("boss"));
        boss.emit_bare("subscribe:user");
        boss.wait_for("subscribed");
        server.publish("campaign:c1", &changed("X"));
        boss.expect_nothing_but_pong();
    }
}

// ── table 4: where the store cannot answer ──────────────────────────────────────────────────────────────────

over_both! {
    fn a_store_that_cannot_answer_makes_a_subscribe_unavailable_and_joins_nothing(protocol: Protocol) {
        let server = TestServer::start();
        let mut store = server.store();
        let mut before = server.connect(protocol, &admin("a"));
        assert_eq!(subscribe(&mut before, "c1")["ok"], true);
        before.wait_for("subscribed");
        store.execute("ALTER TABLE campaigns RENAME TO elsewhere");
        let mut client = TestClient::connected(&server, protocol, &admin("b"));
        assert_eq!(client.expect_event("initial:campaigns"), json!([]));
        assert_eq!(client.expect_event("initial:notifications"), json!([]));
        assert_eq!(client.expect_event("initial:system_status")["status"], "degraded");
        let id = client.emit_ack("subscribe:campaign", json!({"campaignId": "c1"}));
        let error = client.expect_error("unavailable", "Temporarily unavailable");
        assert_eq!((&error["event"], &error["campaignId"]), (&json!("subscribe:campaign"), &json!("c1")));
        assert!(error["retryAfterMs"].is_u64(), "{error}");
        let answer = client.expect_answer(&id);
        assert_eq!((&answer["ok"], &answer["error"]["code"]), (&json!(false), &json!("unavailable")));
        // those who are in stay in, and live events go on; the token alone opens the own and the system room
        server.publish("campaign:c1", &json!({"eventType": "updated", "n": 1}));
        assert_eq!(before.expect_event("campaign:updated")["n"], 1);
        client.expect_nothing_but_pong();
        for room in ["subscribe:user", "subscribe:system"] {
            assert_eq!(client.request(room, json!({}))["ok"], true, "{room}");
        }
        store.execute("ALTER TABLE elsewhere RENAME TO campaigns");
        eventually_true("it recovers by itself", || subscribe(&mut client, "c1")["ok"] == true);
    }
}

// ── table 5: the first words ────────────────────────────────────────────────────────────────────────────────

over_both! {
    fn initial_notifications_are_the_ten_newest_unread_ones_newest_first(protocol: Protocol) {
        let server = TestServer::start();
        for n in 0..13 {
            server.publish("user:u1", &json!({"id": format!("n{n}"), "type": "info", "title": "t", "message": "m"}));
        }
        eventually_true("all are stored", || server.store().count("notifications") == 13);
        let mut client = TestClient::connected(&server, protocol, &user("u1"));
        client.expect_event("initial:campaigns");
        let ids: Vec<String> = client.expect_event("initial:notifications").as_array().unwrap().iter()
            .map(|item| item["id"].as_str().unwrap().to_owned()).collect();
        let expected: Vec<String> = (3..13).rev().map(|n| format!("n{n}")).collect();
        assert_eq!(ids, expected);
    }

    fn initial_campaigns_are_at_most_five_hundred_and_those_that_ended_are_configured(protocol: Protocol) {
        let server = TestServer::builder().set("campaigns.ended_statuses", "DONE").start();
        let mut store = server.store();
        store.execute("BEGIN");
        for n in 0..510 {
            store.campaign_at(&format!("c{n}"), Some("u1"), "COMPLETED", n);
        }
        store.campaign_at("over", Some("u1"), "DONE", 1_000);
        store.execute("COMMIT");
        let mut client = TestClient::connected(&server, protocol, &user("u1"));
        let campaigns = client.expect_event("initial:campaigns");
        let campaigns = campaigns.as_array().unwrap();
        assert_eq!(campaigns.len(), 500);
        assert_eq!((&campaigns[0]["campaignId"], &campaigns[499]["campaignId"]), (&json!("c509"), &json!("c10")));
    }
}

// ── HTTP ────────────────────────────────────────────────────────────────────────────────────────────────────

fn post_events(server: &TestServer, key: &str, body: &Value) -> Response {
    let bearer = format!("Bearer {}", common::tokens::publisher());
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
    http::post(&server.url("/api/v1/events"), &headers, &body.to_string())
}

#[test]
fn http_an_idempotency_key_makes_a_repeat_harmless_and_an_event_id_wins_over_it() {
    let server = TestServer::start();
    let mut client = server.connect(Protocol::Plain, &admin("a"));
    assert_eq!(subscribe(&mut client, "c1")["ok"], true);
    client.wait_for("subscribed");
    let item = |n: u64| json!({"channel": "campaign:c1", "payload": {"eventType": "updated", "n": n}});
    for n in 0..2 {
        let answer = post_events(&server, "k1", &item(n));
        assert_eq!((answer.status, answer.json()), (202, json!({"results": [{"ok": true}]})));
    }
    assert_eq!(client.expect_event("campaign:updated")["n"], 0);
    client.expect_nothing_but_pong();
    for _ in 0..2 {
        let answer = post_events(&server, "k2", &json!([item(2), item(3)])); // k2:0 and k2:1
        assert_eq!(answer.json(), json!({"results": [{"ok": true}, {"ok": true}]}));
    }
    assert_eq!(client.expect_event("campaign:updated")["n"], 2);
    assert_eq!(client.expect_event("campaign:updated")["n"], 3);
    client.expect_nothing_but_pong();
    assert_eq!(post_events(&server, "k2:1", &item(4)).status, 202); // the second of that batch again
    client.expect_nothing_but_pong();
    let mut own = item(5);
    own["payload"]["eventId"] = json!("e1");
    assert_eq!(post_events(&server, "k1", &own).status, 202);
    assert_eq!(client.expect_event("campaign:updated")["n"], 5);
    assert_eq!(post_events(&server, "k9", &own).status, 202);
    client.expect_nothing_but_pong();
}

#[test]
fn http_a_batch_of_which_nothing_is_good_is_unprocessable_and_one_of_over_a_thousand_is_refused() {
    let server = TestServer::start();
    let publisher = common::tokens::publisher();
    let bad = json!([{"channel": "campaign:c1", "payload": {}}, {"channel": "x", "payload": {}}]);
    let answer = server.post("/api/v1/events", &publisher, &bad);
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(answer.json()["results"].as_array().unwrap().len(), 2);
    let item = json!({"channel": "campaign:c1", "payload": {"eventType": "updated"}});
    let many = |n: usize| Value::Array(vec![item.clone(); n]);
    assert_eq!(server.post("/api/v1/events", &publisher, &many(1_000)).status, 202);
    assert_eq!(server.post("/api/v1/events", &publisher, &many(1_001)).status, 400);
    assert_eq!(server.post("/api/v1/events", &publisher, &json!([])).status, 400);
}

#[test]
fn configured_shared_suffixes_take_the_place_of_the_default_ones() {
    let server = TestServer::builder().set("redis.shared_suffixes", "all").start();
    let mut client = server.connect(Protocol::Plain, &admin("a"));
    assert_eq!(subscribe(&mut client, "events")["ok"], true);
    client.wait_for("subscribed");
    server.publish("campaign:all", &json!({"eventType": "updated", "campaignId": "events", "n": 1}));
    server.publish("campaign:events", &json!({"eventType": "updated", "n": 2}));
    assert_eq!(client.expect_event("campaign:updated")["n"], 1);
    assert_eq!(client.expect_event("campaign:updated")["n"], 2);
}

// ── table 4: errors after which the connection is over ──────────────────────────────────────────────────────

/// This error, then the end; Socket.IO's clients stay away where it is a DISCONNECT.
fn assert_sent_away(client: &mut TestClient, protocol: Protocol, error: &Value, code: u16, disconnect: bool) {
    assert_eq!(client.expect_event("error"), *error);
    if protocol == Protocol::Plain {
        let reason = error["code"].as_str().unwrap().to_owned();
        assert_eq!(client.expect_close(), Close { code: Some(code), reason });
        return;
    }
    if disconnect {
        assert_eq!(client.next(), Incoming::Disconnected);
    }
    client.expect_close();
}

over_both! {
    fn token_expired_closes_at_exp_plus_leeway_so_that_the_client_comes_back(protocol: Protocol) {
        let server = TestServer::builder().set("auth.leeway_ms", 1_000).start();
        let exp = common::tokens::now() + 1;
        let mut client = server.connect(protocol, &Claims::of("u1").with("exp", json!(exp)).token());
        let mut other = server.connect(protocol, &user("u1"));
        let error = json!({"code": "token_expired", "message": "Token expired"});
        assert_sent_away(&mut client, protocol, &error, 4401, false);
        assert!(roomcast::clock::now_ms() >= (exp as i64 + 1) * 1_000, "within the leeway");
        other.expect_nothing_but_pong();
    }

    fn idle_closes_who_gives_no_sign_of_life(protocol: Protocol) {
        let server = TestServer::builder().set("limits.idle_check_ms", 50).set("limits.idle_timeout_ms", 400).start();
        let mut client = server.connect(protocol, &user("u1"));
        let error = json!({"code": "idle", "message": "No sign of life"});
        assert_sent_away(&mut client, protocol, &error, 4408, false);
    }

    fn connection_limit_sends_the_oldest_away_not_to_reconnect(protocol: Protocol) {
        let server = TestServer::builder().set("limits.connections_per_user", 2).start();
        let mut clients: Vec<TestClient> = (0..3).map(|_| server.connect(protocol, &user("u1"))).collect();
        let error = json!({"code": "connection_limit", "message": "Connection limit exceeded"});
        assert_sent_away(&mut clients[0], protocol, &error, 4429, true);
        clients[1].expect_nothing_but_pong();
        clients[2].expect_nothing_but_pong();
        server.connect(protocol, &user("u2")).expect_nothing_but_pong();
    }

    fn connection_limit_refuses_the_new_one_where_it_is_configured_so(protocol: Protocol) {
        let settings = TestServer::builder().set("limits.connections_per_user", 1);
        let server = settings.set("limits.on_connection_limit", "reject_new").start();
        let mut first = server.connect(protocol, &user("u1"));
        let mut second = TestClient::open(&server, protocol);
        second.send_token(&user("u1"));
        match protocol {
            Protocol::SocketIo => {
                let Incoming::Refused(body) = second.next() else { panic!("no CONNECT_ERROR") };
                let body: Value = serde_json::from_str(&body).unwrap();
                assert_eq!(body, json!({"message": "Connection limit exceeded", "data": {"code": "connection_limit"}}));
            }
            Protocol::Plain => {
                second.expect_error("connection_limit", "Connection limit exceeded");
                assert_eq!(second.expect_close(), Close { code: Some(4429), reason: "connection_limit".to_owned() });
            }
        }
        first.expect_nothing_but_pong();
    }
}
