//! The names of events on the wire.

/// The snapshot of a campaign.
pub const CAMPAIGN_STATUS: &str = "campaign:status";
/// A campaign's status has changed.
pub const CAMPAIGN_STATUS_CHANGED: &str = "campaign:status_changed";
/// A timer has been set.
pub const CAMPAIGN_TIMER_SCHEDULED: &str = "campaign:timer_scheduled";
/// A campaign's figures.
pub const CAMPAIGN_METRICS_UPDATED: &str = "campaign:metrics_updated";
/// Anything else about a campaign.
pub const CAMPAIGN_UPDATED: &str = "campaign:updated";
/// A timer has run.
pub const TIMER_EXECUTED: &str = "timer:executed";
/// A timer could not be run.
pub const TIMER_FAILED: &str = "timer:failed";
/// Anything else about a timer.
pub const TIMER_EVENT: &str = "timer:event";
/// Something that operators should know.
pub const SYSTEM_ALERT: &str = "system:alert";
/// How a service is.
pub const SYSTEM_SERVICE_STATUS: &str = "system:service_status";
/// Something for a user, kept until read.
pub const NOTIFICATION: &str = "notification";
/// Events may be missing.
pub const GAP: &str = "gap";
/// The user's campaigns, on connect.
pub const INITIAL_CAMPAIGNS: &str = "initial:campaigns";
/// The user's unread notifications, on connect.
pub const INITIAL_NOTIFICATIONS: &str = "initial:notifications";
/// How the hub is, on connect.
pub const INITIAL_SYSTEM_STATUS: &str = "initial:system_status";
/// The first frame after authentication on the plain websocket.
pub const CONNECTED: &str = "connected";
/// A room was joined.
pub const SUBSCRIBED: &str = "subscribed";
/// A room was left.
pub const UNSUBSCRIBED: &str = "unsubscribed";
/// The answer to a client's `ping`.
pub const PONG: &str = "pong";
/// Something went wrong.
pub const ERROR: &str = "error";
/// The token runs out soon.
pub const AUTH_EXPIRING: &str = "auth:expiring";
/// The fresh token was taken.
pub const AUTH_REFRESHED: &str = "auth:refreshed";
/// Both the request to mark notifications as read and the news that they are.
pub const NOTIFICATIONS_READ: &str = "notifications:read";

/// Join a campaign's room.
pub const SUBSCRIBE_CAMPAIGN: &str = "subscribe:campaign";
/// Leave a campaign's room.
pub const UNSUBSCRIBE_CAMPAIGN: &str = "unsubscribe:campaign";
/// Join a user's room.
pub const SUBSCRIBE_USER: &str = "subscribe:user";
/// Leave a user's room.
pub const UNSUBSCRIBE_USER: &str = "unsubscribe:user";
/// Join the system room.
pub const SUBSCRIBE_SYSTEM: &str = "subscribe:system";
/// Leave the system room.
pub const UNSUBSCRIBE_SYSTEM: &str = "unsubscribe:system";
/// A fresh token.
pub const AUTH_REFRESH: &str = "auth:refresh";
/// Asks for a `pong`.
pub const PING: &str = "ping";
/// The first token, on the plain websocket.
pub const AUTH: &str = "auth";

/// Every event that the hub sends.
pub const SERVER_EVENTS: &[&str] = &[
    CAMPAIGN_STATUS,
    CAMPAIGN_STATUS_CHANGED,
    CAMPAIGN_TIMER_SCHEDULED,
    CAMPAIGN_METRICS_UPDATED,
    CAMPAIGN_UPDATED,
    TIMER_EXECUTED,
    TIMER_FAILED,
    TIMER_EVENT,
    SYSTEM_ALERT,
    SYSTEM_SERVICE_STATUS,
    NOTIFICATION,
    GAP,
    INITIAL_CAMPAIGNS,
    INITIAL_NOTIFICATIONS,
    INITIAL_SYSTEM_STATUS,
    CONNECTED,
    SUBSCRIBED,
    UNSUBSCRIBED,
    PONG,
    ERROR,
    AUTH_EXPIRING,
    AUTH_REFRESHED,
    NOTIFICATIONS_READ,
];

/// Every event that a client may send.
pub const CLIENT_EVENTS: &[&str] = &[
    SUBSCRIBE_CAMPAIGN,
    UNSUBSCRIBE_CAMPAIGN,
    SUBSCRIBE_USER,
    UNSUBSCRIBE_USER,
    SUBSCRIBE_SYSTEM,
    UNSUBSCRIBE_SYSTEM,
    NOTIFICATIONS_READ,
    AUTH_REFRESH,
    PING,
    AUTH,
];
