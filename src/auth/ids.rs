//! What an id is: identity providers put `|`, `+`, `/` and letters of every script into theirs.

/// Longest id, in characters.
pub const MAX_CHARS: usize = 128;

/// Longest id of a message or a stored notification, in characters. Some are built from other ids
/// (`timer-failed:<timerId>:<retryCount>`, `<key>:<n>`), so they may be longer than one.
pub const MAX_LONG_CHARS: usize = 256;

/// Whether `text` is an id: 1 to [`MAX_CHARS`] characters without white space or control characters.
pub fn is_id(text: &str) -> bool {
    is_id_within(text, MAX_CHARS)
}

/// Whether `text` may be the id of a message or of a stored notification: as [`is_id`], up to
/// [`MAX_LONG_CHARS`] characters.
pub fn is_long_id(text: &str) -> bool {
    is_id_within(text, MAX_LONG_CHARS)
}

fn is_id_within(text: &str, max: usize) -> bool {
    if text.len() <= max && text.bytes().all(|b| b.is_ascii_graphic()) {
        return !text.is_empty();
    }
    // a character has at most four bytes: what is longer need not be counted
    text.len() <= 4 * max
        && text.chars().count() <= max
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_one_to_128_characters_of_any_script_without_space_or_control() {
        for good in ["c1", "auth0|64af", "a/b+c%2F", "团队—七", "é", "a:b", "\u{1F600}"] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", " ", "a b", "a\tb", "a\u{a0}b", "\u{3000}", "a\0", "\u{7f}", "\u{85}", "a\n"] {
            assert!(!is_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_length_of_an_id_is_counted_in_characters() {
        assert!(is_id(&"a".repeat(128)) && is_id(&"团".repeat(128)) && is_id(&"\u{1F600}".repeat(128)));
        assert!(!is_id(&"a".repeat(129)) && !is_id(&"团".repeat(129)) && !is_id(&"é".repeat(129)));
        assert!(is_long_id(&"a".repeat(256)) && !is_long_id(&"a".repeat(257)) && !is_long_id(""));
    }
}
