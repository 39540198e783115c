//! `roomcast publish`: one message, through the configured bus or a running hub.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::{Failure, PublishArgs, print};
use crate::auth::{AuthOptions, KeySet, NewToken};
use crate::clock;
use crate::config::Config;

/// How long a hub or Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(config: &Config, args: &PublishArgs) -> Result<(), Failure> {
    let payload: Value = serde_json::from_str(&args.payload)
        .with_context(|| format!("PAYLOAD is no JSON: {}", args.payload))?;
    let mut publisher = Publisher::choose(config, args)?;
    publisher.publish(&args.channel, &payload)?;
    print(&format!("published to {}\n", publisher.describe()))
}

/// The way that messages take.
pub(super) enum Publisher {
    /// Redis, where one is configured and no hub is named.
    Redis { connection: Box<redis::Connection>, url: String },
    /// A hub's HTTP API.
    Http { agent: ureq::Agent, url: String, header: (&'static str, String) },
}

impl Publisher {
    /// The configured bus, or the hub that is named.
    pub(super) fn choose(config: &Config, args: &PublishArgs) -> Result<Publisher, Failure> {
        match (&args.url, config.redis.url.as_str()) {
            (None, "") => Ok(Publisher::http(&own_url(config), hub_header(config)?)),
            (None, redis) => Publisher::redis(redis),
            (Some(url), _) => {
                let header = match (&args.api_key, &args.token) {
                    (Some(key), _) => ("X-Api-Key", key.clone()),
                    (None, Some(token)) => ("Authorization", format!("Bearer {token}")),
                    (None, None) => hub_header(config)?,
                };
                Ok(Publisher::http(url, header))
            }
        }
    }

    /// A hub's HTTP API, with the header that proves the right to publish.
    pub(super) fn http(url: &str, header: (&'static str, String)) -> Publisher {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build()
            .new_agent();
        Publisher::Http { agent, url: url.trim_end_matches('/').to_owned(), header }
    }

    fn redis(url: &str) -> Result<Publisher, Failure> {
        let shown = crate::config::mask_url(url);
        let hint = || {
            format!("redis.url (REDIS_URL): cannot reach {shown}; start one with: redis-server --port 6379")
        };
        let client =
            redis::Client::open(url).map_err(|error| Failure::Setting(format!("redis.url: {error}")))?;
        let connection = client.get_connection_with_timeout(PATIENCE).with_context(hint)?;
        Ok(Publisher::Redis { connection: Box::new(connection), url: shown })
    }

    /// Where messages go, for people.
    pub(super) fn describe(&self) -> &str {
        match self {
            Publisher::Redis { url, .. } | Publisher::Http { url, .. } => url,
        }
    }

    /// Publishes one message.
    ///
    /// # Errors
    /// Nobody took it, or it was refused.
    pub(super) fn publish(&mut self, channel: &str, payload: &Value) -> anyhow::Result<()> {
        match self {
            Publisher::Redis { connection, .. } => {
                let hubs: i64 =
                    redis::cmd("PUBLISH").arg(channel).arg(payload.to_string()).query(connection)?;
                if hubs == 0 {
                    bail!("nobody listens to {channel}: is a hub running on this Redis?");
                }
                Ok(())
            }
            Publisher::Http { agent, url, header } => {
                let body = json!({ "channel": channel, "payload": payload }).to_string();
                let call = agent.post(format!("{url}/api/v1/events")).header(header.0, &header.1);
                let mut answer = call.content_type("application/json").send(body).with_context(|| {
                    format!("no hub answers at {url}; start one with: roomcast serve --dev")
                })?;
                let text = answer.body_mut().read_to_string().unwrap_or_default();
                if answer.status().as_u16() != 202 {
                    bail!("the hub refused it ({}): {text}", answer.status());
                }
                Ok(())
            }
        }
    }
}

fn own_url(config: &Config) -> String {
    format!("http://{}:{}", config.server.host, config.server.port)
}

/// What proves to a hub of this configuration that one may publish.
pub(super) fn hub_header(config: &Config) -> Result<(&'static str, String), Failure> {
    if let Some(key) = config.auth.api_keys.first() {
        return Ok(("X-Api-Key", key.clone()));
    }
    let claims = NewToken {
        sub: "roomcast-publish".into(),
        permissions: vec!["publish".into()],
        ttl_seconds: 3_600,
        ..NewToken::default()
    };
    let keys = KeySet::load(&AuthOptions::from(&config.auth))
        .map_err(|error| Failure::Setting(error.to_string()))?;
    let token = keys.sign(&claims, clock::now_ms()).map_err(|_| {
        Failure::Setting(
            "auth.secret: is not set, so that no token for the hub can be signed; set it, give --api-key or \
             --token, or take the development secret with --dev"
                .into(),
        )
    })?;
    Ok(("Authorization", format!("Bearer {token}")))
}
