//! What can go wrong between the hub and its database, and what to do about it.

use diesel::result::{DatabaseErrorKind, Error};

/// Why the store did not do what it was asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// The setting cannot work: it ends the process (exit code 2).
    #[error("database.url (DATABASE_URL): {0}")]
    Wrong(String),
    /// Nothing answers there, or not yet: worth waiting for.
    #[error("database.url (DATABASE_URL): cannot reach the database ({what}). {hint}")]
    Unreachable {
        /// The database's or the system's own words, without a password.
        what: String,
        /// What would make it reachable.
        hint: String,
    },
    /// It answers and refuses: a password, a right, a missing database. Waited for too.
    #[error("database.url (DATABASE_URL): the database refuses ({what}). {hint}")]
    Refused {
        /// The database's own words, without a password.
        what: String,
        /// What would make it accept.
        hint: String,
    },
    /// The schema has migrations that this binary does not know: it is older than the database, and must
    /// not touch it (exit code 2).
    #[error(
        "the database's schema is newer than this roomcast (it does not know the migrations {0:?}): \
         use the newer binary, or restore the database from before"
    )]
    NewerSchema(Vec<String>),
    /// As much waits already as may wait.
    #[error("the store has too much to do")]
    Busy,
    /// No answer within `database.timeout_ms`.
    #[error("the store does not answer in time: {0}")]
    Timeout(String),
    /// The database answered with an error.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// Whether it can pass by itself: a start waits for it.
    pub fn is_worth_waiting(&self) -> bool {
        !matches!(self, StoreError::Wrong(_) | StoreError::NewerSchema(_))
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> StoreError {
        StoreError::Failed(error.to_string())
    }
}

/// What a failed statement says of the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It is away, locked, full or read-only: the same statement may work later.
    Outage,
    /// The row itself cannot be stored, now or ever.
    Data,
    /// PostgreSQL gives a text and no kind: it may be either.
    Unclear,
}

/// Sorts a statement's error. SQLite's unnamed errors are of the file (locked, full, read-only) but for
/// two; PostgreSQL's texts are translated, so nothing is read from them.
pub(super) fn fault(error: &Error, sqlite: bool) -> Fault {
    use DatabaseErrorKind as Kind;
    match error {
        Error::DatabaseError(Kind::Unknown, info) if sqlite => match info.message() {
            "datatype mismatch" | "string or blob too big" => Fault::Data,
            _ => Fault::Outage,
        },
        Error::DatabaseError(
            Kind::ClosedConnection
            | Kind::UnableToSendCommand
            | Kind::SerializationFailure
            | Kind::ReadOnlyTransaction,
            _,
        )
        | Error::BrokenTransactionManager
        | Error::AlreadyInTransaction
        | Error::NotInTransaction
        | Error::RollbackErrorOnCommit { .. } => Fault::Outage,
        Error::DatabaseError(
            Kind::UniqueViolation
            | Kind::ForeignKeyViolation
            | Kind::NotNullViolation
            | Kind::CheckViolation
            | Kind::ExclusionViolation
            | Kind::RestrictViolation,
            _,
        )
        | Error::InvalidCString(_)
        | Error::NotFound
        | Error::QueryBuilderError(_)
        | Error::SerializationError(_)
        | Error::DeserializationError(_) => Fault::Data,
        _ => Fault::Unclear,
    }
}

/// Whether the connection on which this happened is of no further use.
pub(super) fn lost(error: &Error) -> bool {
    matches!(
        error,
        Error::DatabaseError(DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand, _)
            | Error::BrokenTransactionManager
            | Error::RollbackErrorOnCommit { .. }
    )
}
