//! How the log's queue is. The log is the process's own, whatever hubs run in it, and so are these numbers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The process's log.
pub static LOG_LINES: LogLines = LogLines { waiting: AtomicUsize::new(0), dropped: AtomicU64::new(0) };

/// See the module.
#[derive(Debug)]
pub struct LogLines {
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

impl LogLines {
    /// So many wait now.
    pub fn wait(&self, lines: usize) {
        self.waiting.store(lines, Ordering::Relaxed);
    }

    /// One was dropped: the queue is full.
    pub fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// How many wait, and how many were dropped since the start.
    pub fn counts(&self) -> (usize, u64) {
        (self.waiting.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }
}
