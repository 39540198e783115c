//! What the client says: frames → packets → the namespace.

use actix::Context;
use serde_json::value::RawValue;

use super::super::bucket::{Dropped, Verdict};
use super::super::inbox::Message;
use super::super::namespace::{Incoming, Namespace};
use super::{Phase, Socket};
use crate::clock;
use crate::close::CloseReason;
use crate::protocol::ack::AckRef;
use crate::protocol::frame::Dialect;
use crate::protocol::json::JsonFault;
use crate::protocol::socketio::SocketIoError;
use crate::protocol::websocket::{self, Opcode, Violation};
use crate::protocol::{engineio, plain, socketio};

impl<N: Namespace> Socket<N> {
    /// Handles one message. Returns whether more may be handled.
    pub(super) fn hear(&mut self, message: Message<'_>, ctx: &mut Context<Self>) -> bool {
        if self.phase != Phase::Open {
            if message.opcode == Opcode::Close {
                self.finish(ctx); // the answer to ours
            }
            return true;
        }
        match message.opcode {
            Opcode::Ping => self.core.words.push(websocket::frame(Opcode::Pong, message.payload)),
            Opcode::Pong => {}
            Opcode::Close => self.hear_close(message.payload, ctx),
            Opcode::Text => match std::str::from_utf8(message.payload) {
                Ok(text) if self.core.dialect == Dialect::Plain => self.hear_plain(text, ctx),
                Ok(text) => self.hear_engine(text, ctx),
                Err(_) => self.refuse_bytes(Violation::NotUtf8, ctx),
            },
            Opcode::Binary | Opcode::Continuation => self.hear_binary(ctx),
        }
        if self.phase == Phase::Open {
            self.core.speak();
        }
        self.phase == Phase::Open && !self.core.connecting
    }

    fn hear_close(&mut self, payload: &[u8], ctx: &mut Context<Self>) {
        match websocket::close_code(payload) {
            Ok(code) => self.end(CloseReason::ClientLeft, Some(code.unwrap_or(1000)), ctx),
            Err(violation) => self.refuse_bytes(violation, ctx),
        }
        self.finish(ctx); // both sides have closed
    }

    fn hear_binary(&mut self, ctx: &mut Context<Self>) {
        let reason = match self.core.dialect {
            Dialect::Plain => CloseReason::BinaryRefused,
            Dialect::SocketIo => CloseReason::ProtocolError,
        };
        self.end(reason, None, ctx);
    }

    fn hear_engine(&mut self, text: &str, ctx: &mut Context<Self>) {
        match engineio::Packet::parse(text) {
            Ok(engineio::Packet::Message(text)) => self.hear_socketio(text, ctx),
            Ok(engineio::Packet::Pong(_)) => {}
            Ok(engineio::Packet::Close) => self.end(CloseReason::ClientLeft, None, ctx),
            Ok(engineio::Packet::Ping(data)) => self.core.words.push(engineio::pong_frame(data)),
            Ok(_) | Err(_) => self.end(CloseReason::ProtocolError, None, ctx),
        }
    }

    fn hear_socketio(&mut self, text: &str, ctx: &mut Context<Self>) {
        let Some(verdict) = self.weigh(ctx) else { return };
        let packet = match socketio::Packet::parse(text) {
            Ok(packet) => packet,
            Err(error) => return self.hear_malformed(text, error, ctx),
        };
        if let Some(dropped) = verdict {
            if packet.kind == socketio::Kind::Event
                && let Ok(event) = packet.event()
            {
                let ack = packet.id.map(AckRef::from);
                self.say_dropped(Incoming { name: event.name, data: None, ack }, dropped, ctx);
            }
            return;
        }
        if packet.nsp != "/" {
            return self.hear_elsewhere(&packet);
        }
        match packet.kind {
            socketio::Kind::Connect => self.hear_connect(packet.data, ctx),
            socketio::Kind::Disconnect => self.end(CloseReason::ClientLeft, None, ctx),
            socketio::Kind::Event if self.state.is_some() => self.hear_event(&packet, ctx),
            socketio::Kind::Ack => {} // nobody asked for it
            _ => self.end(CloseReason::ProtocolError, None, ctx),
        }
    }

    /// JSON that other servers would take is refused with an answer; what is no packet ends the session.
    fn hear_malformed(&mut self, text: &str, error: SocketIoError, ctx: &mut Context<Self>) {
        log::debug!("socket {}: {error}", self.core.id);
        match error {
            SocketIoError::Json(fault) if fault != JsonFault::Grammar && self.state.is_some() => {
                let ack = socketio::Packet::ack_of(text).map(AckRef::from);
                self.with_namespace(ctx, |namespace, conn| {
                    namespace.malformed(conn, ack, &fault.to_string())
                });
            }
            _ => self.end(CloseReason::ProtocolError, None, ctx),
        }
    }

    /// Only `/` is served.
    fn hear_elsewhere(&mut self, packet: &socketio::Packet<'_>) {
        if packet.kind == socketio::Kind::Connect {
            self.core.words.push(socketio::connect_error(packet.nsp, "Invalid namespace", None));
        }
    }

    /// A client that is in already has nothing to prove: a second CONNECT changes nothing.
    pub(super) fn hear_connect(&mut self, payload: Option<&RawValue>, ctx: &mut Context<Self>) {
        if self.state.is_none() && !self.core.connecting {
            self.core.connecting = true;
            self.with_namespace(ctx, |namespace, conn| namespace.connect(conn, payload));
        }
    }

    fn hear_event(&mut self, packet: &socketio::Packet<'_>, ctx: &mut Context<Self>) {
        match packet.event() {
            Ok(event) => {
                let data = event.args.first().copied();
                let incoming = Incoming { name: event.name, data, ack: packet.id.map(AckRef::from) };
                self.with_namespace(ctx, |namespace, conn| namespace.event(conn, incoming));
            }
            Err(_) => self.end(CloseReason::ProtocolError, None, ctx),
        }
    }

    fn hear_request(&mut self, request: Incoming<'_>, ctx: &mut Context<Self>) {
        if request.name == "auth" {
            return self.hear_connect(request.data, ctx);
        }
        let known = self.state.is_some();
        self.with_namespace(ctx, |namespace, conn| match known {
            true => namespace.event(conn, request),
            false => namespace.stranger(conn, request),
        });
    }

    /// Every packet but heartbeats counts against what a client may say. None where it was too much for
    /// good; else whether this one is dropped, and how long to wait.
    fn weigh(&mut self, ctx: &mut Context<Self>) -> Option<Option<Dropped>> {
        match self.bucket.take(self.rate, clock::uptime_ms()) {
            Verdict::Heard => Some(None),
            Verdict::Dropped(dropped) => Some(Some(dropped)),
            Verdict::Enough => {
                self.end(CloseReason::RateLimited, None, ctx);
                None
            }
        }
    }

    /// Tells a client that has been let in that its event was dropped; a stranger is told nothing.
    fn say_dropped(&mut self, event: Incoming<'_>, dropped: Dropped, ctx: &mut Context<Self>) {
        if self.state.is_some() {
            self.with_namespace(ctx, |namespace, conn| namespace.flooded(conn, event, dropped));
        }
    }

    fn hear_plain(&mut self, text: &str, ctx: &mut Context<Self>) {
        let Some(verdict) = self.weigh(ctx) else { return };
        match plain::Request::parse(text) {
            Err(_) if verdict.is_some() => {}
            Err(refused) => {
                let ack = refused.id.map(AckRef::from);
                let what = refused.fault.to_string();
                self.with_namespace(ctx, |namespace, conn| namespace.malformed(conn, ack, &what));
            }
            Ok(request) => {
                let ack = request.id.map(AckRef::from);
                let incoming = Incoming { name: request.event, data: request.data, ack };
                match verdict {
                    Some(dropped) => self.say_dropped(incoming, dropped, ctx),
                    None => self.hear_request(incoming, ctx),
                }
            }
        }
    }
}
