//! How long what a client has shown counts, and when sockets have to be looked at for it.

use std::collections::{BTreeSet, HashMap};

use crate::clock::Millis;
use crate::ids::Uid;

/// Milliseconds until a socket whose time is over is looked at again, should it still be there.
const AGAIN: Millis = 1_000;

/// How long what a client has shown counts; times are milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Term {
    /// When it was issued, where it says so.
    pub issued_at: Option<Millis>,
    /// When the client is told that it runs out; none where it is not.
    pub warn_at: Option<Millis>,
    /// When it runs out, leeway included.
    pub expires_at: Millis,
}

impl Term {
    /// When its socket is to look at it next.
    pub(super) fn next_review(&self, now: Millis) -> Millis {
        let times = [self.warn_at, Some(self.expires_at)];
        times.into_iter().flatten().filter(|at| *at > now).min().unwrap_or(now + AGAIN)
    }

    /// Whether it was issued until `time`; where it does not say when, it was.
    pub(super) fn is_from_before(&self, time: Millis) -> bool {
        self.issued_at.is_none_or(|at| at <= time)
    }
}

/// When sockets have to be looked at: one time each, so that it never holds more than there are sockets,
/// however often they show something new.
#[derive(Debug, Default)]
pub(super) struct Reviews {
    due: BTreeSet<(Millis, Uid)>,
    at: HashMap<Uid, Millis>,
}

impl Reviews {
    /// Sets when a socket is looked at, in the place of what was set before.
    pub(super) fn set(&mut self, uid: Uid, at: Millis) {
        self.remove(uid);
        self.due.insert((at, uid));
        self.at.insert(uid, at);
    }

    pub(super) fn remove(&mut self, uid: Uid) {
        if let Some(at) = self.at.remove(&uid) {
            self.due.remove(&(at, uid));
        }
    }

    /// Takes out a socket that is due.
    pub(super) fn take_due(&mut self, now: Millis) -> Option<Uid> {
        let &(at, uid) = self.due.first()?;
        if at > now {
            return None;
        }
        self.remove(uid);
        Some(uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_looked_at_for_the_warning_and_then_for_the_end_until_it_is_gone() {
        let term = Term { issued_at: None, warn_at: Some(40), expires_at: 100 };
        assert_eq!((term.next_review(0), term.next_review(39)), (40, 40));
        assert_eq!((term.next_review(40), term.next_review(99)), (100, 100));
        assert_eq!(term.next_review(100), 100 + AGAIN);
        assert_eq!(Term { warn_at: None, ..term }.next_review(0), 100);
    }

    #[test]
    fn what_does_not_say_when_it_was_issued_is_older_than_everything() {
        let of = |issued_at| Term { issued_at, ..Term::default() };
        assert!(of(None).is_from_before(Millis::MIN) && of(Some(5)).is_from_before(5));
        assert!(!of(Some(6)).is_from_before(5));
    }

    #[test]
    fn a_new_time_takes_the_place_of_the_old_one_which_does_not_fire() {
        let mut reviews = Reviews::default();
        reviews.set(Uid(1), 10);
        reviews.set(Uid(2), 20);
        reviews.set(Uid(1), 30);
        assert_eq!(reviews.take_due(10), None);
        assert_eq!(
            (reviews.take_due(30), reviews.take_due(30), reviews.take_due(30)),
            (Some(Uid(2)), Some(Uid(1)), None)
        );
        reviews.set(Uid(3), 1);
        reviews.remove(Uid(3));
        assert_eq!(reviews.take_due(99), None);
        assert!(reviews.due.is_empty() && reviews.at.is_empty());
    }
}
