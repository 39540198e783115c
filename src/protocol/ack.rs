//! How a request of a client is answered, in either dialect.

use bytes::Bytes;
use serde_json::Value;
use smallvec::SmallVec;

use super::frame::Dialect;
use super::plain;
use super::socketio::{self, AckId};
use super::write::quoted;

/// What a client named its request: the digits of a Socket.IO ack (behind its namespace and a comma, where
/// that is not `/`), or the JSON text of a plain `id`.
///
/// Small and owned: it waits with the request. Up to 24 bytes stand in it, longer ones on the heap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AckRef(SmallVec<[u8; 24]>);

impl AckRef {
    /// An ack that was asked for in a namespace.
    pub fn within(nsp: &str, id: AckId<'_>) -> AckRef {
        let mut text = SmallVec::new();
        for part in socketio::prefix(nsp) {
            text.extend_from_slice(part.as_bytes());
        }
        text.extend_from_slice(id.as_str().as_bytes());
        AckRef(text)
    }

    /// The digits, or the JSON text.
    pub fn as_str(&self) -> &str {
        // made of text only
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl From<AckId<'_>> for AckRef {
    fn from(id: AckId<'_>) -> AckRef {
        AckRef::within("/", id)
    }
}

impl From<plain::Id<'_>> for AckRef {
    fn from(id: plain::Id<'_>) -> AckRef {
        AckRef(SmallVec::from_slice(id.as_str().as_bytes()))
    }
}

/// How a request ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// Done; the data of the last answer, JSON text.
    Ok(Option<Box<str>>),
    /// Refused.
    Err {
        /// The stable code that programs use.
        code: &'static str,
        /// The text for people.
        message: String,
        /// What else the error says (`retryAfterMs`, `event`, an id).
        more: Vec<(&'static str, Value)>,
    },
}

impl Outcome {
    /// A refusal that says no more than code and message.
    pub fn err(code: &'static str, message: impl Into<String>) -> Outcome {
        Outcome::Err { code, message: message.into(), more: Vec::new() }
    }

    /// `"ok":true,"data":…` or `"ok":false,"error":{…}`, without the braces around it.
    fn members(&self) -> String {
        match self {
            Outcome::Ok(None) => "\"ok\":true".to_owned(),
            Outcome::Ok(Some(data)) => format!("\"ok\":true,\"data\":{data}"),
            Outcome::Err { code, message, more } => {
                format!("\"ok\":false,\"error\":{}", error_data(code, message, more))
            }
        }
    }
}

/// The JSON text of an error: `{"code":…,"message":…,…}`, as acks and `error` events carry it.
pub fn error_data(code: &str, message: &str, more: &[(&str, Value)]) -> String {
    let mut out = format!("{{\"code\":{},\"message\":{}", quoted(code), quoted(message));
    for (key, value) in more {
        out.push_str(&format!(",{}:{value}", quoted(key)));
    }
    out.push('}');
    out
}

/// The answer to a request, as it goes on the line: `43<id>[{"ok":…}]` or `{"reply":<id>,"ok":…}`.
pub fn ack_frame(dialect: Dialect, ack: &AckRef, outcome: &Outcome) -> Bytes {
    let members = outcome.members();
    match dialect {
        Dialect::SocketIo | Dialect::Polling => dialect.frame(&["43", ack.as_str(), "[{", &members, "}]"]),
        Dialect::Plain => dialect.frame(&["{\"reply\":", ack.as_str(), ",", &members, "}"]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::write::payload;
    use super::*;
    use serde_json::json;

    #[test]
    fn an_ack_is_answered_in_the_form_of_its_dialect() {
        let done = Outcome::Ok(Some("{\"type\":\"system\"}".into()));
        let digits = AckRef::from(AckId::new("007").unwrap());
        assert_eq!(
            payload(&ack_frame(Dialect::SocketIo, &digits, &done)),
            r#"43007[{"ok":true,"data":{"type":"system"}}]"#
        );
        let request = plain::Request::parse(r#"{"event":"ping","id":"a\u0041é"}"#).unwrap();
        let id = AckRef::from(request.id.unwrap());
        assert_eq!(
            payload(&ack_frame(Dialect::Plain, &id, &done)),
            r#"{"reply":"a\u0041é","ok":true,"data":{"type":"system"}}"#
        );
        assert_eq!(
            payload(&ack_frame(Dialect::SocketIo, &digits, &Outcome::Ok(None))),
            r#"43007[{"ok":true}]"#
        );
        let elsewhere = AckRef::within("/custom", AckId::new("7").unwrap());
        let record = ack_frame(Dialect::Polling, &elsewhere, &Outcome::Ok(None));
        assert_eq!(&record[..], b"\x1e43/custom,7[{\"ok\":true}]");
    }

    #[test]
    fn a_refusal_says_code_message_and_what_else_there_is() {
        let id = AckRef::from(AckId::new("1").unwrap());
        let plain = Outcome::err("unknown_event", "Unknown event \"x\"");
        assert_eq!(
            payload(&ack_frame(Dialect::Plain, &id, &plain)),
            r#"{"reply":1,"ok":false,"error":{"code":"unknown_event","message":"Unknown event \"x\""}}"#
        );
        let more = vec![("retryAfterMs", json!(20)), ("event", json!("ping"))];
        let limited = Outcome::Err { code: "rate_limited", message: "Rate limit exceeded".into(), more };
        assert_eq!(
            payload(&ack_frame(Dialect::SocketIo, &id, &limited)),
            r#"431[{"ok":false,"error":{"code":"rate_limited","message":"Rate limit exceeded","retryAfterMs":20,"event":"ping"}}]"#
        );
    }
}
