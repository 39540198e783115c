//! The rows of CONTRACT's tables 5 and 6 (events) on the running hub, those that have no
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
