//! The database: pool, schema, queries, the one writer.

pub mod record;

pub use record::{NotificationRow, Recipient, Record};
