//! A time as it goes out.

use serde::{Serialize, Serializer};

use crate::clock::{self, Millis};

/// Milliseconds since 1970, written as RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stamp(pub Millis);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&clock::rfc3339(self.0))
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Stamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A time: RFC 3339 in UTC with milliseconds.",
            "type": "string",
            "format": "date-time",
            "examples": ["2026-05-04T10:20:30.123Z"],
        })
    }
}

/// 0000-01-01T00:00:00Z.
const FIRST: Millis = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z.
const LAST: Millis = 253_402_300_799_999;

impl Stamp {
    /// The time, if it lies in the years 0 to 9999, which are all that RFC 3339 can write.
    pub fn writable(ms: Millis) -> Option<Stamp> {
        (FIRST..=LAST).contains(&ms).then_some(Stamp(ms))
    }
}
