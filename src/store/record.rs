//! What the store is asked to write, in the registry's order.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{CampaignChange, CampaignWrite, StoreError};
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
    /// A campaign as a backend gives it.
    Campaign(Box<CampaignPut>),
}

/// A PUT of a campaign, and who waits for it.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignPut {
    /// What is written.
    pub write: CampaignWrite,
    /// Hears of it.
    pub reply: PutReply,
}

type HearPut = Box<dyn FnOnce(Result<CampaignChange, StoreError>) + Send>;

/// Hears once what became of a PUT, on a thread of the store; it should only send a message.
#[derive(Clone)]
pub struct PutReply(Arc<Mutex<Option<HearPut>>>);

impl PutReply {
    /// Calls this.
    pub fn new(hear: impl FnOnce(Result<CampaignChange, StoreError>) + Send + 'static) -> PutReply {
        PutReply(Arc::new(Mutex::new(Some(Box::new(hear)))))
    }

    pub(super) fn send(&self, end: Result<CampaignChange, StoreError>) {
        let hear = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hear) = hear {
            hear(end);
        }
    }
}

impl PartialEq for PutReply {
    fn eq(&self, other: &PutReply) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for PutReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PutReply")
    }
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
