//! How the databases find what connects, the relay and the retention look for: by an index, however many rows
//! there are.

use std::sync::Mutex;

use diesel::connection::InstrumentationEvent;

use super::super::connection::AnyConnection;
use super::super::notifications::{self, Of};
use super::super::outbox::find;
use super::super::retention::{Keep, deletes};
use super::*;

/// The plan as text; the statement's one parameter is put in.
fn plan(db: &Db, statement: &str) -> String {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text)]
        line: String,
    }
    let statement = statement.replace('?', "1000").replace("$1", "1000");
    match db.kind {
        Kind::Sqlite => {
            #[derive(QueryableByName)]
            struct Step {
                #[diesel(sql_type = diesel::sql_types::Text)]
                detail: String,
            }
            let steps: Vec<Step> =
                diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(&mut db.outside()).unwrap();
            steps.into_iter().map(|step| step.detail + "\n").collect()
        }
        Kind::Postgres => {
            use diesel::connection::SimpleConnection;
            let mut conn = db.outside();
            conn.batch_execute(
                "CREATE FUNCTION pg_temp.plan(q text) RETURNS SETOF text LANGUAGE plpgsql AS
                 $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN ' || q; END $$",
            )
            .unwrap();
            let quoted = statement.replace('\'', "''");
            let lines: Vec<Line> =
                diesel::sql_query(format!("SELECT plan AS line FROM pg_temp.plan('{quoted}') AS plan"))
                    .load(&mut conn)
                    .unwrap();
            lines.into_iter().map(|line| line.line + "\n").collect()
        }
    }
}

/// Enough rows that a plan without an index would be chosen if there were none, and few of them wanted.
fn fill(db: &Db) {
    let series = match db.kind {
        Kind::Sqlite => "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 20000) ",
        Kind::Postgres => "WITH g(n) AS (SELECT generate_series(1, 20000)) ",
    };
    for insert in [
        "INSERT INTO event_outbox (channel, payload, dispatched_at) SELECT 'c', 'p', n FROM g",
        "INSERT INTO event_outbox (channel, payload) SELECT 'c', 'p' FROM g WHERE n < 100",
        "INSERT INTO access_changes (kind, origin, changed_at) SELECT 'revoked', 0, n FROM g",
        "INSERT INTO connection_events (node, socket_id, user_id, event, \"timestamp\") SELECT 'n', 's', 'u', 'connected', n FROM g",
        "INSERT INTO notifications (id, user_id, type, title, message, created_at) SELECT CAST(n AS TEXT), 'u', 'info', '', '', n FROM g",
    ] {
        db.sql(&format!("{series}{insert}"));
    }
    db.sql("ANALYZE");
}

on_both! {
    async fn what_relay_and_retention_look_for_is_found_by_an_index(db) {
        let sqlite = db.kind == Kind::Sqlite;
        let keep = Keep { notifications_days: 1, connection_events_days: 1, outbox_days: 1 };
        for filled in [false, true] {
            if filled {
                fill(db);
            }
            let waiting = plan(db, &find(sqlite, 500));
            assert!(waiting.contains("event_outbox_waiting"), "{waiting}");
            let indexes = [
                "notifications_by_time",
                "connection_events_by_time",
                "event_outbox_dispatched",
                "access_changes_by_time",
            ];
            assert_eq!(deletes(sqlite, keep).len(), indexes.len());
            for (statement, index) in deletes(sqlite, keep).iter().zip(indexes) {
                let plan = plan(db, statement);
                // PostgreSQL reads a table of a page without its index
                if filled || sqlite {
                    assert!(plan.contains(index), "{plan}");
                    assert!(!plan.contains("Seq Scan") && !plan.contains("SCAN"), "{plan}");
                }
            }
        }
    }
}

/// The statements that `run` asks of a connection, as text without their binds.
fn asked(db: &Db, run: impl FnOnce(&mut AnyConnection)) -> Vec<String> {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = heard.clone();
    let mut conn = db.outside();
    conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            note.lock().unwrap().push(text.split(" -- binds").next().unwrap().to_owned());
        }
    });
    run(&mut conn);
    drop(conn);
    heard.lock().unwrap().clone()
}

/// 40 000 notifications of 21 users; `old` has a third of them, the oldest, and has read all but a few.
fn fill_notifications(db: &Db) {
    let series = match db.kind {
        Kind::Sqlite => "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 40000) ",
        Kind::Postgres => "WITH g(n) AS (SELECT generate_series(1, 40000)) ",
    };
    db.sql(&format!(
        "{series}INSERT INTO notifications (id, user_id, type, title, message, created_at, read_at)
         SELECT CAST(n AS TEXT), CASE WHEN n < 14000 THEN 'old' ELSE 'u' || (n % 20) END, 'info', '', '', n,
                CASE WHEN n % 3 = 0 AND (n > 14000 OR n < 100) THEN NULL ELSE n END FROM g"
    ));
    db.sql("ANALYZE");
}

on_both! {
    async fn a_users_notifications_are_found_by_an_index_that_gives_their_order(db) {
        fill_notifications(db);
        for user in ["u7", "old", "nobody"] {
            let statements = asked(db, |conn| {
                notifications::initial(conn, user).unwrap();
                notifications::unread_since(conn, user, 5).unwrap();
                notifications::page(conn, user, Of::Unread, Some(30_000), 101).unwrap();
                notifications::page(conn, user, Of::All, None, 101).unwrap();
            });
            let indexes = ["by_user", "unread", "by_user", "unread", "unread", "by_user"];
            assert_eq!(statements.len(), indexes.len(), "{statements:?}");
            for (statement, index) in statements.iter().zip(indexes) {
                let (user, until) = (format!("'{user}'"), i64::MAX.to_string());
                let values = [("$1", user.as_str()), ("$2", "0"), ("$3", &until), ("$4", "10")];
                let statement = values.iter().fold(statement.clone(), |text, (name, value)| text.replace(name, value));
                let plan = plan(db, &statement);
                assert!(plan.contains(&format!("notifications_{index}")), "{statement}\n{plan}");
                for dear in ["SCAN", "Seq Scan", "Sort", "TEMP B-TREE", "Filter", "Bitmap"] {
                    assert!(!plan.contains(dear), "{dear}: {statement}\n{plan}");
                }
            }
        }
    }

    async fn what_is_marked_as_read_is_found_by_user_and_id(db) {
        fill_notifications(db);
        let ids: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let statements = asked(db, |conn| drop(notifications::mark_read(conn, "u7", &ids).unwrap()));
        assert_eq!(statements.len(), 2, "{statements:?}");
        for statement in statements {
            let statement = match db.kind {
                // the time stands first where there is one, then the user, then the ids
                Kind::Sqlite if statement.starts_with("UPDATE") => statement.replacen('?', "1", 1).replacen('?', "'u7'", 1),
                Kind::Sqlite => statement.replacen('?', "'u7'", 1),
                Kind::Postgres if statement.starts_with("UPDATE") => {
                    statement.replace("$1", "1").replace("$2", "'u7'").replace("$3", "'{1,2,3}'")
                }
                Kind::Postgres => statement.replace("$1", "'u7'").replace("$2", "'{1,2,3}'"),
            };
            let plan = plan(db, &statement);
            assert!(!plan.contains("Seq Scan") && !plan.contains("SCAN"), "{statement}\n{plan}");
            assert!(plan.contains("user_id_id_key") || plan.contains("autoindex"), "{statement}\n{plan}");
        }
    }
}

on_both! {
    async fn statistics_of_a_while_are_found_by_the_index_on_time(db) {
        fill(db);
        let statements = asked(db, |conn| drop(super::super::statistics::read(conn, 900, 1_000).unwrap()));
        assert_eq!(statements.len(), 4, "{statements:?}");
        for statement in statements {
            let plan = plan(db, &statement.replace("$1", "900").replace("$2", "1000"));
            assert!(plan.contains("connection_events_by_time"), "{statement}\n{plan}");
            if db.kind == Kind::Sqlite {
                assert!(plan.contains("USING COVERING INDEX"), "{statement}\n{plan}");
            }
        }
    }
}
