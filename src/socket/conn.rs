//! A socket as its namespace sees it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, AsyncContext, Context};
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::actor::{Post, Socket};
use super::asks::{Asks, NoReply, Reply};
use super::namespace::{Namespace, Raw};
use super::outbox::{Presence, SharedOutboxes};
use super::{Kind, Mailbox};
use crate::close::CloseReason;
use crate::ids::{Place, Sid};
use crate::protocol::ack::{AckRef, Outcome, ack_frame};
use crate::protocol::engineio::{Carriage, Dialog, Piece};
use crate::protocol::frame::{Dialect, Event};
use crate::protocol::socketio::{self, AckId, Encoded, Payload};

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

/// Something that a socket says.
#[derive(Debug)]
pub(super) enum Word {
    /// As it goes on the line.
    Framed(Bytes),
    /// A packet of Socket.IO.
    Packet(Encoded),
    /// A packet of Engine.IO, or the text of a bare websocket.
    Text(String),
    /// The bytes of a binary message.
    Binary(Bytes),
}

impl Word {
    fn put(&self, out: &mut BytesMut, carriage: Carriage) {
        match self {
            Word::Framed(bytes) => out.extend_from_slice(bytes),
            Word::Packet(packet) => packet.pieces().for_each(|piece| carriage.put(out, piece)),
            Word::Text(text) => carriage.put(out, Piece::Text(text)),
            Word::Binary(bytes) => carriage.put(out, Piece::Binary(bytes)),
        }
    }
}

/// What every socket has, whatever its namespace.
#[derive(Debug)]
pub(super) struct Core {
    pub place: Place,
    pub kind: Kind,
    /// How events are written for it now; it changes with the transport.
    pub dialect: Dialect,
    pub dialog: Dialog,
    pub outboxes: SharedOutboxes,
    pub presence: Arc<Presence>,
    pub peer: Arc<Peer>,
    /// Own words of the handler that runs, sent together when it ends.
    pub words: SmallVec<[Word; 4]>,
    /// Reading rests while the client waits to be let in.
    pub connecting: bool,
    /// Set by a handler that ends the session.
    pub ending: Option<CloseReason>,
}

impl Core {
    fn carriage(&self) -> Carriage {
        match self.dialect {
            Dialect::Polling => Carriage::Records,
            Dialect::SocketIo | Dialect::Plain => Carriage::Websocket(self.dialog),
        }
    }

    /// Sends the words of a handler in one piece, behind all that waits for the socket.
    pub fn speak(&mut self) {
        let carriage = self.carriage();
        let bytes = match self.words.as_slice() {
            [] => return,
            [Word::Framed(bytes)] => bytes.clone(),
            words => {
                let mut out = BytesMut::new();
                words.iter().for_each(|word| word.put(&mut out, carriage));
                out.freeze()
            }
        };
        self.words.clear();
        self.outboxes.borrow_mut().say(self.place.slot, bytes);
    }
}

/// One of Socket.IO's namespaces that a client is connected to, or is about to be.
pub(super) struct Member<N: Namespace> {
    /// Tells it from those that were here before it.
    pub number: u32,
    /// None is `/`.
    pub nsp: Option<Box<str>>,
    /// The socket's public name there.
    pub id: Sid,
    /// What the service keeps of it, once it has been let in.
    pub state: Option<N::State>,
}

impl<N: Namespace> Member<N> {
    pub fn nsp(&self) -> &str {
        self.nsp.as_deref().unwrap_or("/")
    }
}

/// A socket as its namespace sees it, while one of its handlers runs.
pub struct Conn<'a, N: Namespace> {
    pub(super) core: &'a mut Core,
    pub(super) member: &'a mut Member<N>,
    pub(super) asks: &'a mut Option<Box<Asks<N>>>,
    pub(super) ctx: &'a mut Context<Socket<N>>,
}

impl<N: Namespace> Conn<'_, N> {
    /// Where the socket lives.
    pub fn place(&self) -> Place {
        self.core.place
    }

    /// The socket's public name (Socket.IO's `socket.id`).
    pub fn id(&self) -> Sid {
        self.member.id
    }

    /// The namespace that is spoken to.
    pub fn nsp(&self) -> &str {
        self.member.nsp()
    }

    /// What kind of connection it is.
    pub fn kind(&self) -> Kind {
        self.core.kind
    }

    /// How it wants its events.
    pub fn dialect(&self) -> Dialect {
        self.core.dialect
    }

    /// What the handshake said of the client.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.core.peer
    }

    /// What others may know of the socket at any time.
    pub fn presence(&self) -> &Arc<Presence> {
        &self.core.presence
    }

    /// The socket's actor.
    pub fn addr(&self) -> Addr<Socket<N>> {
        self.ctx.address()
    }

    /// Where other actors send what is for this client in this namespace.
    pub fn mailbox(&self) -> Mailbox<N> {
        Mailbox { addr: self.ctx.address(), member: self.member.number }
    }

    /// What is kept of the client; none before it has been let in.
    pub fn state(&mut self) -> Option<&mut N::State> {
        self.member.state.as_mut()
    }

    /// Lets the client in.
    pub fn accept(&mut self, state: N::State) {
        self.core.connecting = false;
        self.core.outboxes.borrow_mut().accept(self.core.place.slot);
        self.member.state = Some(state);
        if self.core.kind == Kind::SocketIo {
            let version = self.core.dialog.version;
            let packet = socketio::connect(version, self.member.nsp(), self.member.id.as_str());
            self.core.words.push(Word::Packet(packet));
        }
    }

    /// Does not let the client in. A Socket.IO client gets CONNECT_ERROR and may try again on the same
    /// connection; `data` is JSON text. For a plain one this only lets reading go on.
    pub fn refuse(&mut self, message: &str, data: &str) {
        self.core.connecting = false;
        if self.core.kind == Kind::SocketIo {
            let version = self.core.dialog.version;
            let packet = socketio::connect_error(version, self.member.nsp(), message, Some(data));
            self.core.words.push(Word::Packet(packet));
        }
    }

    /// Sends an event to this socket.
    pub fn emit(&mut self, event: &Event) {
        self.core.outboxes.borrow_mut().count(event);
        if self.member.nsp.is_none() {
            self.core.words.push(Word::Framed(event.frame(self.core.dialect).clone()));
        } else {
            self.send(event.name(), &[event.data()], Vec::new());
        }
    }

    /// Sends an event that may be left out: it is, where the client does not take it at once.
    pub fn emit_volatile(&mut self, event: &Event) {
        if self.core.outboxes.borrow().is_writable(self.core.place.slot) {
            self.emit(event);
        }
    }

    /// Sends an event with any arguments, each JSON text, and binary parts, for which the arguments hold
    /// `{"_placeholder":true,"num":n}`. Only Socket.IO's clients can be sent such.
    pub fn send<A: AsRef<str>>(&mut self, name: &str, args: &[A], attachments: Vec<Bytes>) {
        let packet = socketio::event(self.member.nsp(), None, name, args, attachments);
        self.core.words.push(Word::Packet(packet));
    }

    /// Sends an event as [`Conn::send`] does and asks the client for an ack. `then` is run when it comes,
    /// or when it has not come in time; not where the client leaves before that. Returns whether the event
    /// was sent: it is not where the client owes a thousand acks.
    pub fn ask<A: AsRef<str>>(
        &mut self,
        name: &str,
        args: &[A],
        attachments: Vec<Bytes>,
        timeout: Duration,
        then: impl FnOnce(&N, &mut Conn<'_, N>, Result<Reply<'_>, NoReply>) + 'static,
    ) -> bool {
        let asks = self.asks.get_or_insert_with(|| Box::new(Asks::new()));
        let Some(id) = asks.add(self.member.number, timeout, Box::new(then), self.ctx) else { return false };
        let digits = id.to_string();
        let packet = socketio::event(self.member.nsp(), AckId::new(&digits).ok(), name, args, attachments);
        self.core.words.push(Word::Packet(packet));
        true
    }

    /// Answers an ack that the client asked for.
    pub fn acknowledge(&mut self, ack: &AckRef, outcome: &Outcome) {
        self.core.words.push(Word::Framed(ack_frame(self.core.dialect, ack, outcome)));
    }

    /// Answers an ack with any arguments, each JSON text, and binary parts (Socket.IO only).
    pub fn reply<A: AsRef<str>>(&mut self, ack: &AckRef, args: &[A], attachments: Vec<Bytes>) {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        let json = format!("[{}]", args.join(",")).into_boxed_str();
        let packet = socketio::ack(ack.as_str(), Payload { json, attachments });
        self.core.words.push(Word::Packet(packet));
    }

    /// Sends a message on a connection that carries no events.
    pub fn send_raw(&mut self, message: Raw<'_>) {
        let engine = if self.core.kind == Kind::EngineIo { "4" } else { "" };
        self.core.words.push(match message {
            Raw::Text(text) => Word::Text([engine, text].concat()),
            Raw::Binary(bytes) => Word::Binary(Bytes::copy_from_slice(bytes)),
        });
    }

    /// Sends the namespace a message for this socket after a while.
    pub fn later(&mut self, after: Duration, message: N::Message) {
        self.ctx.notify_later(Post { member: self.member.number, message }, after);
    }

    /// Ends the session when the handler returns.
    pub fn close(&mut self, reason: CloseReason) {
        self.core.ending.get_or_insert(reason);
    }
}
