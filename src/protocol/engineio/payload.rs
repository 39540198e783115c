//! Payloads of long-polling: several packets in one body.
//!
//! | version | form |
//! |---|---|
//! | 4 | packets separated by 0x1e; binary as `b` and base64 |
//! | 3, text | `<length>:<packet>`, the length in UTF-16 units; binary as `b4` and base64 |
//! | 3, binary | 0 (text) or 1 (binary), the digits of the length in bytes, 255, the packet |
//!
//! Source: `docs/engine.io-protocol/v4-current.md` and `v3.md` of the Socket.IO project.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::carriage::{RECORD, Record, split_records};
use super::{Dialog, V3_MESSAGE, Version};

/// Ends the digits of a length in version 3's binary form.
const V3_END: u8 = 255;
/// The most digits of a length: what is longer than any body may be is no length.
const MAX_DIGITS: usize = 10;

/// A body that is no payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not a payload of its version")]
pub struct PayloadFault;

/// The body of a poll's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    /// The packets.
    pub body: Bytes,
    /// Whether it is version 3's binary form (`application/octet-stream`), else it is text.
    pub binary: bool,
}

/// Makes a payload of what waits for a poll, which [`super::Carriage::Records`] wrote.
pub fn write(records: Bytes, dialog: Dialog) -> Payload {
    match dialog {
        Dialog { version: Version::V4, .. } => {
            let body = if records.is_empty() { records } else { records.slice(1..) };
            Payload { body, binary: false }
        }
        Dialog { version: Version::V3, base64: true } => Payload { body: v3_text(&records), binary: false },
        Dialog { version: Version::V3, base64: false } => {
            let is_binary = |pair: &[u8]| pair == [RECORD, b'b'];
            let binary = records.windows(2).any(is_binary);
            Payload { body: if binary { v3_binary(&records) } else { v3_text(&records) }, binary }
        }
    }
}

fn v3_text(records: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(records.len() + 64);
    for record in split_records(records) {
        let base64;
        let text = match record {
            Record::Text(text) => text,
            Record::Binary(bytes) => {
                base64 = format!("b4{}", BASE64.encode(bytes));
                &base64
            }
        };
        out.put_slice(text.encode_utf16().count().to_string().as_bytes());
        out.put_u8(b':');
        out.put_slice(text.as_bytes());
    }
    out.freeze()
}

fn v3_binary(records: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(records.len() + 64);
    for record in split_records(records) {
        match record {
            Record::Text(text) => {
                put_v3_head(&mut out, 0, text.len());
                out.put_slice(text.as_bytes());
            }
            Record::Binary(bytes) => {
                put_v3_head(&mut out, 1, bytes.len() + 1);
                out.put_u8(V3_MESSAGE);
                out.put_slice(&bytes);
            }
        }
    }
    out.freeze()
}

fn put_v3_head(out: &mut BytesMut, kind: u8, len: usize) {
    out.put_u8(kind);
    out.extend(len.to_string().bytes().map(|digit| digit - b'0'));
    out.put_u8(V3_END);
}

/// A packet of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// A packet of text, its type in front; UTF-8.
    Text(Bytes),
    /// The bytes of a binary message.
    Binary(Bytes),
}

/// Takes a body apart, one packet at a time.
#[derive(Debug)]
pub struct Reader {
    rest: Bytes,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    V4,
    V3Text,
    V3Binary,
}

impl Reader {
    /// Reads a body; `binary` says that it was sent as `application/octet-stream`.
    ///
    /// # Errors
    /// A body that is empty, or text that is not UTF-8.
    pub fn new(body: Bytes, version: Version, binary: bool) -> Result<Reader, PayloadFault> {
        let form = match (version, binary) {
            (Version::V4, _) => Form::V4,
            (Version::V3, false) => Form::V3Text,
            (Version::V3, true) => Form::V3Binary,
        };
        let text = !matches!(form, Form::V3Binary);
        if body.is_empty() || (text && std::str::from_utf8(&body).is_err()) {
            return Err(PayloadFault);
        }
        Ok(Reader { rest: body, form })
    }

    /// The next packet, if there is one.
    ///
    /// # Errors
    /// What follows is no packet.
    pub fn take(&mut self) -> Result<Option<Part>, PayloadFault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let part = match self.form {
            Form::V4 => self.next_v4()?,
            Form::V3Text => self.next_v3_text()?,
            Form::V3Binary => self.next_v3_binary()?,
        };
        Ok(Some(part))
    }

    fn next_v4(&mut self) -> Result<Part, PayloadFault> {
        let end = memchr::memchr(RECORD, &self.rest);
        let packet = self.rest.split_to(end.unwrap_or(self.rest.len()));
        if end.is_some() {
            let _ = self.rest.split_to(1);
            if self.rest.is_empty() {
                return Err(PayloadFault); // a separator with nothing behind it
            }
        }
        text_or_base64(packet, b"b")
    }

    fn next_v3_text(&mut self) -> Result<Part, PayloadFault> {
        let colon = memchr::memchr(b':', &self.rest).filter(|at| *at <= MAX_DIGITS).ok_or(PayloadFault)?;
        let digits = self.rest.split_to(colon);
        let units = length(digits.iter().map(|byte| byte.wrapping_sub(b'0')))?;
        let _ = self.rest.split_to(1);
        // the whole body is UTF-8, and so is what is left of it behind whole packets
        let text = std::str::from_utf8(&self.rest).map_err(|_| PayloadFault)?;
        let len = utf16_prefix(text, units).ok_or(PayloadFault)?;
        text_or_base64(self.rest.split_to(len), b"b4")
    }

    fn next_v3_binary(&mut self) -> Result<Part, PayloadFault> {
        let kind = self.rest[0];
        let end = self.rest[1..].iter().take(MAX_DIGITS + 1).position(|byte| *byte == V3_END);
        let end = end.ok_or(PayloadFault)?;
        let len = length(self.rest[1..=end].iter().copied())?;
        let _ = self.rest.split_to(end + 2);
        if len > self.rest.len() {
            return Err(PayloadFault);
        }
        let packet = self.rest.split_to(len);
        match kind {
            0 if std::str::from_utf8(&packet).is_ok() => text_or_base64(packet, b"b4"),
            1 if packet.first() == Some(&V3_MESSAGE) => Ok(Part::Binary(packet.slice(1..))),
            _ => Err(PayloadFault),
        }
    }
}

/// A number out of its digits, each 0 to 9.
fn length(digits: impl ExactSizeIterator<Item = u8>) -> Result<usize, PayloadFault> {
    if !(1..=MAX_DIGITS).contains(&digits.len()) {
        return Err(PayloadFault);
    }
    digits.into_iter().try_fold(0usize, |sum, digit| match digit {
        0..=9 => Ok(sum * 10 + usize::from(digit)),
        _ => Err(PayloadFault),
    })
}

/// How many bytes the first `units` UTF-16 units of `text` are; none where it has fewer, or where they end
/// within a character.
fn utf16_prefix(text: &str, mut units: usize) -> Option<usize> {
    for (at, character) in text.char_indices() {
        if units == 0 {
            return Some(at);
        }
        units = units.checked_sub(character.len_utf16())?;
    }
    (units == 0).then_some(text.len())
}

/// The bytes of a binary message that came as text.
///
/// # Errors
/// No base64 (RFC 4648, 4, padded).
pub fn base64(text: &[u8]) -> Result<Bytes, PayloadFault> {
    BASE64.decode(text).map(Bytes::from).map_err(|_| PayloadFault)
}

fn text_or_base64(packet: Bytes, prefix: &[u8]) -> Result<Part, PayloadFault> {
    match packet.strip_prefix(prefix) {
        Some(lines) => {
            // the Java client breaks its base64 into lines, and ends it with one
            let joined: Vec<u8> = lines.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            Ok(Part::Binary(base64(&joined)?))
        }
        None if packet.is_empty() => Err(PayloadFault),
        None => Ok(Part::Text(packet)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Carriage, Piece};
    use super::*;

    const V3: Dialog = Dialog { version: Version::V3, base64: false };
    const V3_BASE64: Dialog = Dialog { version: Version::V3, base64: true };

    fn parts(body: &[u8], version: Version, binary: bool) -> Result<Vec<Part>, PayloadFault> {
        let mut reader = Reader::new(Bytes::copy_from_slice(body), version, binary)?;
        std::iter::from_fn(|| reader.take().transpose()).collect()
    }

    fn text(text: &str) -> Part {
        Part::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn binary(bytes: &[u8]) -> Part {
        Part::Binary(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn version_4_separates_its_packets() {
        let body = "4hello\u{1e}bAQIDBA==\u{1e}2";
        let expected = vec![text("4hello"), binary(&[1, 2, 3, 4]), text("2")];
        assert_eq!(parts(body.as_bytes(), Version::V4, false), Ok(expected));
        for bad in ["", "4a\u{1e}", "\u{1e}4a", "4a\u{1e}\u{1e}4b", "b!!", "bAQ"] {
            assert!(parts(bad.as_bytes(), Version::V4, false).is_err(), "{bad:?}");
        }
        assert!(parts(b"4\xff", Version::V4, false).is_err());
    }

    #[test]
    fn version_3_counts_its_text_in_utf16_units() {
        let body = "6:4hello3:4€😀".replace("3:4€😀", "4:4€😀") + "10:b4AQIDBA==";
        let expected = vec![text("4hello"), text("4€😀"), binary(&[1, 2, 3, 4])];
        assert_eq!(parts(body.as_bytes(), Version::V3, false), Ok(expected));
        let inside_a_pair = "3:4€😀";
        for bad in ["", ":4", "0:", "x:4", "5:4a", "-1:4", "+1:4", "99999999999:4", "4", inside_a_pair] {
            assert!(parts(bad.as_bytes(), Version::V3, false).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn version_3_counts_its_binary_in_bytes() {
        let body = [&[0, 6, 255][..], b"4hello", &[1, 5, 255, 4, 1, 2, 3, 4]].concat();
        assert_eq!(parts(&body, Version::V3, true), Ok(vec![text("4hello"), binary(&[1, 2, 3, 4])]));
        let bad: [&[u8]; 8] = [
            &[],
            &[0],
            &[0, 255],
            &[0, 1, 255],
            &[2, 1, 255, 52],
            &[1, 1, 255, 5],
            &[0, 10, 255, 52],
            &[0, 1, 255, 0xff],
        ];
        for bad in bad {
            assert!(parts(bad, Version::V3, true).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_again_in_every_form() {
        let pieces = [Piece::Text("42[\"é😀\"]"), Piece::Binary(&[0, 0x1e, 255]), Piece::Text("2")];
        let records = Carriage::Records.carry(pieces);
        let expected = vec![text("42[\"é😀\"]"), binary(&[0, 0x1e, 255]), text("2")];
        for dialog in [Dialog::V4, V3, V3_BASE64] {
            let payload = write(records.clone(), dialog);
            assert_eq!(payload.binary, dialog == V3);
            assert_eq!(parts(&payload.body, dialog.version, payload.binary), Ok(expected.clone()));
        }
    }

    #[test]
    fn version_3_writes_text_where_there_is_nothing_binary() {
        let records = Carriage::Records.carry([Piece::Text("4hello"), Piece::Text("4€")]);
        let payload = write(records, V3);
        assert_eq!((&payload.body[..], payload.binary), ("6:4hello2:4€".as_bytes(), false));
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>, binary: bool, three: bool) {
            let version = if three { Version::V3 } else { Version::V4 };
            let _ = parts(&body, version, binary);
        }

        #[test]
        fn no_text_body_panics(body in "[0-9:b4é😀\u{1e}]{0,30}", three: bool) {
            let version = if three { Version::V3 } else { Version::V4 };
            let _ = parts(body.as_bytes(), version, false);
        }
    }
}
