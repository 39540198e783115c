//! The errors that a client is told: codes for programs, stable texts for people.

use std::borrow::Cow;

/// What went wrong with a client's event or connection. The parts are what its text names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code<'a> {
    /// The token was refused or revoked.
    AuthFailed,
    /// An event came before a token.
    Unauthenticated,
    /// The user may not see the campaign.
    CampaignDenied,
    /// The user may not see the other user's room.
    UserDenied,
    /// The system room is for operators.
    AdminRequired,
    /// The room has as many members as it may.
    RoomFull(&'a str),
    /// The socket is in as many rooms as it may.
    RoomLimit,
    /// The event's data are not what was expected, which this says.
    InvalidPayload(&'a str),
    /// There is no event of this name.
    UnknownEvent(&'a str),
    /// Too many messages. Goes with `retryAfterMs`.
    RateLimited,
    /// The user has as many connections as allowed.
    ConnectionLimit,
    /// An administrator said so.
    Kicked,
    /// The token ran out.
    TokenExpired,
    /// No sign of life.
    Idle,
    /// Too much that was not read.
    SlowConsumer,
    /// The hub is going down.
    ShuttingDown,
    /// The store cannot answer. Goes with `retryAfterMs`.
    Unavailable,
    /// A fault of the hub. Goes with `correlationId`.
    Internal,
}

/// Every code, for the description of the API.
#[cfg(test)]
pub const CODES: [&str; 17] = [
    "auth_failed",
    "unauthenticated",
    "access_denied",
    "admin_required",
    "room_full",
    "room_limit",
    "invalid_payload",
    "unknown_event",
    "rate_limited",
    "connection_limit",
    "kicked",
    "token_expired",
    "idle",
    "slow_consumer",
    "shutting_down",
    "unavailable",
    "internal",
];

/// Longest foreign text in a message, in characters.
const MAX_FOREIGN_CHARS: usize = 160;

impl<'a> Code<'a> {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Code::AuthFailed => "auth_failed",
            Code::Unauthenticated => "unauthenticated",
            Code::CampaignDenied | Code::UserDenied => "access_denied",
            Code::AdminRequired => "admin_required",
            Code::RoomFull(_) => "room_full",
            Code::RoomLimit => "room_limit",
            Code::InvalidPayload(_) => "invalid_payload",
            Code::UnknownEvent(_) => "unknown_event",
            Code::RateLimited => "rate_limited",
            Code::ConnectionLimit => "connection_limit",
            Code::Kicked => "kicked",
            Code::TokenExpired => "token_expired",
            Code::Idle => "idle",
            Code::SlowConsumer => "slow_consumer",
            Code::ShuttingDown => "shutting_down",
            Code::Unavailable => "unavailable",
            Code::Internal => "internal",
        }
    }

    /// The stable text.
    pub fn message(self) -> Cow<'a, str> {
        Cow::Borrowed(match self {
            Code::AuthFailed => "Authentication failed",
            Code::Unauthenticated => "Authenticate first",
            Code::CampaignDenied => "Access denied to campaign",
            Code::UserDenied => "Access denied to user",
            Code::AdminRequired => "Admin access required",
            Code::RoomFull(room) => return Cow::Owned(format!("Room {room} is full")),
            Code::RoomLimit => "Too many rooms",
            Code::InvalidPayload(expected) => expected,
            Code::UnknownEvent(name) => return Cow::Owned(format!("Unknown event {}", cut(name))),
            Code::RateLimited => "Rate limit exceeded",
            Code::ConnectionLimit => "Connection limit exceeded",
            Code::Kicked => "Disconnected by an administrator",
            Code::TokenExpired => "Token expired",
            Code::Idle => "No sign of life",
            Code::SlowConsumer => "Too far behind",
            Code::ShuttingDown => "Server is shutting down",
            Code::Unavailable => "Temporarily unavailable",
            Code::Internal => "Internal error",
        })
    }
}

/// A client's text comes back to it, but not by the megabyte.
fn cut(text: &str) -> &str {
    text.char_indices().nth(MAX_FOREIGN_CHARS).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::close::CloseReason;

    #[test]
    fn each_code_has_its_stable_text() {
        for (code, name, text) in [
            (Code::AuthFailed, "auth_failed", "Authentication failed"),
            (Code::Unauthenticated, "unauthenticated", "Authenticate first"),
            (Code::CampaignDenied, "access_denied", "Access denied to campaign"),
            (Code::UserDenied, "access_denied", "Access denied to user"),
            (Code::AdminRequired, "admin_required", "Admin access required"),
            (Code::RoomFull("campaign:c"), "room_full", "Room campaign:c is full"),
            (Code::RoomLimit, "room_limit", "Too many rooms"),
            (Code::InvalidPayload("campaignId: an id"), "invalid_payload", "campaignId: an id"),
            (Code::UnknownEvent("foo"), "unknown_event", "Unknown event foo"),
            (Code::RateLimited, "rate_limited", "Rate limit exceeded"),
            (Code::ConnectionLimit, "connection_limit", "Connection limit exceeded"),
            (Code::Kicked, "kicked", "Disconnected by an administrator"),
            (Code::TokenExpired, "token_expired", "Token expired"),
            (Code::Idle, "idle", "No sign of life"),
            (Code::SlowConsumer, "slow_consumer", "Too far behind"),
            (Code::ShuttingDown, "shutting_down", "Server is shutting down"),
            (Code::Unavailable, "unavailable", "Temporarily unavailable"),
            (Code::Internal, "internal", "Internal error"),
        ] {
            assert_eq!((code.code(), &*code.message()), (name, text));
            assert!(CODES.contains(&name), "{name}");
        }
    }

    #[test]
    fn codes_that_close_a_socket_read_the_same_as_its_close_reason() {
        for (code, reason) in [
            (Code::AuthFailed, CloseReason::AuthFailed),
            (Code::Unauthenticated, CloseReason::AuthTimeout),
            (Code::RateLimited, CloseReason::RateLimited),
            (Code::ConnectionLimit, CloseReason::ConnectionLimit),
            (Code::Kicked, CloseReason::Kicked),
            (Code::TokenExpired, CloseReason::TokenExpired),
            (Code::Idle, CloseReason::Idle),
            (Code::SlowConsumer, CloseReason::SlowConsumer),
            (Code::ShuttingDown, CloseReason::ShuttingDown),
            (Code::Internal, CloseReason::Internal),
        ] {
            assert_eq!((code.code(), Some(&*code.message())), (reason.code(), reason.message()));
        }
    }

    #[test]
    fn a_long_name_of_an_event_comes_back_cut() {
        assert_eq!(
            Code::UnknownEvent(&"团".repeat(100_000)).message().chars().count(),
            160 + "Unknown event ".len()
        );
    }
}
