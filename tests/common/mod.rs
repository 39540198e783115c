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
pub mod raw;
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
pub use raw::Raw;
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

/// A function that becomes a test for each case, of the name and with the arguments given.
#[macro_export]
macro_rules! for_each_case {
    (
        [$($case:ident($($argument:expr),*))*] $attributes:tt
        $name:ident($($parameter:ident: $type:ty),*) $body:block
    ) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn behaviour($($parameter: $type),*) $body

            $($crate::case_of!($attributes $case($($argument),*));)*
        }
    };
}

/// One test of [`for_each_case`].
#[macro_export]
macro_rules! case_of {
    ({$($attribute:tt)*} $case:ident($($argument:expr),*)) => {
        $($attribute)*
        #[test]
        fn $case() {
            behaviour($($argument),*);
        }
    };
}

/// Each function becomes two tests: on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($(fn $name:ident($database:ident: Database) $body:block)*) => {$(
        $crate::for_each_case! {
            [
                on_sqlite(Database::Sqlite)
                on_postgres(Database::Postgres)
            ]
            {} $name($database: Database) $body
        }
    )*};
}

/// Each function becomes four tests: both protocols, both databases.
#[macro_export]
macro_rules! over_and_on_both {
    ($(fn $name:ident($protocol:ident: Protocol, $database:ident: Database) $body:block)*) => {$(
        $crate::for_each_case! {
            [
                socketio_and_sqlite(Protocol::SocketIo, Database::Sqlite)
                socketio_and_postgres(Protocol::SocketIo, Database::Postgres)
                plain_and_sqlite(Protocol::Plain, Database::Sqlite)
                plain_and_postgres(Protocol::Plain, Database::Postgres)
            ]
            {} $name($protocol: Protocol, $database: Database) $body
        }
    )*};
}

/// Each function becomes a test for every transport of either protocol, and for clients of Socket.IO 2.
#[macro_export]
macro_rules! over_every_transport {
    ($($(#[$attribute:meta])* fn $name:ident($protocol:ident: Protocol) $body:block)*) => {$(
        $crate::for_each_case! {
            [
                over_socketio(Protocol::SocketIo)
                over_polling(Protocol::Polling)
                over_an_upgrade(Protocol::Upgraded)
                by_old_clients_that_poll(Protocol::OldPolling)
                by_old_clients_that_upgrade(Protocol::OldUpgraded)
                over_plain(Protocol::Plain)
            ]
            {$(#[$attribute])*} $name($protocol: Protocol) $body
        }
    )*};
}

/// Each function becomes two tests: over Socket.IO on a websocket and over the plain websocket.
#[macro_export]
macro_rules! over_both {
    ($($(#[$attribute:meta])* fn $name:ident($protocol:ident: Protocol) $body:block)*) => {$(
        $crate::for_each_case! {
            [
                over_socketio(Protocol::SocketIo)
                over_plain(Protocol::Plain)
            ]
            {$(#[$attribute])*} $name($protocol: Protocol) $body
        }
    )*};
}

/// Each function becomes six tests: both versions of Engine.IO, over each of its ways.
#[macro_export]
macro_rules! over_engine {
    ($(fn $name:ident($version:ident: Version, $way:ident: Way) $body:block)*) => {$(
        $crate::for_each_case! {
            [
                v3_over_websocket(Version::V3, Way::Websocket)
                v3_over_polling(Version::V3, Way::Polling)
                v3_over_an_upgrade(Version::V3, Way::Upgraded)
                v4_over_websocket(Version::V4, Way::Websocket)
                v4_over_polling(Version::V4, Way::Polling)
                v4_over_an_upgrade(Version::V4, Way::Upgraded)
            ]
            {} $name($version: Version, $way: Way) $body
        }
    )*};
}
