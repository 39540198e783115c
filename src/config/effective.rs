//! The configuration as it is in effect, as TOML.

use std::fmt::Write as _;

use super::Config;

impl Config {
    /// All settings as TOML, each with where it comes from if it is no default; secrets are masked, also
    /// passwords inside URLs.
    pub fn effective_toml(&self) -> String {
        let mut out = String::new();
        let version = self.service_version.escape_debug();
        let _ = writeln!(out, "# roomcast {version}{}", if self.dev { ", with --dev" } else { "" });
        for section in self.sections() {
            let _ = writeln!(out, "\n[{}]", section.name());
            for spec in section.specs() {
                let Some(value) = section.get(spec.key) else { continue };
                let _ = write!(out, "{} = {}", spec.key, spec.masked(value));
                match self.origins.get(&format!("{}.{}", section.name(), spec.key)) {
                    Some(origin) => _ = writeln!(out, "  # {}", origin.to_string().escape_debug()),
                    None => out.push('\n'),
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, DEV_SECRET, Sources};

    #[test]
    fn the_effective_configuration_is_toml_that_loads_again() {
        let odd = Config { service_version: "1\n[x]".into(), ..Config::default() };
        let shown = odd.effective_toml();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("roomcast.toml");
        std::fs::write(&file, &shown).unwrap();
        let again = Config::load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
        let values = |config: &Config| -> Vec<toml::Value> {
            let sections = config.sections();
            sections
                .iter()
                .flat_map(|of| of.specs().into_iter().filter_map(|spec| of.get(spec.key)))
                .collect()
        };
        assert_eq!(values(&again), values(&Config::defaults(false)));
    }

    #[test]
    fn secrets_are_masked_in_everything_that_prints_the_configuration() {
        let mut config = Config::defaults(true);
        config.auth.api_keys = vec!["hunter2-api".into()];
        config.auth.secret_kid = "shown-kid".into();
        config.redis.url = "redis://:hunter2-redis@h:6379/".into();
        config.database.url = "postgres://bob:hunter2-pg@h/db".into();
        for shown in [config.effective_toml(), format!("{config:?}")] {
            assert!(!shown.contains("hunter2") && !shown.contains(DEV_SECRET), "{shown}");
            assert!(
                shown.contains("redis://:***@h:6379/") && shown.contains("postgres://bob:***@h/db"),
                "{shown}"
            );
            assert!(shown.contains("shown-kid"), "{shown}");
        }
        let toml: toml::Table = config.effective_toml().parse().unwrap();
        assert_eq!(toml["auth"]["secret"].as_str(), Some("***"));
        assert_eq!(toml["auth"]["api_keys"].as_array().unwrap().len(), 1);
    }
}
