//! Any message from a backend, parsed once.

use std::borrow::Cow;

use super::campaign::{self, MetricsUpdated, StatusChanged, TimerScheduled, Updated};
use super::channel::{Channel, Rules};
use super::fields::Fields;
use super::refusal::{Reason, Refusal};
use super::stamp::Stamp;
use super::system::{self, Alert, ServiceStatus};
use super::timer::{self, TimerEvent, TimerExecuted, TimerFailed};
use super::user::{self, Notification};
use crate::auth::{is_id, is_long_id};
use crate::clock::Millis;

/// Largest message, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1_000_000;

/// How far ahead of the hub's clock a `timestamp` may be, in milliseconds.
pub const MAX_AHEAD_MS: Millis = 300_000;

/// A message that has been understood. It borrows from the payload what it can.
#[derive(Debug)]
pub struct BusEvent<'a> {
    /// The publisher's `eventId`: a repeat within ten minutes on the same channel is dropped.
    pub event_id: Option<Cow<'a, str>>,
    /// The publisher's time, else that of receipt.
    pub timestamp: Millis,
    /// What it becomes.
    pub body: Body<'a>,
}

/// What a message becomes: the data of the event that goes out.
#[derive(Debug)]
#[allow(missing_docs, reason = "the rows of CONTRACT 6")]
pub enum Body<'a> {
    StatusChanged(StatusChanged<'a>),
    TimerScheduled(TimerScheduled<'a>),
    MetricsUpdated(MetricsUpdated<'a>),
    Updated(Updated<'a>),
    TimerExecuted(TimerExecuted<'a>),
    TimerFailed(TimerFailed<'a>),
    TimerEvent(TimerEvent<'a>),
    ServiceStatus(ServiceStatus<'a>),
    Alert(Alert<'a>),
    Notification(Notification<'a>, Cow<'a, str>),
}

impl<'a> BusEvent<'a> {
    /// Understands a message that came on `channel` at the time `now`.
    ///
    /// # Errors
    /// Says why it is refused and what was expected.
    pub fn parse(
        channel: &'a str,
        payload: &'a [u8],
        now: Millis,
        rules: &Rules,
    ) -> Result<BusEvent<'a>, Refusal> {
        if payload.len() > MAX_MESSAGE_BYTES {
            let message = format!("at most {MAX_MESSAGE_BYTES} bytes are expected");
            return Err(Refusal::new(Reason::TooLarge, message));
        }
        let kind = Channel::parse(channel, rules)?;
        let message = Message::read(channel, payload, now, rules)?;
        let (event_id, timestamp) = (message.event_id.clone(), message.timestamp.0);
        let body = match kind {
            Channel::Campaign(id) => campaign::parse(message, id),
            Channel::Timer(id) => timer::parse(message, id),
            Channel::System => system::parse(message),
            Channel::User(id) => user::parse(message, id),
        }?;
        Ok(BusEvent { event_id, timestamp, body })
    }
}

/// A message on the way to becoming a [`Body`]: what every event has in common.
pub(super) struct Message<'a, 'r> {
    pub channel: &'a str,
    pub payload: &'a [u8],
    pub fields: Fields<'a>,
    pub event_type: Option<Cow<'a, str>>,
    pub event_id: Option<Cow<'a, str>>,
    /// The publisher's time, else that of receipt.
    pub timestamp: Stamp,
    /// Whether the publisher gave a time.
    pub dated: bool,
    rules: &'r Rules,
}

impl<'a, 'r> Message<'a, 'r> {
    fn read(channel: &'a str, payload: &'a [u8], now: Millis, rules: &'r Rules) -> Result<Self, Refusal> {
        let fields = Fields::parse(payload)?;
        let timestamp = fields.opt_time("timestamp")?;
        if timestamp.is_some_and(|at| at.0 > now.saturating_add(MAX_AHEAD_MS)) {
            let message = "timestamp: at most five minutes ahead of the hub's clock are expected";
            return Err(Refusal::new(Reason::TimestampAhead, message));
        }
        Ok(Message {
            channel,
            payload,
            event_type: fields.opt_text("eventType")?,
            event_id: event_id(&fields)?,
            timestamp: timestamp.unwrap_or(Stamp(now)),
            dated: timestamp.is_some(),
            fields,
            rules,
        })
    }

    /// The id `name` of the payload, which has to agree with the channel's; one of the two has to be there.
    pub fn id(&self, name: &str, in_channel: Option<&'a str>) -> Result<Cow<'a, str>, Refusal> {
        match (self.opt_id(name)?, in_channel) {
            (Some(id), Some(other)) if id != other => Err(Refusal::new(
                Reason::IdMismatch,
                format!("{name}: the id in the channel's name is expected"),
            )),
            (Some(id), _) => Ok(id),
            (None, Some(id)) => Ok(Cow::Borrowed(id)),
            (None, None) => Err(Refusal::new(Reason::MissingField, format!("{name}: an id is required"))),
        }
    }

    /// The id `name` of the payload, if it has one.
    pub fn opt_id(&self, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
        let Some(id) = self.fields.opt_text(name)? else { return Ok(None) };
        if !is_id(&id) {
            return Err(Refusal::new(
                Reason::BadId,
                format!("{name}: 1 to 128 characters without white space or control characters are expected"),
            ));
        }
        if self.rules.is_shared(&id) {
            let message = format!("{name}: an id is expected, not the suffix of a shared channel");
            return Err(Refusal::new(Reason::BadId, message));
        }
        Ok(Some(id))
    }
}

fn event_id<'a>(fields: &Fields<'a>) -> Result<Option<Cow<'a, str>>, Refusal> {
    long_id(fields, "eventId")
}

/// The id of a message or a notification, which may be longer than that of a campaign.
pub(super) fn long_id<'a>(fields: &Fields<'a>, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
    let id = fields.opt_text(name)?;
    if id.as_ref().is_some_and(|id| !is_long_id(id)) {
        return Err(Refusal::new(
            Reason::BadId,
            format!("{name}: 1 to 256 characters without white space or control characters are expected"),
        ));
    }
    Ok(id)
}

#[cfg(test)]
pub(super) mod testing {
    use serde::Serialize;
    use serde_json::Value;

    use super::*;

    /// 2026-05-04T10:20:30.123Z
    pub const NOW: Millis = 1_777_890_030_123;
    pub const NOW_TEXT: &str = "2026-05-04T10:20:30.123Z";

    /// The reason why `payload` is refused on `channel`.
    #[track_caller]
    pub fn refused(channel: &str, payload: &Value, reason: Reason) {
        let payload = payload.to_string();
        let result = BusEvent::parse(channel, payload.as_bytes(), NOW, &Rules::default());
        assert_eq!(result.map(|_| ()).map_err(|refusal| refusal.reason), Err(reason), "{channel} {payload}");
    }

    /// Each field of `payload` in turn: taken away it is missing, null it counts as missing, and of
    /// another type it is refused for `wrong`.
    #[track_caller]
    pub fn each_is_required(channel: &str, payload: &Value, fields: &[(&str, Reason)]) {
        for &(field, wrong) in fields {
            let mut without = payload.clone();
            without.as_object_mut().unwrap().remove(field);
            refused(channel, &without, Reason::MissingField);
            refused(channel, &with(payload, field, Value::Null), Reason::MissingField);
            refused(channel, &with(payload, field, serde_json::json!([7])), wrong);
            refused(channel, &with(payload, field, Value::Bool(true)), wrong);
        }
    }

    pub fn with(payload: &Value, field: &str, value: Value) -> Value {
        let mut payload = payload.clone();
        payload[field] = value;
        payload
    }

    pub fn json(data: &impl Serialize) -> Value {
        serde_json::from_str(&serde_json::to_string(data).unwrap()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::testing::{NOW, refused, with};
    use super::*;

    fn updated() -> Value {
        json!({"eventType": "updated", "campaignId": "c1"})
    }

    fn time_of(payload: &Value) -> Millis {
        BusEvent::parse("campaign:c1", payload.to_string().as_bytes(), NOW, &Rules::default())
            .unwrap()
            .timestamp
    }

    #[test]
    fn the_publishers_timestamp_is_kept_and_a_missing_one_is_the_time_of_receipt() {
        assert_eq!(time_of(&updated()), NOW);
        assert_eq!(time_of(&with(&updated(), "timestamp", Value::Null)), NOW);
        assert_eq!(time_of(&with(&updated(), "timestamp", json!("2026-05-04T12:20:30.5+02:00"))), NOW + 377);
        assert_eq!(time_of(&with(&updated(), "timestamp", json!(17))), 17);
        refused("campaign:c1", &with(&updated(), "timestamp", json!("yesterday")), Reason::BadTimestamp);
    }

    #[test]
    fn a_timestamp_more_than_five_minutes_ahead_is_refused() {
        assert_eq!(time_of(&with(&updated(), "timestamp", json!(NOW + 300_000))), NOW + 300_000);
        refused("campaign:c1", &with(&updated(), "timestamp", json!(NOW + 300_001)), Reason::TimestampAhead);
        refused(
            "campaign:c1",
            &with(&updated(), "timestamp", json!("2027-01-01T00:00:00Z")),
            Reason::TimestampAhead,
        );
    }

    #[test]
    fn the_event_id_is_kept_and_has_to_be_text_of_a_bounded_length() {
        let id = |value: Value| {
            let payload = with(&updated(), "eventId", value).to_string();
            let event = BusEvent::parse("campaign:c1", payload.as_bytes(), NOW, &Rules::default());
            event.map(|event| event.event_id.map(Cow::into_owned)).map_err(|refusal| refusal.reason)
        };
        assert_eq!(id(json!("outbox:17")), Ok(Some("outbox:17".into())));
        assert_eq!(id(Value::Null), Ok(None));
        assert_eq!(id(json!("x".repeat(256))), Ok(Some("x".repeat(256))));
        assert_eq!(id(json!("x".repeat(257))), Err(Reason::BadId));
        assert_eq!(id(json!("")), Err(Reason::BadId));
        assert_eq!(id(json!(17)), Err(Reason::WrongType));
    }

    #[test]
    fn over_a_million_bytes_are_refused_and_a_million_are_not() {
        let payload = |len: usize| {
            let head = r#"{"eventType":"updated","x":""#;
            format!("{head}{}\"}}", "a".repeat(len - head.len() - 2))
        };
        let parse = |text: &str| {
            BusEvent::parse("campaign:c1", text.as_bytes(), NOW, &Rules::default())
                .map(|_| ())
                .map_err(|refusal| refusal.reason)
        };
        assert_eq!(parse(&payload(MAX_MESSAGE_BYTES)), Ok(()));
        assert_eq!(parse(&payload(MAX_MESSAGE_BYTES + 1)), Err(Reason::TooLarge));
    }

    #[test]
    fn an_unknown_channel_and_what_is_not_json_are_refused() {
        refused("orders:1", &updated(), Reason::UnknownChannel);
        refused("campaign:a b", &updated(), Reason::BadId);
        refused("campaign:c1", &json!([updated()]), Reason::WrongType);
        refused("campaign:c1", &with(&updated(), "eventType", json!(1)), Reason::WrongType);
        let cut = BusEvent::parse("campaign:c1", b"{\"eventType\":", NOW, &Rules::default());
        assert_eq!(cut.unwrap_err().reason, Reason::NotJson);
    }

    #[test]
    fn ids_in_channel_and_payload_agree_and_one_that_is_missing_comes_from_the_channel() {
        let id = |channel: &'static str, payload: Value| {
            let payload = payload.to_string();
            match BusEvent::parse(channel, payload.as_bytes(), NOW, &Rules::default()).map(|event| event.body)
            {
                Ok(Body::Updated(updated)) => Ok(updated.campaign_id.into_owned()),
                Ok(other) => panic!("{other:?}"),
                Err(refusal) => Err(refusal.reason),
            }
        };
        let without = json!({"eventType": "updated"});
        assert_eq!(id("campaign:c1", updated()), Ok("c1".into()));
        assert_eq!(id("campaign:c1", without.clone()), Ok("c1".into()));
        assert_eq!(id("campaign:c1", with(&without, "campaignId", Value::Null)), Ok("c1".into()));
        assert_eq!(id("campaign:c2", updated()), Err(Reason::IdMismatch));
        assert_eq!(id("campaign:events", updated()), Ok("c1".into()));
        assert_eq!(id("campaign:events", without.clone()), Err(Reason::MissingField));
        assert_eq!(
            id("campaign:lifecycle", with(&without, "campaignId", json!("events"))),
            Err(Reason::BadId)
        );
        assert_eq!(id("campaign:c1", with(&without, "campaignId", json!("c 1"))), Err(Reason::BadId));
        assert_eq!(id("campaign:c1", with(&without, "campaignId", json!(1))), Err(Reason::WrongType));
        let odd = "campaign:a|b/c+团队";
        assert_eq!(id(odd, with(&without, "campaignId", json!("a|b/c+团队"))), Ok("a|b/c+团队".into()));
        assert_eq!(id("campaign:é", json!({"eventType": "updated"})), Ok("é".into()));
    }

    #[test]
    fn a_field_that_an_event_does_not_have_is_dropped_whatever_it_holds() {
        let payload = json!({
            "eventType": "status.changed", "toStatus": "A", "trigger": "t", "metrics": "x", "timerId": 5,
        });
        let payload = payload.to_string();
        let event = BusEvent::parse("campaign:c1", payload.as_bytes(), NOW, &Rules::default()).unwrap();
        assert!(matches!(event.body, Body::StatusChanged(_)));
    }
}
