//! An event as it leaves the hub: encoded once a dialect, by whoever needs it first, for all its receivers.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

use super::write::quoted;
use super::{engineio, websocket};

/// How a receiver wants its events written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Dialect {
    /// Socket.IO on a websocket, of either version: a text frame `42["name",data]`.
    SocketIo,
    /// The plain protocol: a text frame `{"event":"name","data":data}`.
    Plain,
    /// Socket.IO by long-polling: a record (see [`engineio::Carriage::Records`]) that waits for a poll.
    Polling,
}

impl Dialect {
    /// How many there are.
    pub const COUNT: usize = 3;

    /// Text whose parts are `parts`, joined, as this dialect puts it on the line: in one allocation.
    pub(super) fn frame(self, parts: &[&str]) -> Bytes {
        let len = parts.iter().map(|part| part.len()).sum();
        let mut out = BytesMut::with_capacity(websocket::MAX_SERVER_HEADER + len);
        match self {
            Dialect::Polling => out.put_u8(engineio::carriage::RECORD),
            _ => websocket::put_header(&mut out, websocket::Opcode::Text, len),
        }
        parts.iter().for_each(|part| out.put_slice(part.as_bytes()));
        out.freeze()
    }
}

/// A named event with its data, and its encodings.
///
/// The name is one of the hub's own or has been checked; the data is JSON text, written by serde_json
/// once. Neither is looked at again: a receiver costs a reference to the frame of its dialect.
#[derive(Debug)]
pub struct Event {
    name: Cow<'static, str>,
    data: Box<str>,
    frames: [OnceLock<Bytes>; Dialect::COUNT],
    latest: Option<Arc<str>>,
}

impl Event {
    /// An event with `data` as its only argument.
    ///
    /// # Panics
    /// Never with the hub's own types: serde_json fails only on maps with keys that are no strings and
    /// on errors that a type raises by itself; such data becomes `null`.
    pub fn new(name: impl Into<Cow<'static, str>>, data: &impl Serialize) -> Event {
        let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
        Event::from_json(name, data.into_boxed_str())
    }

    /// An event whose data is JSON text already.
    pub fn from_json(name: impl Into<Cow<'static, str>>, data: Box<str>) -> Event {
        Event { name: name.into(), data, frames: [const { OnceLock::new() }; Dialect::COUNT], latest: None }
    }

    /// Lets the event supersede older ones of this key where they wait unsent for a receiver.
    pub fn be_latest_of(&mut self, key: Arc<str>) {
        self.latest = Some(key);
    }

    /// Set where it supersedes older ones of the same key.
    pub fn latest(&self) -> Option<&Arc<str>> {
        self.latest.as_ref()
    }

    /// The event's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The data, as JSON text.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The whole websocket frame for receivers of `dialect`, made at the first call.
    pub fn frame(&self, dialect: Dialect) -> &Bytes {
        self.frames[dialect as usize].get_or_init(|| match dialect {
            Dialect::Plain => self.encode(dialect, "{\"event\":", ",\"data\":", "}"),
            Dialect::SocketIo | Dialect::Polling => self.encode(dialect, "42[", ",", "]"),
        })
    }

    fn encode(&self, dialect: Dialect, open: &str, between: &str, close: &str) -> Bytes {
        let name = quoted(&self.name);
        dialect.frame(&[open, &name, between, &self.data, close])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_encoded_once_for_all_receivers_of_a_dialect() {
        let event = Event::new("room:updated", &serde_json::json!({"id": "c|1"}));
        let frame = event.frame(Dialect::SocketIo);
        assert_eq!(&frame[2..], br#"42["room:updated",{"id":"c|1"}]"#);
        assert_eq!(frame[..2], [0x81, (frame.len() - 2) as u8]);
        assert_eq!(frame.as_ptr(), event.frame(Dialect::SocketIo).as_ptr());
        let plain = event.frame(Dialect::Plain);
        assert_eq!(&plain[2..], br#"{"event":"room:updated","data":{"id":"c|1"}}"#);
        let escaped = Event::from_json("a\"b", "[1]".into());
        assert_eq!(&escaped.frame(Dialect::Plain)[2..], br#"{"event":"a\"b","data":[1]}"#);
        let polling = event.frame(Dialect::Polling);
        assert_eq!(&polling[..], b"\x1e42[\"room:updated\",{\"id\":\"c|1\"}]");
    }
}
