//! Messages that publishers insert into the outbox table, on both databases and both buses.
#![cfg(feature = "hub")]

mod common;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::store::{Store, text};
use common::*;

/// Each function becomes four tests: both databases, both buses.
macro_rules! on_all {
    ($(fn $name:ident($server:ident: TestServer) $body:block)*) => {$(
        mod $name {
            use super::*;

            fn behaviour($server: TestServer) $body

            #[test]
            fn sqlite_alone() {
                behaviour(TestServer::start());
            }

            #[test]
            fn sqlite_through_redis() {
                let redis = RedisServer::start();
                behaviour(TestServer::builder().redis(&redis).start());
            }

            #[test]
            fn postgres_alone() {
                behaviour(TestServer::builder().database(&postgres::SHARED.database()).start());
            }

            #[test]
            fn postgres_through_redis() {
                let redis = RedisServer::start();
                let builder = TestServer::builder().redis(&redis);
                behaviour(builder.database(&postgres::SHARED.database()).start());
            }
        }
    )*};
}

fn update(n: u64) -> Value {
    json!({"eventType": "updated", "n": n})
}

fn member(server: &TestServer, campaign: &str) -> TestClient {
    let mut client = server.connect(Protocol::Plain, &admin("a"));
    client.emit("subscribe:campaign", json!({"campaignId": campaign}));
    client.wait_for("subscribed");
    client
}

fn all_marked(store: &mut Store) -> bool {
    store.count("event_outbox WHERE dispatched_at IS NULL") == 0
}

on_all! {
    fn a_row_goes_out_once_and_is_marked(server: TestServer) {
        let mut client = member(&server, "c1");
        let mut store = server.store();
        for n in 0..20 {
            store.outbox("campaign:c1", &update(n));
        }
        for n in 0..20 {
            assert_eq!(client.expect_event("campaign:updated")["n"], n);
        }
        eventually_true("they are marked", || all_marked(&mut store));
        assert_eq!(store.count("event_outbox WHERE refused IS NULL"), 20);
        client.expect_nothing_but_pong();
        // ten minutes long it is known by its number
        store.execute("UPDATE event_outbox SET dispatched_at = NULL WHERE id = 1");
        eventually_true("it is marked again", || all_marked(&mut store));
        client.expect_nothing_but_pong();
        assert_eq!(server.metric("roomcast_refused_messages_total", "duplicate"), 1.0);
    }

    fn a_refused_row_is_marked_with_the_reason_and_passed_over(server: TestServer) {
        let mut client = member(&server, "c1");
        let mut store = server.store();
        let huge = format!("{{\"eventType\":\"updated\",\"x\":\"{}\"}}", "x".repeat(1_000_000));
        for (channel, payload) in [
            ("campaign:c1", "{no json"),
            ("elsewhere:c1", "{}"),
            ("campaign:c1", r#"{"eventType":"nothing"}"#),
            ("campaign:c1", r#"{"eventType":"status.changed","trigger":"t"}"#),
            ("campaign:c1", &huge),
        ] {
            store.execute(&format!("INSERT INTO event_outbox (channel, payload) VALUES ({}, {})", text(channel), text(payload)));
        }
        store.outbox("campaign:c1", &update(7));
        assert_eq!(client.expect_event("campaign:updated")["n"], 7);
        eventually_true("all are marked", || all_marked(&mut store));
        let reasons = store.words("SELECT refused AS value FROM event_outbox ORDER BY id");
        let kinds: Vec<&str> = reasons.iter().map(|reason| reason.split(':').next().unwrap()).collect();
        assert_eq!(kinds, ["not_json", "unknown_channel", "unknown_event", "missing_field", "too_large"]);
        assert_eq!(reasons[3], "missing_field: toStatus: a string is required");
        for kind in kinds {
            assert_eq!(server.metric("roomcast_refused_messages_total", kind), 1.0, "{kind}");
        }
        assert!(server.log().contains("refused a message from outbox"), "{}", server.log());
    }

    fn what_a_row_leads_to_is_in_the_store_when_it_is_marked(server: TestServer) {
        let mut store = server.store();
        let notice = |n: u64| json!({"id": format!("n{n}"), "type": "info", "title": "t", "message": "m"});
        for n in 0..50 {
            store.outbox("user:u1", &notice(n));
            store.outbox("campaign:c1", &json!({"eventType": "status.changed", "toStatus": format!("S{n}"), "trigger": "t"}));
        }
        eventually_true("all are marked", || {
            let marked = store.count("event_outbox WHERE dispatched_at IS NOT NULL AND channel = 'user:u1'");
            assert!(store.count("notifications") >= marked, "marked before it was stored");
            marked == 50 && all_marked(&mut store)
        });
        assert_eq!(store.status_of("c1").as_deref(), Some("S49"));
        let mut client = server.connect(Protocol::SocketIo, &user("u1"));
        client.emit_bare("subscribe:user");
        client.wait_for("subscribed");
    }

    fn rolled_back_numbers_hold_nothing_up_and_an_event_id_of_ones_own_wins(server: TestServer) {
        let mut client = member(&server, "c1");
        let mut store = server.store();
        store.execute("BEGIN; INSERT INTO event_outbox (channel, payload) VALUES ('campaign:c1', '{}'); ROLLBACK");
        for n in [1, 2] {
            store.outbox("campaign:c1", &json!({"eventType": "updated", "eventId": "own", "n": n}));
        }
        store.outbox("campaign:c1", &update(3));
        assert_eq!(client.expect_event("campaign:updated")["n"], 1);
        assert_eq!(client.expect_event("campaign:updated")["n"], 3);
        eventually_true("all are marked", || all_marked(&mut store));
        client.expect_nothing_but_pong();
    }

    fn a_hub_that_starts_sends_what_waited_and_counts_it(server: TestServer) {
        let mut server = server;
        let mut store = server.store();
        server.signal("STOP");
        store.execute("BEGIN");
        (0..1_500).for_each(|n| store.outbox("campaign:c1", &json!({"eventType": "status.changed", "toStatus": format!("S{n}"), "trigger": "t", "timestamp": n})));
        store.execute("COMMIT");
        server.kill_and_start_again();
        eventually_true("all are marked", || all_marked(&mut store));
        assert_eq!(store.status_of("c1").as_deref(), Some("S1499"));
        eventually_true("none waits", || server.metric("roomcast_queue_depth", "outbox") == 0.0);
        assert_eq!(server.metric("roomcast_dependency_up", "outbox"), 1.0);
    }
}

#[test]
fn a_row_that_commits_after_higher_numbers_goes_out_late_and_is_not_forgotten() {
    let server = TestServer::builder().database(&postgres::SHARED.database()).start();
    let mut client = member(&server, "c1");
    let (mut late, mut store) = (server.store(), server.store());
    late.execute("BEGIN");
    late.outbox("campaign:c1", &update(1));
    store.outbox("campaign:c1", &update(2));
    assert_eq!(client.expect_event("campaign:updated")["n"], 2);
    eventually_true("the higher is marked", || all_marked(&mut store));
    late.execute("COMMIT");
    assert_eq!(client.expect_event("campaign:updated")["n"], 1);
}

#[test]
fn without_a_wake_up_a_row_costs_the_polling_time() {
    // as behind a pooler that loses LISTEN
    let wakes = |trigger: bool| {
        let url = postgres::SHARED.database();
        let server = TestServer::builder().database(&url).set("store.outbox_poll_ms", 5_000).start();
        let mut client = member(&server, "c1");
        let mut store = server.store();
        if !trigger {
            store.execute("ALTER TABLE event_outbox DISABLE TRIGGER event_outbox_notify");
        }
        // behind the first look
        store.outbox("campaign:c1", &update(0));
        client.expect_event("campaign:updated");
        let begun = Instant::now();
        store.outbox("campaign:c1", &update(1));
        client.expect_event("campaign:updated");
        begun.elapsed()
    };
    assert!(wakes(true) < Duration::from_millis(2_500), "woken");
    let polled = wakes(false);
    assert!(polled > Duration::from_millis(2_500) && polled < Duration::from_secs(15), "{polled:?}");
}

#[test]
fn while_redis_is_away_rows_wait_and_none_is_lost() {
    let mut redis = RedisServer::start();
    let server = TestServer::builder().redis(&redis).database(&postgres::SHARED.database()).start();
    let mut store = server.store();
    let mut client = member(&server, "c1");
    redis.kill();
    eventually_true("the hub knows", || server.metric("roomcast_dependency_up", "redis") == 0.0);
    (0..50).for_each(|n| store.outbox("campaign:c1", &update(n)));
    eventually_true("it says that they wait", || server.metric("roomcast_queue_depth", "outbox") > 0.0);
    assert_eq!(store.count("event_outbox WHERE dispatched_at IS NULL"), 50);
    redis.start_again();
    for n in 0..50 {
        assert_eq!(client.wait_for("campaign:updated")["n"], n);
    }
    eventually_true("they are marked", || all_marked(&mut store));
}

#[test]
fn of_several_hubs_one_relays_and_another_when_it_hangs_or_dies() {
    let redis = RedisServer::start();
    let url = postgres::SHARED.database();
    let builder = TestServer::builder().redis(&redis).database(&url);
    let mut first = builder.clone().start();
    let second = builder.start();
    let mut store = second.store();
    let mut clients = [member(&first, "c1"), member(&second, "c1")];
    for n in 0..100 {
        store.outbox("campaign:c1", &update(n));
        for client in &mut clients {
            assert_eq!(client.expect_event("campaign:updated")["n"], n);
        }
    }
    let repeats = || first.metric("roomcast_refused_messages_total", "duplicate");
    assert_eq!(repeats(), 0.0, "two relays at a time would send twice");
    first.signal("STOP"); // in a turn or between two: both have to do
    for n in 100..120 {
        store.outbox("campaign:c1", &update(n));
        assert_eq!(clients[1].expect_event("campaign:updated")["n"], n);
    }
    first.signal("CONT");
    first.signal("KILL");
    first.wait();
    store.outbox("campaign:c1", &update(120));
    assert_eq!(clients[1].expect_event("campaign:updated")["n"], 120);
    eventually_true("they are marked", || all_marked(&mut store));
}

// ── killed between sending and marking ──────────────────────────────────────────────────────────────────────

#[test]
fn five_kills_lose_no_row_and_show_no_socket_one_twice() {
    kill_again_and_again(5);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_hundred_kills_lose_no_row_and_show_no_socket_one_twice() {
    kill_again_and_again(100);
}

/// Two hubs on one Redis and PostgreSQL; one is killed at random moments while rows come in without a pause.
/// A socket of the hub that lives sees each row exactly once, in order; one of the killed hub sees none twice
/// within a life; every row is marked and what it led to is stored.
fn kill_again_and_again(kills: u32) {
    let redis = RedisServer::start();
    let builder = TestServer::builder().redis(&redis).database(&postgres::SHARED.database());
    let (mut mortal, witness) = (builder.clone().start(), builder.start());
    let mut watcher = member(&witness, "c1");
    let (inserted, over, all_in) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
    let mut published = Monitor::start(&redis);
    let mut store = witness.store();
    std::thread::scope(|scope| {
        let inserting = scope.spawn(|| insert_until(&mut store, &inserted, &over));
        let watching = scope.spawn(|| watch(&mut watcher, &inserted, &all_in));
        for round in 0..kills {
            let mut client = member(&mortal, "c1");
            live_a_while(&mut client, round);
            mortal.kill_and_start_again();
        }
        over.store(true, Ordering::SeqCst);
        inserting.join().unwrap();
        all_in.store(true, Ordering::SeqCst);
        watching.join().unwrap();
    });
    let rows = inserted.load(Ordering::SeqCst);
    eventually_true("every row is marked", || all_marked(&mut store));
    assert_eq!(store.count("event_outbox"), 2 * rows as i64);
    assert_eq!(store.count("event_outbox WHERE refused IS NOT NULL"), 0);
    assert_eq!(store.count("notifications"), rows as i64, "what a row led to is stored once");
    let sent = published.stop();
    assert_eq!(sent.len() as u64, 2 * rows, "every row went out");
    let repeats: u64 = sent.values().map(|times| times - 1).sum();
    println!("{kills} kills, {} rows, {repeats} of them sent again", 2 * rows);
    assert!(kills < 50 || repeats > 0, "no kill fell between sending and marking: the test shows nothing");
}

/// A campaign event and a notification a number, each a row.
fn insert_until(store: &mut Store, inserted: &AtomicU64, over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        store.execute("BEGIN");
        for _ in 0..20 {
            let n = inserted.load(Ordering::SeqCst);
            store.outbox("campaign:c1", &update(n));
            store.outbox(
                "user:u1",
                &json!({"id": format!("n{n}"), "type": "info", "title": "t", "message": "m"}),
            );
            inserted.fetch_add(1, Ordering::SeqCst);
        }
        store.execute("COMMIT");
        std::thread::sleep(Duration::from_millis(20)); // the pace, waited on by nobody
    }
}

/// Sees each number once and in order, up to the last when all are in.
fn watch(client: &mut TestClient, inserted: &AtomicU64, all_in: &AtomicBool) {
    let (mut next, mut heard) = (0, Instant::now());
    while !all_in.load(Ordering::SeqCst) || next < inserted.load(Ordering::SeqCst) {
        // whoever is up to date when the last one is in hears nothing more, and has to see that all are in
        let Some(incoming) = client.next_within(Duration::from_millis(100)) else {
            assert!(heard.elapsed() < PATIENCE, "nothing came within {PATIENCE:?} behind number {next}");
            continue;
        };
        heard = Instant::now();
        match incoming {
            Incoming::Event(name, data) if name == "campaign:updated" => {
                assert_eq!(data["n"], next);
                next += 1;
            }
            Incoming::Event(..) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// What comes within one life of the hub is in order, and so nothing comes twice.
fn live_a_while(client: &mut TestClient, round: u32) {
    let end = Instant::now() + Duration::from_millis(u64::from(round * 37 % 100 + 20));
    let mut before = None;
    while let Some(left) = end.checked_duration_since(Instant::now())
        && let Some(incoming) = client.next_within(left)
    {
        match incoming {
            Incoming::Event(name, data) if name == "campaign:updated" => {
                let n = data["n"].as_u64();
                assert!(before < n, "{before:?} and then {n:?}");
                before = n;
            }
            Incoming::Event(..) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Everything that goes through Redis, by `eventId`: how often.
struct Monitor {
    stop: ::redis::Connection,
    counting: Option<std::thread::JoinHandle<HashMap<String, u64>>>,
}

const END: &str = "end-of-test";

impl Monitor {
    fn start(redis: &RedisServer) -> Monitor {
        let mut connection = redis.connection();
        let (ready, started) = std::sync::mpsc::channel();
        let counting = std::thread::spawn(move || {
            let mut found = HashMap::new();
            let mut heard = connection.as_pubsub();
            heard.psubscribe(["campaign:*", "user:*", END].as_slice()).unwrap();
            ready.send(()).unwrap();
            loop {
                let message = heard.get_message().unwrap();
                if message.get_channel_name() == END {
                    return found;
                }
                let payload: Value = serde_json::from_slice(message.get_payload_bytes()).unwrap();
                *found.entry(payload["eventId"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        });
        started.recv().unwrap();
        Monitor { stop: redis.connection(), counting: Some(counting) }
    }

    fn stop(&mut self) -> HashMap<String, u64> {
        let _: usize = ::redis::cmd("PUBLISH").arg(END).arg("").query(&mut self.stop).unwrap();
        self.counting.take().unwrap().join().unwrap()
    }
}

#[test]
fn a_killed_hub_alone_on_a_file_loses_no_row_and_nothing_that_a_row_led_to() {
    let mut server = TestServer::start();
    let (inserted, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut store = server.store();
    std::thread::scope(|scope| {
        let mut store = server.store();
        let (inserted, over) = (&inserted, &over);
        let inserting = scope.spawn(move || insert_until(&mut store, inserted, over));
        for round in 0..5 {
            let mut client = member(&server, "c1");
            live_a_while(&mut client, round * 13);
            server.kill_and_start_again();
        }
        over.store(true, Ordering::SeqCst);
        inserting.join().unwrap();
    });
    eventually_true("every row is marked", || all_marked(&mut store));
    let rows = inserted.load(Ordering::SeqCst) as i64;
    assert_eq!((store.count("event_outbox"), store.count("notifications")), (2 * rows, rows));
    store.assert_sound();
}
