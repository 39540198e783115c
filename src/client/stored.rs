//! Stored rows as they are sent.

use serde_json::value::RawValue;

use crate::events::user::{Notification, NotificationKind};
use crate::events::words::Word as _;
use crate::events::{Stamp, names};
use crate::protocol::frame::Event;
use crate::store::StoredNotification;

/// A stored notification as it is sent.
pub fn notification(item: &StoredNotification) -> Notification<'_> {
    Notification {
        id: item.id.as_str().into(),
        kind: NotificationKind::from_word(&item.kind).unwrap_or(NotificationKind::Info),
        title: item.title.as_str().into(),
        message: item.message.as_str().into(),
        timestamp: Stamp(item.created_at),
        action_url: item.action_url.as_deref().map(Into::into),
        metadata: raw(item.metadata.as_deref()),
        campaign_id: item.campaign_id.as_deref().map(Into::into),
    }
}

pub(super) fn notification_item(item: &StoredNotification) -> String {
    serde_json::to_string(&notification(item)).unwrap_or_default()
}

/// A stored notification as the event that it was.
pub(super) fn notification_event(item: &StoredNotification) -> Event {
    Event::new(names::NOTIFICATION, &notification(item))
}

pub(super) fn raw(json: Option<&str>) -> Option<&RawValue> {
    json.and_then(|text| serde_json::from_str(text).ok())
}
