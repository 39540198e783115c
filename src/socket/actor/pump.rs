//! Reading and writing a socket's stream, and taking packets out of posts.

use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, ready};

use actix::Context;
use actix::fut::ActorFuture;

use super::{Link, Phase, Socket};
use crate::clock;
use crate::close::CloseReason;
use crate::protocol::websocket::{MessageLimits, Opcode};
use crate::socket::Kind;
use crate::socket::inbox::{Budget, Inbox};
use crate::socket::namespace::Namespace;
use crate::socket::wire::Wire;

/// The largest message of a client that has not been let in yet: a token, and what stands around it.
const STRANGERS_BYTES: usize = 64 * 1024;

impl<N: Namespace> Socket<N> {
    /// Reads and handles until there is nothing more, the budget is spent or the client has to wait.
    fn pump(&mut self, ctx: &mut Context<Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        self.drain_backlog(ctx, task);
        let mut budget = Budget::new();
        if self.inbox.has_leftover() && self.posted.is_none() && self.may_read() {
            self.digest(&mut [], &mut budget, ctx);
        }
        while self.phase != Phase::Done && !self.core.connecting {
            if budget.is_spent() {
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
            // a client that changes its transport has posted first what it posted
            if self.posted.is_some() && self.phase == Phase::Open {
                self.digest_post(&mut budget, ctx);
                if self.posted.is_none() && self.inbox.has_leftover() {
                    task.waker().wake_by_ref(); // what came with a websocket's handshake has waited for it
                    return Poll::Pending;
                }
                continue;
            }
            let Some(wire) = self.wire() else { break };
            if ready!(wire.poll_readable(task)).is_err() {
                self.lose_stream(ctx);
                continue;
            }
            self.read(&wire, &mut budget, ctx);
        }
        if self.phase == Phase::Done { Poll::Ready(()) } else { Poll::Pending }
    }

    fn may_read(&self) -> bool {
        self.phase == Phase::Open && !self.core.connecting
    }

    /// The stream that is read, if there is one.
    fn wire(&self) -> Option<Rc<Wire>> {
        match &self.link {
            Link::Websocket(wire) => Some(Rc::clone(wire)),
            Link::Probing(probe) => Some(Rc::clone(&probe.wire)),
            Link::Polling => None,
        }
    }

    fn read(&mut self, wire: &Wire, budget: &mut Budget, ctx: &mut Context<Self>) {
        let station = Rc::clone(&self.station);
        let mut buffer = station.read_buffer.borrow_mut();
        match wire.try_read(&mut buffer) {
            Ok(0) => self.lose_stream(ctx),
            Ok(n) => {
                self.core.presence.now();
                self.digest(&mut buffer[..n], budget, ctx);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.lose_stream(ctx),
        }
    }

    /// The stream is broken, or its peer has closed it. A session that is still polled lives on.
    pub(super) fn lose_stream(&mut self, ctx: &mut Context<Self>) {
        match self.link {
            Link::Probing(_) => self.give_probe_up(),
            Link::Websocket(_) | Link::Polling => {
                self.end(CloseReason::TransportError, None, ctx);
                self.finish(ctx);
            }
        }
    }

    fn digest(&mut self, read: &mut [u8], budget: &mut Budget, ctx: &mut Context<Self>) {
        let empty = Inbox::new(MessageLimits::bytes(0), &[]);
        let mut inbox = std::mem::replace(&mut self.inbox, empty);
        inbox.allow(if self.is_stranger() {
            STRANGERS_BYTES.min(self.limits.bytes)
        } else {
            self.limits.bytes
        });
        let mut heard = false;
        let taken = inbox.take(read, budget, |message| {
            heard |= matches!(message.opcode, Opcode::Text | Opcode::Binary);
            self.hear(message, ctx)
        });
        let waits = inbox.is_waiting();
        // what came behind a probe that was given up is nobody's
        self.inbox = if let Link::Polling = self.link { Inbox::new(self.limits, &[]) } else { inbox };
        match taken {
            Err(_) if matches!(self.link, Link::Probing(_)) => self.give_probe_up(),
            Err(_) if self.phase != Phase::Open => self.finish(ctx),
            Err(violation) => self.refuse_bytes(violation, ctx),
            Ok(done) => self.judge_pace(heard, done && waits, ctx),
        }
    }

    /// Nobody who wants to be let in yet has much to say: what is kept for strangers is kept small.
    fn is_stranger(&self) -> bool {
        let asks_to_be_let_in = matches!(self.core.kind, Kind::SocketIo | Kind::Plain);
        asks_to_be_let_in && (0..self.members.len()).all(|at| !self.is_in(at))
    }

    /// A message that takes too long ends the session, else its front would be kept for as long as a client likes.
    fn judge_pace(&mut self, heard: bool, waits: bool, ctx: &mut Context<Self>) {
        let now = clock::uptime_ms();
        self.coming_since = self.coming_since.filter(|_| !heard).or(Some(now)).filter(|_| waits);
        let patience = self.limits.patience_ms;
        let late = self.coming_since.is_some_and(|since| now - since > patience);
        if patience > 0 && late && self.phase == Phase::Open {
            log::debug!("session {}: a message took longer than {patience} ms", self.core.place.uid.0);
            self.end(CloseReason::ProtocolError, None, ctx);
        }
    }

    fn drain_backlog(&mut self, ctx: &mut Context<Self>, task: &mut TaskContext<'_>) {
        let Link::Websocket(wire) = &self.link else { return };
        let (wire, slot) = (Rc::clone(wire), self.core.place.slot);
        while self.phase == Phase::Open && self.core.outboxes.borrow().has_backlog(slot) {
            let drained = self.core.outboxes.borrow_mut().drain(slot);
            match drained {
                Ok(true) => break,
                Ok(false) => match wire.poll_writable(task) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Pending => break, // reading goes on meanwhile
                    Poll::Ready(Err(_)) => self.lose_stream(ctx),
                },
                Err(_) => self.lose_stream(ctx),
            }
        }
    }
}

/// The future that reads a socket's stream; the context polls it whenever the actor is woken.
pub(super) struct Pump;

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
