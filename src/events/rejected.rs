//! The last refused messages, and how many there were by reason. Pure: whoever owns it guards it.

use std::collections::VecDeque;

use serde::Serialize;

use super::refusal::{Reason, Refusal};
use super::stamp::Stamp;
use crate::clock::Millis;

/// How many refused messages are kept.
pub const KEPT: usize = 100;

/// How much of each is kept, and of its channel's name, in bytes.
pub const KEPT_BYTES: usize = 1024;

/// A refused message, as the admin API lists it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct RejectedMessage {
    /// Which it is since the start, counted from 0.
    #[serde(skip)]
    pub number: u64,
    /// When it came.
    pub at: Stamp,
    /// Where from: `redis`, `http`, `outbox`.
    pub source: &'static str,
    /// Its channel, cut to 1 KiB.
    pub channel: String,
    /// Why it was refused.
    pub reason: Reason,
    /// Its first KiB, as text.
    pub message: String,
    /// What was expected.
    pub expected: String,
}

/// The last [`KEPT`] refused messages.
#[derive(Debug)]
pub struct Rejected {
    ring: VecDeque<RejectedMessage>,
    /// The number of the next one.
    next: u64,
    counts: [u64; Reason::ALL.len()],
}

impl Default for Rejected {
    fn default() -> Rejected {
        Rejected { ring: VecDeque::with_capacity(KEPT), next: 0, counts: [0; Reason::ALL.len()] }
    }
}

impl Rejected {
    /// Counts a refused message and keeps its beginning; the oldest goes where there are [`KEPT`].
    pub fn push(
        &mut self,
        at: Millis,
        source: &'static str,
        channel: &str,
        payload: &[u8],
        refusal: Refusal,
    ) {
        self.count(refusal.reason);
        if self.ring.len() == KEPT {
            self.ring.pop_front();
        }
        self.next += 1;
        self.ring.push_back(RejectedMessage {
            number: self.next - 1,
            at: Stamp(at),
            source,
            channel: beginning(channel.as_bytes()),
            reason: refusal.reason,
            message: beginning(payload),
            expected: refusal.message,
        });
    }

    /// Counts without keeping: a repeat (`duplicate`) is nobody's fault.
    pub fn count(&mut self, reason: Reason) {
        let count = &mut self.counts[reason as usize];
        *count = count.saturating_add(1);
    }

    /// How many were refused for `reason`.
    pub fn of(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }

    /// How many were refused; repeats are not among them.
    pub fn total(&self) -> u64 {
        Reason::ALL.iter().filter(|&&reason| reason != Reason::Duplicate).map(|&reason| self.of(reason)).sum()
    }

    /// Those that are kept, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &RejectedMessage> {
        self.ring.iter().rev()
    }
}

/// The first [`KEPT_BYTES`] as text; bytes that are none become U+FFFD, a character that is cut is left out.
fn beginning(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(KEPT_BYTES)];
    let whole = match std::str::from_utf8(cut) {
        Err(err) if cut.len() < bytes.len() && err.error_len().is_none() => &cut[..err.valid_up_to()],
        _ => cut,
    };
    String::from_utf8_lossy(whole).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(reason: Reason) -> Refusal {
        Refusal::new(reason, "something else was expected")
    }

    #[test]
    fn the_last_hundred_are_kept_newest_first_and_all_are_counted() {
        let mut rejected = Rejected::default();
        for i in 0..150 {
            let reason = if i < 20 { Reason::Nul } else { Reason::NotJson };
            rejected.push(i, "redis", "campaign:c", i.to_string().as_bytes(), refusal(reason));
        }
        rejected.count(Reason::Duplicate);
        let kept: Vec<_> = rejected.newest_first().map(|message| message.message.clone()).collect();
        assert_eq!((kept.len(), &*kept[0], &*kept[99]), (100, "149", "50"));
        assert!(rejected.newest_first().map(|message| message.number).eq((50..150).rev()));
        assert_eq!((rejected.of(Reason::Nul), rejected.of(Reason::NotJson)), (20, 130));
        assert_eq!((rejected.of(Reason::Duplicate), rejected.total()), (1, 150));
    }

    #[test]
    fn the_first_kibibyte_is_kept_as_text_whatever_the_bytes_are() {
        let mut rejected = Rejected::default();
        rejected.push(0, "http", "user:u", &[0xff, b'a', 0xfe], refusal(Reason::NotJson));
        rejected.push(0, "http", "user:u", "团".repeat(1_000).as_bytes(), refusal(Reason::NotJson));
        rejected.push(0, "http", &"c".repeat(5_000), &vec![b'x'; 1_000_000], refusal(Reason::TooLarge));
        let kept: Vec<_> = rejected.newest_first().collect();
        assert_eq!(kept[2].message, "\u{fffd}a\u{fffd}");
        assert_eq!(kept[1].message, "团".repeat(341), "a character that is cut is left out");
        assert_eq!((kept[0].message.len(), kept[0].channel.len()), (1024, 1024));
    }

    #[test]
    fn a_refused_message_is_listed_with_time_source_channel_reason_and_message() {
        let mut rejected = Rejected::default();
        rejected.push(17, "outbox", "campaign:c", b"{", refusal(Reason::NotJson));
        let listed: Vec<_> = rejected.newest_first().collect();
        assert_eq!(
            serde_json::to_value(listed).unwrap(),
            serde_json::json!([{
                "at": "1970-01-01T00:00:00.017Z", "source": "outbox", "channel": "campaign:c",
                "reason": "not_json", "message": "{", "expected": "something else was expected",
            }])
        );
    }

    #[test]
    fn reasons_are_stable_words() {
        let words: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(
            words,
            [
                "not_json",
                "wrong_type",
                "missing_field",
                "duplicate_field",
                "too_deep",
                "too_large",
                "unknown_channel",
                "unknown_event",
                "id_mismatch",
                "bad_id",
                "bad_timestamp",
                "timestamp_ahead",
                "bad_url",
                "nul",
                "duplicate",
            ]
        );
    }
}
