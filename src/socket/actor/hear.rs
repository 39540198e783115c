//! What the client says: frames → packets → the namespace.

use actix::Context;
use bytes::Bytes;
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::{Link, Phase, Socket};
use crate::clock;
use crate::close::CloseReason;
use crate::protocol::ack::AckRef;
use crate::protocol::engineio::payload::base64;
use crate::protocol::engineio::{Packet, V3_MESSAGE, Version};
use crate::protocol::json::JsonFault;
use crate::protocol::socketio::{self, AckId, Kind as PacketKind, Reconstructor, SocketIoError};
use crate::protocol::websocket::{self, Opcode, Violation};
use crate::socket::Kind;
use crate::socket::asks::{NoReply, Reply};
use crate::socket::bucket::{Dropped, Verdict};
use crate::socket::conn::Word;
use crate::socket::inbox::Message;
use crate::socket::namespace::{Credentials, Incoming, Namespace, Raw};

/// A packet whose attachments are still to come.
pub(super) struct Assembling {
    binary: BinaryPacket,
    collector: Reconstructor,
}

/// What a packet with attachments said of itself.
struct BinaryPacket {
    kind: PacketKind,
    nsp: Box<str>,
    id: Option<Box<str>>,
    /// Too much was said: only its attachments have to be got out of the way.
    dropped: Option<Dropped>,
}

/// A packet with all that belongs to it.
struct Whole<'a> {
    kind: PacketKind,
    id: Option<AckId<'a>>,
    data: &'a RawValue,
    attachments: &'a [Bytes],
}

// ── messages ────────────────────────────────────────────────────────────────────────────────────────────

impl<N: Namespace> Socket<N> {
    /// Handles one message. Returns whether more may be handled.
    pub(super) fn hear(&mut self, message: Message<'_>, ctx: &mut Context<Self>) -> bool {
        if self.phase != Phase::Open {
            if message.opcode == Opcode::Close {
                self.finish(ctx); // the answer to ours
            }
            return true;
        }
        if matches!(self.link, Link::Probing(_)) {
            return self.hear_probe(&message, ctx);
        }
        match message.opcode {
            Opcode::Ping => {
                let pong = websocket::frame(Opcode::Pong, message.payload);
                self.core.words.push(Word::Framed(pong));
            }
            Opcode::Pong => {}
            Opcode::Close => self.hear_close(message.payload, ctx),
            Opcode::Text => match std::str::from_utf8(message.payload) {
                Ok(text) => self.hear_text(text, ctx),
                Err(_) => self.refuse_bytes(Violation::NotUtf8, ctx),
            },
            Opcode::Binary | Opcode::Continuation => self.hear_binary_frame(message.payload, ctx),
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

    fn hear_text(&mut self, text: &str, ctx: &mut Context<Self>) {
        match self.core.kind {
            Kind::Plain => self.hear_plain(text, ctx),
            Kind::Bare => self.hear_raw(Raw::Text(text), ctx),
            Kind::SocketIo | Kind::EngineIo => self.hear_engine(text, ctx),
        }
    }

    fn hear_binary_frame(&mut self, bytes: &[u8], ctx: &mut Context<Self>) {
        match (self.core.kind, self.core.dialog.version, bytes.split_first()) {
            (Kind::Plain, ..) => self.end(CloseReason::BinaryRefused, None, ctx),
            (Kind::Bare, ..) => self.hear_raw(Raw::Binary(bytes), ctx),
            (_, Version::V4, _) => self.hear_binary(bytes, ctx),
            (_, Version::V3, Some((&V3_MESSAGE, bytes))) => self.hear_binary(bytes, ctx),
            (_, Version::V3, _) => self.end(CloseReason::ProtocolError, None, ctx),
        }
    }

    /// A packet of Engine.IO's.
    pub(super) fn hear_engine(&mut self, text: &str, ctx: &mut Context<Self>) {
        match Packet::parse(text) {
            Ok(Packet::Message(text)) if self.core.kind == Kind::EngineIo => {
                self.hear_raw(Raw::Text(text), ctx);
            }
            Ok(Packet::Message(text)) => self.hear_socketio(text, ctx),
            Ok(Packet::Pong(_)) => {}
            Ok(Packet::Close) => self.end(CloseReason::ClientLeft, None, ctx),
            Ok(Packet::Ping(data)) => self.core.words.push(Word::Text(["3", data].concat())),
            // base64, where binary cannot be sent
            Err(_) if text.starts_with("b4") && self.core.dialog.version == Version::V3 => {
                match base64(&text.as_bytes()[2..]) {
                    Ok(bytes) => self.hear_binary(&bytes, ctx),
                    Err(_) => self.end(CloseReason::ProtocolError, None, ctx),
                }
            }
            Ok(_) | Err(_) => self.end(CloseReason::ProtocolError, None, ctx),
        }
    }

    fn hear_raw(&mut self, message: Raw<'_>, ctx: &mut Context<Self>) {
        let Some(verdict) = self.weigh(ctx) else { return };
        if verdict.is_none() {
            self.with_member(0, ctx, |namespace, conn| namespace.raw(conn, message));
        }
    }

    /// Every packet but heartbeats counts against what a client may say. None where it was too much for
    /// good; else whether this one is dropped, and how long to wait.
    fn weigh(&mut self, ctx: &mut Context<Self>) -> Option<Option<Dropped>> {
        match self.bucket.take(self.station.rate, clock::uptime_ms()) {
            Verdict::Heard => Some(None),
            Verdict::Dropped(dropped) => Some(Some(dropped)),
            Verdict::Enough => {
                self.end(CloseReason::RateLimited, None, ctx);
                None
            }
        }
    }

    /// Tells a client that has been let in that its event was dropped; a stranger is told nothing.
    fn say_dropped(&mut self, at: usize, event: Incoming<'_>, dropped: Dropped, ctx: &mut Context<Self>) {
        if self.is_in(at) {
            self.with_member(at, ctx, |namespace, conn| namespace.flooded(conn, event, dropped));
        }
    }
}

// ── Socket.IO ───────────────────────────────────────────────────────────────────────────────────────────

impl<N: Namespace> Socket<N> {
    fn hear_socketio(&mut self, text: &str, ctx: &mut Context<Self>) {
        let Some(verdict) = self.weigh(ctx) else { return };
        if self.assembling.is_some() {
            return self.refuse_packet(SocketIoError::UnexpectedText, ctx);
        }
        let packet = match socketio::Packet::parse(text) {
            Ok(packet) => packet,
            Err(error) => return self.hear_malformed(text, error, ctx),
        };
        match (packet.kind, packet.data) {
            (PacketKind::Connect, payload) if verdict.is_none() => {
                self.hear_connect(packet.nsp, Credentials { payload, query: packet.query, ack: None }, ctx);
            }
            (PacketKind::Disconnect, _) => {
                if let Some(at) = self.member_of(packet.nsp) {
                    self.hear_disconnect(at, ctx);
                }
            }
            (kind, Some(_)) if kind.is_binary() => self.begin_assembling(&packet, verdict, ctx),
            (kind, Some(data)) => {
                let whole = Whole { kind, id: packet.id, data, attachments: &[] };
                self.hear_whole(packet.nsp, &whole, verdict, ctx);
            }
            _ => {}
        }
    }

    fn refuse_packet(&mut self, error: SocketIoError, ctx: &mut Context<Self>) {
        log::debug!("session {}: {error}", self.core.place.uid.0);
        self.end(CloseReason::ProtocolError, None, ctx);
    }

    /// JSON that other servers would take is refused with an answer; what is no packet ends the session.
    fn hear_malformed(&mut self, text: &str, error: SocketIoError, ctx: &mut Context<Self>) {
        let (nsp, id) = socketio::Packet::address_of(text).unwrap_or(("/", None));
        let member = self.member_of(nsp).filter(|at| self.is_in(*at));
        match (error, member) {
            (SocketIoError::Json(fault), Some(at)) if fault != JsonFault::Grammar => {
                let ack = id.map(|id| AckRef::within(nsp, id));
                self.with_member(at, ctx, |namespace, conn| {
                    namespace.malformed(conn, ack, &fault.to_string());
                });
            }
            _ => self.refuse_packet(error, ctx),
        }
    }

    /// An event or an ack that is all there.
    fn hear_whole(
        &mut self,
        nsp: &str,
        packet: &Whole<'_>,
        dropped: Option<Dropped>,
        ctx: &mut Context<Self>,
    ) {
        let at = self.member_of(nsp).filter(|at| self.is_in(*at));
        match (at, packet.kind) {
            (Some(at), PacketKind::Event | PacketKind::BinaryEvent) => {
                self.hear_event(at, nsp, packet, dropped, ctx);
            }
            (Some(at), _) if dropped.is_none() => self.hear_ack(at, packet, ctx),
            // before CONNECT nothing is said; what comes for a namespace that was left is late
            (None, _) if self.members.is_empty() && self.numbered == 0 => {
                self.end(CloseReason::ProtocolError, None, ctx);
            }
            _ => {}
        }
    }

    fn hear_event(
        &mut self,
        at: usize,
        nsp: &str,
        packet: &Whole<'_>,
        dropped: Option<Dropped>,
        ctx: &mut Context<Self>,
    ) {
        let event = match socketio::Event::parse(packet.data) {
            Ok(event) => event,
            Err(error) => return self.refuse_packet(error, ctx),
        };
        let incoming = Incoming {
            name: event.name,
            data: event.args.first().copied(),
            args: &event.args,
            attachments: packet.attachments,
            ack: packet.id.map(|id| AckRef::within(nsp, id)),
        };
        match dropped {
            Some(dropped) => self.say_dropped(at, incoming, dropped, ctx),
            None => self.with_member(at, ctx, |namespace, conn| namespace.event(conn, incoming)),
        }
    }

    /// An ack that nobody asked for, or that comes late, is dropped.
    fn hear_ack(&mut self, at: usize, packet: &Whole<'_>, ctx: &mut Context<Self>) {
        let (Some(id), Some(asks)) = (packet.id, &mut self.asks) else { return };
        let Some(then) = asks.take(id.number(), self.members[at].number, ctx) else { return };
        match socketio::packet::elements(packet.data) {
            Ok(args) => {
                let reply = Reply { args: &args, attachments: packet.attachments };
                self.with_member(at, ctx, |namespace, conn| then(namespace, conn, Ok(reply)));
            }
            Err(error) => self.refuse_packet(error, ctx),
        }
    }

    /// The time for an ack is over.
    pub(in crate::socket) fn give_up(&mut self, id: u64, ctx: &mut Context<Self>) {
        let late = self.asks.as_mut().and_then(|asks| asks.take_late(id));
        let Some((number, then)) = late else { return };
        if let Some(at) = self.members.iter().position(|member| member.number == number) {
            self.with_member(at, ctx, |namespace, conn| then(namespace, conn, Err(NoReply)));
        }
    }

    // ── attachments ─────────────────────────────────────────────────────────────────────────────────────

    fn begin_assembling(
        &mut self,
        packet: &socketio::Packet<'_>,
        dropped: Option<Dropped>,
        ctx: &mut Context<Self>,
    ) {
        let binary = BinaryPacket {
            kind: packet.kind,
            nsp: packet.nsp.into(),
            id: packet.id.map(|id| id.as_str().into()),
            dropped,
        };
        match Reconstructor::new(packet, self.limits.bytes) {
            Ok(collector) => self.go_on_assembling(Assembling { binary, collector }, ctx),
            Err(error) => self.refuse_packet(error, ctx),
        }
    }

    /// The bytes of a binary message.
    pub(super) fn hear_binary(&mut self, bytes: &[u8], ctx: &mut Context<Self>) {
        if self.core.kind == Kind::EngineIo {
            return self.hear_raw(Raw::Binary(bytes), ctx);
        }
        let Some(mut assembling) = self.assembling.take() else {
            return self.refuse_packet(SocketIoError::UnexpectedBinary, ctx);
        };
        match assembling.collector.add(Bytes::copy_from_slice(bytes)) {
            Ok(()) => self.go_on_assembling(*assembling, ctx),
            Err(error) => self.refuse_packet(error, ctx),
        }
    }

    fn go_on_assembling(&mut self, assembling: Assembling, ctx: &mut Context<Self>) {
        let Assembling { binary, collector } = assembling;
        let payload = match collector.finish() {
            Ok(payload) => payload,
            Err(collector) => {
                self.assembling = Some(Box::new(Assembling { binary, collector }));
                return;
            }
        };
        // the packet was read when it came: what could fail here has not failed then
        let Ok(data) = serde_json::from_str::<&RawValue>(&payload.json) else { return };
        let id = binary.id.as_deref().and_then(|digits| AckId::new(digits).ok());
        let whole = Whole { kind: binary.kind, id, data, attachments: &payload.attachments };
        self.hear_whole(&binary.nsp, &whole, binary.dropped, ctx);
    }
}

// ── the plain protocol ──────────────────────────────────────────────────────────────────────────────────

impl<N: Namespace> Socket<N> {
    fn hear_plain(&mut self, text: &str, ctx: &mut Context<Self>) {
        use crate::protocol::plain;
        let Some(verdict) = self.weigh(ctx) else { return };
        match plain::Request::parse(text) {
            Err(_) if verdict.is_some() => {}
            Err(refused) => {
                let ack = refused.id.map(AckRef::from);
                let what = refused.fault.to_string();
                self.with_member(0, ctx, |namespace, conn| namespace.malformed(conn, ack, &what));
            }
            Ok(request) => {
                let args: SmallVec<[&RawValue; 1]> = request.data.into_iter().collect();
                let incoming = Incoming {
                    name: request.event,
                    data: request.data,
                    args: &args,
                    attachments: &[],
                    ack: request.id.map(AckRef::from),
                };
                match verdict {
                    Some(dropped) => self.say_dropped(0, incoming, dropped, ctx),
                    None => self.hear_request(incoming, ctx),
                }
            }
        }
    }

    fn hear_request(&mut self, request: Incoming<'_>, ctx: &mut Context<Self>) {
        if request.name == "auth" {
            return self.hear_connect(
                "/",
                Credentials { payload: request.data, query: None, ack: request.ack },
                ctx,
            );
        }
        let known = self.is_in(0);
        self.with_member(0, ctx, |namespace, conn| match known {
            true => namespace.event(conn, request),
            false => namespace.stranger(conn, request),
        });
    }
}
