//! A socket as its namespace sees it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, AsyncContext, Context};
use bytes::Bytes;
use smallvec::SmallVec;

use super::actor::{Post, Socket};
use super::namespace::Namespace;
use super::outbox::{Heard, SharedOutboxes};
use crate::close::CloseReason;
use crate::ids::{Place, Sid};
use crate::protocol::ack::{AckRef, Outcome, ack_frame};
use crate::protocol::frame::{Dialect, Event};
use crate::protocol::socketio;

/// What the handshake said of a client.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address: of the connection, or what a trusted proxy says.
    pub ip: IpAddr,
    /// The `User-Agent` header.
    pub user_agent: Option<Box<str>>,
    /// The `version` query parameter.
    pub version: Option<Box<str>>,
    /// A token from the `Authorization` header or the query. Never logged.
    pub token: Option<Token>,
}

/// A credential: it shows itself to nobody who only prints it.
#[derive(Clone)]
pub struct Token(pub Box<str>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Leaves a socket's rooms and the lists that it stands in when it is dropped, whatever way that comes.
pub struct Leave(Option<Box<dyn FnOnce()>>);

impl Leave {
    /// Runs `leave` once.
    pub fn new(leave: impl FnOnce() + 'static) -> Leave {
        Leave(Some(Box::new(leave)))
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(leave) = self.0.take() {
            leave();
        }
    }
}

impl std::fmt::Debug for Leave {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leave")
    }
}

/// What every socket has, whatever its namespace.
#[derive(Debug)]
pub(super) struct Core {
    pub place: Place,
    /// The socket's public name.
    pub id: Sid,
    pub dialect: Dialect,
    pub outboxes: SharedOutboxes,
    pub heard: Arc<Heard>,
    pub peer: Arc<Peer>,
    /// Own words of the handler that runs, sent together when it ends.
    pub words: SmallVec<[Bytes; 4]>,
    /// Reading rests while the client waits to be let in.
    pub connecting: bool,
    /// Set by a handler that ends the session.
    pub ending: Option<CloseReason>,
}

impl Core {
    /// Sends the words of a handler in one piece, behind all that waits for the socket.
    pub fn speak(&mut self) {
        let bytes = match self.words.len() {
            0 => return,
            1 => self.words.remove(0),
            _ => self.words.drain(..).collect::<Vec<_>>().concat().into(),
        };
        self.outboxes.borrow_mut().say(self.place.slot, bytes);
    }
}

/// A socket as its namespace sees it, while one of its handlers runs.
pub struct Conn<'a, N: Namespace> {
    pub(super) core: &'a mut Core,
    pub(super) state: &'a mut Option<N::State>,
    pub(super) ctx: &'a mut Context<Socket<N>>,
}

impl<N: Namespace> Conn<'_, N> {
    /// Where the socket lives.
    pub fn place(&self) -> Place {
        self.core.place
    }

    /// The socket's public name (Socket.IO's `socket.id`).
    pub fn id(&self) -> Sid {
        self.core.id
    }

    /// How it wants its events.
    pub fn dialect(&self) -> Dialect {
        self.core.dialect
    }

    /// What the handshake said of the client.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.core.peer
    }

    /// When the client was last heard.
    pub fn heard(&self) -> &Arc<Heard> {
        &self.core.heard
    }

    /// The socket's actor, to be answered by [`super::Post`].
    pub fn addr(&self) -> Addr<Socket<N>> {
        self.ctx.address()
    }

    /// What is kept of the client; none before it has been let in.
    pub fn state(&mut self) -> Option<&mut N::State> {
        self.state.as_mut()
    }

    /// Lets the client in.
    pub fn accept(&mut self, state: N::State) {
        self.core.connecting = false;
        self.core.outboxes.borrow_mut().accept(self.core.place.slot);
        *self.state = Some(state);
        if self.core.dialect == Dialect::SocketIo {
            self.core.words.push(socketio::connect("/", self.core.id.as_str()));
        }
    }

    /// Does not let the client in. A Socket.IO client gets CONNECT_ERROR and may try again on the same
    /// connection; `data` is JSON text. For a plain one this only lets reading go on.
    pub fn refuse(&mut self, message: &str, data: &str) {
        self.core.connecting = false;
        if self.core.dialect == Dialect::SocketIo {
            self.core.words.push(socketio::connect_error("/", message, Some(data)));
        }
    }

    /// Sends an event to this socket.
    pub fn emit(&mut self, event: &Event) {
        self.core.outboxes.borrow_mut().count(event);
        self.core.words.push(event.frame(self.core.dialect).clone());
    }

    /// Answers an ack that the client asked for.
    pub fn acknowledge(&mut self, ack: &AckRef, outcome: &Outcome) {
        self.core.words.push(ack_frame(self.core.dialect, ack, outcome));
    }

    /// Sends the namespace a message for this socket after a while.
    pub fn later(&mut self, after: Duration, message: N::Message) {
        self.ctx.notify_later(Post(message), after);
    }

    /// Ends the session when the handler returns.
    pub fn close(&mut self, reason: CloseReason) {
        self.core.ending.get_or_insert(reason);
    }
}
