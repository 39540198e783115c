//! Bytes to packets and back: handshake, origin, websocket, long-polling.
//!
//! | file | what |
//! |---|---|
//! | [`worker`] | what a worker thread has, and how its sockets begin |
//! | [`admission`] | whether one more connection or session is let in; what is refused on the way |
//! | [`capacity`] | how many are open, in all and from one address |
//! | `rate` | how many handshakes an address makes |
//! | `door` | what holds for every request over HTTP |
//! | `line` | how long an HTTP connection may take |
//! | [`server`] | workers on their listeners |
//! | `site` | what a worker serves: sockets beside an actix-web `App`, for each address |
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
pub mod admission;
mod body;
pub mod capacity;
pub mod desks;
mod door;
pub mod gate;
pub mod handshake;
mod line;
pub mod origin;
mod polling;
pub mod query;
mod rate;
pub mod refusal;
pub mod server;
mod site;
pub mod standalone;
mod stream;
pub mod worker;

use std::time::Duration;

pub use address::{TrustedProxies, peer_ip};
pub use admission::Limits;
pub use gate::Gate;
pub use origin::Origins;

use crate::protocol::websocket::MessageLimits;
use crate::socket::Kind;

/// Which of the server's addresses a connection came in on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The main one.
    Public,
    /// That of operators, where there is one.
    Operators,
}

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

    /// Whether it is there for those who come in on this side: operators have the plain protocol alone.
    pub fn is_served_on(&self, side: Side) -> bool {
        side == Side::Public || self.kind == Kind::Plain
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
    /// What anyone outside is held to before there is a socket.
    pub limits: Limits,
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
