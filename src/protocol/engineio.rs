//! Engine.IO 4 packets, as they stand in websocket messages, and the answers to bad handshakes.
//!
//! A binary websocket message is the bytes of a message packet as they are; there is nothing to parse.

use bytes::Bytes;
use serde::Serialize;
use thiserror::Error;

use super::write::{quoted, text_frame};

/// The server's ping, a whole frame.
pub static PING_FRAME: Bytes = Bytes::from_static(b"\x81\x012");
/// A close packet, a whole frame.
pub static CLOSE_FRAME: Bytes = Bytes::from_static(b"\x81\x011");
/// A noop, a whole frame.
pub static NOOP_FRAME: Bytes = Bytes::from_static(b"\x81\x016");

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

/// The open packet as a whole frame.
pub fn open_frame(
    sid: &str,
    upgrades: &[&str],
    ping_interval_ms: u64,
    ping_timeout_ms: u64,
    max_payload: usize,
) -> Bytes {
    text_frame(&[&open(sid, upgrades, ping_interval_ms, ping_timeout_ms, max_payload)])
}

/// The answer to a client's ping (a probe), a whole frame.
pub fn pong_frame(data: &str) -> Bytes {
    text_frame(&["3", data])
}

/// A text message, a whole frame.
pub fn message_frame(text: &str) -> Bytes {
    text_frame(&["4", text])
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
            HandshakeError::BadRequest => 3,
            HandshakeError::UnsupportedVersion => 5,
            _ => 4,
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            HandshakeError::Forbidden => 403,
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
    use super::super::write::payload;
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
        let frame = open_frame("abc", &["websocket"], 25_000, 60_000, 1_000_000);
        let text = r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":60000,"maxPayload":1000000}"#;
        assert_eq!(payload(&frame), text);
        assert!(payload(&open_frame("a", &[], 1, 2, 3)).contains(r#""upgrades":[],"#));
    }

    #[test]
    fn fixed_frames_are_what_the_encoder_would_write() {
        assert_eq!(PING_FRAME, text_frame(&["2"]));
        assert_eq!(CLOSE_FRAME, text_frame(&["1"]));
        assert_eq!(NOOP_FRAME, text_frame(&["6"]));
        assert_eq!(payload(&pong_frame("probe")), "3probe");
        assert_eq!(payload(&message_frame("2[\"a\"]")), "42[\"a\"]");
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
