//! Channel `user:<id>`: every message becomes a notification, which is kept until it is read.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use url::Url;

use super::bus::{Body, Message, long_id};
use super::refusal::{Reason, Refusal};
use super::stamp::Stamp;
use super::words::words;
use crate::store::{NotificationRow, Recipient};

words! {
    /// What a notification is about.
    pub enum NotificationKind {
        /// News.
        Info = "info",
        /// Something went well.
        Success = "success",
        /// Something may go wrong.
        Warning = "warning",
        /// Something went wrong.
        Error = "error",
    }
}

/// `notification`
#[derive(Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct Notification<'a> {
    pub id: Cow<'a, str>,
    #[serde(rename = "type")]
    pub kind: NotificationKind,
    pub title: Cow<'a, str>,
    pub message: Cow<'a, str>,
    pub timestamp: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_url: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<Cow<'a, str>>,
}

impl Notification<'_> {
    /// What is stored of it.
    pub fn row(&self, to: Recipient) -> NotificationRow {
        NotificationRow {
            id: (&*self.id).into(),
            to,
            kind: self.kind.as_str(),
            title: self.title.to_string(),
            message: self.message.to_string(),
            action_url: self.action_url.as_deref().map(str::to_owned),
            metadata: self.metadata.map(|raw| raw.get().into()),
            campaign_id: self.campaign_id.as_deref().map(Into::into),
            created_at: self.timestamp.0,
        }
    }
}

/// A notification and the id of its user.
pub(super) fn parse<'a>(message: Message<'a, '_>, channel_id: Option<&'a str>) -> Result<Body<'a>, Refusal> {
    let user_id = message.id("userId", channel_id)?;
    let fields = &message.fields;
    let notification = Notification {
        id: id(&message)?,
        kind: fields.word("type")?,
        title: fields.text("title")?,
        message: fields.text("message")?,
        timestamp: message.timestamp,
        action_url: action_url(fields.opt_text("actionUrl")?)?,
        metadata: fields.raw("metadata"),
        campaign_id: message.opt_id("campaignId")?,
    };
    Ok(Body::Notification(notification, user_id))
}

/// The publisher's `id`, else its `eventId`, else one that a repeat of the same message has too.
fn id<'a>(message: &Message<'a, '_>) -> Result<Cow<'a, str>, Refusal> {
    let given = long_id(&message.fields, "id")?.or_else(|| message.event_id.clone());
    Ok(given.unwrap_or_else(|| Cow::Owned(derived_id(message))))
}

/// A digest of channel, payload and timestamp, or the minute of receipt where the publisher gave none.
fn derived_id(message: &Message<'_, '_>) -> String {
    const MINUTE_MS: i64 = 60_000;
    let at = if message.dated { message.timestamp.0 } else { message.timestamp.0.div_euclid(MINUTE_MS) };
    let mut digest = Sha256::new();
    digest.update((message.channel.len() as u64).to_be_bytes());
    digest.update(message.channel);
    digest.update(message.payload);
    digest.update(at.to_be_bytes());
    digest.finalize()[..16].iter().fold(String::with_capacity(32), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a String does not fail
        hex
    })
}

/// Lets through what a browser, which would follow it, takes for http, https or relative.
fn action_url(url: Option<Cow<'_, str>>) -> Result<Option<Cow<'_, str>>, Refusal> {
    let safe = |url: &str| {
        let base = Url::parse("https://page.invalid/").ok();
        let parsed = Url::options().base_url(base.as_ref()).parse(url);
        parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
    };
    match url {
        Some(url) if !safe(&url) => {
            Err(Refusal::new(Reason::BadUrl, "actionUrl: an http, https or relative address is expected"))
        }
        url => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::bus::testing::{NOW, NOW_TEXT, each_is_required, json, refused, with};
    use super::super::{BusEvent, Rules};
    use super::*;
    use crate::clock::Millis;

    fn parse(channel: &str, payload: &Value, now: Millis) -> (Value, String) {
        let payload = payload.to_string();
        match BusEvent::parse(channel, payload.as_bytes(), now, &Rules::default()).unwrap().body {
            Body::Notification(data, user) => (json(&data), user.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn id(channel: &str, payload: &Value, now: Millis) -> String {
        parse(channel, payload, now).0["id"].as_str().unwrap().to_owned()
    }

    fn least() -> Value {
        json!({"type": "info", "title": "t", "message": "m"})
    }

    #[test]
    fn any_message_becomes_a_notification() {
        for kind in ["info", "success", "warning", "error"] {
            let payload = json!({
                "eventType": "whatever", "userId": "auth0|1", "id": "n1", "type": kind, "title": "t",
                "message": "m", "timestamp": NOW - 1, "actionUrl": "/c/1", "metadata": {"a": 1},
                "campaignId": "c1", "eventId": "e1", "x": 1,
            });
            let expected = json!({
                "id": "n1", "type": kind, "title": "t", "message": "m", "timestamp": "2026-05-04T10:20:30.122Z",
                "actionUrl": "/c/1", "metadata": {"a": 1}, "campaignId": "c1",
            });
            assert_eq!(parse("user:auth0|1", &payload, NOW), (expected, "auth0|1".to_owned()));
        }
    }

    #[test]
    fn what_did_not_come_is_left_out() {
        let (data, user) =
            parse("user:u1", &with(&with(&least(), "id", json!("n")), "metadata", Value::Null), NOW);
        let expected =
            json!({"id": "n", "type": "info", "title": "t", "message": "m", "timestamp": NOW_TEXT});
        assert_eq!((data, user), (expected, "u1".to_owned()));
    }

    #[test]
    fn a_notification_needs_a_known_type_a_title_and_a_message() {
        let wrong = Reason::WrongType;
        each_is_required("user:u1", &least(), &[("type", wrong), ("title", wrong), ("message", wrong)]);
        refused("user:u1", &with(&least(), "type", json!("critical")), wrong);
        refused("user:u1", &with(&least(), "userId", json!("u2")), Reason::IdMismatch);
        refused("user:events", &least(), Reason::MissingField);
        refused("user:u1", &with(&least(), "campaignId", json!("")), Reason::BadId);
        refused("user:u1", &with(&least(), "campaignId", json!("lifecycle")), Reason::BadId);
        refused("user:u1", &with(&least(), "id", json!(7)), wrong);
        refused("user:u1", &with(&least(), "id", json!("a b")), Reason::BadId);
    }

    #[test]
    fn the_id_is_the_payloads_else_the_event_id_else_derived() {
        let with_event = with(&least(), "eventId", json!("e1"));
        assert_eq!(id("user:u1", &with(&with_event, "id", json!("n1")), NOW), "n1");
        assert_eq!(id("user:u1", &with_event, NOW), "e1");
        let derived = id("user:u1", &least(), NOW);
        assert!(derived.len() == 32 && derived.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn a_derived_id_tells_channel_payload_and_time_apart_and_is_the_same_for_a_repeat() {
        let start_of_minute = NOW / 60_000 * 60_000;
        let first = id("user:u1", &least(), start_of_minute);
        assert_eq!(first, id("user:u1", &least(), start_of_minute + 59_999));
        assert_ne!(first, id("user:u1", &least(), start_of_minute + 60_000));
        assert_ne!(first, id("user:u2", &least(), start_of_minute));
        assert_ne!(first, id("user:u1", &with(&least(), "title", json!("T")), start_of_minute));
        let dated = with(&least(), "timestamp", json!(NOW));
        assert_eq!(id("user:u1", &dated, NOW), id("user:u1", &dated, NOW + 3_600_000));
    }

    #[test]
    fn an_action_url_is_http_https_or_relative() {
        for good in [
            "https://x.example/a?b#c",
            "http://x",
            "HTTPS://X",
            "/a",
            "a/b",
            "?q=1",
            "#top",
            "//x/y",
            "",
            "../a",
            "/a?next=javascript:x",
            "团队",
        ] {
            let (data, _) = parse("user:u1", &with(&least(), "actionUrl", json!(good)), NOW);
            assert_eq!(data["actionUrl"], good);
        }
        for bad in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            " javascript:alert(1)",
            "java\tscript:alert(1)",
            "\u{1}javascript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "ftp://x",
            "mailto:a@b",
            "file:///etc",
            "blob:https://x/1",
            "http://[",
            "tel:1",
        ] {
            refused("user:u1", &with(&least(), "actionUrl", json!(bad)), Reason::BadUrl);
        }
        refused("user:u1", &with(&least(), "actionUrl", json!(1)), Reason::WrongType);
    }
}
