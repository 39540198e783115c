//! Bytes to packets and back: handshake, origin, websocket, long-polling.
//!
//! | file | what |
//! |---|---|
//! | [`worker`] | what a worker thread has, and how its sockets begin |
//! | [`server`] | workers on one listener, sockets beside an actix-web `App` |
//! | [`standalone`] | a service that is its namespace and nothing more |
//! | [`handshake`] | an upgrade request → a socket, or the answer that says why not |
//! | `polling` | long-polling: GET takes packets, POST brings them |
//! | `body` | the body of a poll's answer |
//! | [`desks`] | where requests find their session, whichever worker they came in on |
//! | [`query`] | what the query of a request says |
//! | [`refusal`] | why a request is refused, and the headers by which a page may read that |
//! | `stream` | the stream under an HTTP connection: one that can always be dropped |
//! | [`origin`] | which pages may open a connection |
//! | [`address`] | whose connection it is, also behind a proxy |
//! | [`gate`] | whether new connections are let in: starting, open, draining |

pub mod address;
mod body;
pub mod desks;
pub mod gate;
pub mod handshake;
pub mod origin;
mod polling;
pub mod query;
pub mod refusal;
pub mod server;
pub mod standalone;
mod stream;
pub mod worker;

use std::time::Duration;

pub use address::{TrustedProxies, peer_ip};
pub use gate::Gate;
pub use origin::Origins;

use crate::protocol::websocket::MessageLimits;
use crate::socket::Kind;

/// A path that takes connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// The path, with or without its last slash.
    pub path: String,
    /// What is spoken there.
    pub kind: Kind,
    /// The largest message.
    pub limits: MessageLimits,
}

impl Endpoint {
    /// Whether Engine.IO is spoken there, so that long-polling is served beside the websocket.
    pub fn is_engine(&self) -> bool {
        matches!(self.kind, Kind::SocketIo | Kind::EngineIo)
    }
}

/// What every handshake is judged by.
#[derive(Debug)]
pub struct Options {
    /// The paths that take connections.
    pub endpoints: Vec<Endpoint>,
    /// Whether clients of Engine.IO 3 are served.
    pub allow_eio3: bool,
    /// Engine.IO's ping interval, in milliseconds.
    pub ping_interval_ms: u64,
    /// Engine.IO's ping timeout, in milliseconds.
    pub ping_timeout_ms: u64,
    /// How long a websocket waits for Engine.IO's open packet; zero is not at all. A client that begins to
    /// listen only when it sees the connection open misses what came with the handshake.
    pub greet_after: Duration,
    /// How long the body of a POST may take.
    pub body_timeout: Duration,
    /// Which pages may connect.
    pub origins: Origins,
    /// Whether pages may send credentials along.
    pub credentials: bool,
    /// Whose forwarded headers are believed.
    pub trusted_proxies: TrustedProxies,
}

impl Options {
    /// What is spoken on a path, if anything is.
    pub fn endpoint(&self, path: &str) -> Option<&Endpoint> {
        let bare = |path: &str| path.trim_end_matches('/').len();
        self.endpoints.iter().find(|endpoint| path[..bare(path)] == endpoint.path[..bare(&endpoint.path)])
    }
}
