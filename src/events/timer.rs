//! Channel `timer:<id>`: its messages and the events they become.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::bus::{Body, Message};
use super::fields::Own;
use super::refusal::Refusal;
use super::stamp::Stamp;
use super::user::{Notification, NotificationKind};
use super::words::words;

words! {
    /// How a timer's run ended.
    pub enum Outcome {
        /// Well.
        Completed = "COMPLETED",
        /// Not well.
        Failed = "FAILED",
    }
}

/// `timer:executed`
#[derive(Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct TimerExecuted<'a> {
    pub timer_id: Cow<'a, str>,
    pub campaign_id: Cow<'a, str>,
    pub timer_type: Cow<'a, str>,
    pub status: Outcome,
    pub execution_time: Stamp,
    /// A number, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<f64>"))]
    pub processing_time_ms: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<&'a RawValue>,
    pub timestamp: Stamp,
}

/// `timer:failed`
#[derive(Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct TimerFailed<'a> {
    pub timer_id: Cow<'a, str>,
    pub campaign_id: Cow<'a, str>,
    pub timer_type: Cow<'a, str>,
    pub error: Cow<'a, str>,
    pub retry_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_retry_at: Option<Stamp>,
    pub timestamp: Stamp,
}

/// `timer:event`
#[derive(Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct TimerEvent<'a> {
    pub timer_id: Cow<'a, str>,
    pub campaign_id: Cow<'a, str>,
    pub timestamp: Stamp,
    #[serde(flatten)]
    pub own: Own<'a>,
}

impl TimerFailed<'_> {
    /// What the campaign's owner is told of it, and keeps until read.
    pub fn notification(&self) -> Notification<'_> {
        let TimerFailed { timer_id, campaign_id, timer_type, .. } = self;
        Notification {
            id: Cow::Owned(format!("timer-failed:{timer_id}:{}", self.retry_count)),
            kind: NotificationKind::Error,
            title: Cow::Borrowed("Timer Execution Failed"),
            message: Cow::Owned(format!("Timer {timer_type} failed for campaign {campaign_id}")),
            timestamp: self.timestamp,
            action_url: None,
            metadata: None,
            campaign_id: Some(Cow::Borrowed(campaign_id)),
        }
    }
}

pub(super) fn parse<'a>(message: Message<'a, '_>, channel_id: Option<&'a str>) -> Result<Body<'a>, Refusal> {
    let timer_id = message.id("timerId", channel_id)?;
    let campaign_id = message.id("campaignId", None)?;
    match message.event_type.as_deref() {
        Some("executed") => executed(&message, timer_id, campaign_id).map(Body::TimerExecuted),
        Some("failed") => failed(&message, timer_id, campaign_id).map(Body::TimerFailed),
        _ => {
            let own = message.fields.own(&["eventType", "eventId", "timerId", "campaignId", "timestamp"]);
            Ok(Body::TimerEvent(TimerEvent { timer_id, campaign_id, timestamp: message.timestamp, own }))
        }
    }
}

fn executed<'a>(
    message: &Message<'a, '_>,
    timer_id: Cow<'a, str>,
    campaign_id: Cow<'a, str>,
) -> Result<TimerExecuted<'a>, Refusal> {
    let fields = &message.fields;
    Ok(TimerExecuted {
        timer_id,
        campaign_id,
        timer_type: fields.text("timerType")?,
        status: fields.word("status")?,
        execution_time: fields.time("executionTime")?,
        processing_time_ms: fields.opt_number("processingTimeMs")?,
        result: fields.raw("result"),
        timestamp: message.timestamp,
    })
}

fn failed<'a>(
    message: &Message<'a, '_>,
    timer_id: Cow<'a, str>,
    campaign_id: Cow<'a, str>,
) -> Result<TimerFailed<'a>, Refusal> {
    let fields = &message.fields;
    Ok(TimerFailed {
        timer_id,
        campaign_id,
        timer_type: fields.text("timerType")?,
        error: fields.text("error")?,
        retry_count: fields.whole("retryCount")?,
        next_retry_at: fields.opt_time("nextRetryAt")?,
        timestamp: message.timestamp,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::bus::testing::{NOW, NOW_TEXT, each_is_required, json, refused, with};
    use super::super::{BusEvent, Reason, Rules};
    use super::*;

    fn data(payload: &Value) -> Value {
        let payload = payload.to_string();
        match BusEvent::parse("timer:t1", payload.as_bytes(), NOW, &Rules::default()).unwrap().body {
            Body::TimerExecuted(data) => json(&data),
            Body::TimerFailed(data) => json(&data),
            Body::TimerEvent(data) => json(&data),
            other => panic!("{other:?}"),
        }
    }

    fn executed() -> Value {
        json!({
            "eventType": "executed", "timerId": "t1", "campaignId": "c1", "timerType": "start",
            "status": "COMPLETED", "executionTime": "2026-05-04T12:00:00+02:00",
        })
    }

    fn failed() -> Value {
        json!({
            "eventType": "failed", "timerId": "t1", "campaignId": "c1", "timerType": "start",
            "error": "no answer", "retryCount": 3,
        })
    }

    #[test]
    fn executed_becomes_timer_executed() {
        let least = json!({
            "timerId": "t1", "campaignId": "c1", "timerType": "start", "status": "COMPLETED",
            "executionTime": "2026-05-04T10:00:00.000Z", "timestamp": NOW_TEXT,
        });
        assert_eq!(data(&executed()), least);
        let more = with(&with(&executed(), "processingTimeMs", json!(12.5)), "result", json!({"n": [1]}));
        let expected = with(&with(&least, "processingTimeMs", json!(12.5)), "result", json!({"n": [1]}));
        assert_eq!(data(&more), expected);
        assert_eq!(data(&with(&executed(), "result", Value::Null)), least);
    }

    #[test]
    fn executed_needs_its_fields_in_their_types() {
        let wrong = Reason::WrongType;
        each_is_required(
            "timer:t1",
            &executed(),
            &[
                ("campaignId", wrong),
                ("timerType", wrong),
                ("status", wrong),
                ("executionTime", Reason::BadTimestamp),
            ],
        );
        refused("timer:t1", &with(&executed(), "status", json!("completed")), wrong);
        refused("timer:t1", &with(&executed(), "status", json!("RUNNING")), wrong);
        refused("timer:t1", &with(&executed(), "processingTimeMs", json!("12")), wrong);
        refused("timer:t2", &executed(), Reason::IdMismatch);
        refused("timer:t1", &with(&executed(), "campaignId", json!("events")), Reason::BadId);
    }

    #[test]
    fn failed_becomes_timer_failed() {
        let least = json!({
            "timerId": "t1", "campaignId": "c1", "timerType": "start", "error": "no answer", "retryCount": 3,
            "timestamp": NOW_TEXT,
        });
        assert_eq!(data(&failed()), least);
        let more = with(&failed(), "nextRetryAt", json!(4_000_000_000_000_i64));
        assert_eq!(data(&more), with(&least, "nextRetryAt", json!("2096-10-02T07:06:40.000Z")));
    }

    #[test]
    fn failed_needs_its_fields_in_their_types() {
        let wrong = Reason::WrongType;
        each_is_required(
            "timer:t1",
            &failed(),
            &[("campaignId", wrong), ("timerType", wrong), ("error", wrong), ("retryCount", wrong)],
        );
        refused("timer:t1", &with(&failed(), "retryCount", json!(1.5)), wrong);
        refused("timer:t1", &with(&failed(), "retryCount", json!(-1)), wrong);
        refused("timer:t1", &with(&failed(), "retryCount", json!("3")), wrong);
        refused("timer:t1", &with(&failed(), "nextRetryAt", json!("soon")), Reason::BadTimestamp);
    }

    #[test]
    fn failed_tells_the_owner_in_a_notification() {
        let payload = failed().to_string();
        let event = BusEvent::parse("timer:t1", payload.as_bytes(), NOW, &Rules::default()).unwrap();
        let Body::TimerFailed(failed) = event.body else { panic!("{event:?}") };
        let expected = json!({
            "id": "timer-failed:t1:3", "type": "error", "title": "Timer Execution Failed",
            "message": "Timer start failed for campaign c1", "timestamp": NOW_TEXT, "campaignId": "c1",
        });
        assert_eq!(json(&failed.notification()), expected);
    }

    #[test]
    fn anything_else_becomes_timer_event_with_its_own_fields() {
        let payload = json!({
            "eventType": "paused", "timerId": "t1", "campaignId": "c1", "by": "u1", "left": 9_007_199_254_740_993_u64,
            "eventId": "e", "end": null,
        });
        let expected = json!({
            "timerId": "t1", "campaignId": "c1", "timestamp": NOW_TEXT, "by": "u1",
            "left": 9_007_199_254_740_993_u64, "end": null,
        });
        assert_eq!(data(&payload), expected);
        let without_type = json!({"campaignId": "c1"});
        assert_eq!(data(&without_type), json!({"timerId": "t1", "campaignId": "c1", "timestamp": NOW_TEXT}));
    }

    #[test]
    fn anything_else_needs_a_campaign_and_on_a_shared_channel_a_timer() {
        refused("timer:t1", &json!({"eventType": "paused"}), Reason::MissingField);
        refused("timer:events", &json!({"campaignId": "c1"}), Reason::MissingField);
        refused("timer:t1", &json!({"campaignId": "c 1"}), Reason::BadId);
        refused("timer:t1", &json!({"campaignId": "c1", "timerId": 4}), Reason::WrongType);
    }
}
