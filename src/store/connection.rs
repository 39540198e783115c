//! One connection to either database, and how it is opened.

use std::time::{Duration, Instant};

use diesel::connection::{
    AnsiTransactionManager, InstrumentationEvent, SimpleConnection, TransactionManager,
};
use diesel::r2d2::{ManageConnection, R2D2Connection};
use diesel::result::QueryResult;
use diesel::{Connection, ConnectionError, PgConnection, SqliteConnection};
use prometheus::IntCounter;

use super::StoreError;
use super::target::Target;

/// A connection to the one database or the other.
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    /// An embedded file.
    Sqlite(SqliteConnection),
    /// A server, through libpq.
    Postgres(PgConnection),
}

/// Runs one query on whichever connection it is: for what diesel cannot say for both at once
/// (`ON CONFLICT`, `RETURNING`).
macro_rules! on_each {
    ($conn:expr, $c:ident => $query:expr) => {
        match $conn {
            $crate::store::connection::AnyConnection::Sqlite($c) => $query,
            $crate::store::connection::AnyConnection::Postgres($c) => $query,
        }
    };
}
pub(super) use on_each;

/// Held by whoever writes to PostgreSQL until its commit: so `seq` grows in the order of commits (a reader
/// that remembers the greatest misses none), and writers of several nodes cannot deadlock.
const WRITER_LOCK: i64 = 0x726f_6f6d_6361_7301;
/// Held by whoever migrates.
const MIGRATION_LOCK: i64 = 0x726f_6f6d_6361_7302;

impl AnyConnection {
    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self, AnyConnection::Sqlite(_))
    }

    /// A transaction that is alone in writing from its first statement to its commit.
    pub(super) fn write<T>(
        &mut self,
        body: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> QueryResult<T> {
        self.locked(WRITER_LOCK, body)
    }

    /// The same for migrations: it waits for other migrators, not for writers.
    pub(super) fn migrate<T, E: From<diesel::result::Error>>(
        &mut self,
        body: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.locked(MIGRATION_LOCK, body)
    }

    fn locked<T, E: From<diesel::result::Error>>(
        &mut self,
        lock: i64,
        body: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            // a read that turns into a write could meet another writer's commit and fail
            AnyConnection::Sqlite(conn) => {
                AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")?;
            }
            AnyConnection::Postgres(conn) => AnsiTransactionManager::begin_transaction(conn)?,
        }
        let result = self.take(lock).map_err(E::from).and_then(|()| body(self));
        let manager = |conn: &mut AnyConnection, good: bool| {
            if good {
                <AnyConnection as Connection>::TransactionManager::commit_transaction(conn)
            } else {
                <AnyConnection as Connection>::TransactionManager::rollback_transaction(conn)
            }
        };
        let ended = manager(self, result.is_ok());
        if result.is_ok() {
            ended?;
        }
        result
    }

    fn take(&mut self, lock: i64) -> QueryResult<()> {
        match self {
            AnyConnection::Sqlite(_) => Ok(()),
            AnyConnection::Postgres(conn) => {
                conn.batch_execute(&format!("SELECT pg_advisory_xact_lock({lock})"))
            }
        }
    }
}

/// Opens connections to the database that a URL names; r2d2's manager too. (diesel's own for a
/// `MultiConnection` tries each backend in turn and drops every reason.)
#[derive(Clone, Debug)]
pub(super) struct Manager {
    url: String,
    timeout: Duration,
    /// Counts the statements that its connections begin, transactions' own among them.
    statements: Option<IntCounter>,
}

impl Manager {
    pub(super) fn new(url: &str, timeout: Duration) -> Manager {
        Manager { url: url.to_owned(), timeout, statements: None }
    }

    /// The same, counting its connections' statements.
    pub(super) fn counting(self, statements: Option<IntCounter>) -> Manager {
        Manager { statements, ..self }
    }

    fn count_statements(&self, conn: &mut AnyConnection) {
        let Some(statements) = self.statements.clone() else { return };
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::StartQuery { .. }) {
                statements.inc();
            }
        });
    }

    /// A connection whose statements end within the timeout.
    pub(super) fn open(&self) -> Result<AnyConnection, StoreError> {
        let target = Target::parse(&self.url, self.timeout)?;
        let limits = postgres_limits(&self.url, self.timeout);
        let mut conn = open(&target, self.timeout, &limits).map_err(|message| target.explain(&message))?;
        self.count_statements(&mut conn);
        Ok(conn)
    }

    /// The file, where it is SQLite's.
    pub(super) fn sqlite_path(&self) -> Result<Option<String>, StoreError> {
        match Target::parse(&self.url, self.timeout)? {
            Target::Sqlite(path) => Ok(Some(path)),
            Target::Postgres(_) => Ok(None),
        }
    }

    /// A connection for work that may take longer, and wait longer for others that do the same.
    pub(super) fn open_for_migration(&self) -> Result<AnyConnection, StoreError> {
        let target = Target::parse(&self.url, self.timeout)?;
        let patient = self.timeout.max(Duration::from_secs(30));
        open(&target, patient, "").map_err(|message| target.explain(&message))
    }
}

fn open(target: &Target, busy: Duration, postgres: &str) -> Result<AnyConnection, String> {
    match target {
        Target::Sqlite(path) => {
            let mut conn = SqliteConnection::establish(path).map_err(reason)?;
            prepare_sqlite(&mut conn, busy).map_err(|error| error.to_string())?;
            Ok(AnyConnection::Sqlite(conn))
        }
        Target::Postgres(url) => {
            let mut conn = PgConnection::establish(url).map_err(reason)?;
            if !postgres.is_empty() {
                conn.batch_execute(postgres).map_err(|error| error.to_string())?;
            }
            Ok(AnyConnection::Postgres(conn))
        }
    }
}
fn reason(error: ConnectionError) -> String {
    match error {
        ConnectionError::BadConnection(message) => message,
        other => other.to_string(),
    }
}

/// The order counts: without the busy timeout the others fail where several start at once. Turning WAL
/// on asks for the whole file and does not always wait for it, so that is tried until the time is up.
fn prepare_sqlite(conn: &mut SqliteConnection, timeout: Duration) -> QueryResult<()> {
    conn.batch_execute(&format!("PRAGMA busy_timeout = {}", timeout.as_millis()))?;
    let until = Instant::now() + timeout;
    loop {
        match conn.batch_execute("PRAGMA journal_mode = WAL") {
            Err(error) if error.to_string().contains("locked") && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => break result?,
        }
    }
    conn.batch_execute("PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864")
}

/// Limits that the server keeps for us, where the URL's `options` do not set their own.
fn postgres_limits(url: &str, timeout: Duration) -> String {
    ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
        .iter()
        .filter(|name| !url.contains(*name))
        .map(|name| format!("SET {name} = {};", timeout.as_millis().max(1)))
        .collect()
}

/// A connection in the pool.
pub(super) struct Pooled {
    pub(super) conn: AnyConnection,
    /// When it last answered: one that just did is not asked again whether it is alive.
    pub(super) answered: Instant,
    /// Set where a statement found it dead.
    pub(super) dead: bool,
}

impl ManageConnection for Manager {
    type Connection = Pooled;
    type Error = StoreError;

    fn connect(&self) -> Result<Pooled, StoreError> {
        Ok(Pooled { conn: self.open()?, answered: Instant::now(), dead: false })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), StoreError> {
        if pooled.answered.elapsed() < Duration::from_secs(1) {
            return Ok(());
        }
        Ok(pooled.conn.ping()?)
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        std::thread::panicking() || pooled.dead || pooled.conn.is_broken()
    }
}
