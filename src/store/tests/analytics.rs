//! Connection events, the hubs on a database, and statistics.

use actix::Actor as _;
use prometheus::IntCounter;

use super::*;
use crate::clock::Millis;
use crate::store::analytics::{Analytics, ConnectionLog};
use crate::store::schema::connection_events as table;

async fn write(store: &Store, events: Vec<ConnectionEvent>) {
    ask(|reply| store.connection_events(events.into(), reply)).await.unwrap();
}

async fn begin(store: &Store, node: &str) -> usize {
    ask(|reply| store.node_begins(node, reply)).await.unwrap()
}

async fn beat(store: &Store, node: &str) -> usize {
    ask(|reply| store.node_beats(node, reply)).await.unwrap()
}

async fn statistics(store: &Store, from: Millis, to: Millis) -> ConnectionStatistics {
    ask(|reply| store.connection_statistics(from, to, reply)).await.unwrap()
}

/// Sockets that were closed as `unknown`, in the order of writing.
fn unknown(db: &Db) -> Vec<String> {
    table::table
        .filter(table::event.eq("disconnected"))
        .filter(table::metadata.eq(r#"{"reason":"unknown"}"#))
        .filter(table::duration_ms.is_null())
        .order(table::id)
        .select(table::socket_id)
        .load(&mut db.outside())
        .unwrap()
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

/// Makes it so that a hub was last seen so long ago.
fn silent_for(db: &Db, node: &str, ms: i64) {
    db.sql(&format!("UPDATE nodes SET seen_at = seen_at - {ms} WHERE name = '{node}'"));
}

on_both! {
    async fn coming_and_going_is_written_in_order_with_how_long_it_was(db) {
        let (store, _) = db.store();
        write(&store, vec![came("n", "s1", "u", 9), came("n", "s2", "u", 10), gone("n", "s1", "u", 12, 3)]).await;
        write(&store, vec![gone("n", "s2", "u", 20, 10)]).await;
        write(&store, vec![]).await;
        let rows: Vec<(String, String, i64, Option<i64>)> = table::table.order(table::id)
            .select((table::event, table::socket_id, table::timestamp, table::duration_ms))
            .load(&mut db.outside()).unwrap();
        let row = |event: &str, id: &str, at, lasted| (event.to_owned(), id.to_owned(), at, lasted);
        assert_eq!(rows, [
            row("connected", "s1", 9, None), row("connected", "s2", 10, None),
            row("disconnected", "s1", 12, Some(3)), row("disconnected", "s2", 20, Some(10)),
        ]);
        assert_eq!(begin(&store, "n").await, 0, "nothing is open");
    }

    async fn what_a_hub_left_open_is_closed_by_its_next_start_and_that_of_others_stays(db) {
        let (store, _) = db.store();
        assert_eq!(begin(&store, "a").await, 0);
        assert_eq!(begin(&store, "b").await, 0);
        let mine = (0..1_203).map(|n| came("a", &format!("a{n}"), "u", n)).collect();
        write(&store, mine).await;
        write(&store, vec![came("b", "b1", "u", 5), gone("a", "a0", "u", 7, 7)]).await;
        assert_eq!(begin(&store, "a").await, 1_202);
        assert_eq!(unknown(db).len(), 1_202);
        assert!(!unknown(db).iter().any(|id| id == "b1" || id == "a0"));
        assert_eq!(begin(&store, "a").await, 0, "each once");
        // what was taken for gone and ends after all has its true end as well
        write(&store, vec![gone("a", "a1", "u", 9, 8)]).await;
        assert_eq!(begin(&store, "b").await, 1);
    }

    async fn what_a_hub_left_open_that_never_comes_back_is_closed_by_the_others(db) {
        let (store, _) = db.store();
        for node in ["gone", "here", "quiet"] {
            assert_eq!(begin(&store, node).await, 0);
        }
        write(&store, vec![
            came("gone", "g1", "u", 1), came("gone", "g2", "u", 1), came("here", "h1", "u", 1),
            came("quiet", "q1", "u", 1), came("never seen", "n1", "u", 1),
        ]).await;
        silent_for(db, "gone", 181_000);
        silent_for(db, "quiet", 170_000);
        assert_eq!(beat(&store, "here").await, 3);
        assert_eq!(sorted(unknown(db)), ["g1", "g2", "n1"]);
        assert_eq!(beat(&store, "here").await, 0);
        assert_eq!(beat(&store, "quiet").await, 0, "it was itself away for long");
        assert_eq!(begin(&store, "gone").await, 0);
        assert_eq!(begin(&store, "quiet").await, 1);
    }

    async fn after_an_outage_of_the_database_nobody_is_taken_for_gone(db) {
        let (store, _) = db.store();
        for node in ["a", "b"] {
            assert_eq!(begin(&store, node).await, 0);
        }
        write(&store, vec![came("a", "a1", "u", 1), came("b", "b1", "u", 1)]).await;
        for node in ["a", "b"] {
            silent_for(db, node, 3_600_000);
        }
        assert_eq!(beat(&store, "a").await + beat(&store, "b").await + beat(&store, "a").await, 0);
        assert_eq!(unknown(db), Vec::<String>::new());
    }

    async fn statistics_count_what_began_and_measure_what_ended_in_the_range(db) {
        let (store, _) = db.store();
        let nothing = ConnectionStatistics {
            connections: 0, unique_users: 0, average_duration_ms: 0.0, p95_duration_ms: 0, per_hour: vec![],
        };
        assert_eq!(statistics(&store, 0, Millis::MAX).await, nothing);
        let hour = HOUR_MS;
        let mut events = vec![came("n", "before", "early", 10 * hour - 1), came("n", "after", "late", 13 * hour + 1)];
        for n in 0..40 {
            let at = if n < 30 { 10 * hour + n } else { 12 * hour + n };
            events.push(came("n", &format!("s{n}"), &format!("u{}", n % 7), at));
            events.push(gone("n", &format!("s{n}"), "u", at + 1, 100 * (n + 1)));
        }
        events.push(gone("n", "before", "early", 11 * hour, 1_000_000));
        events.push(gone("n", "after", "late", 14 * hour, 9_000_000));
        write(&store, events).await;
        assert_eq!(begin(&store, "n").await, 0);
        let found = statistics(&store, 10 * hour, 13 * hour).await;
        assert_eq!((found.connections, found.unique_users), (40, 7));
        assert_eq!(found.per_hour, [(10, 30), (12, 10)]);
        // 100, 200, … 4 000 and 1 000 000: of 41 the 39th
        assert_eq!(found.p95_duration_ms, 3_900);
        assert!((found.average_duration_ms - (82_000.0 + 1_000_000.0) / 41.0).abs() < 0.01, "{found:?}");
        let one = statistics(&store, 10 * hour, 10 * hour).await;
        assert_eq!((one.connections, one.average_duration_ms, one.p95_duration_ms), (1, 0.0, 0));
        let one = statistics(&store, 10 * hour + 1, 10 * hour + 1).await;
        assert_eq!((one.connections, one.average_duration_ms, one.p95_duration_ms), (1, 100.0, 100));
    }
}

fn owned_log(store: &Store) -> (ConnectionLog, IntCounter) {
    let overflow = IntCounter::new("overflow", "o").unwrap();
    let log = ConnectionLog::new(overflow.clone());
    Analytics::new(log.clone(), store.clone(), "n".into()).start();
    (log, overflow)
}

/// The sockets that came, in the order of writing.
fn written(db: &Db) -> Vec<String> {
    table::table.order(table::id).select(table::socket_id).load(&mut db.outside()).unwrap()
}

on_both! {
    async fn what_waits_while_the_database_is_locked_is_written_afterwards_once_and_in_order(db) {
        let (store, _) = db.store();
        let (log, overflow) = owned_log(&store);
        let blocker = Blocker::lock(db);
        let expected: Vec<String> = (0..2_500).map(|n| format!("s{n}")).collect();
        for (n, socket) in expected.iter().enumerate() {
            log.note(came("n", socket, "u", n as i64));
        }
        until("the writer has the first thousand, and no more", || log.depth() == 1_500).await;
        drop(blocker);
        until("all are written", || written(db).len() == 2_500).await;
        assert_eq!(written(db), expected);
        assert_eq!((log.depth(), overflow.get()), (0, 0));
    }

    async fn at_an_orderly_end_what_is_left_is_handed_over(db) {
        let (store, _) = db.store();
        let log = ConnectionLog::new(IntCounter::new("overflow", "o").unwrap());
        (0..2_500).for_each(|n| log.note(came("n", &format!("s{n}"), "u", n)));
        log.hand_over(&store);
        assert!(flush(&store).await);
        assert_eq!(written(db).len(), 2_500);
    }

    async fn an_event_that_can_never_be_stored_costs_no_other(db) {
        let (store, _) = db.store();
        let (log, _) = owned_log(&store);
        for (n, user) in ["u", "a\0b", "u", "u"].into_iter().enumerate() {
            log.note(came("n", &format!("s{n}"), user, n as i64));
        }
        // PostgreSQL knows no U+0000 in a text
        let expected: &[&str] = if db.kind == Kind::Postgres { &["s0", "s2", "s3"] } else { &["s0", "s1", "s2", "s3"] };
        until("the others are written", || written(db) == expected).await;
        log.note(came("n", "s4", "u", 9));
        until("and what comes later", || written(db).last().is_some_and(|last| last == "s4")).await;
    }
}
