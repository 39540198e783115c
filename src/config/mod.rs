//! Settings: one file a section, and one declared table (`section!`) from which they are read, checked,
//! shown and documented.
//!
//! Layers, the later winning: defaults (changed by `--dev`), the TOML file, `REDIS_*`, `DATABASE_URL` and
//! `SERVICE_VERSION`, `ROOMCAST_SECTION__KEY` variables, flags. Everything that is wrong is told at once.

mod effective;
mod env;
mod error;
mod load;
mod mask;
mod reference;
mod setting;
mod suggest;
#[cfg(test)]
mod testing;
mod unserved;
mod value;

pub mod auth;
pub mod campaigns;
pub mod cors;
pub mod database;
pub mod delivery;
pub mod health;
pub mod limits;
pub mod log;
pub mod plain;
pub mod redis;
pub mod server;
pub mod shutdown;
pub mod socketio;
pub mod store;

use std::collections::BTreeMap;
use std::path::PathBuf;

use error::Wrong;
use setting::{Section, Spec};
use value::{Fault, Raw};

pub use auth::DEV_SECRET;
pub use error::{Errors, Origin, Origins, Problem};
pub use mask::mask_url;
pub use reference::reference;

/// Where settings come from. The process's own are gathered in `cli`; a test makes its own.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The TOML file (`--config`); without one `ROOMCAST_CONFIG` names it.
    pub file: Option<PathBuf>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Flags that set something.
    pub flags: Flags,
    /// `--dev`: other defaults, loopback only.
    pub dev: bool,
}

/// Flags of the command line that set something.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--host`: `server.host`.
    pub host: Option<String>,
    /// `--port`: `server.port`.
    pub port: Option<u16>,
}

impl Sources {
    /// The file to read, if any.
    fn file(&self) -> Option<PathBuf> {
        let variable = || self.env.get("ROOMCAST_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        self.file.clone().or_else(variable)
    }
}

macro_rules! config {
    ($( $(#[doc = $help:literal])+ $name:ident: $ty:ty, )+) => {
        /// All settings. What prints it (`Debug`) masks secrets.
        #[derive(Clone, Debug)]
        pub struct Config {
            $( $(#[doc = $help])+ pub $name: $ty, )+
            /// The version that is shown: `SERVICE_VERSION`, else the crate's.
            pub service_version: String,
            /// Whether `--dev` was given.
            pub dev: bool,
            /// Where each value that is no default comes from, by its path.
            pub origins: Origins,
        }

        impl Default for Config {
            fn default() -> Config {
                Config {
                    $( $name: Default::default(), )+
                    service_version: env!("CARGO_PKG_VERSION").into(),
                    dev: false,
                    origins: Origins::new(),
                }
            }
        }

        impl Config {
            /// The sections in the order of the reference.
            pub(crate) fn sections(&self) -> Vec<&dyn Section> {
                vec![$(&self.$name),+]
            }

            fn sections_mut(&mut self) -> Vec<&mut dyn Section> {
                vec![$(&mut self.$name),+]
            }
        }
    };
}

config! {
    /// Where the hub listens.
    server: server::Server,
    /// Which pages may talk to it.
    cors: cors::Cors,
    /// The Socket.IO endpoint.
    socketio: socketio::Socketio,
    /// The plain websocket.
    plain: plain::Plain,
    /// Whose tokens are believed.
    auth: auth::Auth,
    /// How much anyone may ask.
    limits: limits::Limits,
    /// What a campaign's status means.
    campaigns: campaigns::Campaigns,
    /// The bus.
    redis: redis::Redis,
    /// The database.
    database: database::Database,
    /// How long rows are kept.
    store: store::Store,
    /// What may be left out for a slow reader.
    delivery: delivery::Delivery,
    /// What the hub needs to be ready.
    health: health::Health,
    /// How log lines look.
    log: log::Log,
    /// How the hub goes down.
    shutdown: shutdown::Shutdown,
}

impl Config {
    /// Reads and checks everything; the errors are all that is wrong.
    pub fn load(sources: &Sources) -> Result<Config, Errors> {
        load::load(sources)
    }

    /// The defaults, with or without `--dev`.
    pub fn defaults(dev: bool) -> Config {
        let mut config = Config { dev, ..Config::default() };
        if dev {
            config.auth.secret = DEV_SECRET.into();
            config.origins.insert("auth.secret".into(), Origin::Dev);
        }
        config
    }

    /// What `serve` needs and the other commands do not: a key to check tokens with.
    pub fn require_keys(&self) -> Result<(), Errors> {
        let missing = Problem {
            origin: Origin::Default,
            path: "auth.secret".into(),
            message: "is not set, so that no token could be checked; set it (at least 32 bytes, also as \
                      ROOMCAST_AUTH__SECRET), or auth.public_key_file or auth.jwks_file; to try \
                      things out start with --dev"
                .into(),
        };
        Errors::check(if self.auth.has_key() { Vec::new() } else { vec![missing] })
    }

    /// Whether the key and certificate files that are named can be read.
    pub fn require_files(&self) -> Result<(), Errors> {
        let named = [
            ("server.tls_cert", &self.server.tls_cert),
            ("server.tls_key", &self.server.tls_key),
            ("auth.public_key_file", &self.auth.public_key_file),
            ("auth.jwks_file", &self.auth.jwks_file),
        ];
        let unreadable = named.into_iter().filter(|(_, file)| !file.is_empty()).filter_map(|(path, file)| {
            let why = std::fs::read(file).err()?;
            let origin = self.origins.get(path).cloned().unwrap_or_default();
            Some(Problem { origin, path: path.into(), message: format!("{file} cannot be read: {why}") })
        });
        Errors::check(unreadable.collect())
    }

    fn set(&mut self, section: &str, key: &str, raw: &Raw<'_>) -> Option<Result<(), Vec<Fault>>> {
        self.sections_mut().into_iter().find(|of| of.name() == section)?.set(key, raw)
    }

    fn value(&self, section: &str, key: &str) -> Option<toml::Value> {
        self.sections().into_iter().find(|of| of.name() == section)?.get(key)
    }

    fn spec(&self, section: &str, key: &str) -> Option<Spec> {
        let section = self.sections().into_iter().find(|of| of.name() == section)?;
        section.specs().into_iter().find(|spec| spec.key == key)
    }

    /// The development secret stands back where no algorithm that is accepted takes a secret.
    fn settle_dev_secret(&mut self) {
        if self.origins.get("auth.secret") == Some(&Origin::Dev) && !self.auth.accepts(true) {
            self.auth.secret.clear();
            self.origins.remove("auth.secret");
        }
    }

    /// What the values break, by path.
    fn broken_rules(&self) -> Vec<(String, String)> {
        let mut broken = Vec::new();
        for section in self.sections() {
            let mut wrong = Wrong::default();
            section.check(&mut wrong);
            broken.extend(
                wrong.0.into_iter().map(|(key, message)| (format!("{}.{key}", section.name()), message)),
            );
        }
        let mut across = |path: &str, message: &str| broken.push((path.to_owned(), message.to_owned()));
        if self.plain.path.trim_end_matches('/') == self.socketio.path.trim_end_matches('/') {
            across("plain.path", "is socketio.path too; for example \"/ws\"");
        }
        if self.health.required.contains(&health::Part::Redis) && self.redis.url.is_empty() {
            across(
                "health.required",
                "names redis, but redis.url is not set; set it, for example \
                 \"redis://127.0.0.1:6379\", or take redis out",
            );
        }
        if !self.dev && self.auth.secret == DEV_SECRET {
            across(
                "auth.secret",
                "is the development secret, which is published; take one of your own, for example the \
                 output of `openssl rand -base64 48`",
            );
        }
        if self.dev {
            let mut wrong = Wrong::default();
            self.server.rules_of_dev(&mut wrong);
            broken.extend(wrong.0.into_iter().map(|(key, message)| (format!("server.{key}"), message)));
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::log::LogFormat;
    use super::testing::given;
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_missing_key_is_an_error_for_serve_only_and_says_what_to_set() {
        let config = given("", &[]).loads();
        let errors = config.require_keys().unwrap_err().to_string();
        assert!(
            errors.starts_with("auth.secret: is not set") && errors.contains("ROOMCAST_AUTH__SECRET"),
            "{errors}"
        );
        assert!(given("", &[("ROOMCAST_AUTH__SECRET", SECRET)]).loads().require_keys().is_ok());
        let jwks = given("[auth]\njwks_file = \"a\"\nalgorithms = [\"ES256\"]", &[]).loads();
        assert!(jwks.require_keys().is_ok());
        assert!(
            jwks.require_files().unwrap_err().to_string().contains(":2: auth.jwks_file: a cannot be read: ")
        );
    }

    #[test]
    fn dev_changes_defaults_only_and_refuses_what_others_could_reach() {
        let mut given = given("[log]\nformat = \"json\"", &[]);
        given.sources.dev = true;
        let config = given.loads();
        assert!(config.dev && config.require_keys().is_ok());
        assert_eq!((config.auth.secret.as_str(), config.log.format), (DEV_SECRET, LogFormat::Json));
        given.sources.env.insert("ROOMCAST_AUTH__SECRET".into(), SECRET.into());
        assert_eq!(given.loads().auth.secret, SECRET);
        given.sources.flags.host = Some("0.0.0.0".into());
        let errors = given.errors();
        assert!(errors[0].starts_with("--host: server.host: \"0.0.0.0\" is not loopback"), "{errors:?}");
    }

    #[test]
    fn the_development_secret_is_refused_without_dev_and_stands_back_for_public_keys() {
        let errors = given("", &[("ROOMCAST_AUTH__SECRET", DEV_SECRET)]).errors();
        assert!(errors[0].contains("is the development secret, which is published"), "{errors:?}");
        let mut public = given("[auth]\nalgorithms = [\"RS256\"]\npublic_key_file = \"a.pem\"", &[]);
        public.sources.dev = true;
        assert_eq!(public.loads().auth.secret, "");
    }

    #[test]
    fn sections_that_contradict_each_other_are_refused() {
        let file = "[plain]\npath = \"/socket.io\"\n[health]\nrequired = [\"redis\", \"database\"]\n\
                    [shutdown]\ndrain_delay_ms = 25000\n[cors]\norigins = [\"*\"]";
        let errors = given(file, &[]).errors();
        let starts = [
            "roomcast.toml:2: plain.path: is socketio.path too",
            "roomcast.toml:4: health.required: names redis, but redis.url is not set",
            "roomcast.toml:6: shutdown.drain_delay_ms: 25000 leaves no time",
            "roomcast.toml:8: cors.origins: \"*\" together with cors.credentials",
        ];
        assert_eq!(errors.len(), starts.len(), "{errors:?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn every_key_and_default_of_the_contract_is_there() {
        // CONTRACT 11 and the keys of section 8, as outside programs rely on them
        let contract = r#"
[server]
host = "127.0.0.1"
port = 8080
workers = 0
admin_address = ""
trusted_proxies = []
writer = "auto"
tls_cert = ""
tls_key = ""
[cors]
origins = []
credentials = true
[socketio]
path = "/socket.io/"
ping_interval_ms = 25000
ping_timeout_ms = 60000
max_payload = 1000000
allow_eio3 = true
compression = false
compression_min_bytes = 512
[plain]
path = "/ws"
[auth]
secret = ""
algorithms = ["HS256"]
public_key_file = ""
jwks_file = ""
secret_kid = ""
issuer = ""
audience = ""
timeout_ms = 10000
leeway_ms = 5000
expiry_warning_ms = 60000
refresh = true
max_session_ms = 86400000
api_keys = []
[limits]
connects_per_user_per_minute = 100
handshakes_per_address_per_minute = 3000
connections_per_address = 0
connections = 0
messages_per_second = 50
messages_burst = 100
connections_per_user = 10
on_connection_limit = "evict_oldest"
room_size = 50000
rooms_per_socket = 128
unsent_bytes = 1048576
unsent_bytes_total = 1073741824
idle_check_ms = 300000
idle_timeout_ms = 600000
handshake_timeout_ms = 10000
header_bytes = 16384
body_timeout_ms = 30000
body_bytes = 1000000
[campaigns]
ended_statuses = ["COMPLETED", "CANCELLED", "ARCHIVED"]
[redis]
url = ""
shared_suffixes = ["events", "lifecycle"]
[database]
url = "sqlite://roomcast.db"
pool_size = 4
timeout_ms = 5000
[store]
notifications_days = 30
connection_events_days = 30
outbox_days = 7
outbox_poll_ms = 250
[delivery]
latest = []
[health]
required = []
[log]
format = "text"
[shutdown]
grace_ms = 25000
drain_delay_ms = 0
sockets_per_second = 1000
"#;
        assert!(Config::load(&given(contract, &[]).sources).is_ok());
        let expected: toml::Table = contract.parse().unwrap();
        let shown: toml::Table = Config::default().effective_toml().parse().unwrap();
        assert_eq!(shown, expected);
    }
}
