//! Writing packets, each a whole websocket frame. JSON text is spliced in as it is.

use bytes::{BufMut, Bytes, BytesMut};

use super::{AckId, Payload};
use crate::protocol::websocket::{self, Opcode};
use crate::protocol::write::{quoted, text_frame};

/// What stands before the payload: the namespace `/` is not named.
fn prefix(nsp: &str) -> [&str; 2] {
    if nsp == "/" { ["", ""] } else { [nsp, ","] }
}

fn digits(id: Option<AckId<'_>>) -> &str {
    id.map_or("", AckId::as_str)
}

/// CONNECT: the client is in, and this is its socket's id.
pub fn connect(nsp: &str, sid: &str) -> Bytes {
    let [nsp, comma] = prefix(nsp);
    text_frame(&["40", nsp, comma, "{\"sid\":", &quoted(sid), "}"])
}

/// CONNECT_ERROR; `data` is JSON text.
pub fn connect_error(nsp: &str, message: &str, data: Option<&str>) -> Bytes {
    let [nsp, comma] = prefix(nsp);
    let (key, data) = data.map_or(("", ""), |data| (",\"data\":", data));
    text_frame(&["44", nsp, comma, "{\"message\":", &quoted(message), key, data, "}"])
}

/// DISCONNECT: a client that gets it stays away.
pub fn disconnect(nsp: &str) -> Bytes {
    let [nsp, comma] = prefix(nsp);
    text_frame(&["41", nsp, comma])
}

/// EVENT with any arguments, each JSON text; with an id the client is asked for an ack.
pub fn event<A: AsRef<str>>(nsp: &str, id: Option<AckId<'_>>, name: &str, args: &[A]) -> Bytes {
    let [nsp, comma] = prefix(nsp);
    let name = quoted(name);
    let mut parts = vec!["42", nsp, comma, digits(id), "[", &name];
    args.iter().for_each(|arg| parts.extend([",", arg.as_ref()]));
    parts.push("]");
    text_frame(&parts)
}

/// ACK; `args` is the JSON text of an array.
pub fn ack(nsp: &str, id: AckId<'_>, args: &str) -> Bytes {
    let [nsp, comma] = prefix(nsp);
    text_frame(&["43", nsp, comma, id.as_str(), args])
}

/// BINARY_EVENT and its attachments behind it, in one piece: nothing may come between them. The payload's
/// array starts with the name.
pub fn binary_event(nsp: &str, id: Option<AckId<'_>>, payload: &Payload) -> Bytes {
    with_attachments("45", nsp, id, payload)
}

/// BINARY_ACK and its attachments behind it, in one piece.
pub fn binary_ack(nsp: &str, id: AckId<'_>, payload: &Payload) -> Bytes {
    with_attachments("46", nsp, Some(id), payload)
}

fn with_attachments(kind: &str, nsp: &str, id: Option<AckId<'_>>, payload: &Payload) -> Bytes {
    let Payload { json, attachments } = payload;
    let [nsp, comma] = prefix(nsp);
    let head = format!("{kind}{}-{nsp}{comma}{}{json}", attachments.len(), digits(id));
    let len = head.len() + attachments.iter().map(Bytes::len).sum::<usize>();
    let mut out = BytesMut::with_capacity(len + websocket::MAX_SERVER_HEADER * (1 + attachments.len()));
    websocket::put_header(&mut out, Opcode::Text, head.len());
    out.put_slice(head.as_bytes());
    for attachment in attachments {
        websocket::put_header(&mut out, Opcode::Binary, attachment.len());
        out.put_slice(attachment);
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::write::payload;

    #[test]
    fn packets_of_the_main_namespace_do_not_name_it() {
        assert_eq!(payload(&connect("/", "abc")), r#"40{"sid":"abc"}"#);
        assert_eq!(payload(&connect("/custom", "abc")), r#"40/custom,{"sid":"abc"}"#);
        assert_eq!(payload(&disconnect("/")), "41");
        assert_eq!(payload(&disconnect("/custom")), "41/custom,");
    }

    #[test]
    fn a_refusal_carries_its_message_and_data() {
        let bare = connect_error("/nope", "Invalid namespace", None);
        assert_eq!(payload(&bare), r#"44/nope,{"message":"Invalid namespace"}"#);
        let full = connect_error("/", "a \"b\"", Some(r#"{"code":"auth_failed"}"#));
        assert_eq!(payload(&full), r#"44{"message":"a \"b\"","data":{"code":"auth_failed"}}"#);
    }

    #[test]
    fn events_and_acks_splice_their_arguments() {
        assert_eq!(payload(&event("/", None, "a", &["1", "{}"])), r#"42["a",1,{}]"#);
        let none: &[&str] = &[];
        assert_eq!(payload(&event("/c", AckId::new("7").ok(), "a", none)), r#"42/c,7["a"]"#);
        assert_eq!(payload(&ack("/", AckId::new("07").unwrap(), "[1]")), "4307[1]");
    }

    #[test]
    fn attachments_follow_their_packet_in_one_piece() {
        let json = r#"["a",{"_placeholder":true,"num":0}]"#;
        let one = Payload { json: json.into(), attachments: vec![Bytes::from_static(b"\x01\x02")] };
        let out = binary_event("/", None, &one);
        let text = format!("451-{json}");
        assert_eq!(payload(&out[..2 + text.len()]), text);
        assert_eq!(&out[2 + text.len()..], b"\x82\x02\x01\x02");
        let none = Payload { json: "[]".into(), attachments: Vec::new() };
        assert_eq!(payload(&binary_ack("/c", AckId::new("3").unwrap(), &none)), "460-/c,3[]");
    }
}
