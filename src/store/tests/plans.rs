//! How the databases find what the relay and the retention look for: by an index, however many rows there are.

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
            let indexes = ["notifications_by_time", "connection_events_by_time", "event_outbox_dispatched"];
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
