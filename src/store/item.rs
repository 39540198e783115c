//! One thing for the writer to do.

use diesel::result::QueryResult;

use super::connection::AnyConnection;
use super::notifications::NotificationWrite;
use super::record::NotificationRow;
use super::statuses::StatusWrite;
use super::{Confirmed, StoreError};

/// A change or a read in the writer's line, with somebody who waits for its result.
pub(super) trait Task: Send {
    /// Runs inside the transaction; again where that fails.
    fn apply(&mut self, conn: &mut AnyConnection) -> QueryResult<()>;
    /// Answers, after the commit or when it was given up.
    fn finish(self: Box<Self>, end: Result<(), StoreError>);
    /// Whether it changes anything.
    fn writes(&self) -> bool;
    /// About how much memory it holds beyond the usual.
    fn bytes(&self) -> usize {
        0
    }
    /// The ticket that it was given, where somebody waits for its confirmation.
    fn ticket(&self) -> Option<u64> {
        None
    }
    /// What its commit confirms.
    fn confirmation(&self) -> Option<Confirmed> {
        None
    }
}

/// One thing for the writer to do.
pub(super) enum Item {
    Status(StatusWrite),
    Notification(NotificationWrite),
    Task(Box<dyn Task>),
}

impl Item {
    /// About how much memory it holds.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Item::Notification(one) => 128 + weight(&one.row),
            Item::Task(task) => 256 + task.bytes(),
            _ => 256,
        }
    }
}

fn weight(row: &NotificationRow) -> usize {
    let optional =
        row.action_url.as_ref().map_or(0, String::len) + row.metadata.as_ref().map_or(0, |m| m.len());
    row.title.len() + row.message.len() + optional + std::mem::size_of::<NotificationRow>()
}
