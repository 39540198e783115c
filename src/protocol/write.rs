//! Whole server frames out of pieces of text, in one allocation.

use bytes::{BufMut, Bytes, BytesMut};

use super::websocket::{self, Opcode};

/// One text frame whose payload is `parts`, joined.
pub(super) fn text_frame(parts: &[&str]) -> Bytes {
    let len = parts.iter().map(|part| part.len()).sum();
    let mut out = BytesMut::with_capacity(websocket::MAX_SERVER_HEADER + len);
    websocket::put_header(&mut out, Opcode::Text, len);
    parts.iter().for_each(|part| out.put_slice(part.as_bytes()));
    out.freeze()
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    // serde_json cannot fail on a string
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// The payload of the one short frame in `frame`.
#[cfg(test)]
pub(super) fn payload(frame: &[u8]) -> &str {
    let start = if frame[1] == 126 { 4 } else { 2 };
    let len =
        if frame[1] == 126 { usize::from(frame[2]) << 8 | usize::from(frame[3]) } else { frame[1].into() };
    assert_eq!((frame[0], frame.len() - start), (0x81, len));
    std::str::from_utf8(&frame[start..]).unwrap()
}
