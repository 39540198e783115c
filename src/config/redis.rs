//! `[redis]`: the bus between backends and hubs.

use super::error::Wrong;
use super::mask::mask_url;
use super::setting::{Rules, section};
use super::value::{list, quoted, text};

section! {
    /// The bus between backends and hubs. Without a URL messages come over HTTP and the outbox table only, and
    /// the bus is inside the process.
    pub struct Redis = "redis" {
        /// Redis to listen to and publish on: `redis://`, `rediss://` (TLS) or `unix://`. Empty: none. `REDIS_URL`
        /// sets it too, or `REDIS_HOST`, `REDIS_PORT` and `REDIS_PASSWORD`.
        url: String = text(""), url(), example("\"redis://127.0.0.1:6379\"");
        /// Words that stand in a channel's place for an id, as in `campaign:events`, for messages that name their
        /// id themselves. Such a word is refused as an id.
        shared_suffixes: Vec<String> = list(["events", "lifecycle"]);
    }
}

impl Rules for Redis {
    fn rules(&self, wrong: &mut Wrong) {
        if let Some(why) = refused_url(&self.url) {
            wrong.at(
                "url",
                format!("{:?} {why}; for example \"redis://127.0.0.1:6379\"", mask_url(&self.url)),
            );
        }
        let is_word =
            |word: &str| !word.is_empty() && !word.chars().any(|c| c.is_whitespace() || c.is_control());
        for suffix in self.shared_suffixes.iter().filter(|suffix| !is_word(suffix)) {
            wrong.at("shared_suffixes", format!("{} is no word; for example [\"events\"]", quoted(suffix)));
        }
    }
}

fn refused_url(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    if !matches!(scheme, "redis" | "rediss" | "unix") {
        return Some("is no URL of Redis: it begins with redis://, rediss:// or unix://".into());
    }
    match url::Url::parse(text) {
        Err(why) => Some(format!("is no URL ({why}); special characters of a password are percent-encoded")),
        Ok(url) if scheme == "unix" && matches!(url.path(), "" | "/") => {
            Some("has no path of a socket".into())
        }
        Ok(url) if scheme != "unix" && !url.has_host() => Some("has no host".into()),
        Ok(url) if scheme != "unix" && !is_database(url.path()) => {
            Some("has a path that is no number of a database".into())
        }
        Ok(_) => None,
    }
}

/// `/3`, or nothing.
fn is_database(path: &str) -> bool {
    let number = path.strip_prefix('/').unwrap_or(path);
    number.is_empty() || number.parse::<u32>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_url_has_a_known_scheme_and_a_place_to_go() {
        for good in [
            "",
            "redis://h",
            "redis://:p%2Fw@h:6379/2",
            "rediss://u:p@h/",
            "redis://[::1]:6379",
            "unix:///run/redis.sock?db=1",
        ] {
            assert_eq!(refused_url(good), None, "{good}");
        }
        for bad in
            ["h:6379", "http://h", "redis://", "redis://h:x", "unix://", "redis://:pa/ss@h", "redis://h/x"]
        {
            assert!(refused_url(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn an_error_about_a_url_does_not_give_its_password_away() {
        let mut wrong = Wrong::default();
        Redis { url: "redis://:hun/ter2@h".into(), ..Redis::default() }.rules(&mut wrong);
        assert_eq!(wrong.0.len(), 1);
        assert!(!wrong.0[0].1.contains("ter2"), "{}", wrong.0[0].1);
    }
}
