//! An open poll: a GET that waits for packets, on whatever worker it came in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::sync::oneshot;

use super::outbox::Presence;
use crate::metrics::Metrics;
use crate::protocol::engineio::HandshakeError;
use crate::protocol::engineio::payload::Payload;

/// Where the answer of a GET goes.
#[derive(Debug)]
pub struct Poll {
    /// Tells this poll from others of its session.
    pub ticket: u64,
    /// Its answer.
    pub answer: oneshot::Sender<Result<Answer, HandshakeError>>,
    /// Cuts off the connection that it came in on.
    pub cut: Arc<Cut>,
}

impl Poll {
    /// Refuses it.
    pub fn refuse(self, error: HandshakeError) {
        let _ = self.answer.send(Err(error));
    }
}

/// Cuts a connection off, from any thread: its peer does not read, and holds up its end.
#[derive(Debug, Default)]
pub struct Cut {
    done: AtomicBool,
    waker: AtomicWaker,
}

impl Cut {
    /// Cuts it off.
    pub fn cut(&self) {
        self.done.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether it has been cut off.
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Has this waker woken when it is.
    pub fn watch(&self, waker: &Waker) {
        self.waker.register(waker);
    }
}

/// What a poll is answered.
#[derive(Debug)]
pub struct Answer {
    /// The packets.
    pub payload: Payload,
    /// Counts them out while the peer reads.
    pub way: UnderWay,
}

/// Bytes of an answer that the HTTP side still holds. Each that is handed on after the first is a sign of life:
/// only a peer that reads makes room for more.
#[derive(Debug)]
pub struct UnderWay {
    whole: usize,
    left: Arc<AtomicUsize>,
    presence: Arc<Presence>,
    metrics: Arc<Metrics>,
}

impl UnderWay {
    pub(super) fn new(
        bytes: usize,
        left: &Arc<AtomicUsize>,
        presence: &Arc<Presence>,
        metrics: &Arc<Metrics>,
    ) -> UnderWay {
        left.store(bytes, Ordering::Relaxed);
        presence.waits(bytes, metrics);
        UnderWay {
            whole: bytes,
            left: Arc::clone(left),
            presence: Arc::clone(presence),
            metrics: Arc::clone(metrics),
        }
    }

    /// `bytes` more were handed on.
    pub fn took(&self, bytes: usize) {
        if self.left.fetch_sub(bytes, Ordering::Relaxed) < self.whole {
            self.presence.now();
        }
        self.presence.waits_no_more(bytes, &self.metrics);
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.presence.waits_no_more(self.left.swap(0, Ordering::Relaxed), &self.metrics);
    }
}
