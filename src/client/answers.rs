//! The words of answers and errors.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::json;

use super::Client;
use crate::events::Code;
use crate::events::names;
use crate::events::server::{ErrorData, Room, Unsubscribed, lost_right};
use crate::protocol::ack::{AckRef, Outcome};
use crate::protocol::frame::Event;
use crate::rooms::request::{Answers, Refused};

/// How long a client should wait before it asks again where the store cannot answer, in milliseconds.
pub(super) const RETRY_AFTER_MS: u64 = 1_000;
/// The most of a name that the client chose that is given back, in bytes.
const MAX_SHOWN: usize = 256;

/// An error about a client's event, whose name is given back.
pub fn about<'a>(code: Code<'a>, event: &'a str) -> ErrorData<'a> {
    let event = &event[..event.floor_char_boundary(MAX_SHOWN)];
    ErrorData { event: Some(event), ..ErrorData::from(code) }
}

/// The `error` event.
pub fn error_event(error: &ErrorData<'_>) -> Event {
    Event::new(names::ERROR, error)
}

/// The content of the ack: code and message, and when to try again.
fn error_outcome(error: &ErrorData<'_>) -> Outcome {
    let more = error.retry_after_ms.map(|ms| ("retryAfterMs", json!(ms)));
    Outcome::Err { code: error.code, message: error.message.to_string(), more: more.into_iter().collect() }
}

/// Tells a client what went wrong, both ways.
pub fn refuse(conn: &mut Client<'_>, ack: Option<&AckRef>, error: &ErrorData<'_>) {
    refuse_quietly(conn, ack, error, true);
}

/// Answers an ack with what went wrong; the event goes out only where `tell` says so.
pub fn refuse_quietly(conn: &mut Client<'_>, ack: Option<&AckRef>, error: &ErrorData<'_>, tell: bool) {
    if tell {
        conn.emit(&error_event(error));
    }
    if let Some(ack) = ack {
        conn.acknowledge(ack, &error_outcome(error));
    }
}

/// Answers a request at once: the event, then the ack with its data.
pub fn done(conn: &mut Client<'_>, ack: Option<&AckRef>, event: &Event) {
    conn.emit(event);
    if let Some(ack) = ack {
        conn.acknowledge(ack, &Outcome::Ok(Some(event.data().into())));
    }
}

/// A room that a client asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A campaign's.
    Campaign(Box<str>),
    /// A user's.
    User(Box<str>),
    /// That of those who watch the hub.
    System,
}

impl Target {
    /// As answers name it.
    pub(super) fn room(&self) -> Room<'_> {
        match self {
            Target::Campaign(id) => Room::Campaign { campaign_id: id },
            Target::User(id) => Room::User { user_id: id },
            Target::System => Room::System,
        }
    }

    fn denied(&self) -> Code<'static> {
        match self {
            Target::Campaign(_) => Code::CampaignDenied,
            Target::User(_) => Code::UserDenied,
            Target::System => Code::AdminRequired,
        }
    }

    /// The room's name, as people see it.
    fn name(&self) -> Cow<'static, str> {
        match self {
            Target::Campaign(id) => Cow::Owned(format!("campaign:{id}")),
            Target::User(id) => Cow::Owned(format!("user:{id}")),
            Target::System => Cow::Borrowed("system"),
        }
    }
}

/// How a request to join or leave a room is answered.
pub struct Membership {
    event: &'static str,
    target: Target,
    done: Event,
}

impl Membership {
    /// The answers to a subscribe.
    pub fn subscribe(event: &'static str, target: Target) -> Membership {
        Membership::new(event, names::SUBSCRIBED, &target.room().clone(), target.clone())
    }

    /// The answers to an unsubscribe.
    pub fn unsubscribe(event: &'static str, target: Target) -> Membership {
        let left = Unsubscribed { room: target.room(), reason: None };
        Membership::new(event, names::UNSUBSCRIBED, &left, target.clone())
    }

    fn new(event: &'static str, done: &'static str, data: &impl Serialize, target: Target) -> Membership {
        Membership { event, done: Event::new(done, data), target }
    }

    /// Refuses at once, without asking the registry.
    pub fn refuse(&self, conn: &mut Client<'_>, ack: Option<&AckRef>, why: Refused) {
        self.with_error(why, |error| refuse(conn, ack, error));
    }

    fn with_error<T>(&self, why: Refused, tell: impl FnOnce(&ErrorData<'_>) -> T) -> T {
        let name = self.target.name();
        let (code, retry_after_ms) = match why {
            Refused::RoomFull => (Code::RoomFull(&name), None),
            Refused::RoomLimit => (Code::RoomLimit, None),
            Refused::Unavailable => (Code::Unavailable, Some(RETRY_AFTER_MS)),
            Refused::Denied => (self.target.denied(), None),
        };
        let mut error = ErrorData { retry_after_ms, ..about(code, self.event) };
        match &self.target {
            Target::Campaign(id) => error.campaign_id = Some(id),
            Target::User(id) => error.user_id = Some(id),
            Target::System => {}
        }
        tell(&error)
    }
}

impl Answers for Membership {
    fn done(&self) -> &Event {
        &self.done
    }

    fn refused(&self, why: Refused) -> (Event, Outcome) {
        self.with_error(why, |error| (error_event(error), error_outcome(error)))
    }

    fn lost(&self) -> Event {
        lost_right(self.target.room())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_event_and_the_id_and_the_ack_only_code_and_message() {
        let words = Membership::subscribe(names::SUBSCRIBE_CAMPAIGN, Target::Campaign("c1".into()));
        assert_eq!(words.done().data(), r#"{"type":"campaign","campaignId":"c1"}"#);
        let (event, outcome) = words.refused(Refused::Denied);
        assert_eq!(
            event.data(),
            r#"{"code":"access_denied","message":"Access denied to campaign","event":"subscribe:campaign","campaignId":"c1"}"#
        );
        assert_eq!(outcome, Outcome::err("access_denied", "Access denied to campaign"));
        assert!(words.refused(Refused::RoomFull).0.data().contains("Room campaign:c1 is full"));
        assert!(words.refused(Refused::Unavailable).0.data().contains("\"retryAfterMs\":1000"));
    }

    #[test]
    fn a_name_that_the_client_chose_is_given_back_cut() {
        let long = "é".repeat(1_000);
        assert!(error_event(&about(Code::UnknownEvent(&long), &long)).data().len() < 800);
    }
}
