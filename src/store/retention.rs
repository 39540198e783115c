//! Deletes rows past their time: a thread and a connection of its own, a few rows a step, and pauses in
//! between, so that neither the writer nor anybody else waits long for a lock.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::connection::{AnyConnection, Manager};
use super::handle::StoreOptions;
use super::outbox::try_lock;
use super::{Store, StoreError};
use crate::clock::{self, Millis};

/// Held by whoever deletes, a step at a time: one hub is enough.
const RETENTION_LOCK: i64 = 0x726f_6f6d_6361_7304;
/// What one step deletes of a table, in rows.
const STEP: usize = 500;
/// Between two rounds through the tables.
const ROUND: Duration = Duration::from_secs(600);
/// Between two steps: at least this, and so many times what the step took.
const PAUSE: Duration = Duration::from_millis(50);
const SHARE: u32 = 10;
const DAY_MS: Millis = 86_400_000;
/// How long changes of rights are kept for nodes that could not read them, in days.
const ACCESS_CHANGES_DAYS: u64 = 1;

/// How long rows are kept, in days.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// Notifications, read or not, from their time on.
    pub notifications_days: u64,
    /// Connects and disconnects.
    pub connection_events_days: u64,
    /// Rows of the outbox, from when they were sent or refused. Those that wait are kept.
    pub outbox_days: u64,
}

/// A table, and what of it goes.
struct Old {
    table: &'static str,
    key: &'static str,
    time: &'static str,
    days: u64,
}

impl Keep {
    fn tables(self) -> [Old; 4] {
        let old = |table, key, time, days| Old { table, key, time, days };
        [
            old("notifications", "seq", "created_at", self.notifications_days),
            old("connection_events", "id", "\"timestamp\"", self.connection_events_days),
            old("event_outbox", "id", "dispatched_at", self.outbox_days),
            old("access_changes", "seq", "changed_at", ACCESS_CHANGES_DAYS),
        ]
    }
}

/// The thread, as long as this is there.
#[derive(Debug)]
pub struct Retention {
    _ends: Sender<()>,
}

impl Retention {
    /// Starts it; the schema has to be there.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(options: &StoreOptions, keep: Keep, store: Store) -> std::io::Result<Retention> {
        let manager = options.manager();
        let (ends, over) = channel();
        let work = Work { manager, keep, store, over };
        std::thread::Builder::new().name("store-retention".into()).spawn(move || work.run())?;
        Ok(Retention { _ends: ends })
    }
}

struct Work {
    manager: Manager,
    keep: Keep,
    /// Asked whether the database takes writes.
    store: Store,
    over: Receiver<()>,
}

impl Work {
    fn run(self) {
        loop {
            if self.store.is_up()
                && let Err(error) = self.round()
            {
                log::warn!("old rows could not be deleted, which is tried again in ten minutes: {error}");
            }
            if !self.pause(ROUND) {
                return;
            }
        }
    }

    /// False when it is over.
    fn pause(&self, time: Duration) -> bool {
        matches!(self.over.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }

    /// Deletes everything that is old now; the connection is there for the round alone.
    fn round(&self) -> Result<(), StoreError> {
        let mut conn = self.manager.open()?;
        for old in self.keep.tables() {
            let before =
                clock::now_ms() - Millis::try_from(old.days).unwrap_or(Millis::MAX / DAY_MS) * DAY_MS;
            let mut deleted = 0;
            loop {
                let begun = Instant::now();
                let step = step(&mut conn, &old, before)?;
                deleted += step;
                if step < STEP || !self.store.is_up() {
                    break;
                }
                if !self.pause(PAUSE.max(begun.elapsed() * SHARE)) {
                    return Ok(());
                }
            }
            if deleted > 0 {
                log::info!(
                    "{deleted} rows of {} were older than {} days and are deleted",
                    old.table,
                    old.days
                );
            }
        }
        Ok(())
    }
}

/// One step: how many rows it deleted; none where another hub is at it.
fn step(conn: &mut AnyConnection, old: &Old, before: Millis) -> QueryResult<usize> {
    let query = diesel::sql_query(delete(conn.is_sqlite(), old)).bind::<BigInt, _>(before);
    match conn {
        AnyConnection::Sqlite(_) => query.execute(conn),
        AnyConnection::Postgres(_) => {
            conn.transaction(|conn| if try_lock(conn, RETENTION_LOCK)? { query.execute(conn) } else { Ok(0) })
        }
    }
}

/// The statement of a step: it finds the oldest by the index on their time, and them by their key.
fn delete(sqlite: bool, old: &Old) -> String {
    let Old { table, key, time, .. } = old;
    let (before, among) = if sqlite { ("?", ("IN (", ")")) } else { ("$1", ("= ANY (ARRAY(", "))")) };
    let oldest = format!("SELECT {key} FROM {table} WHERE {time} < {before} ORDER BY {time} LIMIT {STEP}");
    format!("DELETE FROM {table} WHERE {key} {}{oldest}{}", among.0, among.1)
}

/// The statements of a step, for the tests of their plans.
#[cfg(test)]
pub(super) fn deletes(sqlite: bool, keep: Keep) -> Vec<String> {
    keep.tables().iter().map(|old| delete(sqlite, old)).collect()
}

/// One step through the notifications, for a measurement.
#[cfg(test)]
pub(super) fn delete_some_notifications(conn: &mut AnyConnection, keep: Keep) -> QueryResult<usize> {
    let [notifications, ..] = keep.tables();
    step(conn, &notifications, clock::now_ms() - notifications.days as Millis * DAY_MS)
}
