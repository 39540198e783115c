//! How a value is read from TOML and from the text of a variable, and shown again.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeValue};

/// A value as its source has it.
pub(crate) enum Raw<'a> {
    /// From the file.
    Toml(&'a Spanned<DeValue<'a>>),
    /// From a variable or a flag: taken as it stands.
    Text(&'a str),
}

/// Why a value was refused.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The part within the value that is meant (`[0].kid`), else empty.
    pub(crate) part: String,
    /// Where it is in the file, in bytes.
    pub(crate) span: Option<Range<usize>>,
    /// What is wrong; it may quote the value.
    pub(crate) message: String,
    /// The same where the value is a secret.
    pub(crate) discreet: String,
}

impl Fault {
    /// `expected` says what would be right, `found` quotes what is there.
    pub(crate) fn expected(expected: impl AsRef<str>, found: impl AsRef<str>) -> Fault {
        let (expected, found) = (expected.as_ref(), found.as_ref());
        Fault {
            part: String::new(),
            span: None,
            message: format!("expected {expected}, found {found}"),
            discreet: format!("expected {expected}"),
        }
    }

    /// Says the same whether or not the value is a secret.
    pub(crate) fn plain(message: String) -> Fault {
        Fault { part: String::new(), span: None, discreet: message.clone(), message }
    }

    pub(crate) fn in_part(mut self, part: &str, span: Range<usize>) -> Fault {
        self.part.insert_str(0, part);
        self.span.get_or_insert(span);
        self
    }
}

/// A type that settings have.
pub(crate) trait Value: Sized {
    /// What it is called in errors and in the reference: `a whole number`.
    fn kind() -> String;
    /// Reads it; the faults say what is wrong.
    fn read(raw: &Raw<'_>) -> Result<Self, Vec<Fault>>;
    /// As TOML, secrets and all.
    fn show(&self) -> toml::Value;
}

/// A type that lists are made of, written as a string.
pub(crate) trait Item: Sized {
    /// What many of them are called: `strings`.
    fn plural() -> String;
    fn parse(text: &str) -> Result<Self, Fault>;
    fn text(&self) -> String;
}

/// How a value of the file is quoted in an error.
pub(crate) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

/// Quoted and cut, so that it cannot break a line.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

impl Value for String {
    fn kind() -> String {
        "a string".into()
    }

    fn read(raw: &Raw<'_>) -> Result<String, Vec<Fault>> {
        match raw {
            Raw::Text(text) => Ok((*text).to_owned()),
            Raw::Toml(value) => match value.get_ref() {
                DeValue::String(text) => Ok(text.to_string()),
                other => Err(vec![Fault::expected(Self::kind(), found(other))]),
            },
        }
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.clone())
    }
}

impl Value for bool {
    fn kind() -> String {
        "true or false".into()
    }

    fn read(raw: &Raw<'_>) -> Result<bool, Vec<Fault>> {
        let found = match raw {
            Raw::Text("true") => return Ok(true),
            Raw::Text("false") => return Ok(false),
            Raw::Text(text) => quoted(text),
            Raw::Toml(value) => match value.get_ref() {
                DeValue::Boolean(flag) => return Ok(*flag),
                other => found(other),
            },
        };
        Err(vec![Fault::expected(Self::kind(), found)])
    }

    fn show(&self) -> toml::Value {
        toml::Value::Boolean(*self)
    }
}

impl Value for u64 {
    fn kind() -> String {
        "a whole number".into()
    }

    fn read(raw: &Raw<'_>) -> Result<u64, Vec<Fault>> {
        let (number, found) = match raw {
            Raw::Text(text) => (text.parse().ok(), quoted(text)),
            Raw::Toml(value) => match value.get_ref() {
                DeValue::Integer(number) => {
                    (u64::from_str_radix(number.as_str(), number.radix()).ok(), number.to_string())
                }
                other => (None, found(other)),
            },
        };
        // what TOML cannot write is out of every range
        let number = number.filter(|number| i64::try_from(*number).is_ok());
        number.ok_or_else(|| vec![Fault::expected(Self::kind(), found)])
    }

    fn show(&self) -> toml::Value {
        toml::Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl Value for u16 {
    fn kind() -> String {
        u64::kind()
    }

    fn read(raw: &Raw<'_>) -> Result<u16, Vec<Fault>> {
        let number = u64::read(raw)?;
        u16::try_from(number)
            .map_err(|_| vec![Fault::expected("a whole number up to 65535", number.to_string())])
    }

    fn show(&self) -> toml::Value {
        toml::Value::Integer(i64::from(*self))
    }
}

impl Item for String {
    fn plural() -> String {
        "strings".into()
    }

    fn parse(text: &str) -> Result<String, Fault> {
        Ok(text.to_owned())
    }

    fn text(&self) -> String {
        self.clone()
    }
}

impl<T: Item> Value for Vec<T> {
    fn kind() -> String {
        format!("a list of {}", T::plural())
    }

    fn read(raw: &Raw<'_>) -> Result<Vec<T>, Vec<Fault>> {
        match raw {
            Raw::Text(text) => {
                text_items(text)?.iter().map(|item| T::parse(item).map_err(|f| vec![f])).collect()
            }
            Raw::Toml(value) => match value.get_ref() {
                DeValue::Array(items) => toml_items(items),
                other => Err(vec![Fault::expected(Self::kind(), found(other))]),
            },
        }
    }

    fn show(&self) -> toml::Value {
        toml::Value::Array(self.iter().map(|item| toml::Value::String(item.text())).collect())
    }
}

/// Comma-separated, or a JSON array of strings.
fn text_items(text: &str) -> Result<Vec<String>, Vec<Fault>> {
    if !text.trim_start().starts_with('[') {
        return Ok(text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(String::from)
            .collect());
    }
    serde_json::from_str(text).map_err(|_| {
        vec![Fault::expected("a JSON array of strings, or items separated by commas", quoted(text))]
    })
}

/// Every item that is wrong, not the first only.
fn toml_items<T: Item>(items: &DeArray<'_>) -> Result<Vec<T>, Vec<Fault>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (n, item) in items.iter().enumerate() {
        let read = match item.get_ref() {
            DeValue::String(text) => T::parse(text),
            other => Err(Fault::expected("a string", found(other))),
        };
        match read {
            Ok(value) => good.push(value),
            Err(fault) => bad.push(fault.in_part(&format!("[{n}]"), item.span())),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// A string as it stands in the table of settings.
pub(crate) fn text(text: &str) -> String {
    text.to_owned()
}

/// A list of strings as it stands in the table of settings.
pub(crate) fn list<const N: usize>(items: [&str; N]) -> Vec<String> {
    items.map(String::from).to_vec()
}

/// Declares an enum of which the values are words.
macro_rules! choice {
    ($(#[doc = $about:literal])+ pub enum $Name:ident {
        $( $(#[doc = $help:literal])+ $Variant:ident = $word:literal, )+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $Name {
            $( $(#[doc = $help])+ $Variant, )+
        }

        impl $Name {
            /// All of them, in the order of the reference.
            pub const ALL: &'static [$Name] = &[$($Name::$Variant),+];

            /// The word that is written in the configuration.
            pub fn as_str(self) -> &'static str {
                match self { $($Name::$Variant => $word),+ }
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::config::value::Item for $Name {
            fn plural() -> String {
                [$($word),+].join(", ")
            }

            fn parse(text: &str) -> Result<Self, $crate::config::value::Fault> {
                $crate::config::value::choose(Self::ALL, text)
            }

            fn text(&self) -> String {
                self.as_str().to_owned()
            }
        }

        impl $crate::config::value::Value for $Name {
            fn kind() -> String {
                format!("one of {}", [$($word),+].join(", "))
            }

            fn read(raw: &$crate::config::value::Raw<'_>) -> Result<Self, Vec<$crate::config::value::Fault>> {
                let text = <String as $crate::config::value::Value>::read(raw)?;
                $crate::config::value::choose(Self::ALL, &text).map_err(|fault| vec![fault])
            }

            fn show(&self) -> toml::Value {
                toml::Value::String(self.as_str().to_owned())
            }
        }
    };
}
pub(crate) use choice;

/// The one of `all` that is written like `text`.
pub(crate) fn choose<T: Copy + std::fmt::Display>(all: &[T], text: &str) -> Result<T, Fault> {
    let words: Vec<String> = all.iter().map(T::to_string).collect();
    let chosen = all.iter().copied().zip(&words).find(|(_, word)| *word == text);
    chosen.map(|(item, _)| item).ok_or_else(|| unknown_word(text, &words))
}

fn unknown_word(text: &str, words: &[String]) -> Fault {
    let known = format!("known are {}", words.join(", "));
    let advice = match super::suggest::nearest(text, words.iter().map(String::as_str)) {
        Some(word) => format!("did you mean {word:?}?"),
        None => known.clone(),
    };
    let message = format!("{} is unknown; {advice}", quoted(text));
    Fault { discreet: format!("is unknown; {known}"), ..Fault::plain(message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_text<T: Value>(text: &str) -> Result<T, String> {
        T::read(&Raw::Text(text)).map_err(|faults| faults[0].message.clone())
    }

    #[test]
    fn text_is_taken_as_it_stands_and_numbers_are_whole() {
        assert_eq!(from_text::<String>("0123").unwrap(), "0123");
        assert_eq!(from_text::<u64>("0123").unwrap(), 123);
        assert_eq!(from_text::<u64>("-1").unwrap_err(), "expected a whole number, found \"-1\"");
        assert!(from_text::<u64>("18446744073709551615").is_err());
        assert!(from_text::<u16>("65536").is_err());
        assert_eq!(from_text::<bool>("yes").unwrap_err(), "expected true or false, found \"yes\"");
    }

    #[test]
    fn a_list_is_comma_separated_or_a_json_array() {
        assert_eq!(from_text::<Vec<String>>("a, b,,c").unwrap(), ["a", "b", "c"]);
        assert_eq!(from_text::<Vec<String>>(r#"["a,b"]"#).unwrap(), ["a,b"]);
        assert_eq!(from_text::<Vec<String>>("[]").unwrap(), Vec::<String>::new());
        assert!(from_text::<Vec<String>>("[1]").unwrap_err().contains("JSON array of strings"));
    }

    #[test]
    fn a_long_or_broken_value_cannot_break_the_line_that_quotes_it() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 63);
    }
}
