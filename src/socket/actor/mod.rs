//! The socket's actor. It does everything for its client but deliveries, which the lane writes without
//! waking it.
//!
//! Messages: [`Signal`] from the outbox and the heartbeat, [`Post`] from other actors. The stream is read
//! by a future that lives as long as the actor (`Pump`).

mod hear;

use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use actix::dev::ContextFutureSpawner;
use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message as ActixMessage};

use super::bucket::{Bucket, Rate};
use super::conn::{Conn, Core, Leave, Peer};
use super::inbox::{Budget, Inbox};
use super::namespace::Namespace;
use super::outbox::{Heard, SharedOutboxes, Signal};
use super::wire::Wire;
use crate::clock;
use crate::close::{CloseReason, Farewell};
use crate::ids::{Place, Sid, Uid};
use crate::protocol::frame::{Dialect, Event};
use crate::protocol::socketio;
use crate::protocol::websocket::{self, Violation};

/// How long a closed session waits for the peer to close its side too.
const LINGER: Duration = Duration::from_secs(2);

/// A message for a socket's namespace, from another actor.
#[derive(ActixMessage, Debug)]
#[rtype(result = "()")]
pub struct Post<M: Send + 'static>(pub M);

/// The actor of one socket.
pub struct Socket<N: Namespace> {
    core: Core,
    namespace: Rc<N>,
    state: Option<N::State>,
    wire: Rc<Wire>,
    inbox: Inbox,
    bucket: Bucket,
    rate: Rate,
    read_buffer: ReadBuffer,
    phase: Phase,
    /// Dropped when the session ends, whatever way that comes.
    leave: Option<Leave>,
}

/// The buffer that all sockets of a worker read into.
pub type ReadBuffer = Rc<std::cell::RefCell<Box<[u8]>>>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    /// The session is over; the peer has been told and may still close its side.
    Lingering,
    Done,
}

/// What a new socket starts with.
#[derive(Debug)]
pub struct Start {
    /// The stream after its handshake.
    pub wire: Wire,
    /// What the handshake read too much.
    pub already_read: bytes::Bytes,
    /// How the client wants its events.
    pub dialect: Dialect,
    /// Who it is, as far as the handshake tells.
    pub peer: Peer,
    /// The largest message, in bytes.
    pub max_payload: usize,
    /// How much it may say.
    pub rate: Rate,
    /// The worker it lives in.
    pub worker: u16,
    /// Its number.
    pub uid: Uid,
    /// Its first frame (Engine.IO's open packet), if any.
    pub greeting: Option<bytes::Bytes>,
}

impl<N: Namespace> Socket<N> {
    /// Starts the actor of a new socket on this worker. `seat` is told the place it got and returns what
    /// leaves everything that the socket will have joined.
    pub fn begin(
        start: Start,
        namespace: Rc<N>,
        outboxes: SharedOutboxes,
        read_buffer: ReadBuffer,
        seat: impl FnOnce(Place) -> Leave,
    ) {
        Socket::create(|ctx: &mut Context<Self>| {
            let wire = Rc::new(start.wire);
            let heard = Arc::new(Heard::default());
            heard.now();
            let actor = ctx.address().recipient();
            let slot = outboxes.borrow_mut().open(
                start.uid,
                Rc::clone(&wire),
                start.dialect,
                actor,
                Arc::clone(&heard),
            );
            let place = Place { worker: start.worker, slot, uid: start.uid };
            Socket {
                core: Core {
                    place,
                    id: Sid::new(0, start.worker),
                    dialect: start.dialect,
                    outboxes,
                    heard,
                    peer: Arc::new(start.peer),
                    words: start.greeting.into_iter().collect(),
                    connecting: false,
                    ending: None,
                },
                namespace,
                state: None,
                wire,
                inbox: Inbox::new(start.max_payload, &start.already_read),
                bucket: Bucket::new(start.rate, clock::uptime_ms()),
                rate: start.rate,
                read_buffer,
                phase: Phase::Open,
                leave: Some(seat(place)),
            }
        });
    }

    /// Runs a handler of the namespace, then sends what it said and ends the session if it said so.
    fn with_namespace(&mut self, ctx: &mut Context<Self>, handler: impl FnOnce(&N, &mut Conn<'_, N>)) {
        let namespace = Rc::clone(&self.namespace);
        let mut conn = Conn { core: &mut self.core, state: &mut self.state, ctx };
        handler(&namespace, &mut conn);
        self.settle(ctx);
    }

    fn settle(&mut self, ctx: &mut Context<Self>) {
        match self.core.ending {
            Some(reason) => self.end(reason, None, ctx),
            None => self.core.speak(),
        }
    }

    /// The one way a session ends. `code` is the close code where the reason alone does not say it.
    fn end(&mut self, reason: CloseReason, code: Option<u16>, ctx: &mut Context<Self>) {
        if self.phase != Phase::Open {
            return;
        }
        self.phase = Phase::Lingering;
        log::debug!("socket {} closed: {}", self.core.id, reason.code());
        let told = self.say_farewell(reason, code);
        self.leave = None;
        self.namespace.disconnect(self.core.place, self.state.take(), reason);
        if told {
            ctx.run_later(LINGER, |act, ctx| act.finish(ctx));
        } else {
            self.finish(ctx);
        }
    }

    /// Says why, behind all that waits. Returns whether that went out whole; what a peer does not take
    /// at once is not waited for.
    fn say_farewell(&mut self, reason: CloseReason, code: Option<u16>) -> bool {
        let slot = self.core.place.slot;
        if reason.farewell() == Farewell::Drop {
            return false;
        }
        if let Some(data) = self.namespace.farewell(reason) {
            let event = Event::from_json("error", data.into_boxed_str());
            self.core.words.push(event.frame(self.core.dialect).clone());
        }
        let socket_io = self.core.dialect == Dialect::SocketIo;
        if socket_io && reason.farewell() == Farewell::Disconnect {
            self.core.words.push(socketio::disconnect("/"));
        }
        let default = if socket_io && reason != CloseReason::TooBig { 1000 } else { reason.websocket_code() };
        self.core.words.push(websocket::close_frame(code.unwrap_or(default), reason.code()));
        self.core.speak();
        !self.core.outboxes.borrow().has_backlog(slot)
    }

    fn finish(&mut self, ctx: &mut Context<Self>) {
        self.phase = Phase::Done;
        ctx.stop();
    }

    fn refuse_bytes(&mut self, violation: Violation, ctx: &mut Context<Self>) {
        let reason = match violation {
            Violation::TooBig => CloseReason::TooBig,
            Violation::Protocol(_) | Violation::NotUtf8 => CloseReason::ProtocolError,
        };
        self.end(reason, Some(violation.close_code()), ctx);
    }
}

// ── reading and writing ─────────────────────────────────────────────────────────────────────────────────

impl<N: Namespace> Socket<N> {
    /// Reads and handles until there is nothing more, the budget is spent or the client has to wait.
    fn pump(&mut self, ctx: &mut Context<Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        ready!(self.drain_backlog(ctx, task));
        let mut budget = Budget::new();
        if self.inbox.has_leftover() && self.phase == Phase::Open && !self.core.connecting {
            self.digest(&mut [], &mut budget, ctx);
        }
        while self.phase != Phase::Done && !self.core.connecting {
            if budget.is_spent() {
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
            if ready!(self.wire.poll_readable(task)).is_err() {
                self.end(CloseReason::TransportError, None, ctx);
                self.finish(ctx);
                return Poll::Ready(());
            }
            self.read(&mut budget, ctx);
        }
        if self.phase == Phase::Done { Poll::Ready(()) } else { Poll::Pending }
    }

    fn read(&mut self, budget: &mut Budget, ctx: &mut Context<Self>) {
        let buffer = Rc::clone(&self.read_buffer);
        let mut buffer = buffer.borrow_mut();
        match self.wire.try_read(&mut buffer) {
            Ok(0) => self.hear_nothing_more(ctx),
            Ok(n) => {
                self.core.heard.now();
                self.digest(&mut buffer[..n], budget, ctx);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.hear_nothing_more(ctx),
        }
    }

    fn hear_nothing_more(&mut self, ctx: &mut Context<Self>) {
        self.end(CloseReason::TransportError, None, ctx);
        self.finish(ctx);
    }

    fn digest(&mut self, read: &mut [u8], budget: &mut Budget, ctx: &mut Context<Self>) {
        let empty = Inbox::new(0, &[]);
        let mut inbox = std::mem::replace(&mut self.inbox, empty);
        let taken = inbox.take(read, budget, |message| self.hear(message, ctx));
        self.inbox = inbox;
        match taken {
            Err(_) if self.phase != Phase::Open => self.finish(ctx),
            Err(violation) => self.refuse_bytes(violation, ctx),
            Ok(_) => {}
        }
    }

    fn drain_backlog(&mut self, ctx: &mut Context<Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let slot = self.core.place.slot;
        while self.phase == Phase::Open && self.core.outboxes.borrow().has_backlog(slot) {
            let drained = self.core.outboxes.borrow_mut().drain(slot);
            match drained {
                Ok(true) => break,
                Ok(false) => match self.wire.poll_writable(task) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Pending => break, // reading goes on meanwhile
                    Poll::Ready(Err(_)) => self.hear_nothing_more(ctx),
                },
                Err(_) => self.hear_nothing_more(ctx),
            }
        }
        Poll::Ready(())
    }
}

/// The future that reads a socket's stream; the context polls it whenever the actor is woken.
struct Pump;

impl<N: Namespace> ActorFuture<Socket<N>> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        act: &mut Socket<N>,
        ctx: &mut Context<Socket<N>>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        act.pump(ctx, task)
    }
}

// ── lifecycle and messages ──────────────────────────────────────────────────────────────────────────────

impl<N: Namespace> Actor for Socket<N> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.core.speak();
        if self.core.dialect == Dialect::Plain && self.core.peer.token.is_some() {
            self.hear_connect(None, ctx);
        }
        Pump.spawn(ctx);
    }
}

impl<N: Namespace> Handler<Signal> for Socket<N> {
    type Result = ();

    fn handle(&mut self, signal: Signal, ctx: &mut Context<Self>) {
        match signal {
            Signal::Drain => {} // to be polled is enough
            Signal::Close(reason) => self.end(reason, None, ctx),
        }
    }
}

impl<N: Namespace> Handler<Post<N::Message>> for Socket<N> {
    type Result = ();

    fn handle(&mut self, Post(message): Post<N::Message>, ctx: &mut Context<Self>) {
        if self.phase == Phase::Open {
            self.with_namespace(ctx, |namespace, conn| namespace.message(conn, message));
        }
    }
}
