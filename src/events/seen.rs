//! The ids of messages that came lately, so that a repeat does no harm. Pure: time is an argument.

use std::collections::{HashSet, VecDeque};

use sha2::{Digest, Sha256};

use crate::clock::Millis;

/// How long an id is remembered, in milliseconds.
pub const REMEMBERED_MS: Millis = 600_000;

/// How many ids are remembered; beyond, the oldest goes.
pub const MAX_IDS: usize = 100_000;

/// A digest, so that what is remembered has one small size whatever a publisher sends; 128 bits of
/// SHA-256, so that nobody can make two ids meet.
type Key = [u8; 16];

/// Ids seen within ten minutes, each within its channel.
#[derive(Default, Debug)]
pub struct Seen {
    known: HashSet<Key>,
    /// In order of arrival; holds exactly what `known` holds.
    order: VecDeque<(Key, Millis)>,
}

impl Seen {
    /// Notes that `id` came on `channel` at the time `now`; false where it is a repeat. Each call takes
    /// the same time, averaged.
    pub fn is_new(&mut self, channel: &str, id: &str, now: Millis) -> bool {
        self.forget(now);
        let key = key(channel, id);
        if !self.known.insert(key) {
            return false;
        }
        if self.order.len() == MAX_IDS {
            self.drop_oldest();
        }
        self.order.push_back((key, now));
        true
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn forget(&mut self, now: Millis) {
        while self.order.front().is_some_and(|&(_, at)| now.saturating_sub(at) >= REMEMBERED_MS) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((key, _)) = self.order.pop_front() {
            self.known.remove(&key);
        }
    }
}

fn key(channel: &str, id: &str) -> Key {
    let mut digest = Sha256::new();
    // the length keeps "a" + "bc" apart from "ab" + "c"
    digest.update((channel.len() as u64).to_be_bytes());
    digest.update(channel);
    digest.update(id);
    let mut key = Key::default();
    key.copy_from_slice(&digest.finalize()[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_within_ten_minutes_on_the_same_channel_is_told() {
        let mut seen = Seen::default();
        assert!(seen.is_new("campaign:c", "e1", 0));
        assert!(!seen.is_new("campaign:c", "e1", 0));
        assert!(!seen.is_new("campaign:c", "e1", 599_999));
        assert!(seen.is_new("campaign:c", "e1", 600_000), "ten minutes after it was first seen");
        assert!(!seen.is_new("campaign:c", "e1", 600_001));
    }

    #[test]
    fn the_same_id_on_another_channel_is_another() {
        let mut seen = Seen::default();
        assert!(seen.is_new("campaign:a", "e1", 0) && seen.is_new("campaign:b", "e1", 0));
        assert!(seen.is_new("ab", "c", 0) && seen.is_new("a", "bc", 0));
    }

    #[test]
    fn at_most_a_hundred_thousand_are_remembered_and_the_oldest_goes() {
        let mut seen = Seen::default();
        for i in 0..=MAX_IDS {
            assert!(seen.is_new("c", &i.to_string(), 0));
        }
        assert_eq!(seen.len(), MAX_IDS);
        assert!(!seen.is_new("c", "1", 0), "the second is still there");
        assert!(seen.is_new("c", "0", 0), "the first has gone");
        assert!(seen.is_new("c", "x", REMEMBERED_MS));
        assert_eq!((seen.len(), seen.known.len()), (1, 1));
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing() {
        let mut seen = Seen::default();
        assert!(seen.is_new("c", "a", 1_000_000));
        assert!(!seen.is_new("c", "a", 0) && !seen.is_new("c", "a", Millis::MIN));
    }
}
