//! Times: milliseconds since 1970 inside, RFC 3339 in UTC with milliseconds outside.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// The wall clock, in milliseconds since 1970.
pub fn now_ms() -> Millis {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(_) => 0, // a clock before 1970
    }
}

/// Milliseconds since this process first asked: a clock that never jumps, for everything that is a span
/// and not a date.
pub fn uptime_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Notices that the process was stopped for a while (SIGSTOP, a machine that sleeps): it has heard nobody
/// meanwhile, and may hold that against nobody.
#[derive(Clone, Copy, Debug)]
pub struct Standstill {
    last_look: u64,
    over_since: u64,
}

impl Standstill {
    /// Looks further apart than this, in milliseconds, had a standstill between them; whoever looks does so
    /// at least each second.
    const LONGEST_PAUSE_MS: u64 = 2_500;

    /// None so far; times are those of [`uptime_ms`].
    pub fn new(now: u64) -> Standstill {
        Standstill { last_look: now, over_since: 0 }
    }

    /// Looks whether there was one since the last look.
    pub fn look(&mut self, now: u64) {
        if now.saturating_sub(self.last_look) > Self::LONGEST_PAUSE_MS {
            self.over_since = now;
        }
        self.last_look = now;
    }

    /// Whether the process has run without one for so long.
    pub fn is_over_for(&self, ms: u64, now: u64) -> bool {
        self.over_since == 0 || self.over_since.saturating_add(ms) <= now
    }
}

/// `2026-05-04T10:20:30.123Z`. Times outside the years 0 to 9999 give the nearest end.
pub fn rfc3339(ms: Millis) -> String {
    const FORM: &[time::format_description::FormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let clamped = ms.clamp(-62_167_219_200_000, 253_402_300_799_999);
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(clamped) * 1_000_000)
        .ok()
        .and_then(|at| at.format(FORM).ok())
        .unwrap_or_default()
}

/// Reads RFC 3339 with any offset, cut to milliseconds.
pub fn parse_rfc3339(text: &str) -> Option<Millis> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standstill_is_noticed_by_looks_that_are_far_apart() {
        let mut standstill = Standstill::new(1_000);
        for now in (2_000..60_000).step_by(1_000) {
            standstill.look(now);
        }
        assert!(standstill.is_over_for(600_000, 60_000), "there was none");
        standstill.look(160_000);
        standstill.look(161_000);
        assert!(!standstill.is_over_for(2_000, 161_000) && standstill.is_over_for(2_000, 162_000));
    }

    #[test]
    fn times_are_utc_with_milliseconds_and_cut_not_rounded() {
        let ms = parse_rfc3339("2026-05-04T12:20:30.1239+02:00").unwrap();
        assert_eq!(rfc3339(ms), "2026-05-04T10:20:30.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(parse_rfc3339("2026-05-04"), None);
    }
}
