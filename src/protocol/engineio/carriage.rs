//! How packets travel: as websocket messages, or as the records of a long-polling payload.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{BufMut, Bytes, BytesMut};

use super::{Dialog, V3_MESSAGE, Version};
use crate::protocol::websocket::{self, Opcode};

/// Stands before each record: Engine.IO 4's separator, which no JSON text holds unescaped.
pub const RECORD: u8 = 0x1e;

/// One Engine.IO packet on its way out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// A packet of text, its type in front.
    Text(&'a str),
    /// The bytes of a binary message.
    Binary(&'a [u8]),
}

/// How the pieces of a session are put on the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carriage {
    /// Each as a websocket message.
    Websocket(Dialog),
    /// Each as a record: [`RECORD`], then the text, or `b` and base64. What waits for a poll is kept so,
    /// whatever the version, and becomes a payload of its version when the poll is answered.
    Records,
}

impl Carriage {
    /// Puts one packet behind `out`.
    pub fn put(self, out: &mut BytesMut, piece: Piece<'_>) {
        match (self, piece) {
            (Carriage::Records, Piece::Text(text)) => {
                out.put_u8(RECORD);
                out.put_slice(text.as_bytes());
            }
            (Carriage::Records, Piece::Binary(bytes)) => {
                out.put_u8(RECORD);
                put_base64(out, "b", bytes);
            }
            (Carriage::Websocket(_), Piece::Text(text)) => {
                websocket::put_header(out, Opcode::Text, text.len());
                out.put_slice(text.as_bytes());
            }
            (Carriage::Websocket(dialog), Piece::Binary(bytes)) => put_binary_message(out, dialog, bytes),
        }
    }

    /// Packets in one piece.
    pub fn carry<'a>(self, pieces: impl IntoIterator<Item = Piece<'a>>) -> Bytes {
        let mut out = BytesMut::new();
        pieces.into_iter().for_each(|piece| self.put(&mut out, piece));
        out.freeze()
    }
}

fn put_binary_message(out: &mut BytesMut, dialog: Dialog, bytes: &[u8]) {
    match dialog {
        Dialog { version: Version::V4, .. } => {
            websocket::put_header(out, Opcode::Binary, bytes.len());
            out.put_slice(bytes);
        }
        Dialog { version: Version::V3, base64: false } => {
            websocket::put_header(out, Opcode::Binary, bytes.len() + 1);
            out.put_u8(V3_MESSAGE);
            out.put_slice(bytes);
        }
        Dialog { version: Version::V3, base64: true } => {
            websocket::put_header(out, Opcode::Text, 2 + base64_len(bytes));
            put_base64(out, "b4", bytes);
        }
    }
}

fn base64_len(bytes: &[u8]) -> usize {
    bytes.len().div_ceil(3) * 4
}

fn put_base64(out: &mut BytesMut, prefix: &str, bytes: &[u8]) {
    out.put_slice(prefix.as_bytes());
    let at = out.len();
    out.resize(at + base64_len(bytes), 0);
    let written = BASE64.encode_slice(bytes, &mut out[at..]);
    debug_assert_eq!(written.ok(), Some(out.len() - at));
}

/// What waited for a poll, as websocket messages: the session has changed its transport.
pub fn records_to_messages(records: &[u8], dialog: Dialog) -> Bytes {
    let mut out = BytesMut::with_capacity(records.len() + 64);
    for record in split_records(records) {
        Carriage::Websocket(dialog).put(&mut out, record.piece());
    }
    out.freeze()
}

/// A record, its binary decoded.
pub(super) enum Record<'a> {
    Text(&'a str),
    Binary(Vec<u8>),
}

impl Record<'_> {
    fn piece(&self) -> Piece<'_> {
        match self {
            Record::Text(text) => Piece::Text(text),
            Record::Binary(bytes) => Piece::Binary(bytes),
        }
    }
}

/// The records in what [`Carriage::Records`] wrote.
pub(super) fn split_records(records: &[u8]) -> impl Iterator<Item = Record<'_>> {
    records.split(|byte| *byte == RECORD).skip(1).map(|record| match record.split_first() {
        // we wrote it: base64 that cannot be read is none of ours
        Some((b'b', base64)) => Record::Binary(BASE64.decode(base64).unwrap_or_default()),
        _ => Record::Text(std::str::from_utf8(record).unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: Dialog = Dialog::V4;
    const V3: Dialog = Dialog { version: Version::V3, base64: false };
    const V3_BASE64: Dialog = Dialog { version: Version::V3, base64: true };

    #[test]
    fn binary_messages_take_the_form_of_their_version() {
        let carry = |dialog| Carriage::Websocket(dialog).carry([Piece::Binary(&[1, 2, 3, 4])]);
        assert_eq!(carry(V4)[..], [0x82, 4, 1, 2, 3, 4]);
        assert_eq!(carry(V3)[..], [0x82, 5, 4, 1, 2, 3, 4]);
        assert_eq!(&carry(V3_BASE64)[..], b"\x81\x0ab4AQIDBA==");
    }

    #[test]
    fn what_waited_for_a_poll_leaves_as_messages_when_the_transport_changes() {
        let pieces = [Piece::Text("42[\"é\"]"), Piece::Binary(&[0x1e, 0xff]), Piece::Text("2")];
        let records = Carriage::Records.carry(pieces);
        assert_eq!(&records[..], "\u{1e}42[\"é\"]\u{1e}bHv8=\u{1e}2".as_bytes());
        for dialog in [V4, V3, V3_BASE64] {
            let expected = Carriage::Websocket(dialog).carry(pieces);
            assert_eq!(records_to_messages(&records, dialog), expected);
        }
    }
}
