//! Whoever comes and goes, however badly, leaves nothing behind.
#![cfg(feature = "hub")]

#[path = "../examples/common/mod.rs"]
mod clients;
mod common;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clients::churn::{ALL, Target, Way, storm};
use common::*;

/// A hub for many clients of one user, which soon sees that a session is not polled any more. Its pings have to be
/// answered in a time that a client has also on a machine where everything else runs too.
fn hub() -> Builder {
    TestServer::builder()
        .set("limits.connections_per_user", 0)
        .set("limits.connects_per_user_per_minute", 0)
        .set("limits.handshakes_per_address_per_minute", 0)
        .set("socketio.ping_interval_ms", 1_000)
        .set("socketio.ping_timeout_ms", 5_000)
        .set("auth.timeout_ms", 2_000)
}

fn churn(server: &TestServer, connections: usize, at_once: usize, ways: &'static [Way]) {
    let target = Target {
        hub: format!("127.0.0.1:{}", server.port()),
        token: admin("a"),
        campaign: "c1".to_owned(),
        ways,
    };
    storm(&target, connections, at_once, &Arc::new(AtomicBool::new(false)));
}

/// What a process has open and running.
#[derive(Debug)]
struct Open {
    descriptors: usize,
    threads: usize,
}

fn open(server: &TestServer) -> Open {
    let count = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", server.id())).unwrap().count();
    Open { descriptors: count("fd"), threads: count("task") }
}

/// Fewer than before may be open: what was kept for the next client, and none came.
fn eventually_all_is_given_back(server: &TestServer, before: &Open) {
    eventually_true(&format!("no more is open than before: {before:?}"), || {
        let now = open(server);
        now.descriptors <= before.descriptors && now.threads <= before.threads
    });
}

fn memory_mib(server: &TestServer) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() / 1_024
}

/// Sockets, members of rooms, bytes, sessions and queues: all that is counted.
fn eventually_nothing_is_left(server: &TestServer) {
    for (name, labels) in [
        ("websocket_connections_active", ""),
        ("websocket_room_members", ""),
        ("roomcast_unsent_bytes", ""),
        ("roomcast_last_words", ""),
        ("roomcast_queue_depth", "events_in_flight"),
        ("roomcast_queue_depth", "store_reads"),
        ("roomcast_queue_depth", "store_writes"),
    ] {
        eventually_true(&format!("{name} {labels} is 0"), || server.metric(name, labels) == 0.0);
    }
    let all = |status| server.metric("websocket_connections_total", status);
    assert_eq!(all("\"connected\""), all("disconnected"), "each that was let in is gone");
}

/// The hub also says so itself: to whoever watches it.
fn the_hub_knows_of_one_user_in_one_room(server: &TestServer) {
    let mut watcher = server.connect(Protocol::Plain, &admin("watcher"));
    watcher.emit_bare("subscribe:system");
    eventually_true("rooms and users are told", || {
        let metrics = watcher.wait_for("system:service_status")["metrics"].clone();
        (&metrics["rooms"], &metrics["users"], &metrics["connections"]) == (&json!(1), &json!(1), &json!(1))
    });
    watcher.close();
    eventually_true("the watcher is gone", || server.connections() == 0);
}

#[test]
fn a_storm_of_connects_upgrades_kicks_resets_and_half_open_connections_leaves_nothing() {
    let server = hub().start();
    churn(&server, 120, 10, ALL); // opens what is opened once
    eventually_nothing_is_left(&server);
    let before = open(&server);
    churn(&server, 2_400, 40, ALL);
    assert!(server.metric("websocket_connections_total", "\"connected\"") > 1_000.0, "few were let in");
    eventually_nothing_is_left(&server);
    the_hub_knows_of_one_user_in_one_room(&server);
    let kicked = server.store().count("connection_events WHERE metadata LIKE '%\"kicked\"%'");
    assert!(kicked > 100, "{kicked} were disconnected by an operator");
    eventually_all_is_given_back(&server, &before);
}

#[test]
#[ignore = "long"]
fn two_hundred_thousand_connections_leave_nothing_and_need_no_more_memory_than_fifty_thousand() {
    let server = hub().start();
    churn(&server, 120, 10, ALL);
    eventually_nothing_is_left(&server);
    let before = open(&server);
    let mut memory = Vec::new();
    for _ in 0..4 {
        churn(&server, 50_000, 100, ALL);
        eventually_nothing_is_left(&server);
        memory.push(memory_mib(&server));
        println!("{:?} MiB, {:?}", memory, open(&server));
    }
    the_hub_knows_of_one_user_in_one_room(&server);
    eventually_all_is_given_back(&server, &before);
    assert!(memory[3] <= memory[0] * 5 / 4 + 8, "memory grows: {memory:?} MiB");
}

#[test]
fn sockets_that_vanish_while_a_hung_database_holds_their_subscribe_leave_nothing() {
    const VANISH: &[Way] = &[Way::ResetWhileSubscribing, Way::PlainAtOnce, Way::PlainReset, Way::InItsPoll];
    let postgres = PostgresServer::start(50);
    let server = hub().database(&postgres.database()).start();
    churn(&server, 120, 10, ALL);
    eventually_nothing_is_left(&server);
    let before = open(&server);
    postgres.freeze();
    churn(&server, 200, 20, VANISH);
    let asked =
        server.metric("websocket_messages_total", "direction=\"inbound\",type=\"subscribe:campaign\"");
    assert!(asked > 50.0, "{asked} subscribes were heard");
    // also while it hangs: nobody waits for it
    for name in ["websocket_connections_active", "websocket_room_members", "roomcast_unsent_bytes"] {
        eventually_true(&format!("{name} is 0"), || server.metric(name, "") == 0.0);
    }
    postgres.thaw();
    eventually_nothing_is_left(&server);
    the_hub_knows_of_one_user_in_one_room(&server);
    eventually_all_is_given_back(&server, &before);
}
