//! The socket's actor. It does everything for its client but deliveries, which the lane writes without
//! waking it.
//!
//! | file | what |
//! |---|---|
//! | `pump` | reads and writes the stream; takes packets out of posts |
//! | `hear` | what the client says: packets → the namespace |
//! | `members` | Socket.IO's namespaces that the client is connected to |
//! | `polling` | polls and posts |
//! | `upgrade` | a websocket takes a polled session over |
//! | `end` | how a session ends |
//!
//! Messages: [`Signal`] from the outbox and the heartbeat, [`Post`] from other actors, [`Visit`] from HTTP
//! requests.

mod end;
mod hear;
mod members;
mod polling;
mod pump;
mod upgrade;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::ContextFutureSpawner;
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message as ActixMessage};
use bytes::Bytes;
use smallvec::SmallVec;

use super::Kind;
use super::asks::Asks;
use super::bucket::Bucket;
use super::conn::{Conn, Core, Leave, Member, Peer, Word};
use super::inbox::Inbox;
use super::namespace::Namespace;
use super::outbox::{Beat, Carrier, Owner, Polls, Presence, Signal};
use super::poll::Poll;
use super::station::Station;
use super::visit::Visit;
use super::wire::{Held, Wire};
use crate::clock;
use crate::ids::Sid;
use crate::protocol::engineio::{self, Dialog, Version};
use crate::protocol::frame::Dialect;
use crate::protocol::websocket::{self, MessageLimits};

use hear::Assembling;
use polling::Posted;

/// A message for a socket's namespace, from another actor; see [`super::Mailbox`].
#[derive(ActixMessage, Debug)]
#[rtype(result = "()")]
pub struct Post<M: Send + 'static> {
    pub(super) member: u32,
    pub(super) message: M,
}

/// The actor of one socket.
pub struct Socket<N: Namespace> {
    /// Dropped when the session ends, whatever way that comes, and before the outbox is given back.
    leave: Option<Leave>,
    core: Core,
    station: Rc<Station<N>>,
    /// Engine.IO's name of the session; a secret of its client, unlike the names of its members.
    sid: Sid,
    members: SmallVec<[Member<N>; 1]>,
    /// Members so far.
    numbered: u32,
    link: Link,
    limits: MessageLimits,
    inbox: Inbox,
    /// When the message began that is coming in, in milliseconds of the uptime.
    coming_since: Option<u64>,
    /// A body that is being heard.
    posted: Option<Box<Posted>>,
    /// A packet whose attachments are still to come.
    assembling: Option<Box<Assembling>>,
    /// Acks that the client was asked for.
    asks: Option<Box<Asks<N>>>,
    bucket: Bucket,
    phase: Phase,
    greet_after: Duration,
    /// What a polling client is told when it comes again: the session is over.
    last_words: Bytes,
    /// Takes the session out of the list that HTTP requests find it by.
    _listed: Option<Leave>,
    /// Its place among the sessions that are counted.
    _held: Held,
}

/// What a session is carried by.
#[derive(Debug)]
enum Link {
    /// A websocket.
    Websocket(Rc<Wire>),
    /// Polls and posts.
    Polling,
    /// Polls and posts still, beside a websocket that has to prove itself.
    Probing(Probe),
}

/// See [`Link::Probing`].
#[derive(Debug)]
struct Probe {
    wire: Rc<Wire>,
    /// Its ping has been answered.
    answered: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    /// The session is over; the peer has been told, or will be, and may still close its side.
    Lingering,
    Done,
}

/// What a new socket starts with.
#[derive(Debug)]
pub struct Start {
    /// Engine.IO's name of the session.
    pub sid: Sid,
    /// What it is.
    pub kind: Kind,
    /// What was agreed on.
    pub dialog: Dialog,
    /// How it came.
    pub entry: Entry,
    /// Who the client is, as far as the handshake tells.
    pub peer: Peer,
    /// The largest message.
    pub limits: MessageLimits,
    /// Its first packet (Engine.IO's open packet), if any.
    pub greeting: Option<String>,
    /// How long a websocket waits for it.
    pub greet_after: Duration,
    /// Held until the session ends.
    pub held: Held,
}

/// How a session begins.
#[derive(Debug)]
pub enum Entry {
    /// With a websocket: the stream after its handshake, and what the handshake read too much.
    Websocket(Wire, Bytes),
    /// With a GET, which is answered with the greeting; and what takes the session out of the list that
    /// the next requests find it by.
    Polling(Poll, Leave),
}

impl<N: Namespace> Socket<N> {
    /// Starts the actor of a new socket on this worker.
    pub fn begin(start: Start, station: Rc<Station<N>>) -> actix::Addr<Socket<N>> {
        Socket::create(|ctx: &mut Context<Self>| Socket::new(start, station, ctx))
    }

    fn new(start: Start, station: Rc<Station<N>>, ctx: &mut Context<Self>) -> Socket<N> {
        let (link, carrier, already_read, poll, listed) = match start.entry {
            Entry::Websocket(wire, read) => {
                let wire = Rc::new(wire);
                (Link::Websocket(Rc::clone(&wire)), Carrier::Wire(wire), read, None, None)
            }
            Entry::Polling(poll, listed) => {
                (Link::Polling, Carrier::Polls(Polls::default()), Bytes::new(), Some(poll), Some(listed))
            }
        };
        let dialect = match (start.kind, &link) {
            (Kind::Plain | Kind::Bare, _) => Dialect::Plain,
            (_, Link::Websocket(_)) => Dialect::SocketIo,
            _ => Dialect::Polling,
        };
        let presence = Arc::new(Presence::new(dialect));
        let (uid, beat) = (station.next_uid(), beat(start.kind, start.dialog));
        let owner = Owner {
            uid,
            carrier,
            dialog: start.dialog,
            beat,
            actor: ctx.address().recipient(),
            presence: Arc::clone(&presence),
        };
        let slot = station.outboxes.borrow_mut().open(owner, dialect);
        let (place, leave) = station.seat(slot, uid, beat);
        if let Some(poll) = poll {
            station.outboxes.borrow_mut().poll(slot, poll);
        }
        let core = Core {
            place,
            kind: start.kind,
            dialect,
            dialog: start.dialog,
            outboxes: Rc::clone(&station.outboxes),
            presence,
            peer: Arc::new(start.peer),
            words: start.greeting.into_iter().map(Word::Text).collect(),
            connecting: false,
            ending: None,
        };
        Socket {
            leave: Some(leave),
            core,
            sid: start.sid,
            members: SmallVec::new(),
            numbered: 0,
            link,
            coming_since: None,
            limits: start.limits,
            inbox: Inbox::new(start.limits, &already_read),
            posted: None,
            assembling: None,
            asks: None,
            bucket: Bucket::new(station.rate, clock::uptime_ms()),
            station,
            phase: Phase::Open,
            greet_after: start.greet_after,
            last_words: Bytes::new(),
            _listed: listed,
            _held: start.held,
        }
    }

    /// Runs a handler of the namespace for one of the members, then sends what it said and ends the session
    /// if it said so.
    fn with_member(
        &mut self,
        at: usize,
        ctx: &mut Context<Self>,
        handler: impl FnOnce(&N, &mut Conn<'_, N>),
    ) {
        let station = Rc::clone(&self.station);
        let waited = self.core.connecting;
        let member = &mut self.members[at];
        let mut conn = Conn { core: &mut self.core, member, asks: &mut self.asks, ctx };
        handler(&station.namespace, &mut conn);
        if waited && !self.core.connecting {
            // reading has rested, and a timer of the service's own does not wake it
            ctx.address().do_send(Signal::Drain);
        }
        match self.core.ending {
            Some(reason) => self.end(reason, None, ctx),
            None => {
                self.core.speak();
                self.forget_refused();
            }
        }
    }
}

impl<N: Namespace> Socket<N> {
    /// Asks the peer for a sign of life. Clients of Engine.IO 3 know no ping from the server: a websocket answers
    /// one of its own, and a poll that is released is followed by the next.
    fn probe(&mut self) {
        if self.phase != Phase::Open {
            return;
        }
        let engine = matches!(self.core.kind, Kind::SocketIo | Kind::EngineIo);
        let word = match (self.core.dialog.version, self.core.dialect) {
            (Version::V4, _) if engine => Word::Text(engineio::PING.to_owned()),
            (Version::V3, Dialect::Polling) => Word::Text(engineio::NOOP.to_owned()),
            _ => Word::Framed(websocket::frame(websocket::Opcode::Ping, b"")),
        };
        self.core.words.push(word);
        self.core.speak();
    }
}

/// Who pings, on a connection of this kind.
fn beat(kind: Kind, dialog: Dialog) -> Beat {
    match (kind, dialog.version) {
        (Kind::Bare, _) => Beat::None,
        (Kind::SocketIo | Kind::EngineIo, Version::V3) => Beat::Client,
        _ => Beat::Server,
    }
}

// ── lifecycle and messages ──────────────────────────────────────────────────────────────────────────────

impl<N: Namespace> Actor for Socket<N> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if self.greet_after.is_zero() || !matches!(self.link, Link::Websocket(_)) {
            self.core.speak();
        } else {
            ctx.run_later(self.greet_after, |socket, _| socket.core.speak());
        }
        self.first_member(ctx);
        pump::Pump.spawn(ctx);
    }
}

impl<N: Namespace> Handler<Signal> for Socket<N> {
    type Result = ();

    fn handle(&mut self, signal: Signal, ctx: &mut Context<Self>) {
        match signal {
            Signal::Drain => {} // to be polled is enough
            Signal::Probe => self.probe(),
            Signal::Review => self.review(ctx),
            Signal::Close(reason) => self.end(reason, None, ctx),
        }
    }
}

impl<N: Namespace> Handler<Post<N::Message>> for Socket<N> {
    type Result = ();

    fn handle(&mut self, post: Post<N::Message>, ctx: &mut Context<Self>) {
        let at = self.members.iter().position(|member| member.number == post.member);
        if let (Phase::Open, Some(at)) = (self.phase, at) {
            self.with_member(at, ctx, |namespace, conn| namespace.message(conn, post.message));
        }
    }
}

impl<N: Namespace> Handler<Visit> for Socket<N> {
    type Result = ();

    fn handle(&mut self, visit: Visit, ctx: &mut Context<Self>) {
        self.receive(visit, ctx);
    }
}

impl<N: Namespace> Drop for Socket<N> {
    fn drop(&mut self) {
        // a handler that panicked did not get to it
        self.leave = None;
        self.take_last_words();
        self.core.outboxes.borrow_mut().close(self.core.place.slot, self.core.place.uid);
    }
}

impl<N: Namespace> Socket<N> {
    fn finish(&mut self, ctx: &mut Context<Self>) {
        self.phase = Phase::Done;
        ctx.stop();
    }
}
