//! Whether the database takes writes, as everyone may ask at any time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What the writer last found, and since when it is at it: a client library that is blocked on a frozen
/// server reports nothing, so silence counts too.
pub(super) struct Health {
    up: AtomicBool,
    started: Instant,
    /// Milliseconds since `started`, plus one, when the writer asked the database something; 0 while it does not.
    asking_since: AtomicU64,
    /// When it last began to ask, in the same way.
    asked: AtomicU64,
    /// When it began to ask what was the first to fail, in the same way; 0 where the last answer was good.
    failing_since: AtomicU64,
    /// What could never be stored and was left out.
    dropped: AtomicU64,
    timeout: Duration,
}

impl Health {
    pub(super) fn new(timeout: Duration) -> Health {
        Health {
            up: AtomicBool::new(true),
            started: Instant::now(),
            asking_since: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            failing_since: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            timeout,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        let since = self.asking_since.load(Ordering::Acquire);
        let silent = since != 0 && u128::from(self.now().saturating_sub(since)) > self.timeout.as_millis();
        self.up.load(Ordering::Acquire) && !silent
    }

    /// For how long there has been no good answer, in milliseconds; 0 where the last one was good and none is waited for.
    pub(super) fn missing_ms(&self) -> u64 {
        let since = [&self.failing_since, &self.asking_since].map(|since| since.load(Ordering::Acquire));
        let first = since.into_iter().filter(|since| *since != 0).min();
        first.map_or(0, |first| self.now().saturating_sub(first))
    }

    /// Runs something that may block for as long as the database likes.
    pub(super) fn asking<T>(&self, ask: impl FnOnce() -> T) -> T {
        let now = self.now();
        self.asked.store(now, Ordering::Release);
        self.asking_since.store(now, Ordering::Release);
        let answer = ask();
        self.asking_since.store(0, Ordering::Release);
        answer
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// Notes how the last try ended and says so where that is news.
    pub(super) fn note(&self, trouble: Option<&str>, waiting: usize) {
        let was_up = self.up.swap(trouble.is_none(), Ordering::AcqRel);
        if trouble.is_none() {
            self.failing_since.store(0, Ordering::Release);
        } else if was_up {
            self.failing_since.store(self.asked.load(Ordering::Acquire), Ordering::Release);
        }
        match trouble {
            Some(why) if was_up => log::warn!("the database takes no writes, {waiting} wait: {why}"),
            None if !was_up => log::info!("the database takes writes again, {waiting} waited"),
            _ => {}
        }
    }

    pub(super) fn drop_one(&self, what: &str, why: &str) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        log::error!("{what} cannot be stored and is left out: {why}");
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
