//! Environment variables: those of the platform (`REDIS_URL`, `DATABASE_URL` …) and `ROOMCAST_SECTION__KEY`.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::Origin;
use super::load::Loader;
use super::{Flags, value};

/// The variable that sets `server.port`.
pub(super) fn variable_of(path: &str) -> String {
    format!("ROOMCAST_{}", path.replacen('.', "__", 1).to_uppercase())
}

/// Variables, an empty one being as good as none.
struct Variables<'a>(&'a BTreeMap<String, String>);

impl<'a> Variables<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl Loader {
    pub(super) fn variables(&mut self, env: &BTreeMap<String, String>) {
        let variables = Variables(env);
        match variables.get("REDIS_URL") {
            Some(url) => self.text(Origin::Variable("REDIS_URL".into()), "redis", "url", url),
            None => self.redis_parts(&variables),
        }
        if let Some(url) = variables.get("DATABASE_URL") {
            self.text(Origin::Variable("DATABASE_URL".into()), "database", "url", url);
        }
        if let Some(version) = variables.get("SERVICE_VERSION") {
            self.config.service_version = version.to_owned();
            self.config.origins.insert("service_version".into(), Origin::Variable("SERVICE_VERSION".into()));
        }
        for (name, value) in env.iter().filter(|(_, value)| !value.is_empty()) {
            // one without a double underscore is not ours: Kubernetes sets such for every service
            if let Some((section, key)) =
                name.strip_prefix("ROOMCAST_").and_then(|rest| rest.split_once("__"))
            {
                let (section, key) = (section.to_lowercase(), key.to_lowercase());
                self.text(Origin::Variable(name.clone()), &section, &key, value);
            }
        }
    }

    /// `REDIS_HOST` makes a URL of its own; port and password without a host belong to the URL of the file,
    /// else to this machine.
    fn redis_parts(&mut self, variables: &Variables<'_>) {
        let host = variables.get("REDIS_HOST");
        // Kubernetes sets REDIS_PORT=tcp://… for every service called redis
        let port = variables.get("REDIS_PORT").filter(|port| !port.contains("://"));
        let password = variables.get("REDIS_PASSWORD");
        let given = [("REDIS_HOST", host), ("REDIS_PORT", port), ("REDIS_PASSWORD", password)];
        let Some((name, _)) = given.into_iter().find(|(_, value)| value.is_some()) else { return };
        let port = match port.map(|port| port.parse::<u16>().map_err(|_| port)) {
            Some(Err(text)) => {
                let message = format!("{} is no port; for example REDIS_PORT=6379", value::quoted(text));
                return self.problem(Origin::Variable("REDIS_PORT".into()), "redis.url", message);
            }
            Some(Ok(port)) => Some(port),
            None => None,
        };
        let base = if host.is_some() { "" } else { self.config.redis.url.as_str() };
        match redis_url(base, host, port, password) {
            Some(url) => self.text(Origin::Variable(name.into()), "redis", "url", &url),
            None => self.problem(
                Origin::Variable(name.into()),
                "redis.url",
                "cannot be put into the URL that is configured; for example REDIS_URL=redis://127.0.0.1:6379",
            ),
        }
    }

    pub(super) fn flags(&mut self, flags: &Flags) {
        if let Some(host) = &flags.host {
            self.text(Origin::Flag("--host"), "server", "host", host);
        }
        if let Some(port) = flags.port {
            self.text(Origin::Flag("--port"), "server", "port", &port.to_string());
        }
    }
}

/// The URL of these parts, on top of `base` where there is one.
fn redis_url(base: &str, host: Option<&str>, port: Option<u16>, password: Option<&str>) -> Option<String> {
    let host = host.unwrap_or("127.0.0.1");
    let fresh = match host.parse::<Ipv6Addr>() {
        Ok(_) => format!("redis://[{host}]:6379"),
        Err(_) => format!("redis://{host}:6379"),
    };
    let is_host = !host.contains(['/', '@', '?', '#']);
    let mut url = url::Url::parse(if base.is_empty() { &fresh } else { base }).ok().filter(|_| is_host)?;
    if let Some(port) = port {
        url.set_port(Some(port)).ok()?;
    }
    if let Some(password) = password {
        // encoded here: `set_password` lets a percent sign pass, which would be read as an escape
        url.set_password(Some(&utf8_percent_encode(password, NON_ALPHANUMERIC).to_string())).ok()?;
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::auth::Algorithm;
    use crate::config::testing::given;

    #[track_caller]
    fn loaded_url(toml: &str, env: &[(&str, &str)]) -> String {
        given(toml, env).loads().redis.url
    }

    #[test]
    fn a_redis_url_is_made_of_its_parts() {
        let url = |base, host, port, password| redis_url(base, host, port, password).unwrap();
        assert_eq!(url("", Some("h"), None, None), "redis://h:6379");
        assert_eq!(url("", Some("fd00::1"), Some(1), None), "redis://[fd00::1]:1");
        assert_eq!(url("", None, Some(6380), None), "redis://127.0.0.1:6380");
        assert_eq!(url("", Some("h"), None, Some("0123")), "redis://:0123@h:6379");
        assert_eq!(url("", Some("h"), None, Some("a%41/@ü")), "redis://:a%2541%2F%40%C3%BC@h:6379");
        assert_eq!(url("rediss://bob@h:7/2", None, None, Some("p")), "rediss://bob:p@h:7/2");
        assert_eq!(redis_url("unix:///run/redis.sock", None, None, Some("p")), None);
        assert_eq!(redis_url("", Some("h/x"), None, None), None);
    }

    #[test]
    fn a_variable_is_named_after_its_setting() {
        assert_eq!(variable_of("socketio.ping_interval_ms"), "ROOMCAST_SOCKETIO__PING_INTERVAL_MS");
    }
    #[test]
    fn a_variable_without_a_double_underscore_is_not_ours_and_one_with_it_must_be_known() {
        let platform = [
            ("ROOMCAST_PORT", "tcp://10.0.0.1:8080"),
            ("ROOMCAST_SERVICE_HOST", "10.0.0.1"),
            ("ROOMCAST_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("REDIS_PORT", "tcp://10.0.0.1:6379"),
            ("OTHER__THING", "1"),
        ];
        let config = given("", &platform).loads();
        assert_eq!((config.server.port, config.redis.url.as_str()), (8080, ""));
        assert_eq!(
            given("", &[("ROOMCAST_SERVRE__PORT", "1"), ("ROOMCAST_SERVER__TLS__CERT", "a")]).errors(),
            [
                "ROOMCAST_SERVER__TLS__CERT: server.tls__cert: unknown key; did you mean ROOMCAST_SERVER__TLS_CERT?",
                "ROOMCAST_SERVRE__PORT: servre.port: unknown key; did you mean ROOMCAST_SERVER__PORT?",
            ]
        );
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let names = [
            "ROOMCAST_SERVER__PORT",
            "ROOMCAST_NO__SUCH",
            "ROOMCAST_CONFIG",
            "REDIS_URL",
            "REDIS_HOST",
            "REDIS_PORT",
            "DATABASE_URL",
            "SERVICE_VERSION",
        ];
        let config = given("", &names.map(|name| (name, ""))).loads();
        assert_eq!((config.server.port, config.redis.url.as_str()), (8080, ""));
        assert_eq!(config.database.url, "sqlite://roomcast.db");
        assert_eq!(config.service_version, env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn values_of_variables_are_taken_as_they_stand() {
        let digits = "01234567890123456789012345678901";
        let config = given(
            "",
            &[
                ("ROOMCAST_AUTH__SECRET", digits),
                ("ROOMCAST_AUTH__AUDIENCE", "true"),
                ("ROOMCAST_AUTH__ALGORITHMS", "HS256, HS512"),
                ("ROOMCAST_AUTH__API_KEYS", r#"["a,b","c"]"#),
                ("ROOMCAST_CORS__CREDENTIALS", "false"),
                ("ROOMCAST_CORS__ORIGINS", "*"),
                ("SERVICE_VERSION", "007"),
            ],
        )
        .loads();
        assert_eq!((config.auth.secret.as_str(), config.auth.audience.as_str()), (digits, "true"));
        assert_eq!(config.auth.algorithms, [Algorithm::Hs256, Algorithm::Hs512]);
        assert_eq!(config.auth.api_keys, ["a,b", "c"]);
        assert_eq!((config.cors.credentials, config.service_version.as_str()), (false, "007"));
    }

    #[test]
    fn platform_variables_stand_between_the_file_and_our_own() {
        let file = "[redis]\nurl = \"redis://file:1/2\"\n[database]\nurl = \"sqlite://file.db\"";
        assert_eq!(loaded_url(file, &[]), "redis://file:1/2");
        assert_eq!(loaded_url(file, &[("REDIS_HOST", "h"), ("REDIS_PORT", "7")]), "redis://h:7");
        assert_eq!(loaded_url(file, &[("REDIS_PASSWORD", "0123")]), "redis://:0123@file:1/2");
        assert_eq!(loaded_url(file, &[("REDIS_URL", "redis://url"), ("REDIS_HOST", "h")]), "redis://url");
        let both = [("REDIS_URL", "redis://url"), ("ROOMCAST_REDIS__URL", "redis://own")];
        assert_eq!(loaded_url(file, &both), "redis://own");
        assert_eq!(loaded_url("", &[("REDIS_HOST", "h"), ("REDIS_PASSWORD", "p@")]), "redis://:p%40@h:6379");
        assert_eq!(
            loaded_url("", &[("REDIS_HOST", "h"), ("REDIS_PORT", "tcp://10.0.0.1:6379")]),
            "redis://h:6379"
        );
        let database = given(file, &[("DATABASE_URL", "postgres://h/db")]).loads().database.url;
        assert_eq!(database, "postgres://h/db");
    }

    #[test]
    fn a_wrong_platform_variable_is_named() {
        assert_eq!(
            given("", &[("REDIS_PORT", "x"), ("DATABASE_URL", "mysql://bob:hunter2@h/db")]).errors(),
            [
                "DATABASE_URL: database.url: \"mysql://bob:***@h/db\" is no URL of a database: it begins with \
                 sqlite://, postgres:// or postgresql://; for example \"sqlite://roomcast.db\" or \
                 \"postgres://user@host/roomcast\"",
                "REDIS_PORT: redis.url: \"x\" is no port; for example REDIS_PORT=6379",
            ]
        );
    }
}
