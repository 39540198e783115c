//! Whether new connections are let in.

use std::sync::atomic::{AtomicU8, Ordering};

/// A hub's state as its handshakes see it.
#[derive(Debug, Default)]
pub struct Gate(AtomicU8);

/// See [`Gate`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Migrations or the first subscription are not done yet: handshakes get 503.
    Starting,
    /// Handshakes are let in.
    Open,
    /// Going down: handshakes get 503.
    Draining,
}

impl Gate {
    /// The state now.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Open,
            _ => Phase::Draining,
        }
    }

    /// Lets connections in, unless the hub is going down already.
    pub fn open(&self) {
        let _ = self.0.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Lets no more in.
    pub fn drain(&self) {
        self.0.store(2, Ordering::Release);
    }
}
