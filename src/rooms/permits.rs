//! How much may be in flight between a source and the sockets.
//!
//! `do_send` has no bound of its own, so every event in flight holds a permit that the last lane gives
//! back; a source that finds none stops reading, and so holds back whoever publishes.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::clock;

/// The permits of one hub.
#[derive(Clone, Debug)]
pub struct Permits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max_events: usize,
    max_bytes: usize,
    events: AtomicUsize,
    bytes: AtomicUsize,
    /// How long the last share that came back was in flight, and when it came back; milliseconds.
    last_flight: AtomicU64,
    last_back: AtomicU64,
    /// Sources that wait until there is room again.
    waiting: Mutex<Vec<Waker>>,
}

/// A share of what may be in flight; dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    of: Permits,
    events: usize,
    bytes: usize,
    /// When it was taken, in milliseconds of the uptime.
    since: u64,
}

impl Permits {
    /// At most `max_events` events and `max_bytes` bytes; one message always fits where nothing is in flight.
    pub fn new(max_events: usize, max_bytes: usize) -> Permits {
        Permits(Arc::new(Inner {
            max_events,
            max_bytes,
            events: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            last_flight: AtomicU64::new(0),
            last_back: AtomicU64::new(0),
            waiting: Mutex::new(Vec::new()),
        }))
    }

    /// Takes a share for what has been read already. It may overdraw: a source asks [`Permits::poll_room`]
    /// before it reads, and one read is bounded.
    pub fn take(&self, events: usize, bytes: usize) -> Permit {
        if self.0.events.fetch_add(events, Ordering::AcqRel) == 0 {
            self.0.last_back.store(clock::uptime_ms(), Ordering::Relaxed);
        }
        self.0.bytes.fetch_add(bytes, Ordering::AcqRel);
        Permit { of: self.clone(), events, bytes, since: clock::uptime_ms() }
    }

    /// Ready while there is room; else the task is woken when there is again.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_room() {
            return Poll::Ready(());
        }
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        drop(waiting);
        // what was given back between the first look and the note would wake nobody
        if self.has_room() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Events and bytes in flight.
    pub fn in_flight(&self) -> (usize, usize) {
        (self.0.events.load(Ordering::Acquire), self.0.bytes.load(Ordering::Acquire))
    }

    /// How long events take from their source to the sockets, in milliseconds: of the last share that came
    /// back, or how long nothing has come back while something is in flight.
    pub fn delay_ms(&self) -> u64 {
        if self.in_flight().0 == 0 {
            return 0;
        }
        let stuck = clock::uptime_ms().saturating_sub(self.0.last_back.load(Ordering::Relaxed));
        self.0.last_flight.load(Ordering::Relaxed).max(stuck)
    }

    fn has_room(&self) -> bool {
        let (events, bytes) = self.in_flight();
        events < self.0.max_events && bytes < self.0.max_bytes
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let inner = &self.of.0;
        let now = clock::uptime_ms();
        inner.last_flight.store(now.saturating_sub(self.since), Ordering::Relaxed);
        inner.last_back.store(now, Ordering::Relaxed);
        inner.events.fetch_sub(self.events, Ordering::AcqRel);
        inner.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        if self.of.has_room() {
            let waiting = std::mem::take(&mut *inner.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::task::noop_waker;

    #[test]
    fn a_source_waits_while_too_much_is_in_flight() {
        let permits = Permits::new(2, 100);
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let first = permits.take(1, 10);
        assert!(permits.poll_room(&mut cx).is_ready());
        let second = permits.take(1, 10);
        assert!(permits.poll_room(&mut cx).is_pending());
        drop(first);
        assert!(permits.poll_room(&mut cx).is_ready());
        drop(second);
        assert_eq!(permits.in_flight(), (0, 0));
    }
}
