//! The fields of a message: read once, each kept as the JSON text that was sent, and given a type by
//! whoever asks for it. So a field that an event does not have is dropped whatever it holds, and what is
//! only passed through stays as it was sent (numbers beyond 2^53 among it).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::error::Category;
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::refusal::{Reason, Refusal};
use super::stamp::Stamp;
use super::words::Word;
use crate::clock;

/// Levels of arrays and objects, the message's own among them: what serde_json follows where it
/// recurses. Where it keeps text (`RawValue`) it counts nothing, so it is counted here.
pub const MAX_DEPTH: usize = 127;

/// Up to this many fields are compared with each other when one is looked for twice.
const FEW: usize = 16;

type List<'a> = SmallVec<[(Cow<'a, str>, &'a RawValue); 12]>;

/// The fields of an object, in the order in which they came.
#[derive(Debug)]
pub struct Fields<'a>(List<'a>);

/// Fields that are passed through under their own names.
#[derive(Debug)]
pub struct Own<'a>(List<'a>);

#[cfg(test)]
impl schemars::JsonSchema for Own<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Own".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object", "additionalProperties": true })
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut list = SmallVec::new();
                while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
                    list.push((name, map.next_value::<&'de RawValue>()?));
                }
                Ok(Fields(list))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl<'a> Fields<'a> {
    /// Reads a whole message.
    ///
    /// # Errors
    /// `not_json`, `wrong_type` (no object), `duplicate_field`, `too_deep`, `nul`.
    pub fn parse(payload: &'a [u8]) -> Result<Fields<'a>, Refusal> {
        let text = std::str::from_utf8(payload)
            .map_err(|_| Refusal::new(Reason::NotJson, "JSON in UTF-8 is expected"))?;
        let fields = Fields::of(text, "the message")?;
        check_depth(text)?;
        check_escapes(text)?;
        Ok(fields)
    }

    fn of(text: &'a str, what: &str) -> Result<Fields<'a>, Refusal> {
        let fields: Fields<'a> = serde_json::from_str(text).map_err(|err| match err.classify() {
            Category::Data => Refusal::new(Reason::WrongType, format!("{what}: one JSON object is expected")),
            _ => Refusal::new(Reason::NotJson, format!("JSON is expected: {err}")),
        })?;
        match fields.duplicate() {
            Some(name) => {
                let name = super::refusal::quoted(name);
                Err(Refusal::new(
                    Reason::DuplicateField,
                    format!("{what}: each field once is expected, not {name} twice"),
                ))
            }
            None => Ok(fields),
        }
    }

    fn duplicate(&self) -> Option<&str> {
        let list = &self.0;
        if list.len() <= FEW {
            let twice = |i: usize| list[..i].iter().any(|(name, _)| *name == list[i].0);
            return (1..list.len()).find(|&i| twice(i)).map(|i| &*list[i].0);
        }
        let mut seen = HashSet::with_capacity(list.len());
        list.iter().map(|(name, _)| &**name).find(|name| !seen.insert(*name))
    }

    /// A field as the JSON text that was sent; one that is null counts as absent.
    pub fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(n, _)| n == name).map(|&(_, raw)| raw).filter(|raw| raw.get() != "null")
    }

    fn required(&self, name: &str, expected: &str) -> Result<&'a RawValue, Refusal> {
        self.raw(name)
            .ok_or_else(|| Refusal::new(Reason::MissingField, format!("{name}: {expected} is required")))
    }

    /// A string.
    ///
    /// # Errors
    /// `wrong_type`.
    pub fn opt_text(&self, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
        self.raw(name).map(|raw| text(raw, name)).transpose()
    }

    /// A required string.
    ///
    /// # Errors
    /// `missing_field`, `wrong_type`.
    pub fn text(&self, name: &str) -> Result<Cow<'a, str>, Refusal> {
        text(self.required(name, "a string")?, name)
    }

    /// A required word out of a fixed set.
    ///
    /// # Errors
    /// `missing_field`, `wrong_type`.
    pub fn word<T: Word>(&self, name: &str) -> Result<T, Refusal> {
        T::from_word(&self.text(name)?).ok_or_else(|| {
            Refusal::new(Reason::WrongType, format!("{name}: one of {} is expected", T::WORDS.join(", ")))
        })
    }

    /// A time: RFC 3339 with any offset, or integer milliseconds; cut to milliseconds.
    ///
    /// # Errors
    /// `bad_timestamp`.
    pub fn opt_time(&self, name: &str) -> Result<Option<Stamp>, Refusal> {
        self.raw(name).map(|raw| time(raw, name)).transpose()
    }

    /// A required time, see [`Fields::opt_time`].
    ///
    /// # Errors
    /// `missing_field`, `bad_timestamp`.
    pub fn time(&self, name: &str) -> Result<Stamp, Refusal> {
        time(self.required(name, "a time")?, name)
    }

    /// A number, as it was written.
    ///
    /// # Errors
    /// `wrong_type`.
    pub fn opt_number(&self, name: &str) -> Result<Option<&'a RawValue>, Refusal> {
        self.raw(name).map(|raw| number(raw, name)).transpose()
    }

    /// A required number, as it was written.
    ///
    /// # Errors
    /// `missing_field`, `wrong_type`.
    pub fn number(&self, name: &str) -> Result<&'a RawValue, Refusal> {
        number(self.required(name, "a number")?, name)
    }

    /// A required whole number from 0 on.
    ///
    /// # Errors
    /// `missing_field`, `wrong_type`.
    pub fn whole(&self, name: &str) -> Result<u64, Refusal> {
        let raw = self.required(name, "a whole number")?;
        // "-0" and "+1" are no JSON or no u64; "1.0" and "1e3" are refused as the integers they are not
        raw.get().parse().map_err(|_| wrong(name, "a whole number from 0 on"))
    }

    /// The fields of a required object.
    ///
    /// # Errors
    /// `missing_field`, `wrong_type`, `duplicate_field`.
    pub fn object(&self, name: &str) -> Result<Fields<'a>, Refusal> {
        Fields::of(self.required(name, "an object")?.get(), name)
    }

    /// All fields but those that are `known`, in the order in which they came.
    pub fn own(self, known: &[&str]) -> Own<'a> {
        let mut list = self.0;
        list.retain(|(name, _)| !known.contains(&&**name));
        Own(list)
    }
}

impl Serialize for Own<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, raw)| (name, raw)))
    }
}

fn wrong(name: &str, expected: &str) -> Refusal {
    Refusal::new(Reason::WrongType, format!("{name}: {expected} is expected"))
}

fn text<'a>(raw: &'a RawValue, name: &str) -> Result<Cow<'a, str>, Refusal> {
    let json = raw.get();
    let Some(inner) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Err(wrong(name, "a string"));
    };
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(inner));
    }
    serde_json::from_str(json).map(Cow::Owned).map_err(|_| wrong(name, "a string"))
}

fn number<'a>(raw: &'a RawValue, name: &str) -> Result<&'a RawValue, Refusal> {
    match raw.get().as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => Ok(raw),
        _ => Err(wrong(name, "a number")),
    }
}

fn time(raw: &RawValue, name: &str) -> Result<Stamp, Refusal> {
    let json = raw.get();
    let ms = if json.starts_with('"') { clock::parse_rfc3339(&text(raw, name)?) } else { json.parse().ok() };
    ms.and_then(Stamp::writable).ok_or_else(|| {
        Refusal::new(
            Reason::BadTimestamp,
            format!(
                "{name}: RFC 3339 (2026-05-04T10:20:30.123Z) or integer milliseconds since 1970 are expected"
            ),
        )
    })
}

/// Refuses what is nested deeper than [`MAX_DEPTH`]. `text` is JSON.
fn check_depth(text: &str) -> Result<(), Refusal> {
    // what never opens so often cannot be so deep, and nearly every message ends here
    if text.bytes().filter(|b| matches!(b, b'{' | b'[')).count() <= MAX_DEPTH || depth(text) <= MAX_DEPTH {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::TooDeep,
        format!("at most {MAX_DEPTH} levels of arrays and objects are expected"),
    ))
}

fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Refuses U+0000 and lone surrogates, wherever they stand: text that is only passed through is decoded
/// by nobody else. `text` is JSON, so a backslash begins an escape, and a zero byte cannot be in it.
fn check_escapes(text: &str) -> Result<(), Refusal> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        rest = &rest[at..];
        match unit(rest) {
            Some(0) => return Err(Refusal::new(Reason::Nul, "text without U+0000 is expected")),
            Some(0xd800..=0xdbff)
                if !rest.get(6..).and_then(unit).is_some_and(|u| (0xdc00..=0xdfff).contains(&u)) =>
            {
                return Err(lone_surrogate());
            }
            Some(0xdc00..=0xdfff) => return Err(lone_surrogate()),
            Some(0xd800..=0xdbff) => rest = &rest[12..],
            Some(_) => rest = &rest[6..],
            None => rest = rest.get(2..).unwrap_or_default(),
        }
    }
    Ok(())
}

fn lone_surrogate() -> Refusal {
    Refusal::new(Reason::NotJson, "Unicode text is expected, not half of a surrogate pair")
}

/// The UTF-16 unit that `text` begins with as `\uXXXX`.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Fields<'_>, Reason> {
        Fields::parse(text.as_bytes()).map_err(|refusal| refusal.reason)
    }

    #[track_caller]
    fn refused(text: &str, reason: Reason) {
        assert_eq!(parse(text).map(|_| ()), Err(reason), "{text}");
    }

    #[test]
    fn what_is_not_one_json_object_is_refused() {
        for bad in
            ["", "{", "{}x", "{}{}", "{'a':1}", "{\"a\":01}", "{\"a\":NaN}", "nul", "\u{feff}{}", "{\"a\"}"]
        {
            refused(bad, Reason::NotJson);
        }
        for bad in ["[]", "null", "1", "\"{}\"", "true"] {
            refused(bad, Reason::WrongType);
        }
        assert_eq!(Fields::parse(b"{\"a\":\"\xff\"}").unwrap_err().reason, Reason::NotJson);
        assert_eq!(Fields::parse(b"{\"a\":\"\x00\"}").unwrap_err().reason, Reason::NotJson);
    }

    #[test]
    fn one_name_twice_is_refused_however_it_is_written() {
        refused(r#"{"a":1,"b":2,"a":3}"#, Reason::DuplicateField);
        refused(r#"{"a":1,"\u0061":3}"#, Reason::DuplicateField);
        let many: String = (0..40).map(|i| format!("\"f{i}\":1,")).collect();
        assert!(parse(&format!("{{{many}\"x\":1}}")).is_ok());
        refused(&format!("{{{many}\"f7\":1}}"), Reason::DuplicateField);
    }

    #[test]
    fn nul_and_lone_surrogates_are_refused_wherever_they_stand() {
        for (text, reason) in [
            (r#"{"a":"x\u0000"}"#, Reason::Nul),
            (r#"{"a":{"b":["\u0000"]}}"#, Reason::Nul),
            (r#"{"a":{"\u0000":1}}"#, Reason::Nul),
            (r#"{"a\u0000":1}"#, Reason::Nul),
            (r#"{"a":["\ud800"]}"#, Reason::NotJson),
            (r#"{"a":["\udc00"]}"#, Reason::NotJson),
            (r#"{"a":["\ud800\ud800"]}"#, Reason::NotJson),
            (r#"{"a":["\ud800x"]}"#, Reason::NotJson),
            (r#"{"a":["\uD83D\u0041"]}"#, Reason::NotJson),
            (r#"{"\ud800":1}"#, Reason::NotJson),
        ] {
            refused(text, reason);
        }
        assert!(parse(r#"{"a":["\ud83d\ude00","\\u0000","\\\\ud800","\u00e9\n","\"\\"]}"#).is_ok());
    }

    #[test]
    fn nesting_is_bounded_also_where_text_is_passed_through() {
        let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&nested(MAX_DEPTH - 1)).is_ok());
        refused(&nested(MAX_DEPTH), Reason::TooDeep);
        refused(&nested(400_000), Reason::TooDeep);
        let flat = format!("{{\"a\":[{}[]],\"b\":\"{}\"}}", "[\"]\\\"[\"],".repeat(300), "[{".repeat(300));
        assert!(parse(&flat).is_ok(), "wide is not deep");
        let deep = nested(MAX_DEPTH - 1);
        assert!(serde_json::from_str::<serde_json::Value>(&deep).is_ok(), "what is passed on can be parsed");
    }

    #[test]
    fn a_field_gets_its_type_from_who_asks() {
        let fields = parse(r#"{"s":"a\"b","n":-1.5e3,"w":7,"z":null,"t":1800000000123}"#).unwrap();
        assert_eq!(fields.text("s").unwrap(), "a\"b");
        assert_eq!(fields.number("n").unwrap().get(), "-1.5e3");
        assert_eq!(fields.whole("w").unwrap(), 7);
        assert_eq!(fields.time("t").unwrap(), Stamp(1_800_000_000_123));
        assert!(fields.raw("z").is_none() && fields.opt_text("z").unwrap().is_none());
        assert_eq!(fields.text("z").unwrap_err().reason, Reason::MissingField);
        assert_eq!(fields.text("n").unwrap_err().reason, Reason::WrongType);
        assert_eq!(fields.opt_number("s").unwrap_err().reason, Reason::WrongType);
        assert_eq!(fields.whole("n").unwrap_err().reason, Reason::WrongType);
        assert_eq!(fields.object("s").unwrap_err().reason, Reason::WrongType);
    }

    #[test]
    fn whole_numbers_have_no_sign_fraction_or_exponent() {
        for bad in ["-1", "1.0", "1e3", "\"1\"", "18446744073709551616", "true", "[]"] {
            let text = format!("{{\"w\":{bad}}}");
            assert_eq!(parse(&text).unwrap().whole("w").unwrap_err().reason, Reason::WrongType, "{bad}");
        }
    }

    #[test]
    fn times_come_as_rfc3339_with_any_offset_or_integer_milliseconds() {
        for (json, ms) in [
            ("\"2026-05-04T10:20:30.123Z\"", 1_777_890_030_123),
            ("\"2026-05-04T12:20:30.1239+02:00\"", 1_777_890_030_123),
            ("\"2026-05-04T05:50:30-04:30\"", 1_777_890_030_000),
            ("1777890030123", 1_777_890_030_123),
            ("0", 0),
            ("-1", -1),
        ] {
            let text = format!("{{\"t\":{json}}}");
            assert_eq!(parse(&text).unwrap().time("t").unwrap(), Stamp(ms), "{json}");
        }
        for bad in [
            "1777890030.5",
            "1.7e12",
            "\"1777890030123\"",
            "\"2026-05-04\"",
            "\"2026-05-04T10:20:30\"",
            "\"\"",
            "\"2026-02-30T00:00:00Z\"",
            "true",
            "[]",
            "9223372036854775807",
            "253402300800000",
            "99999999999999999999",
        ] {
            let text = format!("{{\"t\":{bad}}}");
            assert_eq!(parse(&text).unwrap().time("t").unwrap_err().reason, Reason::BadTimestamp, "{bad}");
        }
    }

    #[test]
    fn own_fields_go_on_exactly_as_they_came() {
        let text = r#"{"id":"c","big":9007199254740993,"n":1.50,"none":null,"o":{"a" : 1},"é\n":"\u00e9"}"#;
        let own = parse(text).unwrap().own(&["id"]);
        assert_eq!(
            serde_json::to_string(&own).unwrap(),
            r#"{"big":9007199254740993,"n":1.50,"none":null,"o":{"a" : 1},"é\n":"\u00e9"}"#
        );
    }
}
