//! Settings that CONTRACT names and this version does not act on yet. They are read and checked, so that a
//! configuration can be written for what comes; but nobody should believe that they do something.

use super::{Config, Errors, Origin, Problem};

/// What is ignored, with a warning where it is set.
const IGNORED: [&str; 11] = [
    "server.writer",
    "socketio.compression",
    "socketio.compression_min_bytes",
    "limits.connects_per_user_per_minute",
    "limits.handshakes_per_address_per_minute",
    "limits.connections_per_address",
    "limits.connections",
    "limits.unsent_bytes_total",
    "limits.header_bytes",
    "limits.body_timeout_ms",
    "delivery.latest",
];

/// What would be dangerous to ignore: who sets it relies on it.
const RELIED_ON: [(&str, &str); 3] = [
    ("server.tls_cert", "this version serves no TLS; put a proxy in front and leave it out"),
    ("server.tls_key", "this version serves no TLS; put a proxy in front and leave it out"),
    (
        "server.admin_address",
        "this version serves everything on one address; leave it out, and keep /metrics inside",
    ),
];

impl Config {
    /// Warnings for settings that are set and have no effect in this version.
    pub fn ignored_settings(&self) -> Vec<String> {
        let set = IGNORED.iter().filter(|key| self.origins.contains_key(**key));
        set.map(|key| format!("{key} is set and has no effect in this version")).collect()
    }

    /// Refuses settings that someone relies on and this version does not serve.
    ///
    /// # Errors
    /// Each such setting.
    pub fn require_served(&self) -> Result<(), Errors> {
        let problem = |(path, message): &(&str, &str)| {
            let is_set = !self.value_is_empty(path);
            let origin = self.origins.get(*path).cloned().unwrap_or(Origin::Default);
            is_set.then(|| Problem { origin, path: (*path).to_owned(), message: (*message).to_owned() })
        };
        Errors::check(RELIED_ON.iter().filter_map(problem).collect())
    }

    fn value_is_empty(&self, path: &str) -> bool {
        let (section, key) = path.split_once('.').unwrap_or((path, ""));
        self.value(section, key).is_none_or(|value| value.as_str() == Some(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn load(variable: &str, value: &str) -> Config {
        let env = [(variable.to_owned(), value.to_owned())].into();
        Config::load(&Sources { env, dev: true, ..Sources::default() }).unwrap()
    }

    #[test]
    fn every_setting_named_here_exists() {
        let config = Config::defaults(true);
        for path in IGNORED.iter().copied().chain(RELIED_ON.iter().map(|(path, _)| *path)) {
            let (section, key) = path.split_once('.').unwrap();
            assert!(config.spec(section, key).is_some(), "{path}");
        }
    }

    #[test]
    fn a_setting_without_effect_is_named_where_it_is_set() {
        assert!(Config::defaults(true).ignored_settings().is_empty());
        let config = load("ROOMCAST_LIMITS__CONNECTIONS", "3");
        assert_eq!(
            config.ignored_settings(),
            ["limits.connections is set and has no effect in this version"]
        );
    }

    #[test]
    fn what_someone_relies_on_is_refused() {
        assert!(Config::defaults(true).require_served().is_ok());
        let errors = load("ROOMCAST_SERVER__ADMIN_ADDRESS", "127.0.0.1:9090").require_served().unwrap_err();
        assert!(errors.to_string().contains("server.admin_address"), "{errors}");
    }
}
