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
    fn times_are_utc_with_milliseconds_and_cut_not_rounded() {
        let ms = parse_rfc3339("2026-05-04T12:20:30.1239+02:00").unwrap();
        assert_eq!(rfc3339(ms), "2026-05-04T10:20:30.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(parse_rfc3339("2026-05-04"), None);
    }
}
