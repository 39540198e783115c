//! What breaks around the hub, and its own end.
#![cfg(feature = "hub")]

mod common;

use common::*;
use std::time::{Duration, Instant};

fn member(server: &TestServer, protocol: Protocol, token: &str) -> TestClient {
    let mut client = server.connect(protocol, token);
    client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
    client.wait_for("subscribed");
    client
}

/// Publishes events numbered from `from` on until one of them arrives; says how long it took.
fn publish_until_one_arrives(redis: &RedisServer, client: &mut TestClient, from: u64) -> Duration {
    let begun = Instant::now();
    for n in from.. {
        redis.publish("campaign:c1", &json!({"eventType": "updated", "n": n}));
        while let Some(incoming) = client.next_within(Duration::from_millis(10)) {
            match incoming {
                // those from before the kill may still be on their way
                Incoming::Event(name, data)
                    if name == "campaign:updated" && data["n"].as_u64() >= Some(from) =>
                {
                    return begun.elapsed();
                }
                closed @ Incoming::Closed(_) => panic!("the client was dropped: {closed:?}"),
                _ => {} // a gap is told, a fresh snapshot follows
            }
        }
        assert!(begun.elapsed() < PATIENCE, "no event after {PATIENCE:?}");
    }
    unreachable!()
}

over_every_transport! {
    fn redis_killed_and_started_again_under_traffic_costs_nobody_the_connection(protocol: Protocol) {
        let mut redis = RedisServer::start();
        let mut server = TestServer::builder().redis(&redis).start();
        let mut clients: Vec<TestClient> = (0..5).map(|n| member(&server, protocol, &admin(&format!("a{n}")))).collect();
        let mut from = 0;
        for round in 0..3 {
            let traffic: Vec<(String, Value)> = (0..200)
                .map(|n| ("campaign:c1".to_owned(), json!({"eventType": "updated", "n": from + n})))
                .collect();
            redis.publish_all(&traffic);
            redis.kill();
            for client in &mut clients {
                client.emit_bare("ping"); // answered without Redis
                client.wait_for("pong");
            }
            assert_eq!(server.get("/health/live").status, 200);
            redis.start_again();
            let marker = from + 1_000;
            let took = publish_until_one_arrives(&redis, &mut clients[0], marker);
            assert!(took < Duration::from_secs(2), "round {round}: {took:?} after Redis was back");
            let last = marker + 1_000_000;
            redis.publish("campaign:c1", &json!({"eventType": "updated", "n": last}));
            for client in &mut clients {
                // up to the last, nothing is doubled or out of order
                let mut before = None;
                loop {
                    let n = client.wait_for("campaign:updated")["n"].as_u64().unwrap();
                    assert!(before.is_none_or(|before| before < n), "{before:?} and then {n}");
                    before = Some(n);
                    if n == last {
                        break;
                    }
                }
            }
            from = last + 1;
        }
        assert_eq!(server.connections(), clients.len());
        assert!(server.is_running());
    }

    fn a_hub_that_starts_before_redis_waits_for_it(protocol: Protocol) {
        let mut redis = RedisServer::start();
        redis.kill();
        let starting = TestServer::builder().redis(&redis);
        let server = std::thread::spawn(move || starting.start());
        redis.start_again();
        let server = server.join().unwrap();
        let mut client = member(&server, protocol, &admin("a"));
        redis.publish("campaign:c1", &json!({"eventType": "updated"}));
        client.wait_for("campaign:updated");
    }

    fn a_terminated_hub_tells_everybody_and_exits_with_0(protocol: Protocol) {
        let mut server = TestServer::start();
        let mut client = member(&server, protocol, &admin("a"));
        server.signal("TERM");
        assert_shutdown_is_told(&mut client, protocol);
        assert_eq!(server.wait().code(), Some(0));
    }

    fn a_client_that_does_not_read_does_not_hold_up_the_end(protocol: Protocol) {
        let mut server = TestServer::start();
        let _silent = member(&server, protocol, &admin("a"));
        let begun = Instant::now();
        server.signal("INT");
        assert_eq!(server.wait().code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    }
}

/// An `error` of `shutting_down`, then the close that lets clients come back.
fn assert_shutdown_is_told(client: &mut TestClient, protocol: Protocol) {
    let error = client.wait_for("error");
    assert_eq!(error, json!({"code": "shutting_down", "message": "Server is shutting down"}));
    // no DISCONNECT before it: the client comes back
    assert_eq!(client.expect_close(), protocol.close(1012, "shutting_down"));
}

#[test]
fn a_terminated_hub_tells_a_thousand_sockets_and_writes_out_what_it_has_taken() {
    let soft = descriptor_limit();
    assert!(soft >= 2_500, "1000 sockets need file descriptors: `ulimit -n 4096` first (now {soft})");
    let mut server = TestServer::start();
    let mut clients = Vec::new();
    for n in 0..1_000 {
        let protocol = if n % 2 == 0 { Protocol::SocketIo } else { Protocol::Plain };
        clients.push((protocol, member(&server, protocol, &admin(&format!("a{}", n / 5)))));
    }
    assert_eq!(server.connections(), 1_000);
    let notifications: Vec<Value> = (0..500)
        .map(|n| {
            let payload = json!({"id": format!("n{n}"), "type": "info", "title": "t", "message": "m"});
            json!({"channel": "user:u1", "payload": payload})
        })
        .collect();
    let statuses: Vec<Value> = (0..500)
        .map(|n| {
            let payload = json!({"eventType": "status.changed", "toStatus": format!("S{n}"), "trigger": "t", "timestamp": n});
            json!({"channel": "campaign:c1", "payload": payload})
        })
        .collect();
    for batch in [notifications, statuses] {
        let answer = server.post("/api/v1/events", &common::tokens::publisher(), &json!(batch));
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    let begun = Instant::now();
    server.signal("TERM");
    for (protocol, client) in &mut clients {
        assert_shutdown_is_told(client, *protocol);
    }
    assert_eq!(server.wait().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    let mut store = server.store();
    store.assert_sound();
    assert_eq!(store.count("notifications"), 500);
    assert_eq!(store.status_of("c1").as_deref(), Some("S499"));
}

#[test]
fn while_it_drains_the_hub_says_so_and_takes_nobody_in() {
    let settings =
        TestServer::builder().set("shutdown.drain_delay_ms", 500).set("shutdown.sockets_per_second", 1);
    let mut server = settings.start();
    let mut client = member(&server, Protocol::Plain, &admin("a"));
    let _second = member(&server, Protocol::Plain, &admin("b"));
    server.signal("TERM");
    eventually_true("it says that it is not ready", || server.get("/health/ready").status == 503);
    assert_eq!(server.get("/health/live").status, 200);
    assert_shutdown_is_told(&mut client, Protocol::Plain);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_killed_hub_leaves_a_sound_store_and_starts_again_on_it() {
    let mut server = TestServer::start();
    for n in 0..50 {
        server.publish(
            "user:u1",
            &json!({"id": format!("n{n}"), "type": "info", "title": "t", "message": "m"}),
        );
    }
    server.signal("KILL");
    assert_eq!(server.wait().code(), None);
    let mut store = server.store();
    store.assert_sound();
    assert!(server.run(&["migrate"]).status.success());
}

fn descriptor_limit() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap_or(u64::MAX)
}

#[test]
fn what_waits_for_a_locked_store_is_written_within_the_grace_time() {
    let mut server = TestServer::builder().set("shutdown.grace_ms", 12_000).start();
    let mut store = server.store();
    store.execute("BEGIN IMMEDIATE");
    let change = json!({"eventType": "status.changed", "toStatus": "LAST", "trigger": "test"});
    server.publish("campaign:c1", &change);
    server.signal("TERM");
    // longer than a quarter of the grace time
    let wait = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(4_000)); // the lock is what it is for
        store.execute("COMMIT");
        store
    });
    assert_eq!(server.wait().code(), Some(0));
    let mut store = wait.join().unwrap();
    assert_eq!(store.status_of("c1").as_deref(), Some("LAST"));
}

#[test]
fn one_that_waits_for_a_hung_database_at_its_start_ends_when_it_is_told_to() {
    let postgres = PostgresServer::start(20);
    let url = postgres.database();
    let hub = TestServer::builder().database(&url).set("shutdown.grace_ms", 2_000);
    let mut store = store::Store::open_url(&url);
    // so that its migration is under way, and nobody will ever answer it
    store.execute("SELECT pg_advisory_lock(8245931958348116738)");
    let dir = tempfile::tempdir().unwrap();
    let mut process = hub.begin_in(&dir);
    eventually_true("it waits", || store.count("pg_locks WHERE locktype = 'advisory' AND NOT granted") > 0);
    postgres.freeze();
    process.signal("TERM");
    let status = process.wait();
    postgres.thaw();
    let log = std::fs::read_to_string(dir.path().join("hub.log")).unwrap_or_default();
    assert_eq!(status.code(), Some(0), "{log}");
}
