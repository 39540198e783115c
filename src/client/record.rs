//! What is recorded of a connection: when it came and went, from where, and why it ended.

use std::sync::Arc;

use serde_json::json;

use super::Client;
use crate::clock;
use crate::close::CloseReason;
use crate::ids::Sid;
use crate::socket::{Peer, Presence};
use crate::store::{ConnectionEvent, ConnectionEventKind};

/// A connection that has been let in.
pub(super) struct ConnectionRecord {
    /// The hub that holds it.
    node: Arc<str>,
    id: Sid,
    user: Arc<str>,
    peer: Arc<Peer>,
    presence: Arc<Presence>,
    /// In milliseconds of the uptime.
    since: u64,
}

impl ConnectionRecord {
    /// The record of this connection, from now on.
    pub(super) fn of(conn: &Client<'_>, user: &Arc<str>, node: &Arc<str>) -> ConnectionRecord {
        ConnectionRecord {
            node: Arc::clone(node),
            id: conn.id(),
            user: Arc::clone(user),
            peer: Arc::clone(conn.peer()),
            presence: Arc::clone(conn.presence()),
            since: clock::uptime_ms(),
        }
    }

    fn event(&self, kind: ConnectionEventKind, more: serde_json::Value) -> ConnectionEvent {
        let mut metadata = json!({
            "userAgent": self.peer.user_agent,
            "ip": self.peer.ip,
            "version": self.peer.version,
            "transport": self.presence.transport(),
        });
        if let (Some(metadata), serde_json::Value::Object(more)) = (metadata.as_object_mut(), more) {
            metadata.extend(more);
        }
        ConnectionEvent {
            node: Arc::clone(&self.node),
            socket_id: self.id.to_string(),
            user_id: Arc::clone(&self.user),
            kind,
            timestamp: clock::now_ms(),
            metadata: Some(metadata.to_string()),
            duration_ms: None,
        }
    }

    /// It came.
    pub(super) fn come(&self) -> ConnectionEvent {
        self.event(ConnectionEventKind::Connected, json!({}))
    }

    /// It went.
    pub(super) fn gone(&self, reason: CloseReason) -> ConnectionEvent {
        let lasted = clock::uptime_ms().saturating_sub(self.since);
        let more = json!({ "reason": reason.code(), "durationMs": lasted });
        let event = self.event(ConnectionEventKind::Disconnected, more);
        ConnectionEvent { duration_ms: Some(i64::try_from(lasted).unwrap_or(i64::MAX)), ..event }
    }
}
