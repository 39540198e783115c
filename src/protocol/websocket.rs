//! Websocket frames as a server reads and writes them (RFC 6455).
//!
//! Pure: bytes in a buffer, no I/O. The length is judged on the header, before the body is there.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

/// The most bytes that a server's frame header takes (a server does not mask).
pub const MAX_SERVER_HEADER: usize = 10;

/// A message may come in at most this many fragments, where nothing else is said.
pub const MAX_FRAGMENTS: u32 = 4_096;

/// The largest message that is taken from a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageLimits {
    /// In bytes, all fragments together.
    pub bytes: usize,
    /// In fragments.
    pub fragments: u32,
    /// Milliseconds from its first byte to its last; 0 is no limit.
    pub patience_ms: u64,
}

impl MessageLimits {
    /// Up to `bytes`, in at most [`MAX_FRAGMENTS`].
    pub fn bytes(bytes: usize) -> MessageLimits {
        MessageLimits { bytes, fragments: MAX_FRAGMENTS, patience_ms: 0 }
    }

    /// The same, whole within `patience_ms`.
    pub fn within(self, patience_ms: u64) -> MessageLimits {
        MessageLimits { patience_ms, ..self }
    }
}

/// What a frame is (RFC 6455, 5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the RFC's own words")]
pub enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Fragments {
    /// Adds a piece. Text that cannot become UTF-8 any more is not waited for to the end.
    fn push(&mut self, payload: &[u8]) -> Result<(), Violation> {
        self.count += 1;
        self.data.extend_from_slice(payload);
        if self.opcode != Opcode::Text {
            return Ok(());
        }
        self.checked += whole_characters(&self.data[self.checked..])?;
        Ok(())
    }

    /// The character that its text has begun and not ended; `None` where it is no text.
    pub fn cut_character(&self) -> Option<&[u8]> {
        (self.opcode == Opcode::Text).then(|| &self.data[self.checked..])
    }

    /// Bytes that have come so far.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether none have come.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// What a peer did wrong, and so the code of the close frame it is answered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Violation {
    /// Not the protocol (1002).
    #[error("{0}")]
    Protocol(&'static str),
    /// The same in a close frame: the peer sends nothing more (1002).
    #[error("a close frame that is long or in pieces")]
    Close,
    /// Text that is not UTF-8 (1007).
    #[error("text that is not UTF-8")]
    NotUtf8,
    /// Over the largest message, or in too many pieces (1009).
    #[error("message too big")]
    TooBig,
}

impl Violation {
    /// The close code that says so.
    pub fn close_code(self) -> u16 {
        match self {
            Violation::Protocol(_) | Violation::Close => 1002,
            Violation::NotUtf8 => 1007,
            Violation::TooBig => 1009,
        }
    }
}

/// One whole frame at the front of a buffer, its payload unmasked in place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Last frame of its message.
    pub fin: bool,
    /// What it is.
    pub opcode: Opcode,
    /// Where the payload stands in the buffer; the frame ends with it.
    pub payload: Range<usize>,
}

/// What the header of a frame says: where in the buffer its payload stands.
struct Head {
    fin: bool,
    opcode: Opcode,
    payload: Range<usize>,
}

/// The header at the front of `buf`, up to its mask; `None` where it is not there yet.
fn head(buf: &[u8], max: usize) -> Result<Option<Head>, Violation> {
    let &[first, second, ref rest @ ..] = buf else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(Violation::Protocol("a reserved bit is set"));
    }
    let opcode = Opcode::from_bits(first & 0x0f).ok_or(Violation::Protocol("a reserved opcode"))?;
    let fin = first & 0x80 != 0;
    if second & 0x80 == 0 {
        return Err(Violation::Protocol("a frame without a mask"));
    }
    let short = usize::from(second & 0x7f);
    if opcode.is_control() && (!fin || short > 125) {
        let close = opcode == Opcode::Close;
        return Err(if close {
            Violation::Close
        } else {
            Violation::Protocol("a long or cut control frame")
        });
    }
    let Some((len, extended)) = payload_len(short, rest)? else { return Ok(None) };
    let len = usize::try_from(len).map_err(|_| Violation::TooBig)?;
    if len > max && !opcode.is_control() {
        return Err(Violation::TooBig);
    }
    let start = 2 + extended + 4;
    Ok(Some(Head { fin, opcode, payload: start..start + len }))
}

/// Takes the frame at the front of `buf`, or says how many bytes it will have (0 where its header is not
/// there yet). `max` is the most that a payload may have.
///
/// # Errors
/// What RFC 6455 forbids a client: no mask, reserved bits or opcodes, long or fragmented control frames,
/// lengths that are not in their shortest form; and a payload over `max`.
pub fn take_frame(buf: &mut [u8], max: usize) -> Result<Result<Frame, usize>, Violation> {
    let Some(Head { fin, opcode, payload }) = head(buf, max)? else { return Ok(Err(0)) };
    if buf.len() < payload.end {
        return Ok(Err(payload.end));
    }
    let mask = mask_before(buf, payload.start);
    unmask(&mut buf[payload.clone()], mask);
    Ok(Ok(Frame { fin, opcode, payload }))
}

/// What has come of a frame that is not whole: its kind, and its payload from `skip` on, unmasked.
pub fn begun(buf: &[u8], skip: usize) -> Option<(Opcode, Vec<u8>)> {
    let Head { opcode, payload, .. } = head(buf, usize::MAX).ok()??;
    let mut came = buf.get(payload.start..)?.get(skip..)?.to_vec();
    let mut mask = mask_before(buf, payload.start);
    mask.rotate_left(skip % 4);
    unmask(&mut came, mask);
    Some((opcode, came))
}

fn mask_before(buf: &[u8], start: usize) -> [u8; 4] {
    [buf[start - 4], buf[start - 3], buf[start - 2], buf[start - 1]]
}

/// How many bytes of `text` are whole characters; the last may still be incomplete.
///
/// # Errors
/// [`Violation::NotUtf8`] where nothing that may follow makes it UTF-8.
pub fn whole_characters(text: &[u8]) -> Result<usize, Violation> {
    match std::str::from_utf8(text) {
        Ok(text) => Ok(text.len()),
        Err(cut) if cut.error_len().is_none() => Ok(cut.valid_up_to()),
        Err(_) => Err(Violation::NotUtf8),
    }
}

/// The payload's length and how many bytes it took beyond the first seven bits.
fn payload_len(short: usize, rest: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    let (len, extended, least) = match short {
        126 => match rest.first_chunk::<2>() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2, 126),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 8, 1 << 16),
            None => return Ok(None),
        },
        short => return Ok(Some((short as u64, 0))),
    };
    if len < least || len >> 63 != 0 {
        return Err(Violation::Protocol("a length that is not in its shortest form"));
    }
    Ok(Some((len, extended)))
}

/// Takes a client's mask off (RFC 6455, 5.3), eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let word = u64::from_ne_bytes([
            chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7],
        ]);
        chunk.copy_from_slice(&(word ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// Writes the header of an unfragmented server frame with `len` bytes of payload.
pub fn put_header(out: &mut impl BufMut, opcode: Opcode, len: usize) {
    out.put_u8(0x80 | opcode as u8);
    match len {
        0..126 => out.put_u8(len as u8),
        126..65_536 => {
            out.put_u8(126);
            out.put_u16(len as u16);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(len as u64);
        }
    }
}

/// A whole server frame.
pub fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(MAX_SERVER_HEADER + payload.len());
    put_header(&mut out, opcode, payload.len());
    out.put_slice(payload);
    out.freeze()
}

/// A close frame; the reason is cut to what fits (123 bytes).
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    let mut payload = Vec::with_capacity(125);
    payload.put_u16(code);
    payload.put_slice(&reason.as_bytes()[..reason.floor_char_boundary(123)]);
    frame(Opcode::Close, &payload)
}

/// The code of a peer's close frame: `None` where it names none.
///
/// # Errors
/// A payload of one byte, a code that may not be sent (RFC 6455, 7.4), a reason that is not UTF-8.
pub fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::Protocol("half a close code")) };
    };
    std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    match u16::from_be_bytes(*code) {
        code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(Some(code)),
        _ => Err(Violation::Protocol("a close code that may not be sent")),
    }
}

/// A message that is still coming in pieces.
#[derive(Debug)]
pub struct Fragments {
    opcode: Opcode,
    data: Vec<u8>,
    count: u32,
    /// Bytes of text that are known to be UTF-8.
    checked: usize,
}

/// What a data frame completes.
#[derive(PartialEq, Eq, Debug)]
pub enum Progress<T> {
    /// The frame is a whole message by itself: its payload is where it was read.
    Whole,
    /// The last piece came: this is the message.
    Joined(T),
    /// More is to come.
    More,
}

/// Adds a data frame to the message under way, within `max`.
///
/// # Errors
/// A continuation of nothing, a new message within one, too many pieces, too many bytes; text that cannot
/// become UTF-8 any more.
pub fn assemble(
    under_way: &mut Option<Box<Fragments>>,
    frame: &Frame,
    payload: &[u8],
    max: MessageLimits,
) -> Result<Progress<(Opcode, Vec<u8>)>, Violation> {
    match (frame.opcode, under_way.as_mut()) {
        (Opcode::Continuation, None) => return Err(Violation::Protocol("a continuation of nothing")),
        (Opcode::Continuation, Some(message)) => {
            if message.count >= max.fragments || message.data.len() + payload.len() > max.bytes {
                return Err(Violation::TooBig);
            }
            message.push(payload)?;
        }
        (_, Some(_)) => return Err(Violation::Protocol("a new message within another")),
        (_, None) if frame.fin => return Ok(Progress::Whole),
        (opcode, None) => {
            let message = Box::new(Fragments { opcode, data: Vec::new(), count: 0, checked: 0 });
            under_way.insert(message).push(payload)?;
        }
    }
    if !frame.fin {
        return Ok(Progress::More);
    }
    Ok(under_way.take().map_or(Progress::More, |message| Progress::Joined((message.opcode, message.data))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x12, 0x34, 0x56, 0x78];
        let mut out = vec![first];
        match payload.len() {
            len @ 0..126 => out.push(0x80 | len as u8),
            len => {
                out.push(0x80 | 126);
                out.extend((len as u16).to_be_bytes());
            }
        }
        out.extend(mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        out
    }

    #[test]
    fn a_frame_is_taken_when_it_is_whole_and_its_size_is_known_before() {
        let payload = vec![b'x'; 300];
        let whole = masked(0x81, &payload);
        for cut in 0..whole.len() {
            let mut part = whole[..cut].to_vec();
            let missing = take_frame(&mut part, 1000).unwrap().unwrap_err();
            assert!(missing == 0 || missing == whole.len(), "{cut}: {missing}");
        }
        let mut buf = whole.clone();
        let frame = take_frame(&mut buf, 1000).unwrap().unwrap();
        assert_eq!(&buf[frame.payload.clone()], payload);
        assert_eq!(frame.payload.end, whole.len());
    }

    #[test]
    fn the_mask_comes_off_whatever_the_length() {
        for len in 0..40 {
            let payload: Vec<u8> = (0..len).collect();
            let mut buf = masked(0x82, &payload);
            let frame = take_frame(&mut buf, 100).unwrap().unwrap();
            assert_eq!(&buf[frame.payload], payload);
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_on_the_header_alone() {
        let mut header = vec![0x82, 0xff];
        header.extend((1u64 << 30).to_be_bytes());
        assert_eq!(take_frame(&mut header, 1_000_000), Err(Violation::TooBig));
    }

    #[test]
    fn what_the_rfc_forbids_a_client_is_refused() {
        let refused = |mut bytes: Vec<u8>| matches!(take_frame(&mut bytes, 100), Err(Violation::Protocol(_)));
        assert!(refused(vec![0x81, 0x01, b'x']), "no mask");
        assert!(refused(masked(0xc1, b"x")), "reserved bit");
        assert!(refused(masked(0x83, b"x")), "reserved opcode");
        assert!(refused(masked(0x09, b"x")), "a control frame in pieces");
        assert!(refused(vec![0x89, 0xfe, 0, 126]), "a long control frame");
        assert!(refused(vec![0x81, 0xfe, 0, 5]), "not the shortest form");
    }

    #[test]
    fn fragments_are_joined_and_bounded_in_number_and_size() {
        let piece = |fin, opcode| Frame { fin, opcode, payload: 0..0 };
        let max = MessageLimits::bytes(5);
        let mut message = None;
        let first = assemble(&mut message, &piece(false, Opcode::Text), b"ab", max);
        assert_eq!(first, Ok(Progress::More));
        let last = assemble(&mut message, &piece(true, Opcode::Continuation), b"cd", max);
        assert_eq!(last, Ok(Progress::Joined((Opcode::Text, b"abcd".to_vec()))));

        assert!(assemble(&mut message, &piece(true, Opcode::Continuation), b"", max).is_err());
        assemble(&mut message, &piece(false, Opcode::Text), b"abc", max).unwrap();
        let big = assemble(&mut message, &piece(true, Opcode::Continuation), b"def", max);
        assert_eq!(big, Err(Violation::TooBig));

        let mut empty = None;
        assemble(&mut empty, &piece(false, Opcode::Text), b"", max).unwrap();
        let end = (0..MAX_FRAGMENTS)
            .map(|_| assemble(&mut empty, &piece(false, Opcode::Continuation), b"", max))
            .find(Result::is_err);
        assert_eq!(end, Some(Err(Violation::TooBig)));
    }

    #[test]
    fn what_has_come_of_a_frame_is_readable_from_anywhere_on() {
        let whole = masked(0x81, "0123456789é".as_bytes());
        for cut in 6..whole.len() {
            for skip in 0..=cut - 6 {
                let (opcode, came) = begun(&whole[..cut], skip).unwrap();
                assert_eq!((opcode, &came[..]), (Opcode::Text, &"0123456789é".as_bytes()[skip..cut - 6]));
            }
        }
        assert_eq!(begun(&whole[..5], 0), None);
        assert_eq!(whole_characters(b"a\xc3"), Ok(1));
        assert_eq!(whole_characters(b"a\xc3("), Err(Violation::NotUtf8));
    }

    #[test]
    fn close_frames_carry_a_code_and_a_reason_that_fits() {
        let frame = close_frame(1012, &"é".repeat(100));
        assert!(frame.len() <= 127);
        assert_eq!(close_code(&frame[2..]), Ok(Some(1012)));
        assert_eq!(close_code(b""), Ok(None));
        assert!(close_code(&[3]).is_err());
        assert!(close_code(&1005u16.to_be_bytes()).is_err());
        assert_eq!(close_code(&[3, 232, 0xff]), Err(Violation::NotUtf8));
    }
}
