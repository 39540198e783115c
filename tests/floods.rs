//! Floods: whatever one socket or one publisher does, the others are served and memory stays bounded.
//! What each queue is bound to stands in docs/ARCHITECTURE.md.
#![cfg(feature = "hub")]

mod common;

use common::*;
use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn member(server: &TestServer, protocol: Protocol, token: &str, campaign: &str) -> TestClient {
    let mut client = server.connect(protocol, token);
    client.emit("subscribe:campaign", json!({"campaignId": campaign}));
    client.wait_for("subscribed");
    client
}

/// What the process holds in memory, in bytes.
fn memory(server: &TestServer) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn depth(server: &TestServer, queue: &str) -> usize {
    server.metric("roomcast_queue_depth", &format!("\"{queue}\"")) as usize
}

fn overflow(server: &TestServer, queue: &str) -> usize {
    server.metric("roomcast_queue_overflow_total", &format!("\"{queue}\"")) as usize
}

const MIB: usize = 1 << 20;

/// The hub's status as operators are told, within a number of seconds.
fn is_told(operator: &mut TestClient, status: &str) -> Value {
    for _ in 0..60 {
        let told = operator.wait_for("system:service_status");
        if told["status"] == status {
            return told;
        }
    }
    panic!("it was never said to be {status}");
}

#[test]
fn a_bridge_that_is_behind_says_so_and_catches_up_and_loses_nothing() {
    const EVENTS: usize = 30_000;
    let redis = RedisServer::start();
    let server = TestServer::builder().redis(&redis).set("limits.unsent_bytes", 64 * MIB).start();
    let mut operator = server.connect(Protocol::Plain, &admin("operator"));
    operator.emit_bare("subscribe:system");
    operator.wait_for("subscribed");
    let mut client = member(&server, Protocol::Plain, &admin("a"), "c1");
    let before = memory(&server);
    let flood: Vec<(String, Value)> =
        (0..EVENTS).map(|n| ("campaign:c1".to_owned(), json!({"eventType": "updated", "n": n}))).collect();
    // it waits in Redis before the hub sees any of it, however fast or slow it is published
    server.signal("STOP");
    redis.publish_all(&flood);
    // a hub that gets a twentieth of the time
    let (slow, id) = (Arc::new(AtomicBool::new(true)), server.id());
    let goes_on = Arc::clone(&slow);
    let brake = std::thread::spawn(move || {
        let signal = |name: &str| Command::new("kill").args([name, &id.to_string()]).status().unwrap();
        while goes_on.load(Ordering::Relaxed) {
            signal("-STOP");
            std::thread::sleep(Duration::from_millis(190)); // that is what makes it slow
            signal("-CONT");
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let behind = is_told(&mut operator, "degraded");
    slow.store(false, Ordering::Relaxed);
    brake.join().unwrap();
    assert!(behind["metrics"]["delayMs"].as_u64() > Some(1_000), "{behind}");
    assert!(depth(&server, "events_in_flight") <= 2 * 4_096, "one read is bounded");
    for n in 0..EVENTS {
        assert_eq!(client.expect_event("campaign:updated")["n"], n);
    }
    is_told(&mut operator, "healthy");
    assert!(server.metric("roomcast_delay_seconds", "") < 1.0);
    let grown = memory(&server).saturating_sub(before);
    assert!(grown < 150 * MIB, "{} MiB more", grown / MIB);
}

over_both! {
    fn a_socket_that_floods_and_reads_nothing_costs_the_others_nothing(protocol: Protocol) {
        let settings = TestServer::builder().set("limits.messages_per_second", 0).set("server.workers", 1);
        let server = settings.start();
        let mut bystander = member(&server, protocol, &admin("a"), "c1");
        let before = memory(&server);
        let mut flooder = server.connect(protocol, &admin("b"));
        let text = if protocol == Protocol::Plain { r#"{"event":"ping","id":1}"# } else { r#"421["ping"]"# };
        let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        let burst = frame.repeat(5_000);
        let mut stream = flooder.stream().try_clone().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let writer = std::thread::spawn(move || {
            // until the hub hangs up, or reads no more
            while stream.write_all(&burst).is_ok() && !ended.load(Ordering::Relaxed) {}
        });
        eventually_true("it has too much unsent and is let go", || {
            bystander.expect_nothing_but_pong();
            server.publish("campaign:c1", &json!({"eventType": "updated"}));
            bystander.expect_event("campaign:updated");
            assert!(server.metric("roomcast_unsent_bytes", "") <= (2 * MIB) as f64);
            server.metric("roomcast_slow_consumers_total", "") == 1.0
        });
        over.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        let grown = memory(&server).saturating_sub(before);
        assert!(grown < 64 * MIB, "{} MiB more", grown / MIB);
    }

    fn a_publisher_that_floods_over_http_is_held_to_its_bound_and_others_are_heard(protocol: Protocol) {
        let server = TestServer::start();
        let mut bystander = member(&server, protocol, &admin("a"), "quiet");
        let mut flooded = member(&server, protocol, &admin("b"), "flood");
        let before = memory(&server);
        let over = Arc::new(AtomicBool::new(false));
        let batch: Vec<Value> = (0..500)
            .map(|n| json!({"channel": "campaign:flood", "payload": {"eventType": "updated", "n": n, "filler": "x".repeat(1_000)}}))
            .collect();
        let body = Arc::new(json!(batch).to_string());
        let publishers: Vec<_> = (0..6)
            .map(|_| {
                let (over, body, url) = (Arc::clone(&over), Arc::clone(&body), server.url("/api/v1/events"));
                std::thread::spawn(move || {
                    let token = format!("Bearer {}", common::tokens::publisher());
                    let mut taken = 0;
                    while !over.load(Ordering::Relaxed) {
                        taken += usize::from(http::post(&url, &[("Authorization", &token)], &body).status == 202);
                    }
                    taken
                })
            })
            .collect();
        for n in 0..40 {
            server.publish("campaign:quiet", &json!({"eventType": "updated", "n": n}));
            assert_eq!(bystander.expect_event("campaign:updated")["n"], n);
            bystander.expect_nothing_but_pong();
            assert!(depth(&server, "publications") <= 16_384);
            assert!(depth(&server, "events_in_flight") <= 4_096 + 3_000);
            while flooded.next_within(Duration::from_millis(1)).is_some_and(|next| !matches!(next, Incoming::Closed(_))) {}
        }
        over.store(true, Ordering::Relaxed);
        let taken: usize = publishers.into_iter().map(|publisher| publisher.join().unwrap()).sum();
        assert!(taken > 0);
        let grown = memory(&server).saturating_sub(before);
        assert!(grown < 200 * MIB, "{} MiB more", grown / MIB);
    }
}

over_both! {
    fn requests_that_wait_for_a_database_that_hangs_are_bounded(protocol: Protocol) {
        let database = PostgresServer::start(50);
        let settings = TestServer::builder().database(&database.database()).set("database.timeout_ms", 3_000);
        let server = settings.set("limits.messages_per_second", 0).start();
        database.freeze();
        let mut client = TestClient::open(&server, protocol);
        client.connect_with(&user("u1"));
        let ids: Vec<Value> = (0..100).map(|_| client.emit_ack("subscribe:user", Value::Null)).collect();
        let mut answers = std::collections::HashMap::new();
        while answers.len() < ids.len() {
            match client.next() {
                Incoming::Answer(id, answer) => drop(answers.insert(id.to_string(), answer)),
                Incoming::Closed(close) => panic!("{close:?} after {} answers", answers.len()),
                _ => {}
            }
        }
        database.thaw();
        let codes: Vec<&Value> = ids.iter().map(|id| &answers[&id.to_string()]["error"]["code"]).collect();
        assert!(codes[..64].iter().all(|code| code.is_null()), "those that waited were served: {codes:?}");
        assert!(codes[64..].iter().all(|code| **code == "unavailable"), "{codes:?}");
        assert_eq!(overflow(&server, "early_requests"), 36);
        client.emit_bare("ping");
        client.wait_for("pong");
    }
}

/// A masked frame's header, with a mask of zeros: the payload stands as it is.
fn header(first: u8, len: u16) -> Vec<u8> {
    let mut header = vec![first, 0x80 | 126];
    header.extend(len.to_be_bytes());
    header.extend([0; 4]);
    header
}

#[test]
fn of_a_client_that_has_not_been_let_in_no_large_message_is_kept() {
    let server = TestServer::start();
    let mut client = TestClient::open(&server, Protocol::Plain);
    let mut frame = vec![0x81, 0x80 | 127];
    frame.extend(70_000_u64.to_be_bytes());
    frame.extend([0; 4]);
    client.stream().write_all(&frame).unwrap();
    assert_eq!(client.expect_close().code, Some(1009));
    let mut member = server.connect(Protocol::Plain, &user("u1"));
    member.emit("nonsense", json!("x".repeat(70_000)));
    member.expect_error("unknown_event", "Unknown event nonsense");
}

#[test]
fn a_message_that_takes_too_long_ends_its_socket_however_alive_it_is() {
    let server = TestServer::builder().set("limits.body_timeout_ms", 600).start();
    let mut client = server.connect(Protocol::Plain, &user("u1"));
    let mut patient = server.connect(Protocol::Plain, &user("u2"));
    client.stream().write_all(&[&header(0x01, 200)[..], &[b'x'; 200]].concat()).unwrap();
    let pong = [0x8a, 0x80, 0, 0, 0, 0];
    for _ in 0..40 {
        std::thread::sleep(Duration::from_millis(50));
        patient.stream().write_all(&pong).unwrap();
        if client.stream().write_all(&pong).is_err() {
            break;
        }
    }
    assert_eq!(client.expect_close().code, Some(1002));
    patient.expect_nothing_but_pong();
}
