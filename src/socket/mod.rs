//! A socket: its actor, its outbox, its heartbeat, and how it ends.
//!
//! | file | what |
//! |---|---|
//! | [`namespace`] | the trait that a service implements; what a client says comes there |
//! | [`conn`] | a socket as its namespace sees it: emit, ask, acknowledge, close |
//! | [`mailbox`] | where other actors send what is for a client |
//! | [`asks`] | acks that a client was asked for |
//! | [`actor`] | the socket's actor: reads, hears what the client says, changes its transport, ends |
//! | [`station`] | what the sockets of a worker share |
//! | [`visit`], [`poll`] | what HTTP requests want of a session that is polled |
//! | [`bucket`] | how much a client may say |
//! | [`inbox`] | bytes → messages: frames, fragments, what is not whole yet |
//! | [`outbox`] | what waits for the sockets of a worker, shared with its lane |
//! | [`tree`] | the same frames waiting for many sockets, held once |
//! | [`heartbeat`] | pings and deadlines from one timer a worker |
//! | [`wire`] | the stream underneath |

pub mod actor;
pub mod asks;
pub mod bucket;
pub mod conn;
pub mod heartbeat;
pub mod inbox;
pub mod mailbox;
pub mod namespace;
pub mod outbox;
pub mod poll;
pub mod station;
pub mod tree;
pub mod visit;
pub mod wire;

pub use actor::Socket;
pub use asks::{NoReply, Reply};
pub use bucket::{Dropped, Rate};
pub use conn::{Conn, Leave, Peer, Token};
pub use mailbox::Mailbox;
pub use namespace::{Credentials, Incoming, Namespace, Raw};
pub use outbox::{Outboxes, Presence, SharedOutboxes, Signal, Slot, Unsent};
pub use station::Station;
pub use wire::{Held, Wire};

/// What kind of connection a socket is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Socket.IO: events, acks, namespaces.
    SocketIo,
    /// Engine.IO without Socket.IO: messages.
    EngineIo,
    /// The plain protocol: events as JSON objects.
    Plain,
    /// A websocket and nothing more: messages, no heartbeat.
    Bare,
}
