//! Shapes that the calls share: ids and times, pages, and the bodies that they take. What is answered is described
//! where it is written.

#![allow(dead_code, reason = "these say what is read field by field")]

use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::bodies::NotificationType;
use crate::events::words::Word;
use crate::events::{Reason, Stamp};

impl PartialSchema for Stamp {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let text = text.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        text.description(Some("RFC 3339 in UTC, with milliseconds."))
            .examples(["2026-05-04T10:20:30.123Z"])
            .into()
    }
}

impl ToSchema for Stamp {}

impl PartialSchema for Reason {
    fn schema() -> RefOr<Schema> {
        let words = Reason::WORDS.iter().copied();
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
    }
}

impl ToSchema for Reason {}

/// An id: an identity provider's or a backend's.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 128, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$", example = "auth0|64af")]
pub struct Id(String);

/// A time that the hub takes.
pub struct Time;

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let text = text.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        let says = "RFC 3339 with any offset, or whole milliseconds since 1970; at most five minutes ahead of the \
            hub's clock.";
        OneOfBuilder::new().item(text).item(number).description(Some(says)).into()
    }
}

impl ToSchema for Time {}

/// The id in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct IdInPath {
    /// Percent-encoded: it may hold `|`, `+`, `/` and letters of every script.
    #[param(min_length = 1, max_length = 128, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$")]
    pub id: String,
}

/// The ids in a participant's path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ParticipantInPath {
    /// The campaign.
    #[param(min_length = 1, max_length = 128, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$")]
    pub id: String,
    /// The user.
    #[param(min_length = 1, max_length = 128, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$")]
    pub user: String,
}

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageInQuery {
    /// Items of the page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
    /// The `nextCursor` of the page before.
    #[param(max_length = 1024)]
    pub cursor: Option<String>,
}

/// Which notifications.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Unread {
    /// Leaves out those that were read.
    #[param(default = false)]
    pub unread: Option<bool>,
}

/// A stored notification.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct NotificationItem {
    /// The publisher's, or one made of the message.
    id: String,
    #[schema(rename = "type")]
    kind: NotificationType,
    title: String,
    message: String,
    timestamp: Stamp,
    action_url: Option<String>,
    /// Any JSON.
    metadata: Option<serde_json::Value>,
    campaign_id: Option<String>,
    /// When it was marked as read; null where it was not.
    #[schema(required = true)]
    read_at: Option<Stamp>,
}

/// Makes a repeat of the call harmless for ten minutes.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Idempotency {
    /// Becomes the message's `eventId` (of item n of a batch: `<key>:<n>`), unless it has one: one seen within ten minutes
    /// on its channel is taken and not sent again.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 256, pattern = r"^[!-~]+$")]
    pub idempotency_key: Option<String>,
}
