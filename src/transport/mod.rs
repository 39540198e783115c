//! Bytes to packets and back: handshake, origin, websocket.
//!
//! | file | what |
//! |---|---|
//! | [`worker`] | what a worker thread has, and how its sockets begin |
//! | [`server`] | workers on one listener, sockets beside an actix-web `App` |
//! | [`handshake`] | an upgrade request → a socket, or the answer that says why not |
//! | [`origin`] | which pages may open a connection |
//! | [`address`] | whose connection it is, also behind a proxy |
//! | [`gate`] | whether new connections are let in: starting, open, draining |

pub mod address;
pub mod gate;
pub mod handshake;
pub mod origin;
pub mod server;
pub mod worker;

pub use address::{TrustedProxies, peer_ip};
pub use gate::Gate;
pub use origin::Origins;

/// What every handshake is judged by.
#[derive(Debug)]
pub struct Options {
    /// Socket.IO's path, with or without its last slash.
    pub socketio_path: String,
    /// The plain websocket's path.
    pub plain_path: String,
    /// Engine.IO's ping interval, in milliseconds.
    pub ping_interval_ms: u64,
    /// Engine.IO's ping timeout, in milliseconds.
    pub ping_timeout_ms: u64,
    /// The largest message, in bytes.
    pub max_payload: usize,
    /// Which pages may connect.
    pub origins: Origins,
    /// Whether pages may send credentials along.
    pub credentials: bool,
    /// Whose forwarded headers are believed.
    pub trusted_proxies: TrustedProxies,
}
