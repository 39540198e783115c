//! "Did you mean …?"

use super::setting::Section;

/// The word most like `text`, where one is like it at all.
pub(crate) fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let scored = words.map(|word| (strsim::jaro_winkler(&text, &word.to_lowercase()), word));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
}

/// The setting that was meant by an unknown `key` of `section`: one like it in this section (or the one
/// that is called almost like it), else one like it in any other.
pub(crate) fn setting(sections: &[&dyn Section], section: &str, key: &str) -> Option<String> {
    let all: Vec<(&str, &str)> =
        sections.iter().flat_map(|of| of.specs().into_iter().map(|spec| (of.name(), spec.key))).collect();
    let same = nearest(section, sections.iter().map(|of| of.name()));
    let here = same.and_then(|same| {
        let near = nearest(key, all.iter().filter(|(of, _)| *of == same).map(|(_, key)| *key))?;
        Some((same, near))
    });
    let elsewhere = || {
        let near = nearest(key, all.iter().map(|(_, key)| *key))?;
        all.iter().copied().find(|(_, key)| *key == near)
    };
    here.or_else(elsewhere).map(|(section, key)| format!("{section}.{key}"))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn meant(section: &str, key: &str) -> Option<String> {
        super::setting(&Config::default().sections(), section, key)
    }

    #[test]
    fn a_slip_of_the_pen_finds_the_setting_that_was_meant() {
        assert_eq!(meant("server", "prot").as_deref(), Some("server.port"));
        assert_eq!(meant("sever", "port").as_deref(), Some("server.port"));
        assert_eq!(meant("auth", "rooms_per_socket").as_deref(), Some("limits.rooms_per_socket"));
        assert_eq!(meant("socketio", "pingInterval").as_deref(), Some("socketio.ping_interval_ms"));
        assert_eq!(meant("", "port").as_deref(), Some("server.port"));
        assert_eq!(meant("server", "zzz"), None);
    }
}
