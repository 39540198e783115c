//! Socket.IO's namespaces that a client is connected to. Other kinds of connections have one member, from
//! the beginning.

use actix::Context;

use super::{Phase, Socket};
use crate::close::CloseReason;
use crate::ids::Sid;
use crate::protocol::ack::{Outcome, ack_frame};
use crate::protocol::engineio::Version;
use crate::protocol::socketio;
use crate::socket::Kind;
use crate::socket::conn::{Member, Word};
use crate::socket::namespace::{Credentials, Namespace};
use crate::socket::outbox::Beat;

impl<N: Namespace> Socket<N> {
    /// Who is here as soon as the session begins.
    pub(super) fn first_member(&mut self, ctx: &mut Context<Self>) {
        match self.core.kind {
            Kind::SocketIo => {
                self.station.await_admission(self.core.place);
                if self.core.dialog.version == Version::V3 {
                    self.hear_connect("/", Credentials::default(), ctx);
                }
            }
            Kind::Plain => {
                self.station.await_admission(self.core.place);
                self.add_member("/");
                if self.core.peer.token.is_some() {
                    self.hear_connect("/", Credentials::default(), ctx);
                }
            }
            Kind::EngineIo | Kind::Bare => drop(self.add_member("/")),
        }
    }

    pub(super) fn member_of(&self, nsp: &str) -> Option<usize> {
        self.members.iter().position(|member| member.nsp() == nsp)
    }

    /// Whether a client has been let in there.
    pub(super) fn is_in(&self, at: usize) -> bool {
        self.members[at].state.is_some()
    }

    fn add_member(&mut self, nsp: &str) -> usize {
        self.numbered += 1;
        // clients of Socket.IO 2 take the session's name for the socket's
        let old = self.core.kind == Kind::SocketIo && self.core.dialog.version == Version::V3 && nsp == "/";
        self.members.push(Member {
            number: self.numbered,
            nsp: (nsp != "/").then(|| nsp.into()),
            id: if old { self.sid } else { Sid::new(0, self.station.worker) },
            state: None,
        });
        self.members.len() - 1
    }

    /// A client asks to be let in. One that is in already has nothing to prove: a second CONNECT changes
    /// nothing.
    pub(super) fn hear_connect(&mut self, nsp: &str, credentials: Credentials<'_>, ctx: &mut Context<Self>) {
        if !self.station.namespace.serves(nsp) {
            let version = self.core.dialog.version;
            let refusal = socketio::connect_error(version, nsp, "Invalid namespace", None);
            return self.core.words.push(Word::Packet(refusal));
        }
        let at = self.member_of(nsp);
        if self.core.connecting || at.is_some_and(|at| self.is_in(at)) {
            // it changes nothing, but who asked for an answer gets one
            if let Some(ack) = credentials.ack {
                self.core.words.push(Word::Framed(ack_frame(self.core.dialect, &ack, &Outcome::Ok(None))));
            }
            return;
        }
        let at = at.unwrap_or_else(|| self.add_member(nsp));
        self.core.connecting = true;
        self.with_member(at, ctx, |namespace, conn| namespace.connect(conn, credentials));
    }

    /// Lets the namespace look at everyone who has been let in.
    pub(super) fn review(&mut self, ctx: &mut Context<Self>) {
        let mut at = 0;
        while self.phase == Phase::Open && at < self.members.len() {
            if self.is_in(at) {
                self.with_member(at, ctx, |namespace, conn| namespace.review(conn));
            }
            at += 1;
        }
    }

    /// A Socket.IO client that was refused leaves nothing behind; it may ask again.
    pub(super) fn forget_refused(&mut self) {
        if self.core.kind == Kind::SocketIo && !self.core.connecting {
            self.members.retain(|member| member.state.is_some());
        }
    }

    /// A client leaves a namespace. The transport stays: it may come again, for as long as anybody has who
    /// has not been let in.
    pub(super) fn hear_disconnect(&mut self, at: usize, ctx: &mut Context<Self>) {
        let member = self.members.remove(at);
        if let Some(asks) = &mut self.asks {
            asks.forget(member.number, ctx);
        }
        let place = self.core.place;
        if self.members.is_empty() {
            self.leave = None;
            self.take_a_new_seat();
        }
        self.station.namespace.disconnect(place, member.state, CloseReason::ClientLeft);
    }

    /// Whatever is still under way to the client that has left must not reach the next one.
    fn take_a_new_seat(&mut self) {
        let slot = self.core.place.slot;
        let uid = self.station.next_uid();
        let beat = {
            let mut outboxes = self.core.outboxes.borrow_mut();
            outboxes.renew(slot, uid);
            outboxes.beat(slot)
        };
        debug_assert_ne!(beat, Beat::None);
        let (place, leave) = self.station.seat(slot, uid, beat);
        (self.core.place, self.leave) = (place, Some(leave));
        self.station.await_admission(place);
    }
}
