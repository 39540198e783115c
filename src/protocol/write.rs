//! What the writers of packets share.

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
