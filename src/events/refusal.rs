//! Why a message from a backend is refused.

use thiserror::Error;

use super::words::words;

words! {
    /// The kinds of refusal: stable labels for metrics and lists.
    pub enum Reason {
        /// Not JSON in UTF-8; text that is no Unicode (a lone surrogate) included.
        NotJson = "not_json",
        /// A field, or the message, has another type or value than it should.
        WrongType = "wrong_type",
        /// A required field is missing or null.
        MissingField = "missing_field",
        /// One name twice: which of the two is meant cannot be known.
        DuplicateField = "duplicate_field",
        /// Arrays and objects nested deeper than a parser may follow.
        TooDeep = "too_deep",
        /// Over 1 000 000 bytes.
        TooLarge = "too_large",
        /// A channel that is not one of ours.
        UnknownChannel = "unknown_channel",
        /// An `eventType` that the channel does not have.
        UnknownEvent = "unknown_event",
        /// The ids in the channel and in the payload differ.
        IdMismatch = "id_mismatch",
        /// An id that is none, or is the suffix of a shared channel.
        BadId = "bad_id",
        /// A time in no accepted form.
        BadTimestamp = "bad_timestamp",
        /// More than five minutes ahead of the hub's clock.
        TimestampAhead = "timestamp_ahead",
        /// An `actionUrl` that is neither http, https nor relative.
        BadUrl = "bad_url",
        /// U+0000 somewhere, which PostgreSQL cannot hold.
        Nul = "nul",
        /// An `eventId` that was seen within ten minutes: dropped, and no fault of anybody.
        Duplicate = "duplicate",
    }
}

/// A message that is not passed on.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{}: {message}", reason.as_str())]
pub struct Refusal {
    /// Its kind.
    pub reason: Reason,
    /// What was expected.
    pub message: String,
}

impl Refusal {
    /// A refusal for `reason`, where `message` was expected.
    pub fn new(reason: Reason, message: impl Into<String>) -> Refusal {
        Refusal { reason, message: message.into() }
    }
}

/// A foreign text for a message: quoted, and cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    let mut cut: String = text.chars().take(64).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}
