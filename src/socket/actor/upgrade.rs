//! A websocket takes a polled session over.
//!
//! The client probes it with a ping; the answer tells it to poll no more, and the poll that is open is
//! released with a noop. What waits meanwhile waits in the outbox, and leaves by the websocket once the
//! client says that it has changed: nothing is copied, lost or reordered. Until then the session is polled,
//! whatever becomes of the websocket.

use std::rc::Rc;
use std::time::Duration;

use actix::{AsyncContext as _, Context};

use super::{Link, Probe, Socket};
use crate::protocol::engineio::{self, Carriage, Dialog, Piece};
use crate::protocol::frame::Dialect;
use crate::protocol::websocket::{self, Opcode};
use crate::socket::conn::Word;
use crate::socket::inbox::{Inbox, Message};
use crate::socket::namespace::Namespace;
use crate::socket::visit::Candidate;
use crate::socket::wire::Wire;

/// A websocket that has not taken over by then is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a client that goes on polling meanwhile is released.
const RELEASE: Duration = Duration::from_millis(100);

impl<N: Namespace> Socket<N> {
    /// Of two that try at once, the first one wins; the other is dropped, and so closed.
    pub(super) fn begin_probe(&mut self, candidate: Candidate, ctx: &mut Context<Self>) {
        if !matches!(self.link, Link::Polling) {
            return;
        }
        let Ok(stream) = tokio::net::TcpStream::from_std(candidate.stream) else { return };
        let wire = Rc::new(Wire::new(stream, candidate.held));
        self.inbox = Inbox::new(self.limits, &candidate.already_read);
        self.link = Link::Probing(Probe { wire: Rc::clone(&wire), answered: false });
        let this = Rc::downgrade(&wire);
        ctx.run_later(PATIENCE, move |socket, _| {
            if matches!(&socket.link, Link::Probing(probe) if Rc::as_ptr(&probe.wire) == this.as_ptr()) {
                socket.give_probe_up();
            }
        });
    }

    /// The session goes on by polling.
    pub(super) fn give_probe_up(&mut self) {
        log::debug!("session {}: its upgrade came to nothing", self.core.place.uid.0);
        self.link = Link::Polling;
        self.inbox = Inbox::new(self.limits, &[]);
    }

    /// Handles one message of a websocket that has still to prove itself. Returns whether more may be
    /// handled.
    pub(super) fn hear_probe(&mut self, message: &Message<'_>, ctx: &mut Context<Self>) -> bool {
        let Link::Probing(probe) = &mut self.link else { return false };
        match (message.opcode, message.payload) {
            (Opcode::Text, b"2probe") => {
                let pong = Carriage::Websocket(Dialog::V4).carry([Piece::Text("3probe")]);
                probe.answered = true;
                if !says(&probe.wire, &pong) {
                    self.give_probe_up();
                    return false;
                }
                self.release_poll_while_probing();
                self.keep_releasing(ctx);
                true
            }
            (Opcode::Text, b"5") if probe.answered => {
                self.change_transport();
                true
            }
            (Opcode::Ping, data) => says(&probe.wire, &websocket::frame(Opcode::Pong, data)),
            (Opcode::Pong, _) => true,
            _ => {
                self.give_probe_up();
                false
            }
        }
    }

    /// A poll that is open must not hold up a client that waits for it before it changes its transport.
    pub(super) fn release_poll_while_probing(&mut self) {
        if matches!(&self.link, Link::Probing(Probe { answered: true, .. })) {
            self.release_poll();
        }
    }

    fn release_poll(&mut self) {
        if self.core.outboxes.borrow_mut().open_poll(self.core.place.slot).is_some() {
            self.core.words.push(Word::Text(engineio::NOOP.to_owned()));
            self.core.speak();
        }
    }

    fn keep_releasing(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(RELEASE, |socket, ctx| {
            if matches!(socket.link, Link::Probing(_)) {
                socket.release_poll_while_probing();
                socket.keep_releasing(ctx);
            }
        });
    }

    fn change_transport(&mut self) {
        self.release_poll();
        let Link::Probing(probe) = std::mem::replace(&mut self.link, Link::Polling) else { return };
        self.core.outboxes.borrow_mut().change_to(self.core.place.slot, Rc::clone(&probe.wire));
        self.core.dialect = Dialect::SocketIo;
        self.link = Link::Websocket(probe.wire);
    }
}

/// Says a few bytes on a stream on which nothing waits. Returns whether they left.
fn says(wire: &Wire, bytes: &[u8]) -> bool {
    wire.try_write(bytes).is_ok_and(|sent| sent == bytes.len())
}
