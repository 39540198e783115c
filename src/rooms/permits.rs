//! How much may be in flight between a source and the sockets.
//!
//! `do_send` has no bound of its own, so every event in flight holds a permit that the last lane gives
//! back; a source that finds none stops reading, and so holds back whoever publishes.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::clock;

/// A source that is sound gives a sign at least this often, in milliseconds.
const SIGNS_EVERY_MS: u64 = 4_000;

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
    /// How long the last sign of the source was on its way, and until when all is known to have come from it;
    /// milliseconds, zero where nothing is known.
    source_delay: AtomicU64,
    source_until: AtomicU64,
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
            source_delay: AtomicU64::new(0),
            source_until: AtomicU64::new(0),
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

    /// Everything that the source had by this time has come from it.
    pub fn source_has_told(&self, until: u64) {
        let delay = clock::uptime_ms().saturating_sub(until);
        self.0.source_delay.store(delay, Ordering::Relaxed);
        self.0.source_until.store(until, Ordering::Relaxed);
    }

    /// The source is away: what it holds back is another matter.
    pub fn source_is_away(&self) {
        self.0.source_delay.store(0, Ordering::Relaxed);
        self.0.source_until.store(0, Ordering::Relaxed);
    }

    /// How long events take from their source to the sockets, in milliseconds.
    pub fn delay_ms(&self) -> u64 {
        self.flight_ms().max(self.source_ms())
    }

    /// How long events wait before they are read: as the last sign of the source did, or the next one, which is
    /// overdue.
    fn source_ms(&self) -> u64 {
        let until = self.0.source_until.load(Ordering::Relaxed);
        if until == 0 {
            return 0;
        }
        let overdue = clock::uptime_ms().saturating_sub(until + SIGNS_EVERY_MS);
        self.0.source_delay.load(Ordering::Relaxed).max(overdue)
    }

    /// How long the last share that came back was in flight, or how long nothing has come back while something is.
    fn flight_ms(&self) -> u64 {
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
    fn a_source_whose_signs_come_late_is_behind_until_one_comes_in_time() {
        let permits = Permits::new(2, 100);
        assert_eq!(permits.delay_ms(), 0);
        let now = clock::uptime_ms().max(1);
        permits.source_has_told(now);
        assert!(permits.delay_ms() < 1_000);
        permits.0.source_delay.store(2_500, Ordering::Relaxed);
        assert!(permits.delay_ms() >= 2_500);
        permits.source_is_away();
        assert_eq!(permits.delay_ms(), 0);
    }

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
