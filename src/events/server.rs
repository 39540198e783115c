//! The data of the events that the hub sends of its own accord, and of its answers.

use serde::Serialize;
use serde_json::value::RawValue;

use super::codes::Code;
use super::names;
use super::stamp::Stamp;
use super::system::ServiceStatus;
use super::words::words;
use crate::clock::Millis;
use crate::protocol::frame::Event;
use crate::rooms::State;

words! {
    /// How the hub is.
    pub enum HubStatus {
        /// As it should be.
        Operational = "operational",
        /// Something is missing, lost or late.
        Degraded = "degraded",
        /// Going down.
        Draining = "draining",
    }
}

words! {
    /// A user's part in a campaign.
    pub enum Role {
        /// Owns it.
        Owner = "owner",
        /// Takes part in it.
        Participant = "participant",
    }
}

/// `campaign:status`: the snapshot. A campaign that the store does not know has `status`, `metadata` and
/// `timestamp` null.
#[derive(Clone, Copy, Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct CampaignStatus<'a> {
    pub campaign_id: &'a str,
    pub status: Option<&'a str>,
    pub metadata: Option<&'a RawValue>,
    pub timestamp: Option<Stamp>,
}

/// The `campaign:status` event: an unknown campaign has nulls, of which an event gives status and time.
/// `metadata` is JSON text.
pub fn campaign_status(campaign: &str, metadata: Option<&str>, state: Option<&State>) -> Event {
    let data = CampaignStatus {
        campaign_id: campaign,
        status: state.map(|state| &*state.value),
        metadata: metadata.and_then(|text| serde_json::from_str(text).ok()),
        timestamp: state.map(|state| Stamp(state.time)),
    };
    Event::new(names::CAMPAIGN_STATUS, &data)
}

/// A room, as answers name it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 4")]
pub enum Room<'a> {
    Campaign { campaign_id: &'a str },
    User { user_id: &'a str },
    System,
}

/// `subscribed`
pub type Subscribed<'a> = Room<'a>;

/// `unsubscribed`
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unsubscribed<'a> {
    /// The room.
    #[serde(flatten)]
    pub room: Room<'a>,
    /// Set where the client did not ask to leave: `permission`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

/// What a member of a room is told whose right to it is gone.
pub fn lost_right(room: Room<'_>) -> Event {
    Event::new(names::UNSUBSCRIBED, &Unsubscribed { room, reason: Some("permission") })
}

/// One of `initial:campaigns`.
#[derive(Clone, Copy, Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct InitialCampaign<'a> {
    pub campaign_id: &'a str,
    pub name: Option<&'a str>,
    pub status: Option<&'a str>,
    pub role: Role,
    pub metadata: Option<&'a RawValue>,
}

/// `initial:system_status`
#[derive(Clone, Copy, Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct InitialSystemStatus<'a> {
    pub timestamp: Stamp,
    pub status: HubStatus,
    pub version: &'a str,
    /// In seconds.
    pub uptime: u64,
}

/// The hub's own `system:service_status`.
pub type HubServiceStatus<'a> = ServiceStatus<'a, HubMetrics<'a>>;

/// The `metrics` of the hub's own `system:service_status`.
#[derive(Clone, Copy, Default, Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct HubMetrics<'a> {
    pub connections: u64,
    pub users: u64,
    pub rooms: u64,
    pub events_per_second: u64,
    pub deliveries_per_second: u64,
    /// How far events are behind, in milliseconds.
    pub delay_ms: u64,
    pub gaps: u64,
    pub refused: u64,
    pub slow_consumers: u64,
    /// The state of the part, as `/health/ready` words it.
    pub redis: &'a str,
    pub database: &'a str,
}

/// `gap`: events of that time may be missing.
#[derive(Clone, Copy, Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs, reason = "the fields of CONTRACT 5")]
pub struct Gap<'a> {
    pub source: &'a str,
    pub since: Stamp,
    pub until: Stamp,
}

/// `error`
#[derive(Clone, PartialEq, Eq, Default, Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorData<'a> {
    /// The stable code.
    #[cfg_attr(test, schemars(extend("enum" = super::codes::CODES)))]
    pub code: &'static str,
    /// The stable text.
    pub message: std::borrow::Cow<'a, str>,
    /// Why, where the code alone does not say it: of `auth_failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The client's event that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<&'a str>,
    /// The campaign concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<&'a str>,
    /// The user concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<&'a str>,
    /// When to try again, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Names the line in the log that has the details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

impl<'a> From<Code<'a>> for ErrorData<'a> {
    fn from(code: Code<'a>) -> ErrorData<'a> {
        ErrorData { code: code.code(), message: code.message(), ..ErrorData::default() }
    }
}

/// `connected`: the first frame after authentication on the plain websocket.
#[derive(Clone, Copy, Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields of CONTRACT 1")]
pub struct Connected<'a> {
    pub socket_id: &'a str,
    pub user_id: &'a str,
    pub expires_at: Stamp,
    pub ping_interval_ms: u64,
}

/// `pong`
#[derive(Clone, Copy, Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pong {
    /// Milliseconds since 1970.
    pub timestamp: Millis,
}

/// `auth:expiring`, and `auth:refreshed`
#[derive(Clone, Copy, Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    /// When the token runs out.
    pub expires_at: Stamp,
}

/// `notifications:read`
#[derive(Clone, Copy, Serialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NotificationsRead<'a, S: Serialize> {
    /// Those that were the user's and unread.
    pub ids: &'a [S],
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::{Value, json};

    use super::super::bus::testing::{NOW, NOW_TEXT, json};
    use super::super::system::Health;
    use super::super::{CLIENT_EVENTS, SERVER_EVENTS};
    use super::*;

    #[test]
    fn campaign_status_has_nulls_for_a_campaign_that_is_not_known() {
        let unknown = CampaignStatus { campaign_id: "c", status: None, metadata: None, timestamp: None };
        let expected = r#"{"campaignId":"c","status":null,"metadata":null,"timestamp":null}"#;
        assert_eq!(serde_json::to_string(&unknown).unwrap(), expected);
        let metadata: &RawValue = serde_json::from_str(r#"{"n":9007199254740993}"#).unwrap();
        let known = CampaignStatus {
            status: Some("A"),
            metadata: Some(metadata),
            timestamp: Some(Stamp(NOW)),
            ..unknown
        };
        let expected = format!(
            r#"{{"campaignId":"c","status":"A","metadata":{{"n":9007199254740993}},"timestamp":"{NOW_TEXT}"}}"#
        );
        assert_eq!(serde_json::to_string(&known).unwrap(), expected);
    }

    #[test]
    fn subscribed_and_unsubscribed_name_the_room() {
        let campaign = Room::Campaign { campaign_id: "c" };
        assert_eq!(json(&campaign), json!({"type": "campaign", "campaignId": "c"}));
        assert_eq!(json(&Room::User { user_id: "u" }), json!({"type": "user", "userId": "u"}));
        assert_eq!(json(&Room::System), json!({"type": "system"}));
        let left = Unsubscribed { room: campaign, reason: None };
        assert_eq!(json(&left), json!({"type": "campaign", "campaignId": "c"}));
        let thrown = Unsubscribed { room: Room::System, reason: Some("permission") };
        assert_eq!(json(&thrown), json!({"type": "system", "reason": "permission"}));
    }

    #[test]
    fn initial_events_have_the_fields_of_the_contract() {
        let campaign = InitialCampaign {
            campaign_id: "c",
            name: None,
            status: Some("A"),
            role: Role::Owner,
            metadata: None,
        };
        let expected =
            json!({"campaignId": "c", "name": null, "status": "A", "role": "owner", "metadata": null});
        assert_eq!(json(&campaign), expected);
        assert_eq!(json(&Role::Participant), json!("participant"));
        let status = InitialSystemStatus {
            timestamp: Stamp(NOW),
            status: HubStatus::Operational,
            version: "1",
            uptime: 7,
        };
        let expected = json!({"timestamp": NOW_TEXT, "status": "operational", "version": "1", "uptime": 7});
        assert_eq!(json(&status), expected);
        assert_eq!(json(&[HubStatus::Degraded, HubStatus::Draining]), json!(["degraded", "draining"]));
    }

    #[test]
    fn the_hubs_own_service_status_has_its_figures() {
        let status = HubServiceStatus {
            service: "roomcast".into(),
            status: Health::Healthy,
            timestamp: Stamp(NOW),
            metrics: Some(HubMetrics { redis: "up", database: "up", ..HubMetrics::default() }),
        };
        let expected = json!({
            "service": "roomcast", "status": "healthy", "timestamp": NOW_TEXT,
            "metrics": {
                "connections": 0, "users": 0, "rooms": 0, "eventsPerSecond": 0, "deliveriesPerSecond": 0,
                "delayMs": 0, "gaps": 0, "refused": 0, "slowConsumers": 0, "redis": "up", "database": "up",
            },
        });
        assert_eq!(json(&status), expected);
    }

    #[test]
    fn an_error_has_code_and_message_and_what_it_is_about() {
        let bare: Value = json(&ErrorData::from(Code::TokenExpired));
        assert_eq!(bare, json!({"code": "token_expired", "message": "Token expired"}));
        let denied = ErrorData {
            event: Some("subscribe:campaign"),
            campaign_id: Some("c"),
            ..ErrorData::from(Code::CampaignDenied)
        };
        let expected = json!({
            "code": "access_denied", "message": "Access denied to campaign", "event": "subscribe:campaign",
            "campaignId": "c",
        });
        assert_eq!(json(&denied), expected);
        let later = ErrorData { retry_after_ms: Some(50), ..ErrorData::from(Code::RateLimited) };
        assert_eq!(json(&later)["retryAfterMs"], 50);
    }

    #[test]
    fn answers_have_the_fields_of_the_contract() {
        assert_eq!(json(&Pong { timestamp: NOW }), json!({"timestamp": NOW}));
        assert_eq!(json(&Expiry { expires_at: Stamp(NOW) }), json!({"expiresAt": NOW_TEXT}));
        assert_eq!(json(&NotificationsRead { ids: &["a", "b"] }), json!({"ids": ["a", "b"]}));
        let gap = Gap { source: "redis", since: Stamp(0), until: Stamp(NOW) };
        let expected = json!({"source": "redis", "since": "1970-01-01T00:00:00.000Z", "until": NOW_TEXT});
        assert_eq!(json(&gap), expected);
        let connected =
            Connected { socket_id: "s", user_id: "u", expires_at: Stamp(NOW), ping_interval_ms: 25_000 };
        let expected =
            json!({"socketId": "s", "userId": "u", "expiresAt": NOW_TEXT, "pingIntervalMs": 25_000});
        assert_eq!(json(&connected), expected);
    }

    #[test]
    fn every_name_of_an_event_is_listed_once() {
        assert_eq!(SERVER_EVENTS.iter().collect::<HashSet<_>>().len(), SERVER_EVENTS.len());
        assert_eq!(CLIENT_EVENTS.iter().collect::<HashSet<_>>().len(), CLIENT_EVENTS.len());
        assert_eq!((SERVER_EVENTS.len(), CLIENT_EVENTS.len()), (23, 10));
    }
}
