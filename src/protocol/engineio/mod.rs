//! Engine.IO, versions 3 and 4: packets, and the answers to bad handshakes.
//!
//! | file | what |
//! |---|---|
//! | [`carriage`] | how packets travel: as websocket messages, or as records that wait for a poll |
//! | [`payload`] | the bodies of long-polling |
//!
//! Source: `docs/engine.io-protocol/v4-current.md` and `v3.md` of the Socket.IO project.

pub mod carriage;
pub mod payload;

pub use carriage::{Carriage, Piece};

use bytes::Bytes;
use serde::Serialize;
use thiserror::Error;

use super::write::quoted;

/// The server's ping, a whole websocket frame.
pub static PING_FRAME: Bytes = Bytes::from_static(b"\x81\x012");
/// The server's ping, as it waits for a poll.
pub static PING_RECORD: Bytes = Bytes::from_static(b"\x1e2");
/// The type byte of a binary message in version 3.
pub const V3_MESSAGE: u8 = 4;
/// A close packet.
pub const CLOSE: &str = "1";
/// A noop: it ends a poll that has nothing else to say.
pub const NOOP: &str = "6";

/// The packet that asks a client of version 4 for a sign of life.
pub const PING: &str = "2";

/// A version of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Version {
    /// Clients of Socket.IO 1 and 2: the client pings, and is connected to `/` without asking.
    V3,
    /// Clients of Socket.IO 3 and 4: the server pings, and the client asks to be connected.
    V4,
}

/// What a session agreed on at its handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dialog {
    /// The protocol's version.
    pub version: Version,
    /// The client takes binary only as base64 (`b64=1`, version 3 alone).
    pub base64: bool,
}

impl Dialog {
    /// Version 4.
    pub const V4: Dialog = Dialog { version: Version::V4, base64: false };
}

/// A packet in a text message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    /// `0`: only a server sends it.
    Open,
    /// `1`: the peer leaves.
    Close,
    /// `2` and its data: from a client only as a probe.
    Ping(&'a str),
    /// `3` and its data.
    Pong(&'a str),
    /// `4` and what is in it, a Socket.IO packet.
    Message(&'a str),
    /// `5`: the client uses this transport from now on.
    Upgrade,
    /// `6`.
    Noop,
}

/// Text that is no Engine.IO packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum EngineIoError {
    /// Not even a type.
    #[error("an empty packet")]
    Empty,
    /// A first character other than `0` to `6`.
    #[error("an unknown packet type")]
    UnknownType,
}

impl<'a> Packet<'a> {
    /// Reads a text message. Data behind a type that has none is ignored, as the reference server does.
    ///
    /// # Errors
    /// An empty message, an unknown type.
    pub fn parse(text: &'a str) -> Result<Packet<'a>, EngineIoError> {
        let kind = *text.as_bytes().first().ok_or(EngineIoError::Empty)?;
        let data = text.get(1..).unwrap_or_default();
        Ok(match kind {
            b'0' => Packet::Open,
            b'1' => Packet::Close,
            b'2' => Packet::Ping(data),
            b'3' => Packet::Pong(data),
            b'4' => Packet::Message(data),
            b'5' => Packet::Upgrade,
            b'6' => Packet::Noop,
            _ => return Err(EngineIoError::UnknownType),
        })
    }
}

/// What the open packet tells a client. The order of the fields is that of the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Open<'a> {
    sid: &'a str,
    upgrades: &'a [&'a str],
    ping_interval: u64,
    ping_timeout: u64,
    max_payload: usize,
}

/// The text of the open packet. Times in milliseconds, `max_payload` in bytes.
pub fn open(
    sid: &str,
    upgrades: &[&str],
    ping_interval_ms: u64,
    ping_timeout_ms: u64,
    max_payload: usize,
) -> String {
    let open =
        Open { sid, upgrades, ping_interval: ping_interval_ms, ping_timeout: ping_timeout_ms, max_payload };
    // serde_json cannot fail on strings and numbers
    format!("0{}", serde_json::to_string(&open).unwrap_or_default())
}

/// Why a handshake, or a request of a session, is refused over HTTP.
///
/// The protocol has six codes; what it has no code for is "forbidden" with a text that says more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum HandshakeError {
    /// No transport of that name.
    #[error("Transport unknown")]
    TransportUnknown,
    /// No session of that id.
    #[error("Session ID unknown")]
    SessionUnknown,
    /// A handshake that is no GET.
    #[error("Bad handshake method")]
    BadMethod,
    /// Anything else that is wrong with the request.
    #[error("Bad request")]
    BadRequest,
    /// A body over the largest message.
    #[error("Payload too large")]
    TooLarge,
    /// A body that did not come in time.
    #[error("Request timeout")]
    Timeout,
    /// The origin is not allowed.
    #[error("Forbidden")]
    Forbidden,
    /// Too many handshakes from this address.
    #[error("Rate limit exceeded")]
    RateLimited,
    /// Too many open connections.
    #[error("Connection limit exceeded")]
    ConnectionLimit,
    /// Not yet ready, or a part is missing.
    #[error("Temporarily unavailable")]
    Unavailable,
    /// The server is going down.
    #[error("Server is shutting down")]
    ShuttingDown,
    /// `EIO` is missing or names a version that is not served.
    #[error("Unsupported protocol version")]
    UnsupportedVersion,
}

impl HandshakeError {
    /// The protocol's code, 0 to 5.
    pub fn code(self) -> u8 {
        match self {
            HandshakeError::TransportUnknown => 0,
            HandshakeError::SessionUnknown => 1,
            HandshakeError::BadMethod => 2,
            HandshakeError::BadRequest | HandshakeError::TooLarge | HandshakeError::Timeout => 3,
            HandshakeError::UnsupportedVersion => 5,
            _ => 4,
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            HandshakeError::Forbidden => 403,
            HandshakeError::Timeout => 408,
            HandshakeError::TooLarge => 413,
            HandshakeError::RateLimited => 429,
            HandshakeError::ConnectionLimit | HandshakeError::Unavailable | HandshakeError::ShuttingDown => {
                503
            }
            _ => 400,
        }
    }

    /// The text that goes with the code.
    pub fn message(self) -> String {
        self.to_string()
    }

    /// The body of the answer, JSON.
    pub fn body(self) -> String {
        format!("{{\"code\":{},\"message\":{}}}", self.code(), quoted(&self.message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_read_and_anything_else_refused() {
        assert_eq!(Packet::parse("0{}"), Ok(Packet::Open));
        assert_eq!(Packet::parse("1"), Ok(Packet::Close));
        assert_eq!(Packet::parse("2probe"), Ok(Packet::Ping("probe")));
        assert_eq!(Packet::parse("3"), Ok(Packet::Pong("")));
        assert_eq!(Packet::parse("42[\"é\"]"), Ok(Packet::Message("2[\"é\"]")));
        assert_eq!(Packet::parse("5"), Ok(Packet::Upgrade));
        assert_eq!(Packet::parse("6"), Ok(Packet::Noop));
        assert_eq!(Packet::parse(""), Err(EngineIoError::Empty));
        for bad in ["7", "b4", "é", " 4", "\u{1e}"] {
            assert_eq!(Packet::parse(bad), Err(EngineIoError::UnknownType), "{bad}");
        }
    }

    #[test]
    fn the_open_packet_has_exactly_its_keys_in_order() {
        let packet = open("abc", &["websocket"], 25_000, 60_000, 1_000_000);
        let text = r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":60000,"maxPayload":1000000}"#;
        assert_eq!(packet, text);
        assert!(open("a", &[], 1, 2, 3).contains(r#""upgrades":[],"#));
    }

    #[test]
    fn fixed_frames_are_what_the_carriages_would_write() {
        let ping = [Piece::Text("2")];
        assert_eq!(PING_FRAME, Carriage::Websocket(Dialog::V4).carry(ping));
        assert_eq!(PING_RECORD, Carriage::Records.carry(ping));
    }

    #[test]
    fn errors_have_the_protocols_codes_and_texts() {
        assert_eq!(HandshakeError::TransportUnknown.body(), r#"{"code":0,"message":"Transport unknown"}"#);
        assert_eq!(HandshakeError::SessionUnknown.body(), r#"{"code":1,"message":"Session ID unknown"}"#);
        assert_eq!(HandshakeError::BadMethod.body(), r#"{"code":2,"message":"Bad handshake method"}"#);
        assert_eq!(HandshakeError::BadRequest.body(), r#"{"code":3,"message":"Bad request"}"#);
        assert_eq!(HandshakeError::Forbidden.body(), r#"{"code":4,"message":"Forbidden"}"#);
        assert_eq!(
            HandshakeError::UnsupportedVersion.body(),
            r#"{"code":5,"message":"Unsupported protocol version"}"#
        );
        let limited = HandshakeError::RateLimited;
        assert_eq!((limited.code(), limited.status()), (4, 429));
        assert_eq!(HandshakeError::ShuttingDown.status(), 503);
        assert_eq!(HandshakeError::SessionUnknown.status(), 400);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = Packet::parse(&text);
        }
    }
}
