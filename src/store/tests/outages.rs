//! A database that is away, locked or full of objections.

use super::*;

on_both! {
    async fn a_row_that_can_never_be_stored_is_left_out_and_the_rest_is_written(db) {
        let (store, heard) = db.store();
        let Record::Notification(mut bad) = to("u", "bad") else { unreachable!() };
        bad.kind = "bogus"; // against the table's constraint
        store.write(0, to("u", "a"));
        store.write(1, Record::Notification(bad));
        store.write(2, to("u", "b"));
        assert!(flush(&store).await);
        assert_eq!(ids(&unread(&store, "u", 0).await.items), ["a", "b"]);
        assert!(heard.all().contains(&Confirmed::Dropped { ticket: 1 }));
        assert_eq!((store.dropped(), store.overflowed(), heard.all().len()), (1, 0, 3));
        assert!(store.is_up());
    }

    async fn text_with_a_zero_character_blocks_nothing(db) {
        let (store, heard) = db.store();
        store.write(0, to("u", "a\0"));
        store.write(1, status("c\0", "S", 1));
        store.write(2, to("u", "b"));
        assert!(flush(&store).await);
        assert!(unread(&store, "u", 0).await.items.iter().any(|one| one.id == "b"));
        assert_eq!(heard.all().len(), 3, "each is answered for");
        // SQLite can hold it, PostgreSQL cannot: neither panics
        assert_eq!(store.dropped(), if db.kind == Kind::Postgres { 2 } else { 0 });
        let read = ask(|reply| store.campaign("c\0", "u", reply)).await;
        assert_eq!(read.is_ok(), db.kind == Kind::Sqlite);
        assert_eq!(state(&store, "d").await, None, "the reader lives on");
    }

    async fn what_finds_no_room_is_refused_and_counted_while_statuses_go_on_being_coalesced(db) {
        let blocker = Blocker::lock(db);
        let bounds = Bounds { items: 10, bytes: 1 << 20 };
        let options = StoreOptions { timeout: Duration::from_millis(200), ..db.options() };
        let (store, heard) = db.store_with(options, bounds);
        store.write(0, to("u", "first"));
        until("down", || !store.is_up()).await;
        let taken = (1..=30).filter(|n| store.write(*n, to("u", &format!("n{n}")))).count();
        assert_eq!((taken, store.overflowed()), (10, 20));
        for n in 0..1_000 {
            assert!(store.write(100 + n, status("c", &format!("s{n}"), n as i64)));
        }
        assert_eq!(ask(|reply| store.mark_read("u", vec![], reply)).await, Err(StoreError::Busy));
        assert_eq!(store.depth(), 12);
        assert!(heard.all().is_empty(), "nothing is committed");
        drop(blocker);
        assert!(flush(&store).await);
        assert!(store.is_up());
        let expected: Vec<String> = ["first".to_owned()].into_iter().chain((1..=10).map(|n| format!("n{n}"))).collect();
        assert_eq!(ids(&unread(&store, "u", 0).await.items), expected);
        assert_eq!(state(&store, "c").await, Some((Some("s999".into()), Some(999))));
    }

    async fn a_database_that_another_program_locks_for_a_while_loses_nothing(db) {
        let options = StoreOptions { timeout: Duration::from_millis(150), ..db.options() };
        let (store, heard) = db.store_with(options, Bounds::default());
        let blocker = Blocker::lock(db);
        for n in 0..500 {
            store.write(n, to("u", &format!("n{n}")));
        }
        until("down", || !store.is_up()).await;
        let start = Instant::now();
        if db.kind == Kind::Sqlite {
            assert_eq!(state(&store, "c").await, None, "reads go on");
        }
        assert!(!tokio::task::spawn_blocking({
            let store = store.clone();
            move || store.flush(Duration::from_millis(50))
        }).await.unwrap(), "a flush ends with its limit");
        assert!(start.elapsed() < Duration::from_secs(5));
        drop(blocker);
        assert!(flush(&store).await);
        assert_eq!(unread(&store, "u", 0).await.items.len(), 500);
        assert_eq!((heard.all().len(), store.dropped(), store.overflowed()), (500, 0, 0));
        assert!(store.is_up());
    }

    async fn dropping_the_last_handle_writes_what_waits(db) {
        let (store, heard) = db.store();
        for n in 0..100 {
            store.write(n, to("u", &format!("n{n}")));
        }
        store.write(100, status("c", "S", 1));
        drop(store);
        until("all confirmed", || heard.all().len() == 101).await;
    }
}

#[test]
fn connections_that_the_server_ended_are_noticed_and_replaced() {
    run(Kind::Postgres, async |db| {
        let (store, _) = db.store();
        for round in 0..3 {
            for _ in 0..10 {
                read(&store, "c", "u").await; // every reader has a connection
            }
            db.end_connections();
            assert_eq!(state(&store, "c").await, None, "a read does not see it");
            store.write(round, to("u", &format!("n{round}")));
            assert!(flush(&store).await);
        }
        assert_eq!(unread(&store, "u", 0).await.items.len(), 3);
        assert_eq!(store.dropped(), 0);
    });
}

#[test]
fn an_idle_store_notices_that_the_database_went_away_and_came_back() {
    run(Kind::Postgres, async |db| {
        let (store, _) = db.store();
        assert!(flush(&store).await && store.is_up());
        db.admin_sql(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", db.name()));
        db.end_connections();
        until("down", || !store.is_up()).await;
        store.write(1, to("u", "n1"));
        let options = StoreOptions { timeout: Duration::from_millis(300), ..db.options() };
        let (other, _) = db.store_with(options, Bounds::default());
        let answer = ask(|reply| other.campaign("c", "u", reply)).await;
        assert!(matches!(answer, Err(StoreError::Timeout(_))), "{answer:?}");
        db.admin_sql(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", db.name()));
        until("up", || store.is_up() && other.is_up()).await;
        assert!(flush(&store).await);
        assert_eq!(ids(&unread(&store, "u", 0).await.items), ["n1"]);
    });
}

#[test]
fn a_frozen_server_makes_the_store_down_by_its_silence() {
    run(Kind::Postgres, async |db| {
        let options = StoreOptions { timeout: Duration::from_millis(300), ..db.options() };
        let (store, heard) = db.store_with(options, Bounds::default());
        store.write(1, to("u", "n1"));
        assert!(flush(&store).await);
        let frozen = db.freeze();
        store.write(2, to("u", "n2"));
        until("down", || !store.is_up()).await;
        assert_eq!(heard.all().len(), 1);
        drop(frozen);
        assert!(flush(&store).await);
        until("up", || store.is_up()).await;
        assert_eq!(ids(&unread(&store, "u", 0).await.items), ["n1", "n2"]);
    });
}

#[test]
fn more_reads_than_may_wait_are_refused_at_once() {
    run(Kind::Sqlite, async |db| {
        let (store, _) = db.store();
        let (tell, told) = std::sync::mpsc::channel();
        let many = crate::store::reader::MOST + 500;
        for _ in 0..many {
            let tell = tell.clone();
            store.campaign("c", "u", move |answer| drop(tell.send(answer)));
        }
        assert!(store.reading() <= crate::store::reader::MOST);
        let answers: Vec<_> =
            tokio::task::spawn_blocking(move || told.iter().take(many).collect()).await.unwrap();
        let busy = answers.iter().filter(|answer| **answer == Err(StoreError::Busy)).count();
        assert!(busy >= 500 - 3 && busy < many, "{busy} refused");
        until("none waits", || store.reading() == 0).await;
        assert_eq!(state(&store, "c").await, None);
    });
}

#[test]
fn a_lock_that_is_held_for_long_is_not_taken_for_a_bad_row() {
    run(Kind::Postgres, async |db| {
        let options = StoreOptions { timeout: Duration::from_millis(50), ..db.options() };
        let (store, heard) = db.store_with(options, Bounds::default());
        let blocker = Blocker::lock(db);
        store.write(1, to("u", "n1"));
        for tries in 0..6 {
            let waiting = || {
                db.count(&format!(
                    "pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = '{}'",
                    db.name()
                )) > 0
            };
            until(&format!("try {tries}"), waiting).await;
            until(&format!("the end of try {tries}"), || !waiting()).await;
        }
        assert_eq!((store.dropped(), store.depth()), (0, 1));
        drop(blocker);
        assert!(flush(&store).await);
        assert_eq!((heard.all().len(), unread(&store, "u", 0).await.items.len()), (1, 1));
    });
}
