//! The database: reads on a pool of sync actors, writes by one writer that commits what waits together.
//!
//! | file | owns |
//! |---|---|
//! | `handle` | [`Store`]: what the rest of the hub may ask; reads, and what goes through the writer's line |
//! | [`record`] | what the registry hands over to be written |
//! | `item`, `queue`, `behind`, `writer`, `health`, `probe` | what waits in the writer's line, the line, its loop, and what it finds of the database |
//! | `reader`, `joined` | the sync actors that read, and how many reads may wait; reads that several share |
//! | `connection`, `target`, `error` | opening either database by its URL; what its errors mean |
//! | `migrate`, `schema` | the embedded migrations; the tables |
//! | `read_model` | campaigns and participants as backends write and read them |
//! | `access` | revoked tokens, and the line of changes that every node reads |
//! | `campaigns`, `statuses`, `participants`, `notifications`, `connections`, [`outbox`] | a table's queries each |
//! | [`analytics`], `nodes`, `statistics` | who came and went on its way into the store; the hubs on this database; what is made of it |
//! | [`retention`] | the thread that deletes rows past their time |

mod access;
pub mod analytics;
mod behind;
mod campaigns;
mod connection;
mod connections;
mod error;
mod handle;
mod health;
mod item;
mod joined;
mod migrate;
mod nodes;
mod notifications;
pub mod outbox;
mod participants;
mod probe;
mod queue;
mod read_model;
mod reader;
pub mod record;
pub mod retention;
mod schema;
mod statistics;
mod statuses;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod writer;

pub use access::{AccessChange, AccessChanges, AccessNow};
pub use campaigns::{CampaignPart, CampaignRead, CampaignRow, CampaignState, Role};
pub use connections::{ConnectionEvent, ConnectionEventKind};
pub use error::StoreError;
pub use handle::{Confirmed, Initial, InitialAsk, Store, StoreOptions};
pub use notifications::{Of, StoredNotification, Unread};
pub use outbox::{Outbox, OutboxMark, OutboxRow};
pub use read_model::{Campaign, CampaignChange, CampaignWrite, ParticipantChange};
pub use record::{CampaignPut, NotificationRow, Recipient, Record};
pub use statistics::{ConnectionStatistics, HOUR_MS};
