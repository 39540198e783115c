//! How much may wait for peers to take it: for one, and for all together.
//!
//! What waits for all is one counter of the process (`roomcast_unsent_bytes`), which is touched only where something
//! waits, never by a delivery that a peer takes. Near the limit whoever oversees all workers is asked for relief:
//! it sends away those furthest behind, wherever they are. Should that not come in time, what would pass the limit
//! ends the session that it is for: the limit holds whatever happens.

use std::cell::Cell;
use std::fmt;

use crate::clock;
use crate::metrics::Metrics;

/// A worker asks for relief this often at most, in milliseconds: it takes a moment to be felt.
const PAUSE_MS: u64 = 20;

/// The limits, in bytes.
pub struct Unsent {
    each: usize,
    all: usize,
    relief: Box<dyn Fn()>,
    asked_at: Cell<u64>,
}

impl Unsent {
    /// At most `each` for one socket (one message always fits) and `all` for all of the process. `relief` is asked
    /// for when seven eighths of it are used.
    pub fn new(each: usize, all: usize, relief: impl Fn() + 'static) -> Unsent {
        Unsent { each, all, relief: Box::new(relief), asked_at: Cell::new(0) }
    }

    /// Whether `more` bytes may wait for a socket for which some wait already.
    pub(super) fn fits(&self, waiting: usize, more: usize, metrics: &Metrics) -> bool {
        if waiting > 0 && waiting.saturating_add(more) > self.each {
            return false;
        }
        let all = usize::try_from(metrics.unsent_bytes.get()).unwrap_or(0).saturating_add(more);
        if all > relieve_at(self.all) {
            self.ask_for_relief();
        }
        all <= self.all
    }

    fn ask_for_relief(&self) {
        let now = clock::uptime_ms();
        if now >= self.asked_at.get() + PAUSE_MS {
            self.asked_at.set(now);
            (self.relief)();
        }
    }
}

/// From here on relief is asked for.
fn relieve_at(all: usize) -> usize {
    all - all / 8
}

impl fmt::Debug for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").field("each", &self.each).field("all", &self.all).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn one_message_always_fits_and_then_the_limit_of_the_socket_holds() {
        let (unsent, metrics) = (Unsent::new(100, usize::MAX, || {}), Metrics::new());
        assert!(unsent.fits(0, 1_000, &metrics));
        assert!(unsent.fits(40, 60, &metrics));
        assert!(!unsent.fits(40, 61, &metrics));
    }

    #[test]
    fn near_the_limit_of_all_relief_is_asked_for_and_beyond_it_nothing_is_kept() {
        let asked = Rc::new(Cell::new(0));
        let count = Rc::clone(&asked);
        let unsent = Unsent::new(100, 800, move || count.set(count.get() + 1));
        let metrics = Metrics::new();
        metrics.unsent_bytes.set(650);
        assert!(unsent.fits(0, 50, &metrics));
        assert_eq!(asked.get(), 0);
        unsent.asked_at.set(0);
        while clock::uptime_ms() < PAUSE_MS {
            std::thread::yield_now(); // the process has just begun
        }
        assert!(unsent.fits(0, 51, &metrics));
        assert_eq!(asked.get(), 1);
        metrics.unsent_bytes.set(790);
        assert!(!unsent.fits(0, 11, &metrics));
        assert_eq!(asked.get(), 1, "once in a while");
    }
}
