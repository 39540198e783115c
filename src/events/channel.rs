//! A channel's name: its kind, and the id that it may carry.

use super::refusal::{Reason, Refusal, quoted};
use crate::auth::is_id;

/// What the configuration says of messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Suffixes of channels that several campaigns (timers, users) share: they are no ids.
    pub shared_suffixes: Vec<String>,
    /// Names of events of which only the newest counts.
    pub latest: Vec<String>,
}

impl Default for Rules {
    fn default() -> Rules {
        let shared_suffixes = vec!["events".to_owned(), "lifecycle".to_owned()];
        Rules { shared_suffixes, latest: Vec::new() }
    }
}

impl Rules {
    /// Whether `word` is the suffix of a shared channel, and so no id.
    pub fn is_shared(&self, word: &str) -> bool {
        self.shared_suffixes.iter().any(|suffix| suffix == word)
    }
}

/// A channel. The id is `None` where the channel is shared, and has to be in the payload then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel<'a> {
    /// `campaign:<id>`
    Campaign(Option<&'a str>),
    /// `timer:<id>`
    Timer(Option<&'a str>),
    /// `system:<name>`
    System,
    /// `user:<id>`
    User(Option<&'a str>),
}

impl<'a> Channel<'a> {
    /// Reads a channel's name.
    ///
    /// # Errors
    /// `unknown_channel`, `bad_id`.
    pub fn parse(name: &'a str, rules: &Rules) -> Result<Channel<'a>, Refusal> {
        let (kind, suffix) = name.split_once(':').unwrap_or((name, ""));
        match kind {
            "campaign" => id(suffix, rules).map(Channel::Campaign),
            "timer" => id(suffix, rules).map(Channel::Timer),
            "user" => id(suffix, rules).map(Channel::User),
            "system" if !suffix.is_empty() => Ok(Channel::System),
            _ => Err(Refusal::new(
                Reason::UnknownChannel,
                format!(
                    "channel {}: campaign:<id>, timer:<id>, system:<name> or user:<id> is expected",
                    quoted(name)
                ),
            )),
        }
    }
}

fn id<'a>(suffix: &'a str, rules: &Rules) -> Result<Option<&'a str>, Refusal> {
    if rules.is_shared(suffix) {
        return Ok(None);
    }
    if is_id(suffix) {
        return Ok(Some(suffix));
    }
    Err(Refusal::new(
        Reason::BadId,
        "the channel's id: 1 to 128 characters without white space or control characters are expected",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> Result<Channel<'_>, Reason> {
        Channel::parse(name, &Rules::default()).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn a_channel_is_a_kind_and_an_id() {
        assert_eq!(parse("campaign:a|b/团:x"), Ok(Channel::Campaign(Some("a|b/团:x"))));
        assert_eq!(parse("timer:t1"), Ok(Channel::Timer(Some("t1"))));
        assert_eq!(parse("user:auth0|1"), Ok(Channel::User(Some("auth0|1"))));
        assert_eq!(parse("system:alerts"), Ok(Channel::System));
    }

    #[test]
    fn a_channel_with_a_shared_suffix_names_no_id() {
        assert_eq!(parse("campaign:events"), Ok(Channel::Campaign(None)));
        assert_eq!(parse("timer:lifecycle"), Ok(Channel::Timer(None)));
        assert_eq!(parse("user:events"), Ok(Channel::User(None)));
        let rules = Rules { shared_suffixes: vec!["all".into()], ..Rules::default() };
        assert_eq!(Channel::parse("campaign:events", &rules), Ok(Channel::Campaign(Some("events"))));
        assert_eq!(Channel::parse("campaign:all", &rules), Ok(Channel::Campaign(None)));
    }

    #[test]
    fn other_channels_are_unknown_and_bad_ids_are_refused() {
        for name in ["", "campaign", "orders:1", "campaigns:1", "Campaign:1", ":1", "system", "system:"] {
            let expected = if name == "campaign" { Reason::BadId } else { Reason::UnknownChannel };
            assert_eq!(parse(name), Err(expected), "{name}");
        }
        for name in ["campaign:", "timer:a b", "user:a\0", "campaign:\u{a0}"] {
            assert_eq!(parse(name), Err(Reason::BadId), "{name:?}");
        }
        assert_eq!(parse(&format!("user:{}", "x".repeat(129))), Err(Reason::BadId));
    }
}
