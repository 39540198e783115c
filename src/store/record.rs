//! What the store is asked to write, in the registry's order.

use std::sync::Arc;

use crate::clock::Millis;

/// One thing to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A campaign's status; written where it is not older than what the row holds, the row made where
    /// there is none. Many of one campaign are coalesced to the newest.
    Status {
        /// The campaign.
        campaign_id: Arc<str>,
        /// The new status.
        status: Arc<str>,
        /// The publisher's time.
        time: Millis,
    },
    /// A notification, unique by user and id.
    Notification(Box<NotificationRow>),
}

/// Whose notification it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Recipient {
    /// A user.
    User(Arc<str>),
    /// Whoever owns this campaign when it is written.
    OwnerOf(Arc<str>),
}

/// A notification as it is stored. JSON stands as text.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields of CONTRACT 5's `notification`")]
pub struct NotificationRow {
    pub id: Arc<str>,
    pub to: Recipient,
    /// `info`, `success`, `warning` or `error`.
    pub kind: &'static str,
    pub title: String,
    pub message: String,
    pub action_url: Option<String>,
    /// JSON text.
    pub metadata: Option<Box<str>>,
    pub campaign_id: Option<Arc<str>>,
    pub created_at: Millis,
}
