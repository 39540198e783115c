//! What operators and members are told of the hub itself: its own status each second, and gaps.
#![cfg(feature = "hub")]

mod common;

use common::*;
use std::time::{Duration, Instant};

fn watcher(server: &TestServer, protocol: Protocol) -> TestClient {
    let mut client = server.connect(protocol, &admin("op"));
    client.emit_bare("subscribe:system");
    client.wait_for("subscribed");
    client
}

/// The hub's own status, once it satisfies a condition.
fn status_that(client: &mut TestClient, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let status = client.wait_for("system:service_status");
        if status["service"] == "roomcast" && wanted(&status) {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "never came; the last was {status}");
    }
}

over_both! {
    fn the_hub_says_each_second_how_it_is_while_anyone_is_in_the_system_room(protocol: Protocol) {
        let server = TestServer::start();
        let mut member = server.connect(protocol, &user("u1"));
        member.emit("subscribe:user", json!({}));
        member.wait_for("subscribed");
        let mut client = watcher(&server, protocol);
        let status = status_that(&mut client, |status| status["metrics"]["rooms"] == 2);
        assert_eq!(status["status"], "healthy");
        let metrics = &status["metrics"];
        assert_eq!((&metrics["connections"], &metrics["users"]), (&json!(2), &json!(2)));
        assert_eq!((&metrics["redis"], &metrics["database"]), (&json!("off"), &json!("up")));
        for figure in ["eventsPerSecond", "deliveriesPerSecond", "delayMs", "gaps", "refused", "slowConsumers"] {
            assert!(metrics[figure].is_u64(), "{figure} in {metrics}");
        }
        let begun = Instant::now();
        status_that(&mut client, |_| true);
        status_that(&mut client, |_| true);
        assert!(begun.elapsed() > Duration::from_millis(500), "not more often than about once a second");
        client.emit_bare("unsubscribe:system");
        client.wait_for("unsubscribed");
        client.expect_silence(Duration::from_millis(1_500));
    }

    fn events_and_deliveries_are_seen_passing(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = watcher(&server, protocol);
        for _ in 0..20 {
            server.publish("system:alerts", &json!({"level": "info", "title": "t", "message": "m"}));
        }
        status_that(&mut client, |status| status["metrics"]["eventsPerSecond"].as_u64() >= Some(5));
    }

    fn after_an_outage_of_redis_members_are_told_of_the_gap_and_shown_the_status_anew(protocol: Protocol) {
        let mut redis = RedisServer::start();
        let server = TestServer::builder().redis(&redis).start();
        server.store().campaign("c1", Some("ada"), "ACTIVE");
        let mut operator = watcher(&server, protocol);
        let mut member = server.connect(protocol, &user("ada"));
        member.emit("subscribe:campaign", json!({"campaignId": "c1"}));
        member.wait_for("subscribed");
        let mut stranger = server.connect(protocol, &user("u2"));
        redis.kill();
        status_that(&mut operator, |status| status["status"] == "degraded" && status["metrics"]["redis"] == "down");
        redis.start_again();
        let gap = member.wait_for("gap");
        assert_eq!(gap["source"], "redis");
        assert!(gap["since"].as_str().unwrap() < gap["until"].as_str().unwrap(), "{gap}");
        let fresh = member.wait_for("campaign:status");
        assert_eq!((&fresh["campaignId"], &fresh["status"]), (&json!("c1"), &json!("ACTIVE")));
        operator.wait_for("gap");
        let status = status_that(&mut operator, |status| status["metrics"]["gaps"] == 1);
        assert_eq!(status["status"], "degraded", "for a minute after a gap");
        assert_eq!(server.metric("roomcast_gaps_total", r#"source="redis""#), 1.0);
        stranger.expect_nothing_but_pong();
    }

    fn a_silent_redis_is_noticed_by_the_heartbeat_and_the_gap_is_told(protocol: Protocol) {
        let redis = RedisServer::start();
        let server = TestServer::builder().redis(&redis).start();
        let mut operator = watcher(&server, protocol);
        redis.freeze();
        status_that(&mut operator, |status| status["metrics"]["redis"] == "down");
        redis.thaw();
        operator.wait_for("gap");
        status_that(&mut operator, |status| status["metrics"]["redis"] == "up");
    }
}
