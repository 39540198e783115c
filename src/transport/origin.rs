//! Which pages may open a connection: CORS alone does not protect a websocket, so one function judges
//! the `Origin` of handshakes and of the HTTP API alike.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The rule for pages. A request without `Origin` comes from no page and is not judged here.
#[derive(Debug)]
pub struct Origins {
    rules: Vec<Rule>,
    /// With no rules: any page of a localhost port, beside those of the hub's own host.
    localhost: bool,
    /// Origins that were refused and logged already; bounded.
    reported: Mutex<HashSet<String>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Rule {
    Any,
    Exact(String),
    /// `https://*.example.com`: what stands before and after the star.
    Wildcard(String, String),
}

/// Refused origins that are remembered so that each is logged once.
const MAX_REPORTED: usize = 1_000;

impl Origins {
    /// The rules: exact origins, `https://*.example.com`, or `*`. An empty list allows pages of the
    /// hub's own host and port, and with `localhost` those of any localhost port.
    pub fn new(list: &[String], localhost: bool) -> Origins {
        let rules = list.iter().map(|text| Rule::parse(text)).collect();
        Origins { rules, localhost, reported: Mutex::default() }
    }

    /// Whether a page of `origin` may talk to this hub, which it reached as `host`. A refused one is
    /// logged once, with the setting that would allow it.
    pub fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        let allowed = if self.rules.is_empty() {
            host.is_some_and(|host| is_page_of(origin, host)) || (self.localhost && is_localhost(origin))
        } else {
            self.rules.iter().any(|rule| rule.matches(origin))
        };
        if !allowed {
            self.report(origin);
        }
        allowed
    }

    fn report(&self, origin: &str) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.len() < MAX_REPORTED && reported.insert(origin.to_owned()) {
            let shown: String = origin.chars().filter(|c| !c.is_control()).take(200).collect();
            log::warn!("refused a page of origin {shown:?}; to allow it: [cors] origins = [{shown:?}]");
        }
    }
}

impl Rule {
    fn parse(text: &str) -> Rule {
        match text.split_once('*') {
            None => Rule::Exact(text.trim_end_matches('/').to_owned()),
            Some(("", "")) => Rule::Any,
            Some((before, after)) => Rule::Wildcard(before.to_owned(), after.to_owned()),
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Rule::Any => true,
            Rule::Exact(exact) => exact == origin,
            Rule::Wildcard(before, after) => {
                let middle =
                    origin.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(after.as_str()));
                middle.is_some_and(|middle| !middle.is_empty() && middle.chars().all(is_host_char))
            }
        }
    }
}

fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '.'
}

fn is_page_of(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    bare(authority) == bare(host)
}

fn is_localhost(origin: &str) -> bool {
    let Some((_, authority)) =
        origin.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
    else {
        return false;
    };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &[&str], localhost: bool) -> Origins {
        Origins::new(&list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>(), localhost)
    }

    #[test]
    fn an_empty_list_allows_pages_of_the_hubs_own_host() {
        let own = origins(&[], false);
        assert!(own.allows("https://hub.example.com", Some("hub.example.com")));
        assert!(own.allows("http://hub.example.com:8080", Some("hub.example.com:8080")));
        assert!(!own.allows("https://evil.example.com", Some("hub.example.com")));
        assert!(!own.allows("http://localhost:3000", Some("hub.example.com")));
        assert!(!own.allows("null", Some("hub.example.com")));
        assert!(!own.allows("capacitor://localhost", Some("localhost")));
    }

    #[test]
    fn in_development_any_localhost_page_is_allowed() {
        let dev = origins(&[], true);
        assert!(dev.allows("http://localhost:5173", Some("127.0.0.1:8080")));
        assert!(!dev.allows("http://localhost.evil.com", Some("127.0.0.1:8080")));
        assert!(!dev.allows("http://evil.com", Some("127.0.0.1:8080")));
    }

    #[test]
    fn listed_origins_are_exact_or_any_name_below_a_domain() {
        let listed =
            origins(&["https://app.example.com", "https://*.example.org", "capacitor://localhost"], false);
        assert!(listed.allows("https://app.example.com", None));
        assert!(listed.allows("https://a.b.example.org", None));
        assert!(listed.allows("capacitor://localhost", None));
        assert!(!listed.allows("https://example.org", None));
        assert!(!listed.allows("https://evil.com/.example.org", None));
        assert!(!listed.allows("http://a.example.org", None));
        assert!(origins(&["*"], false).allows("null", None));
    }
}
