//! Publishing: what the HTTP API and the command line see of a bus.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use actix::{Message, Recipient};
use bytes::Bytes;
use thiserror::Error;

use super::is_listened_to;

/// At most this many publications wait for their answer, all callers together.
pub const MAX_WAITING: usize = 16_384;
/// At most this many bytes wait for their answer, one publication always fits.
pub const MAX_WAITING_BYTES: usize = 32 << 20;

/// Why a publication was not, or may not have been, delivered.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum BusError {
    /// Not read back in time: it may have gone out all the same.
    #[error("the bus cannot be reached")]
    Unavailable,
    /// Too much waits already: it was not sent.
    #[error("too many publications are waiting")]
    Busy,
    /// No hub listens to a channel of this name: it was not sent.
    #[error("nothing listens to this channel")]
    UnknownChannel,
    /// Redis refused it (a right is missing).
    #[error("the bus refused it: {0}")]
    Refused(String),
}

/// Takes the answer to a publication, on the bus's thread or at once on the caller's.
pub type Done = Box<dyn FnOnce(Result<(), BusError>) + Send>;

/// A bus: what is published on it reaches every hub that listens, this one included.
pub trait Bus: Send + Sync {
    /// Publishes; `done` is called exactly once, with `Ok` when this hub has taken the message from the
    /// bus. Publications to one channel by one caller keep their order.
    fn publish(&self, channel: String, payload: Bytes, done: Done);

    /// How many publications wait for their answer, and how many were refused because too many did.
    fn load(&self) -> (usize, u64);
}

/// A publication on its way to the actor that sends it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Publish {
    pub(super) channel: String,
    pub(super) payload: Bytes,
    pub(super) answer: Answer,
}

/// The caller's `done`, called exactly once: who drops it unanswered answers `Unavailable`. While it is
/// there, its publication counts as waiting.
pub(super) struct Answer {
    done: Option<Done>,
    share: Share,
}

impl Answer {
    pub(super) fn give(mut self, result: Result<(), BusError>) {
        self.answer(result);
    }

    fn answer(&mut self, result: Result<(), BusError>) {
        if let Some(done) = self.done.take() {
            done(result);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.answer(Err(BusError::Unavailable));
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("share", &self.share).finish_non_exhaustive()
    }
}

#[derive(Default, Debug)]
struct Load {
    items: AtomicUsize,
    bytes: AtomicUsize,
    refused: AtomicU64,
}

/// What one publication takes of the load; dropping it gives it back.
#[derive(Debug)]
struct Share {
    bytes: usize,
    load: Arc<Load>,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.load.items.fetch_sub(1, Ordering::AcqRel);
        self.load.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// The way to a bridge that publishes. Clones share one bound; make one handle a bridge.
#[derive(Clone)]
pub struct BusHandle {
    to: Recipient<Publish>,
    load: Arc<Load>,
}

impl BusHandle {
    /// A handle that publishes through the actor behind `to`.
    pub fn new(to: Recipient<Publish>) -> BusHandle {
        BusHandle { to, load: Arc::default() }
    }

    /// How many publications, and bytes of them, wait for their answer.
    pub fn waiting(&self) -> (usize, usize) {
        (self.load.items.load(Ordering::Acquire), self.load.bytes.load(Ordering::Acquire))
    }

    /// Counts a publication in before it is sent: `do_send` has no bound of its own.
    fn admit(&self, bytes: usize) -> Option<Share> {
        let items = self.load.items.fetch_add(1, Ordering::AcqRel);
        let others = self.load.bytes.fetch_add(bytes, Ordering::AcqRel);
        let share = Share { bytes, load: self.load.clone() };
        let fits = items < MAX_WAITING && (others == 0 || others + bytes <= MAX_WAITING_BYTES);
        fits.then_some(share)
    }
}

impl Bus for BusHandle {
    fn load(&self) -> (usize, u64) {
        (self.waiting().0, self.load.refused.load(Ordering::Relaxed))
    }

    fn publish(&self, channel: String, payload: Bytes, done: Done) {
        if !is_listened_to(&channel) {
            return done(Err(BusError::UnknownChannel));
        }
        match self.admit(channel.len() + payload.len()) {
            Some(share) => {
                let answer = Answer { done: Some(done), share };
                self.to.do_send(Publish { channel, payload, answer });
            }
            None => {
                self.load.refused.fetch_add(1, Ordering::Relaxed);
                done(Err(BusError::Busy));
            }
        }
    }
}

impl fmt::Debug for BusHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusHandle").field("load", &self.load).finish_non_exhaustive()
    }
}

/// A publication by itself, for tests of what holds publications.
#[cfg(test)]
pub(super) fn publish(
    channel: &str,
    payload: &'static str,
    done: impl FnOnce(Result<(), BusError>) + Send + 'static,
) -> Publish {
    let load = Arc::new(Load { items: AtomicUsize::new(1), ..Load::default() });
    let answer = Answer { done: Some(Box::new(done)), share: Share { bytes: 0, load } };
    Publish { channel: channel.to_owned(), payload: Bytes::from_static(payload.as_bytes()), answer }
}
