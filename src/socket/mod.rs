//! A socket: its actor, its outbox, its heartbeat, and how it ends.
//!
//! | file | what |
//! |---|---|
//! | [`namespace`] | the trait that a service implements; what a client says comes there |
//! | [`conn`] | a socket as its namespace sees it: emit, acknowledge, close |
//! | [`actor`] | the socket's actor: reads, hears what the client says, ends the session |
//! | [`bucket`] | how much a client may say |
//! | [`inbox`] | bytes → messages: frames, fragments, what is not whole yet |
//! | [`outbox`] | what waits for the sockets of a worker, shared with its lane |
//! | [`tree`] | the same frames waiting for many sockets, held once |
//! | [`heartbeat`] | pings from one timer a worker |
//! | [`wire`] | the stream underneath |

pub mod actor;
pub mod bucket;
pub mod conn;
pub mod heartbeat;
pub mod inbox;
pub mod namespace;
pub mod outbox;
pub mod tree;
pub mod wire;

pub use actor::{Post, Socket};
pub use bucket::{Dropped, Rate};
pub use conn::{Conn, Leave, Peer, Token};
pub use namespace::{Incoming, Namespace};
pub use outbox::{Heard, Outboxes, SharedOutboxes, Signal, Slot};
pub use wire::Wire;
