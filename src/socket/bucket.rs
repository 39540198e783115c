//! How much a client may say: a few bytes of bucket in each socket.

/// What a socket may send.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Messages a second in the long run; 0 is no limit.
    pub per_second: u32,
    /// Messages at once.
    pub burst: u32,
}

/// Drops in each of this many seconds on end: the client is sent away.
const SECONDS_OF_DROPS: u8 = 10;

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is heard.
    Heard,
    /// It is dropped.
    Dropped(Dropped),
    /// It is dropped, as others were for ten seconds on end.
    Enough,
}

/// A message that was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dropped {
    /// When the next one would be heard, in milliseconds from now.
    pub retry_after_ms: u32,
    /// Whether it is the first of its second: the client is told once a second.
    pub tell: bool,
}

/// The bucket of one socket. Times are milliseconds of the uptime.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// What is left, in thousandths of a message.
    left: u64,
    filled_at: u64,
    /// The last second in which something was dropped, and how many on end there were by then.
    dropped_in: u64,
    seconds: u8,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: u64) -> Bucket {
        Bucket { left: u64::from(rate.burst) * 1_000, filled_at: now, dropped_in: u64::MAX - 1, seconds: 0 }
    }

    /// Takes one message out.
    pub fn take(&mut self, rate: Rate, now: u64) -> Verdict {
        if rate.per_second == 0 {
            return Verdict::Heard;
        }
        let gained = now.saturating_sub(self.filled_at) * u64::from(rate.per_second);
        self.left = (self.left + gained).min(u64::from(rate.burst) * 1_000);
        self.filled_at = now;
        if self.left >= 1_000 {
            self.left -= 1_000;
            return Verdict::Heard;
        }
        self.drop_one(rate, now / 1_000)
    }

    fn drop_one(&mut self, rate: Rate, second: u64) -> Verdict {
        let tell = second != self.dropped_in;
        if tell {
            self.seconds = if second == self.dropped_in.wrapping_add(1) { self.seconds + 1 } else { 1 };
            self.dropped_in = second;
        }
        if self.seconds >= SECONDS_OF_DROPS {
            return Verdict::Enough;
        }
        let missing = (1_000 - self.left).div_ceil(u64::from(rate.per_second));
        Verdict::Dropped(Dropped { retry_after_ms: u32::try_from(missing).unwrap_or(u32::MAX), tell })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 50, burst: 100 };

    #[test]
    fn a_burst_is_heard_and_then_the_rate() {
        let mut bucket = Bucket::new(RATE, 0);
        assert!((0..100).all(|_| bucket.take(RATE, 0) == Verdict::Heard));
        assert_eq!(bucket.take(RATE, 0), Verdict::Dropped(Dropped { retry_after_ms: 20, tell: true }));
        assert_eq!(bucket.take(RATE, 5), Verdict::Dropped(Dropped { retry_after_ms: 15, tell: false }));
        assert_eq!(bucket.take(RATE, 20), Verdict::Heard);
        assert!(matches!(bucket.take(RATE, 20), Verdict::Dropped(_)));
    }

    #[test]
    fn drops_in_ten_seconds_on_end_are_enough_and_a_quiet_second_begins_anew() {
        let flood = |bucket: &mut Bucket, second: u64| {
            (0..200).map(|_| bucket.take(RATE, second * 1_000)).last().unwrap()
        };
        let mut bucket = Bucket::new(RATE, 0);
        for second in 0..9 {
            assert!(matches!(flood(&mut bucket, second), Verdict::Dropped(_)), "{second}");
        }
        for second in 10..19 {
            assert!(matches!(flood(&mut bucket, second), Verdict::Dropped(_)), "{second}");
        }
        assert_eq!(flood(&mut bucket, 19), Verdict::Enough);
    }

    #[test]
    fn without_a_limit_everything_is_heard() {
        let none = Rate { per_second: 0, burst: 0 };
        let mut bucket = Bucket::new(none, 0);
        assert!((0..10_000).all(|_| bucket.take(none, 0) == Verdict::Heard));
    }
}
