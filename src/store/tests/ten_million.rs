//! Not a test: what notifications cost where there are very many. `scripts/ten_million.sh` runs it, and
//! docs/performance.md has its figures.

use diesel::connection::SimpleConnection;

use super::super::connection::AnyConnection;
use super::super::notifications::{self, NotificationWrite, Of};
use super::super::retention::{Keep, delete_some_notifications};
use super::super::testing::Postgres;
use super::*;
use crate::clock::now_ms;

/// Rows of one INSERT while the table is filled.
const CHUNK: i64 = 500_000;
const DAY_MS: i64 = 86_400_000;
const KEEP: Keep = Keep { notifications_days: 30, connection_events_days: 30, outbox_days: 7 };

fn rows() -> i64 {
    std::env::var("ROOMCAST_ROWS").map_or(20_000, |rows| rows.parse().expect("ROOMCAST_ROWS is a number"))
}

/// Twenty notifications a user, spread over 33 days, one in four unread; and one user with a hundredth of all.
fn fill(db: &Db, rows: i64) {
    let mut conn = db.outside();
    if conn.is_sqlite() {
        // in one go and without a log: each chunk would write every page of the index on ids
        conn.batch_execute(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -3000000; BEGIN",
        )
        .unwrap();
    } else {
        conn.batch_execute("SET statement_timeout = 0; SET synchronous_commit = off").unwrap();
    }
    let (begin, users) = (now_ms() - 33 * DAY_MS, (rows / 20).max(1));
    for first in (0..rows).step_by(CHUNK as usize) {
        let last = (first + CHUNK).min(rows) - 1;
        let series = if conn.is_sqlite() {
            format!("WITH RECURSIVE g(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM g WHERE n < {last})")
        } else {
            format!("WITH g(n) AS (SELECT CAST(generate_series({first}, {last}) AS BIGINT))")
        };
        conn.batch_execute(&format!(
            "{series} INSERT INTO notifications \
             (id, user_id, type, title, message, metadata, campaign_id, created_at, read_at) \
             SELECT 'n' || n, CASE WHEN n % 100 = 0 THEN 'heavy' ELSE 'u' || (n * 7919 % {users}) END, 'info', \
             'A goal was reached', 'The campaign has reached its goal of a thousand participants', \
             '{{\"goal\":1000}}', 'c' || (n % 1000), {begin} + n * 33 * {DAY_MS} / {rows}, \
             CASE WHEN n / {users} % 4 = 0 THEN NULL ELSE {begin} + n END FROM g"
        ))
        .unwrap();
    }
    let end = if conn.is_sqlite() {
        "COMMIT; PRAGMA journal_mode = WAL"
    } else {
        "VACUUM ANALYZE notifications" // as autovacuum has done after a while
    };
    conn.batch_execute(end).unwrap();
}

fn head(db: &Db, what: &str, begun: Instant) {
    println!("\n{:?}, {what}, filled in {:.0} s\n", db.kind, begun.elapsed().as_secs_f64());
    println!("| | times | p50 ms | p99 ms | longest |\n|---|---|---|---|---|");
}

/// Runs something so many times and prints what it took.
fn measure(what: &str, times: usize, mut run: impl FnMut(usize)) {
    let mut took: Vec<Duration> = (0..times)
        .map(|n| {
            let begun = Instant::now();
            run(n);
            begun.elapsed()
        })
        .collect();
    took.sort();
    let ms = |share: usize| took[(times - 1) * share / 100].as_secs_f64() * 1_000.0;
    println!("| {what} | {times} | {:.2} | {:.2} | {:.2} |", ms(50), ms(99), ms(100));
}

fn write(ticket: u64, user: &str) -> NotificationWrite {
    let Record::Notification(row) = to(user, &format!("new-{ticket}")) else { unreachable!() };
    NotificationWrite { ticket, row, written: None }
}

fn insert(conn: &mut AnyConnection, first: usize, count: usize, users: usize) {
    let mut list: Vec<_> =
        (first..first + count).map(|n| write(n as u64, &format!("u{}", n * 31 % users))).collect();
    conn.write(|conn| notifications::write(conn, &mut list.iter_mut().collect::<Vec<_>>())).unwrap();
}

fn measure_notifications(db: &Db) {
    let rows = rows();
    let begun = Instant::now();
    fill(db, rows);
    head(db, &format!("{rows} notifications"), begun);
    let users = (rows / 20).max(1) as usize;
    let user = |n: usize| format!("u{}", n * 7_919 % users);
    let mut conn = db.outside();
    measure("pending at a connect (10 newest unread, mark)", 2_000, |n| {
        notifications::initial(&mut conn, &user(n)).unwrap();
    });
    measure("the same of a user with a hundredth of all rows", 500, |_| {
        assert_eq!(notifications::initial(&mut conn, "heavy").unwrap().items.len(), 10);
    });
    measure("caught up at `subscribe:user`, nothing new", 2_000, |n| {
        notifications::unread_since(&mut conn, &user(n), i64::MAX - 1).unwrap();
    });
    measure("caught up from the beginning", 2_000, |n| {
        notifications::unread_since(&mut conn, &user(n), 0).unwrap();
    });
    measure("a page of 100 over HTTP", 2_000, |n| {
        notifications::page(&mut conn, &user(n), Of::All, None, 101).unwrap();
    });
    let mut some = Vec::new();
    for n in 0..500 {
        let page = notifications::page(&mut conn, &user(n), Of::Unread, None, 3).unwrap();
        some.push((user(n), page.into_iter().map(|one| one.id).collect::<Vec<_>>()));
    }
    measure("3 marked as read, a transaction", 500, |n| {
        let (user, ids) = &some[n];
        conn.write(|conn| notifications::mark_read(conn, user, ids)).unwrap();
    });
    measure("1 written, a transaction", 500, |n| insert(&mut conn, n, 1, users));
    measure("1 000 written, a transaction", 20, |n| insert(&mut conn, 1_000 * (n + 1), 1_000, users));
    measure("a step of the retention (500 rows deleted)", 100, |_| {
        delete_some_notifications(&mut conn, KEEP).unwrap();
    });
}

/// A tenth of the rows as connections that lasted an hour at most, over 30 days, and their statistics.
fn measure_statistics(db: &Db) {
    let (connections, filling) = (rows() / 10, Instant::now());
    let mut conn = db.outside();
    let (begin, users) = (now_ms() - 30 * DAY_MS, (connections / 20).max(1));
    let (sqlite, series) = (conn.is_sqlite(), |first: i64, last: i64| match db.kind {
        Kind::Sqlite => {
            format!("WITH RECURSIVE g(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM g WHERE n < {last})")
        }
        Kind::Postgres => format!("WITH g(n) AS (SELECT CAST(generate_series({first}, {last}) AS BIGINT))"),
    });
    if !sqlite {
        conn.batch_execute("SET statement_timeout = 0; SET synchronous_commit = off").unwrap();
    }
    for first in (0..connections).step_by(CHUNK as usize) {
        let series = series(first, (first + CHUNK).min(connections) - 1);
        let at = format!("{begin} + n * 30 * {DAY_MS} / {connections}");
        let user = format!("'u' || (n * 7919 % {users})");
        let meta = r#"'{"ip":"192.0.2.1","userAgent":"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0","transport":"websocket"}'"#;
        conn.batch_execute(&format!(
            "{series} INSERT INTO connection_events (node, socket_id, user_id, event, \"timestamp\", metadata, duration_ms) \
             SELECT 'n:1', 's' || n, {user}, 'connected', {at}, {meta}, NULL FROM g; \
             {series} INSERT INTO connection_events (node, socket_id, user_id, event, \"timestamp\", metadata, duration_ms) \
             SELECT 'n:1', 's' || n, {user}, 'disconnected', {at} + 1000, {meta}, n * 7919 % 3600000 FROM g"
        ))
        .unwrap();
    }
    if !sqlite {
        conn.batch_execute("VACUUM ANALYZE connection_events").unwrap();
    }
    head(db, &format!("{connections} connections"), filling);
    for (what, days) in [("statistics of a day", 1), ("statistics of 30 days", 30)] {
        measure(&format!("{what}, {} connections", connections * days / 30), 10, |_| {
            super::super::statistics::read(&mut conn, now_ms() - days * DAY_MS, now_ms()).unwrap();
        });
    }
}

/// As it is installed, with its writes made sure of, unlike that of the tests.
fn on_postgres(measure: impl FnOnce(&Db)) {
    let server = Postgres::start_with("-c fsync=on -c full_page_writes=on -c shared_buffers=128MB");
    let db = Db::of(&server);
    Store::migrate(&db.options()).unwrap();
    measure(&db);
}

#[test]
#[ignore = "a measurement"]
fn sqlite_notifications() {
    run(Kind::Sqlite, async |db| measure_notifications(db));
}

#[test]
#[ignore = "a measurement"]
fn sqlite_connections() {
    run(Kind::Sqlite, async |db| measure_statistics(db));
}

#[test]
#[ignore = "a measurement"]
fn postgres_notifications() {
    on_postgres(measure_notifications);
}

#[test]
#[ignore = "a measurement"]
fn postgres_connections() {
    on_postgres(measure_statistics);
}
