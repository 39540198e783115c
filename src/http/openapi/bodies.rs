//! What the calls take. Messages are read field by field (`events`), so their shapes stand here; schemathesis sends what
//! they say to a running hub.

#![allow(dead_code, missing_docs, reason = "the text is the description")]

use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::schemas::{Id, Time};
use crate::http::publish::MAX_BATCH;

/// One message, or up to a thousand.
pub struct Messages;

impl PartialSchema for Messages {
    fn schema() -> RefOr<Schema> {
        let message = Ref::from_schema_name(Message::name());
        let batch = ArrayBuilder::new().items(message.clone()).min_items(Some(1)).max_items(Some(MAX_BATCH));
        OneOfBuilder::new()
            .item(message)
            .item(batch)
            .description(Some("One message, or up to a thousand."))
            .into()
    }
}

impl ToSchema for Messages {
    fn schemas(all: &mut Vec<(String, RefOr<Schema>)>) {
        all.push((Message::name().into_owned(), Message::schema()));
    }
}

/// A message for a channel.
#[derive(ToSchema)]
pub struct Message {
    /// `campaign:<id>`, `timer:<id>`, `system:<name>`, `user:<id>`.
    #[schema(
        pattern = r"^(campaign|timer|user|system):[^\s\x00-\x1f\x7f-\x9f]{1,128}$",
        example = "campaign:c1"
    )]
    channel: String,
    /// An event of the channel: its `eventType` and the fields of that (README, Events).
    #[schema(value_type = Object, example = json!({"eventType": "updated", "budget": 7}))]
    payload: Value,
}

/// An update of a campaign: fields of its own, passed on as they are; and those that every message may carry.
/// `eventType` is set to `updated`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"budget": 7}))]
pub struct Update {
    /// The path's, or left out.
    campaign_id: Option<Id>,
    timestamp: Option<Time>,
    /// A repeat within ten minutes on the same channel is taken and not sent again.
    #[schema(min_length = 1, max_length = 256, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$")]
    event_id: Option<String>,
}

/// An event of a timer. `eventType` is `executed` or `failed`, each with fields of its own (README, Events), or
/// anything else: then the fields are passed on as they are.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"campaignId": "c1", "eventType": "armed"}))]
pub struct TimerEvent {
    campaign_id: Id,
    event_type: Option<String>,
    /// The path's, or left out.
    timer_id: Option<Id>,
    timestamp: Option<Time>,
    #[schema(min_length = 1, max_length = 256, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$")]
    event_id: Option<String>,
}

/// An alert for operators.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"level": "warning", "title": "Disk", "message": "91 % full"}))]
pub struct Alert {
    level: Level,
    title: String,
    message: String,
    #[schema(value_type = Option<Value>)]
    metadata: Option<Value>,
    timestamp: Option<Time>,
    #[schema(min_length = 1, max_length = 256, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$")]
    event_id: Option<String>,
}

/// How much an alert matters.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Level {
    Info,
    Warning,
    Error,
    Critical,
}

/// A notification for a user, stored until it is read.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"type": "info", "title": "Welcome", "message": "You are in."}))]
pub struct Notification {
    #[schema(rename = "type")]
    kind: NotificationType,
    title: String,
    message: String,
    /// Tells a repeat for good; `eventId`, or one made of the message, where it is left out.
    #[schema(min_length = 1, max_length = 256, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$")]
    id: Option<String>,
    /// http, https or relative.
    action_url: Option<String>,
    #[schema(value_type = Option<Value>)]
    metadata: Option<Value>,
    campaign_id: Option<Id>,
    /// The path's, or left out.
    user_id: Option<Id>,
    timestamp: Option<Time>,
    #[schema(min_length = 1, max_length = 256, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$")]
    event_id: Option<String>,
}

/// What a notification is.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum NotificationType {
    Info,
    Success,
    Warning,
    Error,
}

/// A campaign as it is to be. What is left out is null afterwards; participants stay as they are, also where they are
/// sent back.
#[derive(ToSchema)]
#[schema(as = CampaignToBe, rename_all = "camelCase", example = json!({"name": "Spring", "status": "RUNNING", "ownerId": "auth0|64af"}))]
pub struct Campaign {
    /// The path's, or left out.
    campaign_id: Option<Id>,
    name: Option<String>,
    status: Option<String>,
    /// Since when; now where it is left out. One that is older than what is stored leaves the status.
    status_at: Option<Time>,
    owner_id: Option<Id>,
    /// At most 16 KiB as JSON.
    #[schema(value_type = Option<Value>)]
    metadata: Option<Value>,
}

/// Notifications to be marked.
#[derive(ToSchema)]
#[schema(example = json!({"ids": ["n1"]}))]
pub struct Ids {
    #[schema(max_items = 500)]
    ids: Vec<String>,
}
