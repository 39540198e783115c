//! Whose an outbox is, and what leaves by what.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use actix::{Message, Recipient};

use crate::clock;
use crate::close::CloseReason;
use crate::ids::Uid;
use crate::metrics::Metrics;
use crate::protocol::engineio::Dialog;
use crate::protocol::frame::Dialect;
use crate::socket::poll::{Cut, Poll};
use crate::socket::wire::Wire;

/// What an outbox tells its socket's actor.
#[derive(Message, Clone, Copy, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub enum Signal {
    /// The peer did not take everything: write the backlog when it can take more.
    Drain,
    /// Ask the peer for a sign of life, now.
    Probe,
    /// What the client has shown to be let in runs out soon, has run out or may not count any more.
    Review,
    /// End the session.
    Close(CloseReason),
}

/// What others may know of a socket at any time: when its peer was last heard (any byte that came from it
/// counts as a sign of life), by what it is carried, and how far it is behind.
#[derive(Debug)]
pub struct Presence {
    heard: AtomicU64,
    unsent: AtomicUsize,
    dialect: AtomicU8,
}

impl Presence {
    /// A peer that has just been heard.
    pub fn new(dialect: Dialect) -> Presence {
        let heard = AtomicU64::new(clock::uptime_ms());
        Presence { heard, unsent: AtomicUsize::new(0), dialect: AtomicU8::new(dialect as u8) }
    }

    /// Bytes that wait for it, and that it has not taken.
    pub fn unsent(&self) -> usize {
        self.unsent.load(Ordering::Relaxed)
    }

    /// So much more waits for it.
    pub(crate) fn waits(&self, bytes: usize, metrics: &Metrics) {
        self.unsent.fetch_add(bytes, Ordering::Relaxed);
        metrics.unsent_bytes.add(bytes as i64);
    }

    /// So much of it waits no more.
    pub(crate) fn waits_no_more(&self, bytes: usize, metrics: &Metrics) {
        self.unsent.fetch_sub(bytes, Ordering::Relaxed);
        metrics.unsent_bytes.sub(bytes as i64);
    }

    /// Notes that the peer has just been heard.
    pub fn now(&self) {
        self.heard.store(clock::uptime_ms(), Ordering::Relaxed);
    }

    /// Notes that the peer was heard at this time.
    #[cfg(test)]
    pub(crate) fn heard_at(&self, at: u64) {
        self.heard.store(at, Ordering::Relaxed);
    }

    /// When it was last heard, in milliseconds of [`clock::uptime_ms`].
    pub fn last_heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// What carries the socket now: `websocket`, `polling`, or `plain` for the plain protocol.
    pub fn transport(&self) -> &'static str {
        const NAMES: [&str; Dialect::COUNT] = ["websocket", "plain", "polling"];
        NAMES[usize::from(self.dialect.load(Ordering::Relaxed))]
    }

    pub(super) fn changed_to(&self, dialect: Dialect) {
        self.dialect.store(dialect as u8, Ordering::Relaxed);
    }
}

/// A socket that takes an outbox.
#[derive(Debug)]
pub struct Owner {
    /// Its number.
    pub uid: Uid,
    /// What its frames leave by.
    pub carrier: Carrier,
    /// What was agreed on with its client.
    pub dialog: Dialog,
    /// Who pings.
    pub beat: Beat,
    /// The socket's actor.
    pub actor: Recipient<Signal>,
    /// When something was last read from the peer; the connection manager reads it too.
    pub presence: Arc<Presence>,
}

/// What a socket's frames leave by.
#[derive(Debug)]
pub enum Carrier {
    /// A websocket.
    Wire(Rc<Wire>),
    /// The answers of polls.
    Polls(Polls),
}

/// A session that is polled.
#[derive(Debug, Default)]
pub struct Polls {
    pub(super) open: Option<Poll>,
    /// Bytes of the last answer that its peer has not taken yet.
    pub(super) under_way: Arc<AtomicUsize>,
    /// Cuts off the connection that the last answer left by.
    pub(super) cut: Option<Arc<Cut>>,
}

/// Who keeps a connection alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beat {
    /// The server pings.
    Server,
    /// The client does (Engine.IO 3).
    Client,
    /// Nobody.
    None,
}
