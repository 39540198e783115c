//! Channel `campaign:<id>`: its messages and the events they become.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::bus::{Body, Message};
use super::fields::Own;
use super::refusal::{Reason, Refusal, quoted};
use super::stamp::Stamp;

/// `campaign:status_changed`
#[derive(Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct StatusChanged<'a> {
    pub campaign_id: Cow<'a, str>,
    pub status: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_status: Option<Cow<'a, str>>,
    pub trigger: Cow<'a, str>,
    pub timestamp: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a RawValue>,
}

/// `campaign:timer_scheduled`
#[derive(Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct TimerScheduled<'a> {
    pub campaign_id: Cow<'a, str>,
    pub timer_id: Cow<'a, str>,
    pub timer_type: Cow<'a, str>,
    pub scheduled_at: Stamp,
    pub timestamp: Stamp,
}

/// `campaign:metrics_updated`
#[derive(Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct MetricsUpdated<'a> {
    pub campaign_id: Cow<'a, str>,
    pub metrics: Metrics<'a>,
    pub timestamp: Stamp,
}

/// A campaign's figures: numbers, as they were written.
#[derive(Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct Metrics<'a> {
    #[cfg_attr(test, schemars(with = "f64"))]
    pub participants: &'a RawValue,
    #[cfg_attr(test, schemars(with = "f64"))]
    pub engagements: &'a RawValue,
    #[cfg_attr(test, schemars(with = "f64"))]
    pub rewards: &'a RawValue,
}

/// `campaign:updated`
#[derive(Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct Updated<'a> {
    pub campaign_id: Cow<'a, str>,
    pub timestamp: Stamp,
    #[serde(flatten)]
    pub own: Own<'a>,
}

pub(super) fn parse<'a>(message: Message<'a, '_>, channel_id: Option<&'a str>) -> Result<Body<'a>, Refusal> {
    let campaign_id = message.id("campaignId", channel_id)?;
    match message.event_type.as_deref() {
        Some("status.changed") => status_changed(&message, campaign_id).map(Body::StatusChanged),
        Some("timer.scheduled") => timer_scheduled(&message, campaign_id).map(Body::TimerScheduled),
        Some("metrics.updated") => metrics_updated(&message, campaign_id).map(Body::MetricsUpdated),
        Some("updated") => {
            let own = message.fields.own(&["eventType", "eventId", "campaignId", "timestamp"]);
            Ok(Body::Updated(Updated { campaign_id, timestamp: message.timestamp, own }))
        }
        other => Err(unknown(other)),
    }
}

fn unknown(event_type: Option<&str>) -> Refusal {
    let found = event_type.map_or_else(|| "none".to_owned(), quoted);
    Refusal::new(
        Reason::UnknownEvent,
        format!(
            "eventType: status.changed, timer.scheduled, metrics.updated or updated is expected on a campaign's \
             channel, not {found}"
        ),
    )
}

fn status_changed<'a>(
    message: &Message<'a, '_>,
    campaign_id: Cow<'a, str>,
) -> Result<StatusChanged<'a>, Refusal> {
    let fields = &message.fields;
    Ok(StatusChanged {
        campaign_id,
        status: fields.text("toStatus")?,
        previous_status: fields.opt_text("fromStatus")?,
        trigger: fields.text("trigger")?,
        timestamp: message.timestamp,
        metadata: fields.raw("metadata"),
    })
}

fn timer_scheduled<'a>(
    message: &Message<'a, '_>,
    campaign_id: Cow<'a, str>,
) -> Result<TimerScheduled<'a>, Refusal> {
    Ok(TimerScheduled {
        campaign_id,
        timer_id: message.id("timerId", None)?,
        timer_type: message.fields.text("timerType")?,
        scheduled_at: message.fields.time("scheduledAt")?,
        timestamp: message.timestamp,
    })
}

fn metrics_updated<'a>(
    message: &Message<'a, '_>,
    campaign_id: Cow<'a, str>,
) -> Result<MetricsUpdated<'a>, Refusal> {
    let metrics = message.fields.object("metrics")?;
    let metrics = Metrics {
        participants: metrics.number("participants")?,
        engagements: metrics.number("engagements")?,
        rewards: metrics.number("rewards")?,
    };
    Ok(MetricsUpdated { campaign_id, metrics, timestamp: message.timestamp })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::bus::testing::{NOW, NOW_TEXT, each_is_required, refused, with};
    use super::super::{BusEvent, Rules};
    use super::*;

    fn data(payload: &str) -> String {
        let event = BusEvent::parse("campaign:c1", payload.as_bytes(), NOW, &Rules::default()).unwrap();
        match event.body {
            Body::StatusChanged(data) => serde_json::to_string(&data),
            Body::TimerScheduled(data) => serde_json::to_string(&data),
            Body::MetricsUpdated(data) => serde_json::to_string(&data),
            Body::Updated(data) => serde_json::to_string(&data),
            other => panic!("{other:?}"),
        }
        .unwrap()
    }

    fn value(payload: &Value) -> Value {
        serde_json::from_str(&data(&payload.to_string())).unwrap()
    }

    #[test]
    fn status_changed_becomes_campaign_status_changed() {
        let payload = json!({
            "eventType": "status.changed", "campaignId": "c1", "fromStatus": "DRAFT", "toStatus": "ACTIVE",
            "trigger": "schedule", "timestamp": "2026-05-04T12:00:00+02:00", "metadata": {"k": [1, null]},
            "eventId": "e1", "other": 1,
        });
        let expected = json!({
            "campaignId": "c1", "status": "ACTIVE", "previousStatus": "DRAFT", "trigger": "schedule",
            "timestamp": "2026-05-04T10:00:00.000Z", "metadata": {"k": [1, null]},
        });
        assert_eq!(value(&payload), expected);
    }

    #[test]
    fn status_changed_leaves_out_what_did_not_come() {
        let expected = json!({"campaignId": "c1", "status": "A", "trigger": "t", "timestamp": NOW_TEXT});
        let least = json!({"eventType": "status.changed", "toStatus": "A", "trigger": "t"});
        assert_eq!(value(&least), expected);
        let nulls = with(&with(&least, "metadata", Value::Null), "fromStatus", Value::Null);
        assert_eq!(value(&nulls), expected);
    }

    #[test]
    fn status_changed_needs_a_status_and_a_trigger_that_are_text() {
        let payload = json!({"eventType": "status.changed", "toStatus": "A", "trigger": "t"});
        let wrong = Reason::WrongType;
        each_is_required("campaign:c1", &payload, &[("toStatus", wrong), ("trigger", wrong)]);
        refused("campaign:c1", &with(&payload, "fromStatus", json!(1)), wrong);
    }

    #[test]
    fn metadata_goes_on_exactly_as_it_was_sent() {
        let metadata =
            r#"{"big":9007199254740993,"exact":1.10, "deep":[{"é":"\u00e9\ud83d\ude00"}],"a":1,"a":2}"#;
        let sent =
            format!(r#"{{"eventType":"status.changed","toStatus":"A","trigger":"t","metadata":{metadata}}}"#);
        assert!(data(&sent).ends_with(&format!(r#""metadata":{metadata}}}"#)));
    }

    #[test]
    fn timer_scheduled_becomes_campaign_timer_scheduled() {
        let payload = json!({
            "eventType": "timer.scheduled", "campaignId": "c1", "timerId": "t1", "timerType": "start",
            "scheduledAt": 4_000_000_000_123_i64, "x": 1,
        });
        let expected = json!({
            "campaignId": "c1", "timerId": "t1", "timerType": "start",
            "scheduledAt": "2096-10-02T07:06:40.123Z", "timestamp": NOW_TEXT,
        });
        assert_eq!(value(&payload), expected, "a time to come may be far ahead");
    }

    #[test]
    fn timer_scheduled_needs_a_timer_its_type_and_its_time() {
        let payload = json!({
            "eventType": "timer.scheduled", "timerId": "t1", "timerType": "s", "scheduledAt": 1,
        });
        each_is_required(
            "campaign:c1",
            &payload,
            &[
                ("timerId", Reason::WrongType),
                ("timerType", Reason::WrongType),
                ("scheduledAt", Reason::BadTimestamp),
            ],
        );
        refused("campaign:c1", &with(&payload, "timerId", json!("")), Reason::BadId);
        refused("campaign:c1", &with(&payload, "timerId", json!("lifecycle")), Reason::BadId);
    }

    #[test]
    fn metrics_updated_becomes_campaign_metrics_updated_with_its_three_numbers() {
        let sent = r#"{"eventType":"metrics.updated","metrics":{"rewards":1.50,"x":1,"participants":9007199254740993,"engagements":-1e2}}"#;
        assert_eq!(
            data(sent),
            format!(
                r#"{{"campaignId":"c1","metrics":{{"participants":9007199254740993,"engagements":-1e2,"rewards":1.50}},"timestamp":"{NOW_TEXT}"}}"#
            )
        );
    }

    #[test]
    fn metrics_updated_needs_all_three_as_numbers() {
        let metrics = json!({"participants": 1, "engagements": 2, "rewards": 3});
        let payload = json!({"eventType": "metrics.updated", "metrics": metrics});
        each_is_required("campaign:c1", &payload, &[("metrics", Reason::WrongType)]);
        for name in ["participants", "engagements", "rewards"] {
            let mut less = metrics.clone();
            less.as_object_mut().unwrap().remove(name);
            refused("campaign:c1", &with(&payload, "metrics", less), Reason::MissingField);
            for wrong in [json!("1"), json!(true), json!([1]), json!({})] {
                let metrics = with(&metrics, name, wrong);
                refused("campaign:c1", &with(&payload, "metrics", metrics), Reason::WrongType);
            }
        }
    }

    #[test]
    fn updated_becomes_campaign_updated_with_its_own_fields() {
        let sent = r#"{"name":"n","eventType":"updated","eventId":"e","timestamp":17,"campaignId":"c1","budget":9007199254740993,"end":null}"#;
        assert_eq!(
            data(sent),
            r#"{"campaignId":"c1","timestamp":"1970-01-01T00:00:00.017Z","name":"n","budget":9007199254740993,"end":null}"#
        );
        assert_eq!(
            value(&json!({"eventType": "updated"})),
            json!({"campaignId": "c1", "timestamp": NOW_TEXT})
        );
    }

    #[test]
    fn other_events_and_none_are_unknown_on_a_campaigns_channel() {
        for event in [json!("status_changed"), json!("executed"), json!(""), json!("Updated"), Value::Null] {
            refused("campaign:c1", &json!({"eventType": event, "toStatus": "A"}), Reason::UnknownEvent);
        }
        refused("campaign:c1", &json!({}), Reason::UnknownEvent);
        let long = json!({"eventType": "x".repeat(5_000)}).to_string();
        let refusal = BusEvent::parse("campaign:c1", long.as_bytes(), NOW, &Rules::default());
        assert!(refusal.unwrap_err().message.len() < 300, "foreign text in a message is cut");
    }
}
