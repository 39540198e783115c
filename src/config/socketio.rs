//! `[socketio]`: the Socket.IO endpoint, and the times and sizes that both protocols share.

use super::error::Wrong;
use super::setting::{Rules, section};
use super::value::{quoted, text};

section! {
    /// The Socket.IO endpoint; heartbeat, largest message and compression hold for the plain websocket too.
    pub struct Socketio = "socketio" {
        /// Path of Socket.IO, with or without the last slash; the one that its clients take by default.
        path: String = text("/socket.io/");
        /// Time between two pings; Socket.IO's own default.
        ping_interval_ms: u64 = 25_000, unit("ms"), range(25, 3_600_000);
        /// How long a pong may take until the client counts as gone; long enough for a phone that sleeps.
        ping_timeout_ms: u64 = 60_000, unit("ms"), range(1, 3_600_000);
        /// Largest message of a client, announced to it; a larger one closes its connection.
        max_payload: u64 = 1_000_000, unit("bytes"), range(1_000, 100_000_000);
        /// Whether Engine.IO 3, which Socket.IO clients v2 speak, is served.
        allow_eio3: bool = true;
        /// Whether permessage-deflate is offered. Off: it costs memory for each socket and time for each message.
        compression: bool = false;
        /// Messages smaller than this go uncompressed: they would hardly get smaller.
        compression_min_bytes: u64 = 512, unit("bytes"), range(0, 100_000_000);
    }
}

impl Rules for Socketio {
    fn rules(&self, wrong: &mut Wrong) {
        if let Some(why) = refused_path(&self.path) {
            wrong.at("path", format!("{} {why}; for example \"/socket.io/\"", quoted(&self.path)));
        }
    }
}

/// Why no client could ask for this path, or the hub needs it itself.
pub(super) fn refused_path(path: &str) -> Option<&'static str> {
    let own = ["/", "/admin", "/metrics", "/health", "/api"];
    let is_own = |own: &&str| path == *own || (*own != "/" && path.starts_with(&format!("{own}/")));
    if !path.starts_with('/') {
        Some("does not begin with a slash")
    } else if path.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '%')) {
        Some("has a character that a path here cannot have")
    } else if own.iter().any(is_own) {
        Some("is a path that the hub needs for its HTTP API")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_that_clients_can_ask_for_and_that_is_free() {
        for good in ["/socket.io/", "/ws", "/a/b", "/administration"] {
            assert_eq!(refused_path(good), None, "{good}");
        }
        for bad in ["", "ws", "/", "/a b", "/a?b", "/api/v1", "/health/live", "/metrics", "/a%20"] {
            assert!(refused_path(bad).is_some(), "{bad}");
        }
    }
}
