//! What has to be known of JSON text before it is passed on unread.
//!
//! A [`RawValue`] is checked for grammar only. Whoever reads it later, here or in a client, may recurse
//! into it, or fail on half a character: so depth is bounded and lone surrogates are refused at the door.

use std::borrow::Cow;

use memchr::memchr2;
use serde_json::value::RawValue;
use thiserror::Error;

/// Arrays and objects may be nested this deep. serde_json itself refuses to read more than 127.
pub const MAX_DEPTH: usize = 64;

/// Why JSON text is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum JsonFault {
    /// Not JSON.
    #[error("not JSON")]
    Grammar,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested too deep")]
    TooDeep,
    /// A `\ud800` to `\udfff` that is no half of a pair: no text of Unicode, and readers differ on it.
    #[error("a lone surrogate")]
    LoneSurrogate,
}

/// Takes `text` as one JSON value, unread but checked; white space around it is left out.
///
/// # Errors
/// See [`JsonFault`].
pub fn raw(text: &str) -> Result<&RawValue, JsonFault> {
    check(text)?;
    serde_json::from_str(text).map_err(|_| JsonFault::Grammar)
}

/// Depth and surrogates of `text`, in one pass. Grammar is left to the parser that reads it next.
///
/// # Errors
/// [`JsonFault::TooDeep`], [`JsonFault::LoneSurrogate`]; [`JsonFault::Grammar`] for a string without end.
pub fn check(text: &str) -> Result<(), JsonFault> {
    let mut rest = text.as_bytes();
    let mut depth = 0usize;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = after_string(after)?,
            b'[' | b'{' if depth == MAX_DEPTH => return Err(JsonFault::TooDeep),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// What follows the string whose opening quote stands just before `rest`.
fn after_string(mut rest: &[u8]) -> Result<&[u8], JsonFault> {
    while let Some(at) = memchr2(b'"', b'\\', rest) {
        if rest[at] == b'"' {
            return Ok(&rest[at + 1..]);
        }
        rest = after_escape(&rest[at + 1..])?;
    }
    Err(JsonFault::Grammar)
}

/// What follows the escape whose backslash stands just before `rest`.
fn after_escape(rest: &[u8]) -> Result<&[u8], JsonFault> {
    match unicode_escape(rest) {
        Some((0xdc00..=0xdfff, _)) => Err(JsonFault::LoneSurrogate),
        Some((0xd800..=0xdbff, after)) => match after.strip_prefix(b"\\").and_then(unicode_escape) {
            Some((0xdc00..=0xdfff, after)) => Ok(after),
            _ => Err(JsonFault::LoneSurrogate),
        },
        Some((_, after)) => Ok(after),
        None => rest.get(1..).ok_or(JsonFault::Grammar),
    }
}

/// The code unit of `uXXXX` and what follows it.
fn unicode_escape(rest: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, after) = rest.strip_prefix(b"u")?.split_at_checked(4)?;
    let digits = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    Some((u16::from_str_radix(digits, 16).ok()?, after))
}

/// The text of a JSON string; `None` where `value` is something else. Borrowed where nothing is escaped.
pub fn as_str(value: &RawValue) -> Option<Cow<'_, str>> {
    let inner = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(value.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_bounded_whatever_stands_in_strings() {
        let nested = |n| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(raw(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(raw(&nested(MAX_DEPTH + 1)).unwrap_err(), JsonFault::TooDeep);
        assert_eq!(raw(&"{\"a\":".repeat(100_000)).unwrap_err(), JsonFault::TooDeep);
        assert!(raw(&format!("[\"{}\\\"{}\"]", "[".repeat(200), "{".repeat(200))).is_ok());
        assert!(raw(&format!("[{}]", vec!["[]"; 500].join(","))).is_ok(), "wide is not deep");
    }

    #[test]
    fn lone_surrogates_are_refused_and_pairs_are_not() {
        for bad in [r#""\ud800""#, r#""\uDFFF""#, r#""\ud800\n""#, r#""\ud800\ud800""#, r#"["\udc00\ud800"]"#]
        {
            assert_eq!(raw(bad).unwrap_err(), JsonFault::LoneSurrogate, "{bad}");
        }
        for good in [r#""\ud83d\uDE00""#, r#""\\ud800""#, r#""\u0000\u00e9""#, "\"😀\""] {
            assert!(raw(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for bad in ["", "{", "[1,]", "\"", "\"\\", "\"\\u12", "\"\\u+123\"", "{}{}", "nul", "\"\\x\"", "'a'"]
        {
            assert_eq!(raw(bad).unwrap_err(), JsonFault::Grammar, "{bad}");
        }
        assert_eq!(raw(" {\"a\" : 1} ").unwrap().get(), "{\"a\" : 1}");
    }

    #[test]
    fn strings_are_read_and_borrowed_where_they_can_be() {
        assert!(matches!(as_str(raw("\"ping\"").unwrap()), Some(Cow::Borrowed("ping"))));
        assert_eq!(as_str(raw(r#""\u0070ing""#).unwrap()).as_deref(), Some("ping"));
        assert_eq!(as_str(raw("5").unwrap()), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_what_passes_can_be_read(text in "[\\[\\]{}\",:\\\\ud8c0f1-9e \u{e9}]{0,60}") {
            if let Ok(value) = raw(&text) {
                proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(value.get()).is_ok()
                    || value.get().contains('e'), "only a number out of range may fail: {text}");
            }
        }
    }
}
