//! `[cors]`: which pages may talk to the hub.

use super::error::Wrong;
use super::setting::{Rules, section};
use super::value::{list, quoted};

section! {
    /// Which pages may talk to the hub: checked on the websocket upgrade as well as on long-polling and the
    /// HTTP API, since CORS alone does not protect a websocket.
    pub struct Cors = "cors" {
        /// Allowed origins: exact ones, `https://*.example.com`, or `*`; `null`, `file://`, `capacitor://localhost`
        /// and the like have to be listed. Empty: pages of the hub's own host and port, and with `--dev` any
        /// localhost page.
        origins: Vec<String> = list([]), example("[\"https://app.example.com\", \"https://*.example.com\"]");
        /// Whether pages may send cookies and HTTP authentication along. Refused together with the origin `*`,
        /// which would let any page act for its visitor.
        credentials: bool = true;
    }
}

impl Rules for Cors {
    fn rules(&self, wrong: &mut Wrong) {
        if self.credentials && self.origins.iter().any(|origin| origin == "*") {
            wrong.at(
                "origins",
                "\"*\" together with cors.credentials lets any page act for its visitor; list the \
                 origins, or set cors.credentials = false",
            );
        }
        for origin in &self.origins {
            if let Some(why) = refused(origin) {
                wrong.at("origins", format!("{} {why}", quoted(origin)));
            }
        }
    }
}

/// Why no browser would ever send this origin.
fn refused(origin: &str) -> Option<String> {
    if matches!(origin, "*" | "null") {
        return None;
    }
    let Some((scheme, host)) = origin.split_once("://") else {
        return Some("has no scheme; for example \"https://app.example.com\"".into());
    };
    let is_scheme = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
        return Some("has no right scheme; for example \"https://app.example.com\"".into());
    }
    if let Some((host, _)) = host.split_once(['/', '?', '#']) {
        return Some(format!("has a path, and an origin has none; write {:?}", format!("{scheme}://{host}")));
    }
    let web = matches!(scheme, "http" | "https");
    if host.bytes().any(|b| b.is_ascii_uppercase()) || scheme.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some(format!("has capitals, and browsers send none; write {:?}", origin.to_lowercase()));
    }
    if host.chars().any(|c| c.is_whitespace() || c.is_control() || c == '@') || (web && host.is_empty()) {
        return Some("is no origin; for example \"https://app.example.com\"".into());
    }
    if host.strip_prefix("*.").unwrap_or(host).contains('*') {
        return Some("has its * in the wrong place; write \"https://*.example.com\"".into());
    }
    let standard = if scheme == "https" { ":443" } else { ":80" };
    host.strip_suffix(standard).filter(|_| web).map(|bare| {
        format!("has the standard port, which browsers leave out; write {:?}", format!("{scheme}://{bare}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(origin: &str, credentials: bool) -> Vec<String> {
        let mut wrong = Wrong::default();
        Cors { origins: list([origin]), credentials }.rules(&mut wrong);
        wrong.0.into_iter().map(|(_, message)| message).collect()
    }

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        for good in [
            "https://app.example.com",
            "https://*.example.com",
            "http://localhost:3000",
            "http://[::1]:3000",
            "null",
            "file://",
            "capacitor://localhost",
            "https://app.example.com:8443",
        ] {
            assert_eq!(wrong(good, true), Vec::<String>::new());
        }
        for (bad, part) in [
            ("app.example.com", "no scheme"),
            ("https://app.example.com/", "write \"https://app.example.com\""),
            ("https://App.example.com", "write \"https://app.example.com\""),
            ("https://app.example.com:443", "write \"https://app.example.com\""),
            ("http://a:80", "write \"http://a\""),
            ("https://", "is no origin"),
            ("https://a.*.com", "wrong place"),
            ("https://u@a", "is no origin"),
        ] {
            assert!(wrong(bad, true)[0].contains(part), "{bad}: {:?}", wrong(bad, true));
        }
    }

    #[test]
    fn any_origin_with_credentials_is_refused() {
        assert!(wrong("*", true)[0].contains("cors.credentials = false"));
        assert!(wrong("*", false).is_empty());
    }
}
