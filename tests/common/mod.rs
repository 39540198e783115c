//! What the tests share: the true hub as a child process, a real Redis, clients of both protocols.
//!
//! Everything blocks and nothing sleeps for luck: a test waits for a line, an event, an answer or a
//! condition, with [`PATIENCE`] as the limit at which it fails.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of this")]

pub mod client;
pub mod echo;
pub mod engine;
pub mod http;
pub mod hub;
pub mod line;
pub mod payload;
pub mod polls;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod server;
pub mod store;
pub mod tokens;
pub mod wire;

use std::time::{Duration, Instant};

pub use client::{Close, Handshake, Incoming, Protocol, TestClient};
pub use echo::EchoServer;
pub use engine::{Engine, Opening, Received, Version, Way};
pub use http::Response;
pub use line::{Answer, Heard, Line};
pub use payload::{Packet, binary, text};
pub use polls::{Polled, Polls};
pub use postgres::{PostgresDatabase, PostgresServer};
pub use redis::RedisServer;
pub use serde_json::{Value, json};
pub use server::{Builder, TestServer};
pub use tokens::{Claims, admin, user};

/// How long anything may take before the test fails. Long, because a machine under load is slow.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Whether the tests run as root, who may write everywhere and whom PostgreSQL refuses.
pub fn is_root() -> bool {
    std::process::Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// Looks until `condition` gives something; fails after [`PATIENCE`].
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5)); // between two looks
    }
}

/// The same as a yes or no.
pub fn eventually_true(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}

/// A kind of database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Database {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

/// Each function becomes two tests: on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($(fn $name:ident($database:ident: Database) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn behaviour($database: Database) $body

            #[test]
            fn on_sqlite() {
                behaviour(Database::Sqlite);
            }

            #[test]
            fn on_postgres() {
                behaviour(Database::Postgres);
            }
        }
    )*};
}

/// Each function becomes four tests: both protocols, both databases.
#[macro_export]
macro_rules! over_and_on_both {
    ($(fn $name:ident($protocol:ident: Protocol, $database:ident: Database) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn behaviour($protocol: Protocol, $database: Database) $body

            #[test]
            fn socketio_and_sqlite() {
                behaviour(Protocol::SocketIo, Database::Sqlite);
            }

            #[test]
            fn socketio_and_postgres() {
                behaviour(Protocol::SocketIo, Database::Postgres);
            }

            #[test]
            fn plain_and_sqlite() {
                behaviour(Protocol::Plain, Database::Sqlite);
            }

            #[test]
            fn plain_and_postgres() {
                behaviour(Protocol::Plain, Database::Postgres);
            }
        }
    )*};
}

/// Each function becomes a test for every transport of either protocol, and for clients of Socket.IO 2.
#[macro_export]
macro_rules! over_every_transport {
    ($($(#[$attribute:meta])* fn $name:ident($protocol:ident: Protocol) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn behaviour($protocol: Protocol) $body

            $(#[$attribute])*
            #[test]
            fn over_socketio() {
                behaviour(Protocol::SocketIo);
            }

            $(#[$attribute])*
            #[test]
            fn over_polling() {
                behaviour(Protocol::Polling);
            }

            $(#[$attribute])*
            #[test]
            fn over_an_upgrade() {
                behaviour(Protocol::Upgraded);
            }

            $(#[$attribute])*
            #[test]
            fn by_old_clients_that_poll() {
                behaviour(Protocol::OldPolling);
            }

            $(#[$attribute])*
            #[test]
            fn by_old_clients_that_upgrade() {
                behaviour(Protocol::OldUpgraded);
            }

            $(#[$attribute])*
            #[test]
            fn over_plain() {
                behaviour(Protocol::Plain);
            }
        }
    )*};
}

/// Each function becomes two tests: over Socket.IO on a websocket and over the plain websocket.
#[macro_export]
macro_rules! over_both {
    ($($(#[$attribute:meta])* fn $name:ident($protocol:ident: Protocol) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn behaviour($protocol: Protocol) $body

            $(#[$attribute])*
            #[test]
            fn over_socketio() {
                behaviour(Protocol::SocketIo);
            }

            $(#[$attribute])*
            #[test]
            fn over_plain() {
                behaviour(Protocol::Plain);
            }
        }
    )*};
}

/// Each function becomes six tests: both versions of Engine.IO, over each of its ways.
#[macro_export]
macro_rules! over_engine {
    ($(fn $name:ident($version:ident: Version, $way:ident: Way) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn behaviour($version: Version, $way: Way) $body

            #[test]
            fn v3_over_websocket() {
                behaviour(Version::V3, Way::Websocket);
            }

            #[test]
            fn v3_over_polling() {
                behaviour(Version::V3, Way::Polling);
            }

            #[test]
            fn v3_over_an_upgrade() {
                behaviour(Version::V3, Way::Upgraded);
            }

            #[test]
            fn v4_over_websocket() {
                behaviour(Version::V4, Way::Websocket);
            }

            #[test]
            fn v4_over_polling() {
                behaviour(Version::V4, Way::Polling);
            }

            #[test]
            fn v4_over_an_upgrade() {
                behaviour(Version::V4, Way::Upgraded);
            }
        }
    )*};
}
