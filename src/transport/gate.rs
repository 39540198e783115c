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
    /// About to go down: not ready any more, so that load balancers turn away; who comes all the same is
    /// still let in.
    Leaving,
    /// Going down: handshakes get 503.
    Draining,
}

impl Gate {
    /// The state now.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Open,
            2 => Phase::Leaving,
            _ => Phase::Draining,
        }
    }

    /// Lets connections in, unless the hub is going down already.
    pub fn open(&self) {
        let _ = self.0.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether handshakes are let in.
    pub fn lets_in(&self) -> bool {
        matches!(self.phase(), Phase::Open | Phase::Leaving)
    }

    /// Says that the hub is about to go down.
    pub fn leave(&self) {
        self.0.store(2, Ordering::Release);
    }

    /// Lets no more in.
    pub fn drain(&self) {
        self.0.store(3, Ordering::Release);
    }
}
