//! The table of settings: each section declares its settings once, and what is read, checked, shown and
//! documented all comes from that.

use std::fmt;

use super::error::Wrong;
use super::mask;
use super::value::{Fault, Raw};

/// What is declared of one setting.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Name within its section.
    pub key: &'static str,
    /// What it does and why its default is what it is: its field's doc comment.
    pub help: &'static str,
    /// What kind of value it takes: `a whole number`.
    pub kind: String,
    /// The unit of a number: `ms`, `bytes`.
    pub unit: Option<&'static str>,
    /// Smallest and greatest number.
    pub range: Option<(u64, u64)>,
    /// What 0 means where it is outside the range: `switches it off`.
    pub zero: Option<&'static str>,
    /// Whether its value must not be shown.
    pub secrecy: Secrecy,
    /// A right value, as TOML; without one the default is one.
    pub example: Option<&'static str>,
}

/// What of a value must not be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secrecy {
    /// Nothing is secret.
    Open,
    /// A URL with a password in it.
    Url,
    /// All of it.
    Secret,
}

impl Spec {
    pub(crate) fn new(key: &'static str, help: &'static str, kind: String) -> Spec {
        let secrecy = Secrecy::Open;
        Spec { key, help: help.trim(), kind, unit: None, range: None, zero: None, secrecy, example: None }
    }

    pub(crate) fn unit(mut self, unit: &'static str) -> Spec {
        self.unit = Some(unit);
        self
    }

    pub(crate) fn range(mut self, least: u64, most: u64) -> Spec {
        self.range = Some((least, most));
        self
    }

    pub(crate) fn zero(mut self, meaning: &'static str) -> Spec {
        self.zero = Some(meaning);
        self
    }

    pub(crate) fn secret(mut self) -> Spec {
        self.secrecy = Secrecy::Secret;
        self
    }

    pub(crate) fn url(mut self) -> Spec {
        self.secrecy = Secrecy::Url;
        self
    }

    pub(crate) fn example(mut self, toml: &'static str) -> Spec {
        self.example = Some(toml);
        self
    }

    /// Why a number is out of range.
    pub(crate) fn refuses(&self, value: &toml::Value) -> Option<String> {
        let (least, most) = self.range?;
        let number = u64::try_from(value.as_integer()?).ok()?;
        let allowed = (least..=most).contains(&number) || (number == 0 && self.zero.is_some());
        (!allowed).then(|| format!("{number} is out of range: it takes {}", self.takes()))
    }

    /// What it takes, in words: `a whole number of ms from 1 to 60000, or 0, which switches it off`.
    pub(crate) fn takes(&self) -> String {
        let mut words = self.kind.clone();
        if let Some(unit) = self.unit {
            words.push_str(&format!(" of {unit}"));
        }
        if let Some((least, most)) = self.range {
            words.push_str(&format!(" from {least} to {most}"));
        }
        if let Some(zero) = self.zero {
            words.push_str(&format!(", or 0, which {zero}"));
        }
        words
    }

    /// The value with what must not be seen replaced by `***`.
    pub(crate) fn masked(&self, value: toml::Value) -> toml::Value {
        match self.secrecy {
            Secrecy::Open => value,
            Secrecy::Secret => mask::mask(value),
            Secrecy::Url => match value {
                toml::Value::String(url) => toml::Value::String(mask::mask_url(&url)),
                other => mask::mask(other),
            },
        }
    }
}

/// A section of the configuration, seen without its type.
pub(crate) trait Section {
    fn name(&self) -> &'static str;
    /// What the section is for, for the reference.
    fn about(&self) -> &'static str;
    fn specs(&self) -> Vec<Spec>;
    /// Sets one value; `None` where there is no such key.
    fn set(&mut self, key: &str, raw: &Raw<'_>) -> Option<Result<(), Vec<Fault>>>;
    /// The value as TOML, secrets and all.
    fn get(&self, key: &str) -> Option<toml::Value>;
    /// What the final values break.
    fn check(&self, wrong: &mut Wrong);
}

/// Rules of a section beyond types and ranges.
pub(crate) trait Rules {
    fn rules(&self, _wrong: &mut Wrong) {}
}

/// Shows a section with its secrets masked, so that no log line gives them away.
pub(crate) fn debug(section: &dyn Section, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut out = f.debug_struct(section.name());
    for spec in section.specs() {
        if let Some(value) = section.get(spec.key) {
            out.field(spec.key, &format_args!("{}", spec.masked(value)));
        }
    }
    out.finish()
}

/// Declares a section: a struct of settings, each with its help, type, default and what else holds for it.
macro_rules! section {
    ($(#[doc = $about:literal])+ pub struct $Name:ident = $section:literal {
        $( $(#[doc = $help:literal])+ $key:ident : $ty:ty = $default:expr $(, $with:ident ( $($arg:expr),* ))* ; )+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, PartialEq)]
        pub struct $Name {
            $( $(#[doc = $help])+ pub $key: $ty, )+
        }

        impl Default for $Name {
            fn default() -> Self {
                $Name { $( $key: $default, )+ }
            }
        }

        impl std::fmt::Debug for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::config::setting::debug(self, f)
            }
        }

        impl $crate::config::setting::Section for $Name {
            fn name(&self) -> &'static str {
                $section
            }

            fn about(&self) -> &'static str {
                concat!($($about),+).trim()
            }

            fn specs(&self) -> Vec<$crate::config::setting::Spec> {
                use $crate::config::{setting::Spec, value::Value};
                vec![$(
                    Spec::new(stringify!($key), concat!($($help),+), <$ty as Value>::kind())$(.$with($($arg),*))*,
                )+]
            }

            fn set(
                &mut self,
                key: &str,
                raw: &$crate::config::value::Raw<'_>,
            ) -> Option<Result<(), Vec<$crate::config::value::Fault>>> {
                use $crate::config::value::Value;
                match key {
                    $( stringify!($key) => Some(<$ty as Value>::read(raw).map(|value| self.$key = value)), )+
                    _ => None,
                }
            }

            fn get(&self, key: &str) -> Option<toml::Value> {
                use $crate::config::value::Value;
                match key {
                    $( stringify!($key) => Some(self.$key.show()), )+
                    _ => None,
                }
            }

            fn check(&self, wrong: &mut $crate::config::error::Wrong) {
                $crate::config::setting::Rules::rules(self, wrong)
            }
        }
    };
}
pub(crate) use section;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_setting_has_help_and_a_right_value_to_teach() {
        for section in Config::default().sections() {
            for spec in section.specs() {
                let path = format!("{}.{}", section.name(), spec.key);
                assert!(spec.help.len() > 20 && spec.help.ends_with('.'), "{path}: {}", spec.help);
                let default = section.get(spec.key).unwrap();
                assert_eq!(spec.refuses(&default), None, "{path}");
                let empty = matches!(default.as_str(), Some(""));
                assert!(!empty || spec.example.is_some(), "{path} has no example");
            }
        }
    }

    #[test]
    fn a_number_out_of_range_is_told_what_it_may_be() {
        let spec =
            Spec::new("a", "", "a whole number".into()).unit("ms").range(10, 20).zero("switches it off");
        assert_eq!(spec.refuses(&toml::Value::Integer(15)), None);
        assert_eq!(spec.refuses(&toml::Value::Integer(0)), None);
        assert_eq!(
            spec.refuses(&toml::Value::Integer(9)).unwrap(),
            "9 is out of range: it takes a whole number of ms from 10 to 20, or 0, which switches it off"
        );
    }
}
