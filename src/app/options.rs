//! What the configuration says to each part, in the part's own terms.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use super::{AppError, descriptors};
use crate::config::Config;
use crate::config::limits::OnConnectionLimit;
use crate::protocol::websocket::MessageLimits;
use crate::rooms::ledger;
use crate::rooms::manager::{self, OnLimit};
use crate::socket::{Kind, Rate};
use crate::store::StoreOptions;
use crate::store::retention::Keep;
use crate::transport::capacity::Most;
use crate::transport::server::HttpOptions;
use crate::transport::{Endpoint, Limits, Options, Origins, TrustedProxies};

/// How long a stored event waits for the store before it goes out, in milliseconds.
const ITEM_PATIENCE_MS: u64 = 250;
/// Longer than load balancers keep an idle connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// The hub's name among those that share a database: its host and the port that it listens on, so that the next
/// start is known for the same one.
pub(super) fn node(listener: &TcpListener) -> Arc<str> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("HOSTNAME"));
    let port = listener.local_addr().map_or(0, |address| address.port());
    format!("{}:{port}", host.unwrap_or_default().trim()).into()
}

/// How the configured database is reached.
pub fn store(config: &Config) -> StoreOptions {
    StoreOptions {
        url: config.database.url.clone(),
        pool_size: u32::try_from(config.database.pool_size).unwrap_or(u32::MAX),
        timeout: Duration::from_millis(config.database.timeout_ms),
        ended_statuses: config.campaigns.ended_statuses.clone(),
        statements: None,
    }
}

/// What handshakes are judged by.
///
/// # Errors
/// A network of trusted proxies that is none.
pub(super) fn transport(config: &Config) -> Result<Options, AppError> {
    let unknown = |text: String| AppError::Setting(format!("server.trusted_proxies: {text:?} is no network"));
    let limits =
        MessageLimits::bytes(config.socketio.max_payload as usize).within(config.limits.body_timeout_ms);
    let endpoint = |path: &str, kind| Endpoint { path: path.to_owned(), kind, limits };
    Ok(Options {
        endpoints: vec![
            endpoint(&config.socketio.path, Kind::SocketIo),
            endpoint(&config.plain.path, Kind::Plain),
        ],
        allow_eio3: config.socketio.allow_eio3,
        ping_interval_ms: config.socketio.ping_interval_ms,
        ping_timeout_ms: config.socketio.ping_timeout_ms,
        greet_after: Duration::ZERO,
        limits: outside(config),
        origins: Origins::new(&config.cors.origins, config.dev),
        credentials: config.cors.credentials,
        trusted_proxies: TrustedProxies::parse(&config.server.trusted_proxies).map_err(unknown)?,
    })
}

/// What anyone outside is held to before there is a socket.
fn outside(config: &Config) -> Limits {
    let limits = &config.limits;
    let streams = descriptors::of_this_process(config);
    let number = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let mut most =
        Most { streams, sessions: 0, sessions_per_address: number(limits.connections_per_address) };
    most.sessions = match limits.connections {
        0 => most.busy(),
        limit => number(limit),
    };
    Limits {
        handshakes_per_address_per_minute: u32::try_from(limits.handshakes_per_address_per_minute)
            .unwrap_or(u32::MAX),
        most,
        header_bytes: number(limits.header_bytes),
        body_bytes: number(limits.body_bytes),
        body_timeout: Duration::from_millis(limits.body_timeout_ms),
    }
}

/// How long HTTP connections may take and stay.
pub(super) fn http(config: &Config) -> HttpOptions {
    HttpOptions {
        workers: config.server.workers as usize,
        request_timeout: Duration::from_millis(config.limits.handshake_timeout_ms),
        keep_alive: KEEP_ALIVE,
    }
}

/// What rooms are held to.
pub(super) fn rooms(config: &Config) -> ledger::Limits {
    let limits = &config.limits;
    ledger::Limits {
        room_size: u32::try_from(limits.room_size).unwrap_or(u32::MAX),
        rooms_per_socket: u32::try_from(limits.rooms_per_socket).unwrap_or(u32::MAX),
        item_patience: ITEM_PATIENCE_MS,
        alias_patience: config.database.timeout_ms,
    }
}

/// What connections are held to.
pub(super) fn connections(config: &Config) -> manager::Limits {
    let limits = &config.limits;
    manager::Limits {
        connects_per_minute: limits.connects_per_user_per_minute,
        per_user: limits.connections_per_user as usize,
        on_limit: match limits.on_connection_limit {
            OnConnectionLimit::EvictOldest => OnLimit::EvictOldest,
            OnConnectionLimit::RejectNew => OnLimit::RejectNew,
        },
        unsent_bytes_total: or_max(limits.unsent_bytes_total),
        idle_check: Duration::from_millis(limits.idle_check_ms),
        idle_timeout: Duration::from_millis(limits.idle_timeout_ms),
    }
}

/// How much a socket may say.
pub(super) fn rate(config: &Config) -> Rate {
    Rate {
        per_second: u32::try_from(config.limits.messages_per_second).unwrap_or(u32::MAX),
        burst: u32::try_from(config.limits.messages_burst).unwrap_or(u32::MAX),
    }
}

/// How long before its token ends a client is told, in milliseconds.
pub(super) fn warning(config: &Config) -> Option<i64> {
    i64::try_from(config.auth.expiry_warning_ms).ok().filter(|ms| *ms > 0)
}

/// How long after its first token a session may be refreshed over HTTP, in milliseconds; none where it may not.
pub(super) fn refresh(config: &Config) -> Option<i64> {
    config.auth.refresh.then(|| i64::try_from(config.auth.max_session_ms).unwrap_or(i64::MAX))
}

/// How long rows are kept.
pub(super) fn keep(config: &Config) -> Keep {
    let days = &config.store;
    Keep {
        notifications_days: days.notifications_days,
        connection_events_days: days.connection_events_days,
        outbox_days: days.outbox_days,
    }
}

/// 0 switches a limit off.
pub(super) fn or_max(limit: u64) -> usize {
    if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) }
}
