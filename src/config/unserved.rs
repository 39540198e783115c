//! Settings that CONTRACT names and this version does not act on yet. They are read and checked, so that a
//! configuration can be written for what comes; but nobody should believe that they do something.

use super::{Config, Errors, Origin, Problem};

/// What is ignored, with a warning where it is set.
const IGNORED: [&str; 3] = ["server.writer", "socketio.compression", "socketio.compression_min_bytes"];

/// What would be dangerous to ignore: who sets it relies on it.
const RELIED_ON: [(&str, &str); 2] = [
    ("server.tls_cert", "this version serves no TLS; put a proxy in front and leave it out"),
    ("server.tls_key", "this version serves no TLS; put a proxy in front and leave it out"),
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

    fn load(variables: &[(&str, &str)]) -> Config {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let env = variables.iter().map(owned).collect();
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
        let config = load(&[("ROOMCAST_SERVER__WRITER", "send")]);
        assert_eq!(config.ignored_settings(), ["server.writer is set and has no effect in this version"]);
    }

    #[test]
    fn what_someone_relies_on_is_refused() {
        assert!(Config::defaults(true).require_served().is_ok());
        let tls = [("ROOMCAST_SERVER__TLS_CERT", "hub.crt"), ("ROOMCAST_SERVER__TLS_KEY", "hub.key")];
        let errors = load(&tls).require_served().unwrap_err();
        assert!(errors.to_string().contains("server.tls_cert"), "{errors}");
    }
}
