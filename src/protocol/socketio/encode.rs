//! Writing packets. JSON text is spliced in as it is.
//!
//! A packet is one piece of text and its attachments; the session's [`Carriage`](crate::protocol::engineio::Carriage) puts it
//! on the line.

use bytes::Bytes;

use super::{AckId, Payload};
use crate::protocol::engineio::{Piece, Version};
use crate::protocol::write::quoted;

/// A packet to be sent, Engine.IO's `4` in front.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// The packet's text.
    pub text: String,
    /// The binary messages that follow it; nothing may come between.
    pub attachments: Vec<Bytes>,
}

impl Encoded {
    /// What it is made of, in order.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let attachments = self.attachments.iter().map(|attachment| Piece::Binary(attachment));
        std::iter::once(Piece::Text(&self.text)).chain(attachments)
    }
}

fn text(parts: &[&str]) -> Encoded {
    Encoded { text: parts.concat(), attachments: Vec::new() }
}

/// What stands before the payload: the namespace `/` is not named.
pub fn prefix(nsp: &str) -> [&str; 2] {
    if nsp == "/" { ["", ""] } else { [nsp, ","] }
}

fn digits(id: Option<AckId<'_>>) -> &str {
    id.map_or("", AckId::as_str)
}

/// CONNECT: the client is in, and this is its socket's id. Clients of Socket.IO 2 are not told it.
pub fn connect(version: Version, nsp: &str, sid: &str) -> Encoded {
    let [nsp, comma] = prefix(nsp);
    match version {
        Version::V3 => text(&["40", nsp, comma]),
        Version::V4 => text(&["40", nsp, comma, "{\"sid\":", &quoted(sid), "}"]),
    }
}

/// CONNECT_ERROR; `data` is JSON text. Clients of Socket.IO 2 get the message as a plain string.
pub fn connect_error(version: Version, nsp: &str, message: &str, data: Option<&str>) -> Encoded {
    let [nsp, comma] = prefix(nsp);
    let message = quoted(message);
    let (key, data) = data.map_or(("", ""), |data| (",\"data\":", data));
    match version {
        Version::V3 => text(&["44", nsp, comma, &message]),
        Version::V4 => text(&["44", nsp, comma, "{\"message\":", &message, key, data, "}"]),
    }
}

/// DISCONNECT: a client that gets it stays away.
pub fn disconnect(nsp: &str) -> Encoded {
    let [nsp, comma] = prefix(nsp);
    text(&["41", nsp, comma])
}

/// EVENT, or BINARY_EVENT where there are attachments, with any arguments, each JSON text; with an id the
/// client is asked for an ack.
pub fn event<A: AsRef<str>>(
    nsp: &str,
    id: Option<AckId<'_>>,
    name: &str,
    args: &[A],
    attachments: Vec<Bytes>,
) -> Encoded {
    let mut json = String::from("[");
    json.push_str(&quoted(name));
    for arg in args {
        json.push(',');
        json.push_str(arg.as_ref());
    }
    json.push(']');
    packet(["2", "5"], nsp, digits(id), Payload { json: json.into(), attachments })
}

/// ACK, or BINARY_ACK where there are attachments; the payload is the array of arguments. `to` is what
/// [`super::super::ack::AckRef`] says: digits, behind their namespace where that is not `/`.
pub fn ack(to: &str, payload: Payload) -> Encoded {
    packet(["3", "6"], "/", to, payload)
}

fn packet([plain, binary]: [&str; 2], nsp: &str, id: &str, payload: Payload) -> Encoded {
    let Payload { json, attachments } = payload;
    let [nsp, comma] = prefix(nsp);
    let text = if attachments.is_empty() {
        ["4", plain, nsp, comma, id, &json].concat()
    } else {
        format!("4{binary}{}-{nsp}{comma}{id}{json}", attachments.len())
    };
    Encoded { text, attachments }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::engineio::{Carriage, Dialog};

    const NONE: [&str; 0] = [];

    #[test]
    fn packets_of_the_main_namespace_do_not_name_it() {
        assert_eq!(connect(Version::V4, "/", "abc").text, r#"40{"sid":"abc"}"#);
        assert_eq!(connect(Version::V4, "/custom", "abc").text, r#"40/custom,{"sid":"abc"}"#);
        assert_eq!(connect(Version::V3, "/", "abc").text, "40");
        assert_eq!(connect(Version::V3, "/custom", "abc").text, "40/custom,");
        assert_eq!(disconnect("/").text, "41");
        assert_eq!(disconnect("/custom").text, "41/custom,");
    }

    #[test]
    fn a_refusal_carries_its_message_and_data() {
        let bare = connect_error(Version::V4, "/nope", "Invalid namespace", None);
        assert_eq!(bare.text, r#"44/nope,{"message":"Invalid namespace"}"#);
        let data = Some(r#"{"code":"auth_failed"}"#);
        let full = connect_error(Version::V4, "/", "a \"b\"", data);
        assert_eq!(full.text, r#"44{"message":"a \"b\"","data":{"code":"auth_failed"}}"#);
        assert_eq!(connect_error(Version::V3, "/", "no", data).text, r#"44"no""#);
    }

    #[test]
    fn events_and_acks_splice_their_arguments() {
        assert_eq!(event("/", None, "a", &["1", "{}"], Vec::new()).text, r#"42["a",1,{}]"#);
        assert_eq!(event("/c", AckId::new("7").ok(), "a", &NONE, Vec::new()).text, r#"42/c,7["a"]"#);
        let payload = |json: &str| Payload { json: json.into(), attachments: Vec::new() };
        assert_eq!(ack("07", payload("[1]")).text, "4307[1]");
        assert_eq!(ack("/c,07", payload("[]")).text, "43/c,07[]");
    }

    #[test]
    fn attachments_follow_their_packet_in_one_piece() {
        let placeholder = r#"{"_placeholder":true,"num":0}"#;
        let attachments = vec![Bytes::from_static(b"\x01\x02")];
        let out = event("/", None, "a", &[placeholder], attachments.clone());
        let text = format!("451-[\"a\",{placeholder}]");
        assert_eq!(out.text, text);
        let bytes = Carriage::Websocket(Dialog::V4).carry(out.pieces());
        assert_eq!(&bytes[2..2 + text.len()], text.as_bytes());
        assert_eq!(&bytes[2 + text.len()..], b"\x82\x02\x01\x02");
        let json = format!("[{placeholder}]").into();
        assert_eq!(ack("/c,3", Payload { json, attachments }).text, format!("461-/c,3[{placeholder}]"));
    }
}
