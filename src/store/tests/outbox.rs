//! The outbox table and its marks, and rows past their time.

use super::super::outbox::{LARGEST_ROW, Turn};
use super::super::retention::{Keep, Retention};
use super::*;
use crate::clock::now_ms;

fn insert(db: &Db, channel: &str, payload: &str) {
    db.sql(&format!("INSERT INTO event_outbox (channel, payload) VALUES ('{channel}', '{payload}')"));
}

fn mark(id: i64, refused: Option<&str>) -> OutboxMark {
    OutboxMark { id, refused: refused.map(Into::into) }
}

/// The rows of a turn, off the actix thread; nothing is marked.
async fn peek(outbox: Outbox, most: usize) -> (Outbox, Turn<Vec<OutboxRow>>) {
    tokio::task::spawn_blocking(move || {
        let mut outbox = outbox;
        let turn = outbox.turn(most, |rows| rows).unwrap();
        (outbox, turn)
    })
    .await
    .unwrap()
}

fn ids_of(turn: &Turn<Vec<OutboxRow>>) -> Vec<i64> {
    match turn {
        Turn::Done { sent, .. } => sent.iter().map(|row| row.id).collect(),
        Turn::Elsewhere => panic!("another relay"),
    }
}

async fn marked(store: &Store, marks: Vec<OutboxMark>) -> Result<(), StoreError> {
    ask(|reply| store.mark_outbox(marks, 77, reply)).await
}

#[derive(QueryableByName, PartialEq, Eq, Debug)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::BigInt>)]
    dispatched_at: Option<i64>,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    refused: Option<String>,
}

fn rows(db: &Db) -> Vec<Row> {
    let query = "SELECT id, dispatched_at, refused FROM event_outbox ORDER BY id";
    diesel::sql_query(query).load(&mut db.outside()).unwrap()
}

on_both! {
    async fn rows_come_in_order_until_they_are_marked_whatever_number_commits_last(db) {
        let (store, _) = db.store();
        (0..3).for_each(|n| insert(db, "campaign:c", &format!("{{\"n\":{n}}}")));
        db.sql("BEGIN; INSERT INTO event_outbox (channel, payload) VALUES ('a', 'b'); ROLLBACK");
        db.sql("INSERT INTO event_outbox (id, channel, payload) VALUES (900, 'user:u', '{}')");
        let (outbox, found) = peek(Outbox::new(&db.options()), 100).await;
        assert_eq!(ids_of(&found), [1, 2, 3, 900]);
        let Turn::Done { sent: list, more: false } = &found else { panic!("{found:?}") };
        assert_eq!(list[0], OutboxRow { id: 1, channel: "campaign:c".into(), payload: b"{\"n\":0}".into(), too_large: false });
        marked(&store, vec![mark(1, None), mark(3, Some("not_json: no")), mark(900, None)]).await.unwrap();
        // a lower number that was not to be seen when 900 was marked
        db.sql("INSERT INTO event_outbox (id, channel, payload) VALUES (800, 'user:u', '{}')");
        let (outbox, found) = peek(outbox, 100).await;
        assert_eq!(ids_of(&found), [2, 800]);
        assert_eq!(ids_of(&peek(outbox, 1).await.1), [2]);
        marked(&store, vec![mark(3, None)]).await.unwrap();
        let is = |id, dispatched_at, refused: Option<&str>| Row { id, dispatched_at, refused: refused.map(Into::into) };
        let all = [is(1, Some(77), None), is(2, None, None), is(3, Some(77), Some("not_json: no")), is(800, None, None), is(900, Some(77), None)];
        assert_eq!(rows(db), all);
    }

    async fn one_relay_at_a_time_and_another_when_it_is_gone(db) {
        insert(db, "user:u", "{}");
        let (mut first, mut second) = (Outbox::new(&db.options()), Outbox::new(&db.options()));
        let inside = first.turn(9, |rows| (rows.len(), second.turn(9, |rows| rows.len()).unwrap())).unwrap();
        assert_eq!(inside, Turn::Done { sent: (1, Turn::Elsewhere), more: false });
        drop(first);
        assert_eq!(second.turn(1, |rows| rows.len()).unwrap(), Turn::Done { sent: 1, more: true });
    }

    async fn rows_of_any_size_and_bytes_are_read_within_bounds(db) {
        db.sql(&format!("INSERT INTO event_outbox (channel, payload) SELECT 'user:u', '{}'", "é".repeat(600_000)));
        db.sql(&format!("INSERT INTO event_outbox (channel, payload) SELECT '{}', '{{}}'", "c".repeat(2_000_000)));
        for _ in 0..7 {
            insert(db, "user:u", &"x".repeat(900_000));
        }
        let (outbox, found) = peek(Outbox::new(&db.options()), 100).await;
        let Turn::Done { sent: list, more: true } = found else { panic!("there is more") };
        let seen: Vec<(bool, usize)> = list.iter().map(|row| (row.too_large, row.payload.len())).collect();
        assert_eq!(seen, [(true, 2_048), (true, 2), (false, 900_000), (false, 900_000)], "4 MiB at most");
        assert_eq!(list[1].channel.len(), 1_024);
        const { assert!(LARGEST_ROW > 1_000_000) };
        if db.kind == Kind::Sqlite {
            db.sql("DELETE FROM event_outbox; INSERT INTO event_outbox (channel, payload) VALUES (x'ff', x'fe00')");
            let (_, found) = peek(outbox, 100).await;
            let Turn::Done { sent: list, .. } = found else { panic!("alone") };
            assert_eq!((&*list[0].channel, &*list[0].payload), ("\u{fffd}", &[0xfe, 0][..]));
        }
    }

    async fn a_row_is_marked_with_or_after_what_it_led_to_never_before(db) {
        let (store, _) = db.store();
        insert(db, "user:u", "{}");
        store.write(1, status("warm", "S", 1)); // the next statuses wait 50 ms
        assert!(flush(&store).await);
        for n in 0..200 {
            store.write(n, status(&format!("c{n}"), "S", 1));
            store.write(1_000 + n, to("u", &format!("n{n}")));
        }
        marked(&store, vec![mark(1, None)]).await.unwrap();
        assert_eq!(unread(&store, "u", 0).await.items.len(), 200);
        assert_eq!(state(&store, "c199").await, Some((Some("S".into()), Some(1))));
    }

    async fn marks_are_answered_also_when_they_cannot_be_written(db) {
        let (store, _) = db.store();
        db.sql("DROP TABLE event_outbox");
        // SQLite gives no kind for a missing table: it is waited for; PostgreSQL's error is the statement's
        if db.kind == Kind::Postgres {
            assert!(matches!(marked(&store, vec![mark(1, None)]).await, Err(StoreError::Failed(_))));
            assert!(store.is_up());
        }
    }

    async fn rows_past_their_time_go_and_no_others(db) {
        let (store, _) = db.store();
        let (now, day) = (now_ms(), 86_400_000);
        let old = |n| if n < 1_200 { now - 31 * day } else { now - 29 * day };
        let events: Vec<_> = (0..1_203).map(|n| came("n", &format!("s{n}"), "u", old(n))).collect();
        ask(|reply| store.connection_events(events.into(), reply)).await.unwrap();
        assert!(flush(&store).await);
        for (id, age) in [("old", 8), ("new", 6)] {
            let at = now - age * day;
            db.sql(&format!(
                "INSERT INTO event_outbox (channel, payload, dispatched_at, refused) VALUES ('{id}', '', {at}, 'r');
                 INSERT INTO event_outbox (channel, payload, created_at) VALUES ('waiting', '', 0);
                 INSERT INTO notifications (id, user_id, type, title, message, created_at) VALUES ('{id}', 'u', 'info', '', '', {at})"
            ));
        }
        let keep = Keep { notifications_days: 7, connection_events_days: 30, outbox_days: 7 };
        let _retention = Retention::start(&db.options(), keep, store.clone()).unwrap();
        let left = |from: &str| count(db, from);
        until("the old rows are gone", || {
            (left("connection_events"), left("event_outbox"), left("notifications")) == (3, 3, 1)
        }).await;
        assert_eq!(left("event_outbox WHERE channel = 'old'") + left("notifications WHERE id = 'old'"), 0);
    }
}

fn count(db: &Db, from: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let query = diesel::sql_query(format!("SELECT count(*) AS n FROM {from}"));
    query.get_result::<Count>(&mut db.outside()).unwrap().n
}

#[test]
fn a_row_that_commits_after_higher_numbers_were_marked_is_found() {
    run(Kind::Postgres, async |db| {
        use diesel::connection::SimpleConnection;
        let (store, _) = db.store();
        let mut late = db.outside();
        late.batch_execute("BEGIN; INSERT INTO event_outbox (channel, payload) VALUES ('late', '{}')")
            .unwrap();
        insert(db, "early", "{}");
        let (outbox, found) = peek(Outbox::new(&db.options()), 9).await;
        assert_eq!(ids_of(&found), [2]);
        marked(&store, vec![mark(2, None)]).await.unwrap();
        late.batch_execute("COMMIT").unwrap();
        assert_eq!(ids_of(&peek(outbox, 9).await.1), [1]);
    });
}

#[test]
fn an_insert_wakes_the_relay_once_a_statement() {
    run(Kind::Postgres, async |db| {
        let (mut outbox, _) = peek(Outbox::new(&db.options()), 9).await;
        assert!(!outbox.was_woken());
        db.sql(
            "INSERT INTO event_outbox (channel, payload) SELECT 'user:u', '{}' FROM generate_series(1, 1000)",
        );
        until("woken", || outbox.was_woken()).await;
        db.sql("BEGIN; INSERT INTO event_outbox (channel, payload) VALUES ('a', 'b'); ROLLBACK");
        insert(db, "user:u", "{}");
        until("woken again", || outbox.was_woken()).await;
        assert!(!outbox.was_woken(), "what was rolled back wakes nobody");
    });
}

#[test]
fn a_relay_whose_connection_was_ended_reads_on_with_another() {
    run(Kind::Postgres, async |db| {
        let (outbox, _) = peek(Outbox::new(&db.options()), 9).await;
        insert(db, "user:u", "{}");
        db.end_connections();
        let (outbox, failed) = tokio::task::spawn_blocking(move || {
            let mut outbox = outbox;
            let failed = outbox.turn(9, |rows| rows.len()).is_err();
            (outbox, failed)
        })
        .await
        .unwrap();
        assert!(failed);
        assert_eq!(ids_of(&peek(outbox, 9).await.1), [1]);
    });
}

#[test]
fn a_look_at_a_connection_that_is_gone_ends_and_the_next_turn_has_another() {
    run(Kind::Postgres, async |db| {
        let (outbox, _) = peek(Outbox::new(&db.options()), 9).await;
        insert(db, "user:u", "{}");
        db.end_connections();
        let (done, looked) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut outbox = outbox;
            // the server forgets a process before its connection closes: a look in between finds nothing
            while outbox.is_connected() {
                outbox.was_woken();
            }
            let _ = done.send(outbox);
        });
        let outbox = looked.recv_timeout(Duration::from_secs(20)).expect("the look ends");
        assert_eq!(ids_of(&peek(outbox, 9).await.1), [1]);
    });
}
