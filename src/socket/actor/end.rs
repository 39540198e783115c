//! How a session ends.

use std::rc::Rc;
use std::time::Duration;

use actix::{AsyncContext as _, Context};

use super::{Link, Phase, Socket};
use crate::close::{CloseReason, Farewell};
use crate::protocol::engineio::HandshakeError;
use crate::protocol::frame::Event;
use crate::protocol::socketio;
use crate::protocol::websocket::{self, Violation};
use crate::socket::Kind;
use crate::socket::conn::Word;
use crate::socket::namespace::Namespace;
use crate::socket::wire::Wire;

/// How long a closed session waits for the peer to close its side too, or to come for its last words.
const LINGER: Duration = Duration::from_secs(2);

impl<N: Namespace> Socket<N> {
    /// The one way a session ends. `code` is the close code where the reason alone does not say it.
    pub(super) fn end(&mut self, reason: CloseReason, code: Option<u16>, ctx: &mut Context<Self>) {
        if self.phase != Phase::Open {
            return;
        }
        self.phase = Phase::Lingering;
        log::debug!("session {} closed: {}", self.core.place.uid.0, reason.code());
        if reason.farewell() == Farewell::Drop || reason == CloseReason::PingTimeout {
            self.core.outboxes.borrow_mut().cut_answer_off(self.core.place.slot);
        }
        let told = self.say_farewell(reason, code);
        if !told && matches!(reason, CloseReason::SlowConsumer | CloseReason::PingTimeout) {
            self.abandon();
        }
        self.close_post(if reason.is_a_fault() { Err(HandshakeError::BadRequest) } else { Ok(()) });
        let place = self.core.place;
        self.leave = None;
        self.core.outboxes.borrow_mut().close(place.slot, place.uid);
        self.asks = None;
        for member in self.members.drain(..) {
            self.station.namespace.disconnect(place, member.state, reason);
        }
        if told {
            ctx.run_later(LINGER, |act, ctx| act.finish(ctx));
        } else {
            self.finish(ctx);
        }
    }

    /// Says why, behind all that waits. Returns whether the peer may still have something to say, or to
    /// come for; what a peer does not take at once is not waited for.
    fn say_farewell(&mut self, reason: CloseReason, code: Option<u16>) -> bool {
        if reason.farewell() == Farewell::Drop {
            return false;
        }
        self.say_why(reason);
        match &self.link {
            Link::Websocket(wire) => self.say_end_of_websocket(&Rc::clone(wire), reason, code),
            Link::Polling | Link::Probing(_) => !self.say_last_words(reason),
        }
    }

    fn say_why(&mut self, reason: CloseReason) {
        if !matches!(self.core.kind, Kind::SocketIo | Kind::Plain) {
            return;
        }
        if let Some(data) = self.station.namespace.farewell(reason) {
            let event = Event::from_json("error", data.into_boxed_str());
            self.core.words.push(Word::Framed(event.frame(self.core.dialect).clone()));
        }
        if self.core.kind == Kind::SocketIo && reason.farewell() == Farewell::Disconnect {
            let goodbyes = self.members.iter().map(|member| Word::Packet(socketio::disconnect(member.nsp())));
            self.core.words.extend(goodbyes);
        }
    }

    /// Ends the websocket: with a close frame, or, where a client of Engine.IO is to come back, with the end of
    /// the stream. okhttp (the Java client) reads no further than a close frame and waits for its own side to
    /// close: it would come back at its ping timeout only.
    fn say_end_of_websocket(&mut self, wire: &Wire, reason: CloseReason, code: Option<u16>) -> bool {
        let engine = matches!(self.core.kind, Kind::SocketIo | Kind::EngineIo);
        let comes_back = reason.farewell() == Farewell::Close && !reason.is_a_fault() && code.is_none();
        let bare_end = engine && comes_back;
        if !bare_end {
            let default =
                if engine && reason != CloseReason::TooBig { 1000 } else { reason.websocket_code() };
            let frame = websocket::close_frame(code.unwrap_or(default), reason.code());
            self.core.words.push(Word::Framed(frame));
        }
        self.core.speak();
        if bare_end {
            wire.shut();
        }
        !self.core.outboxes.borrow().has_backlog(self.core.place.slot)
    }

    /// Nothing of what the peer has not read is held for it any longer.
    fn abandon(&self) {
        if let Link::Websocket(wire) = &self.link {
            wire.abandon();
        }
    }

    pub(super) fn refuse_bytes(&mut self, violation: Violation, ctx: &mut Context<Self>) {
        let reason = match violation {
            Violation::TooBig => CloseReason::TooBig,
            Violation::Protocol(_) | Violation::Close | Violation::NotUtf8 => CloseReason::ProtocolError,
        };
        self.end(reason, Some(violation.close_code()), ctx);
        if violation == Violation::Close {
            self.finish(ctx); // both sides have closed
        }
    }
}
