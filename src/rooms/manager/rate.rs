//! How often a user may connect: one bucket for all of a user's connections, on every worker. Pure: time is an
//! argument.

use std::collections::HashMap;
use std::sync::Arc;

/// The bucket is full again after this long, in microseconds.
const MINUTE_US: u64 = 60_000_000;
/// Users that are counted at the same time; whoever comes beyond is not. Eight bytes and a name each.
const MAX_USERS: usize = 1_000_000;
/// Buckets that may lie about full before anybody looks for them.
const FEW: usize = 1_024;

/// The buckets of all users that have come within the last minute. A bucket is one number: when it would be
/// full again (GCRA).
#[derive(Debug)]
pub struct Rates {
    /// What one connect takes, in microseconds; zero is no limit.
    step_us: u64,
    full_at: HashMap<Arc<str>, u64>,
    /// At this many buckets those that are full again are dropped.
    prune_at: usize,
}

impl Rates {
    /// Every bucket is full; each user may come `per_minute` times at once and then at that rate. 0 is no limit.
    pub fn new(per_minute: u64) -> Rates {
        let step_us = MINUTE_US.checked_div(per_minute).unwrap_or(0);
        Rates { step_us, full_at: HashMap::new(), prune_at: FEW }
    }

    /// A user comes, at a time in milliseconds.
    ///
    /// # Errors
    /// Too often: in this many milliseconds once more.
    pub fn take(&mut self, user: &Arc<str>, now_ms: u64) -> Result<(), u64> {
        if self.step_us == 0 {
            return Ok(());
        }
        let now = now_ms * 1_000;
        if let Some(full_at) = self.full_at.get_mut(user) {
            let next = (*full_at).max(now) + self.step_us;
            return match next.saturating_sub(now + MINUTE_US) {
                0 => {
                    *full_at = next;
                    Ok(())
                }
                early => Err(early.div_ceil(1_000)),
            };
        }
        self.prune(now);
        if self.full_at.len() < MAX_USERS {
            self.full_at.insert(Arc::clone(user), now + self.step_us);
        }
        Ok(())
    }

    /// Drops buckets that are full, now and then: each costs the same time, averaged.
    fn prune(&mut self, now: u64) {
        if self.full_at.len() >= self.prune_at {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.prune_at = (self.full_at.len() * 2).clamp(FEW, MAX_USERS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_comes_as_often_as_he_may_and_is_told_when_again() {
        let mut rates = Rates::new(3);
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        assert!((0..3).all(|_| rates.take(&one, 1_000).is_ok()));
        assert_eq!(rates.take(&one, 1_000), Err(20_000));
        assert_eq!(rates.take(&one, 6_500), Err(14_500), "who was refused has taken nothing");
        assert!(rates.take(&two, 6_500).is_ok(), "each user has a bucket of his own");
        assert!(rates.take(&one, 21_000).is_ok());
        assert_eq!(rates.take(&one, 21_000), Err(20_000));
        assert!((0..3).all(|_| rates.take(&one, 500_000).is_ok()), "and it is full again");
    }

    #[test]
    fn without_a_limit_nobody_is_counted() {
        let mut rates = Rates::new(0);
        assert!((0..10_000).all(|_| rates.take(&"u".into(), 0).is_ok()));
        assert!(rates.full_at.is_empty());
    }

    #[test]
    fn users_that_came_long_ago_are_forgotten() {
        let mut rates = Rates::new(100);
        for n in 0..100_000_u64 {
            // a thousand a second, of whom each one's bucket is full again after 0.6 s
            assert!(rates.take(&format!("u{n}").into(), n).is_ok());
        }
        assert!(rates.full_at.len() <= 2 * FEW, "{}", rates.full_at.len());
    }
}
