//! The outbox table: rows that programs outside insert and one relay sends on. Never read by a high-water
//! mark: a row may commit later than one of a higher id.
//!
//! One relay at a time. PostgreSQL: an advisory lock of the transaction in which the rows were read, open
//! until they are marked; so it works through a pooler, and the server takes it from a relay that dies or
//! hangs. SQLite: a lock on a file beside the database's, which the operating system takes back.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool};

use super::connection::{AnyConnection, Manager};
use super::handle::StoreOptions;
use super::schema::event_outbox as table;
use super::{StoreError, error};
use crate::clock::Millis;

/// Held by whoever relays, from reading rows until they are marked.
const RELAY_LOCK: i64 = 0x726f_6f6d_6361_7303;
/// How long a relay may hang in its transaction before the server ends it, and another takes over.
const HANGS: Duration = Duration::from_secs(10);
/// Rows whose channel and payload are longer are not loaded: no message may be.
pub const LARGEST_ROW: i64 = 1_001_024;
/// What is loaded of those, in characters.
const BEGINNING: i32 = 1_024;
/// The most that one turn loads, one row always fits.
const TURN_BYTES: i64 = 4 << 20;

/// A row that waits to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxRow {
    /// Its number; it makes the message's `eventId`.
    pub id: i64,
    /// The channel; bytes that are not UTF-8 have become U+FFFD.
    pub channel: String,
    /// What is to be published, or the beginning of it where `too_large`.
    pub payload: Vec<u8>,
    /// It is longer than any message may be.
    pub too_large: bool,
}

/// What became of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxMark {
    /// The row.
    pub id: i64,
    /// Why it can be no event; none where it was sent.
    pub refused: Option<String>,
}

/// How a turn ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Turn<T> {
    /// The rows were handed over.
    Done {
        /// What came of it.
        sent: T,
        /// Whether more rows may wait than the turn could take.
        more: bool,
    },
    /// Another relay is at it.
    Elsewhere,
}

/// The relay's own connection. Everything here blocks for as long as the database likes.
pub struct Outbox {
    manager: Manager,
    conn: Option<AnyConnection>,
    file: Option<File>,
}

#[derive(QueryableByName)]
struct Size {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

#[derive(QueryableByName)]
struct Raw {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Binary)]
    channel: Vec<u8>,
    #[diesel(sql_type = Binary)]
    payload: Vec<u8>,
}

impl Outbox {
    /// Opens no connection yet.
    pub fn new(options: &StoreOptions) -> Outbox {
        Outbox { manager: options.manager(), conn: None, file: None }
    }

    /// Hands the first rows that wait, at most `most`, to `send`, as the only relay; it has to see to it that
    /// they are marked ([`Store::mark_outbox`](super::Store::mark_outbox)) before it returns.
    ///
    /// # Errors
    /// The database cannot be read, or not locked.
    pub fn turn<T>(
        &mut self,
        most: usize,
        send: impl FnOnce(Vec<OutboxRow>) -> T,
    ) -> Result<Turn<T>, StoreError> {
        if !self.lock_file()? {
            return Ok(Turn::Elsewhere);
        }
        let mut sent = None;
        let ended = self.ask(|conn| match conn {
            AnyConnection::Sqlite(_) => {
                let (rows, more) = read(conn, most)?;
                sent = Some((send(rows), more));
                Ok(true)
            }
            AnyConnection::Postgres(_) => conn.transaction(|conn| {
                let alone = try_lock(conn, RELAY_LOCK)?;
                if alone {
                    let (rows, more) = read(conn, most)?;
                    sent = Some((send(rows), more));
                }
                Ok(alone)
            }),
        });
        match (sent, ended) {
            // whatever became of the transaction, the rows were handed over
            (Some((sent, more)), _) => Ok(Turn::Done { sent, more }),
            (None, ended) => ended.map(|_| Turn::Elsewhere),
        }
    }

    /// How many rows wait, counted up to `most`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn waiting(&mut self, most: usize) -> Result<usize, StoreError> {
        self.ask(|conn| Ok(diesel::sql_query(find(conn.is_sqlite(), most)).load::<Size>(conn)?.len()))
    }

    /// Whether somebody has said, since the last look, that rows came. Never blocks; false where the database
    /// has no way to say so.
    pub fn was_woken(&mut self) -> bool {
        let Some(AnyConnection::Postgres(conn)) = &mut self.conn else { return false };
        // a connection that is gone says so for ever: it is opened again at the next turn
        let told: Result<Vec<_>, _> = conn.notifications_iter().collect();
        match told {
            Ok(told) => !told.is_empty(),
            Err(_) => {
                self.conn = None;
                false
            }
        }
    }

    /// Whether a connection is open, as far as the last turn or look has shown.
    #[cfg(test)]
    pub(super) fn is_connected(&self) -> bool {
        self.conn.is_some()
    }

    /// On SQLite: whether this process relays; true on PostgreSQL.
    fn lock_file(&mut self) -> Result<bool, StoreError> {
        let Some(path) = self.manager.sqlite_path()?.filter(|_| self.file.is_none()) else { return Ok(true) };
        let path = format!("{path}-relay");
        let failed = |error: std::io::Error| StoreError::Failed(format!("{path}: {error}"));
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                self.file = Some(file);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn ask<T>(&mut self, query: impl FnOnce(&mut AnyConnection) -> QueryResult<T>) -> Result<T, StoreError> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => open(&self.manager)?,
        };
        let result = query(&mut conn);
        if !result.as_ref().err().is_some_and(error::lost) {
            self.conn = Some(conn);
        }
        Ok(result?)
    }
}

fn open(manager: &Manager) -> Result<AnyConnection, StoreError> {
    let mut conn = manager.open()?;
    if let AnyConnection::Postgres(conn) = &mut conn {
        let hangs = HANGS.as_millis();
        conn.batch_execute(&format!(
            "SET idle_in_transaction_session_timeout = {hangs}; LISTEN roomcast_outbox"
        ))?;
    }
    Ok(conn)
}

/// Takes a lock for the transaction, if nobody has it.
pub(super) fn try_lock(conn: &mut AnyConnection, lock: i64) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Taken {
        #[diesel(sql_type = Bool)]
        taken: bool,
    }
    let query = diesel::sql_query(format!("SELECT pg_try_advisory_xact_lock({lock}) AS taken"));
    Ok(query.get_result::<Taken>(conn)?.taken)
}

/// The statement that finds rows; the partial index holds those that wait and no others.
pub(super) fn find(sqlite: bool, most: usize) -> String {
    // its own rowid would look as good to SQLite, and leads through every row
    let by = if sqlite { "INDEXED BY event_outbox_waiting" } else { "" };
    format!(
        "SELECT id, CAST(octet_length(channel) + octet_length(payload) AS BIGINT) AS bytes \
         FROM event_outbox {by} WHERE dispatched_at IS NULL ORDER BY id LIMIT {most}"
    )
}

/// First their sizes, so that what is loaded is bounded whatever the rows hold; and whether there may be more.
fn read(conn: &mut AnyConnection, most: usize) -> QueryResult<(Vec<OutboxRow>, bool)> {
    let found: Vec<Size> = diesel::sql_query(find(conn.is_sqlite(), most)).load(conn)?;
    let mut bytes = 0;
    let mut more = found.len() >= most;
    let mut sizes = HashMap::new();
    for size in found {
        bytes += size.bytes.min(LARGEST_ROW);
        if bytes > TURN_BYTES && !sizes.is_empty() {
            more = true;
            break;
        }
        sizes.insert(size.id, size.bytes);
    }
    Ok((load(conn, &sizes)?, more))
}

fn load(conn: &mut AnyConnection, sizes: &HashMap<i64, i64>) -> QueryResult<Vec<OutboxRow>> {
    let (large, small): (Vec<i64>, Vec<i64>) = sizes.keys().partition(|id| sizes[*id] > LARGEST_ROW);
    let mut rows = load_some(conn, &small, false)?;
    rows.extend(load_some(conn, &large, true)?);
    rows.sort_by_key(|row| row.id);
    Ok(rows)
}

/// As bytes: what is no text there is refused like any other message, and stops nobody.
fn load_some(conn: &mut AnyConnection, ids: &[i64], too_large: bool) -> QueryResult<Vec<OutboxRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let list = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let field = |name: &str| {
        let cut = if too_large { format!("substr({name}, 1, {BEGINNING})") } else { name.to_owned() };
        if conn.is_sqlite() { format!("CAST({cut} AS BLOB)") } else { format!("convert_to({cut}, 'UTF8')") }
    };
    let (channel, payload) = (field("channel"), field("payload"));
    let query = format!(
        "SELECT id, {channel} AS channel, {payload} AS payload FROM event_outbox WHERE id IN ({list}) \
         AND dispatched_at IS NULL"
    );
    let rows: Vec<Raw> = diesel::sql_query(query).load(conn)?;
    let row = |Raw { id, channel, payload }| {
        let channel = String::from_utf8_lossy(&channel).into_owned();
        OutboxRow { id, channel, payload, too_large }
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Marks rows; those that are marked already stay as they are.
pub(super) fn mark(conn: &mut AnyConnection, marks: &[OutboxMark], now: Millis) -> QueryResult<()> {
    let waiting = || table::table.filter(table::dispatched_at.is_null());
    let (refused, sent): (Vec<_>, Vec<_>) = marks.iter().partition(|mark| mark.refused.is_some());
    let sent: Vec<i64> = sent.iter().map(|mark| mark.id).collect();
    diesel::update(waiting().filter(table::id.eq_any(sent)))
        .set(table::dispatched_at.eq(now))
        .execute(conn)?;
    for mark in refused {
        diesel::update(waiting().filter(table::id.eq(mark.id)))
            .set((table::dispatched_at.eq(now), table::refused.eq(mark.refused.as_deref())))
            .execute(conn)?;
    }
    Ok(())
}
