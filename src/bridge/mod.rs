//! Where messages come from, and how this hub publishes its own.
//!
//! ```text
//!  Redis ──bytes──► Gate ──pushes──► Inbox ──one Vec a read──► Sink (catalogue, registry)
//!    ▲             (reads only        │
//!    │              while there       └──read back──► Outgoing ──answer──► whoever published
//!    │              are permits)                         ▲
//!    └──────────────── PUBLISH ◄── Publisher ◄───────────┘◄── Publish ◄── BusHandle ◄── HTTP API
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`bus`] | publishing: the trait, its message, the bound on what waits |
//! | [`actor`] | the `RedisBridge` actor: it holds the parts below together |
//! | `link` | the subscribed connection: subscribes, watches, comes back, tells of gaps |
//! | `gate` | its stream and inbox: one batch a read, no read without room |
//! | `publisher` | the second connection: publishes, and carries the heartbeat |
//! | `outgoing` | what waits to be sent and to be read back (pure) |
//! | `target` | the URL, connecting, and what a failure means |
//! | [`memory`] | the in-process bus, for one node without Redis |
//! | [`outbox`] | the relay of the outbox table, which publishes on either bus |
//! | [`intake`] | from messages to publications for the registry |
//! | [`journal`] | between the registry and the store |
//! | [`access`] | revoked tokens, and the line of changes that all nodes read |
//! | [`rights`] | whose rights and owner copies a change of the read model moves |

pub mod access;
pub mod actor;
pub mod bus;
mod gate;
pub mod intake;
pub mod journal;
mod link;
pub mod memory;
pub mod outbox;
mod outgoing;
mod publisher;
pub mod rights;
mod target;
#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Millis;
use crate::rooms::Permit;

pub use actor::{RedisBridge, Stop};
pub use bus::{Bus, BusError, BusHandle, Done, Publish};
pub use memory::MemoryBridge;
pub use target::{Target, TargetError};

/// What the hub listens to.
pub const PATTERNS: [&str; 4] = ["campaign:*", "timer:*", "system:*", "user:*"];

/// Whether a message published to `channel` comes back to the hub.
pub fn is_listened_to(channel: &str) -> bool {
    PATTERNS.iter().any(|pattern| pattern.strip_suffix('*').is_some_and(|start| channel.starts_with(start)))
}

/// A message as a source brings it: nothing in it has been looked at, size and text included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The channel; bytes that are not UTF-8 have become U+FFFD.
    pub channel: String,
    /// What was published.
    pub payload: Bytes,
}

/// Takes what one read brought, in order, on the bridge's thread, with its share of what may be in flight.
pub type Sink = Arc<dyn Fn(Vec<Message>, Permit) + Send + Sync>;

/// Is told how the link to the source fares, on the bridge's thread.
pub type OnLink = Arc<dyn Fn(LinkEvent) + Send + Sync>;

/// How the link to a source fares. `Up` and `Gap` come before the first message that was read after them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkEvent {
    /// Subscribed: what is published from now on arrives.
    Up {
        /// For the first time since the start.
        first: bool,
    },
    /// After the `Up` that ended an outage: what was published in this time is gone.
    Gap {
        /// The last sign of life before the outage.
        since: Millis,
        /// When the subscription stood again.
        until: Millis,
    },
    /// The link was lost, or does not come about at the start; once an outage.
    Down {
        /// For people.
        reason: String,
        /// For how long nothing has surely come by it.
        silent: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_channels_of_the_patterns_are_listened_to() {
        assert!(is_listened_to("campaign:c|1") && is_listened_to("user:"));
        assert!(!is_listened_to("campaign") && !is_listened_to("roomcast:heartbeat:x"));
    }
}
