//! Channel `system:<name>`: its messages and the events they become.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::bus::{Body, Message};
use super::refusal::Refusal;
use super::stamp::Stamp;
use super::words::words;

words! {
    /// How much an alert matters.
    pub enum Level {
        /// Good to know.
        Info = "info",
        /// Look at it some time.
        Warning = "warning",
        /// Look at it.
        Error = "error",
        /// Look at it now.
        Critical = "critical",
    }
}

words! {
    /// How a service is.
    pub enum Health {
        /// As it should be.
        Healthy = "healthy",
        /// It works, in part or slowly.
        Degraded = "degraded",
        /// It does not work.
        Unhealthy = "unhealthy",
    }
}

/// `system:alert`
#[derive(Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct Alert<'a> {
    pub level: Level,
    pub title: Cow<'a, str>,
    pub message: Cow<'a, str>,
    pub timestamp: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a RawValue>,
}

/// `system:service_status`. The hub's own has [`HubMetrics`](super::server::HubMetrics).
#[derive(Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct ServiceStatus<'a, M: Serialize = &'a RawValue> {
    pub service: Cow<'a, str>,
    pub status: Health,
    pub timestamp: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<M>,
}

pub(super) fn parse<'a>(message: Message<'a, '_>) -> Result<Body<'a>, Refusal> {
    let fields = &message.fields;
    if message.event_type.as_deref() == Some("service.status") {
        return Ok(Body::ServiceStatus(ServiceStatus {
            service: fields.text("service")?,
            status: fields.word("status")?,
            timestamp: message.timestamp,
            metrics: fields.raw("metrics"),
        }));
    }
    Ok(Body::Alert(Alert {
        level: fields.word("level")?,
        title: fields.text("title")?,
        message: fields.text("message")?,
        timestamp: message.timestamp,
        metadata: fields.raw("metadata"),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::bus::testing::{NOW, NOW_TEXT, each_is_required, json, refused, with};
    use super::super::{BusEvent, Reason, Rules};
    use super::*;

    fn data(channel: &'static str, payload: &Value) -> Value {
        let payload = payload.to_string();
        match BusEvent::parse(channel, payload.as_bytes(), NOW, &Rules::default()).unwrap().body {
            Body::ServiceStatus(data) => json(&data),
            Body::Alert(data) => json(&data),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn service_status_becomes_system_service_status() {
        for health in ["healthy", "degraded", "unhealthy"] {
            let payload =
                json!({"eventType": "service.status", "service": "mailer", "status": health, "x": 1});
            let expected = json!({"service": "mailer", "status": health, "timestamp": NOW_TEXT});
            assert_eq!(data("system:health", &payload), expected);
            let metrics = json!({"queue": 9_007_199_254_740_993_u64});
            let more = with(&payload, "metrics", metrics.clone());
            assert_eq!(data("system:events", &more), with(&expected, "metrics", metrics));
        }
    }

    #[test]
    fn service_status_needs_a_service_and_a_known_status() {
        let payload = json!({"eventType": "service.status", "service": "mailer", "status": "healthy"});
        let wrong = Reason::WrongType;
        each_is_required("system:health", &payload, &[("service", wrong), ("status", wrong)]);
        refused("system:health", &with(&payload, "status", json!("up")), wrong);
    }

    #[test]
    fn anything_else_becomes_system_alert() {
        for level in ["info", "warning", "error", "critical"] {
            let alert = json!({"level": level, "title": "t", "message": "m"});
            let expected = with(&alert, "timestamp", json!(NOW_TEXT));
            assert_eq!(data("system:alerts", &alert), expected, "without eventType");
            let typed = with(&with(&alert, "eventType", json!("disk.full")), "x", json!(1));
            assert_eq!(data("system:x y", &typed), expected);
            let more = with(&typed, "metadata", json!([1, {"a": null}]));
            assert_eq!(data("system:alerts", &more), with(&expected, "metadata", json!([1, {"a": null}])));
        }
    }

    #[test]
    fn an_alert_needs_a_known_level_a_title_and_a_message() {
        let alert = json!({"level": "info", "title": "t", "message": "m"});
        let wrong = Reason::WrongType;
        each_is_required("system:alerts", &alert, &[("level", wrong), ("title", wrong), ("message", wrong)]);
        refused("system:alerts", &with(&alert, "level", json!("fatal")), wrong);
        refused("system:", &alert, Reason::UnknownChannel);
    }
}
