//! Bytes → messages: what came in and is not whole yet.
//!
//! Reads go into a buffer that all sockets of a worker share; only what is left of a message that is not
//! whole is kept here, so an idle socket holds no read buffer.

use crate::protocol::websocket::{self, Fragments, Frame, MessageLimits, Opcode, Progress, Violation};

/// How much one socket may take of its worker in one go, so that a flood from one does not keep the
/// others waiting.
#[derive(Debug)]
pub struct Budget {
    packets: u32,
    bytes: usize,
}

impl Budget {
    /// Sixteen packets or 64 KiB.
    pub fn new() -> Budget {
        Budget { packets: 16, bytes: 64 * 1024 }
    }

    /// Whether nothing is left of it.
    pub fn is_spent(&self) -> bool {
        self.packets == 0 || self.bytes == 0
    }

    /// Takes one packet and its bytes out of it.
    pub fn spend(&mut self, bytes: usize) {
        self.packets = self.packets.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Default for Budget {
    fn default() -> Self {
        Budget::new()
    }
}

/// What a peer sent: a whole message or a control frame.
#[derive(PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// Text, binary, close, ping or pong.
    pub opcode: Opcode,
    /// Its payload; text is not yet known to be UTF-8.
    pub payload: &'a [u8],
}

/// What is kept between two reads.
#[derive(Debug)]
pub struct Inbox {
    /// The front of a frame that is not whole yet, or frames that were read and wait their turn.
    partial: Vec<u8>,
    fragments: Option<Box<Fragments>>,
    /// Bytes of text in the frame at the front of `partial` that are known to be UTF-8.
    checked: usize,
    max: MessageLimits,
}

impl Inbox {
    /// An inbox that begins with what the handshake read too much.
    pub fn new(max: MessageLimits, already_read: &[u8]) -> Inbox {
        Inbox { partial: already_read.to_vec(), fragments: None, checked: 0, max }
    }

    /// The most that a message may have from now on, in bytes.
    pub fn allow(&mut self, bytes: usize) {
        self.max.bytes = bytes;
    }

    /// Whether a message has begun to come in.
    pub fn is_waiting(&self) -> bool {
        !self.partial.is_empty() || self.fragments.is_some()
    }

    /// Whether frames may be waiting from an earlier read.
    pub fn has_leftover(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Takes messages out of `read` (behind what was left over) and hands each to `handle`, until the
    /// budget is spent or `handle` says to stop; the rest is kept. Returns whether all whole messages
    /// were taken.
    ///
    /// # Errors
    /// What the peer did wrong.
    pub fn take(
        &mut self,
        read: &mut [u8],
        budget: &mut Budget,
        mut handle: impl FnMut(Message<'_>) -> bool,
    ) -> Result<bool, Violation> {
        if self.partial.is_empty() {
            let (taken, done) = self.take_from(read, budget, &mut handle)?;
            self.keep(&read[taken..]);
            return Ok(done);
        }
        let mut bytes = std::mem::take(&mut self.partial);
        bytes.extend_from_slice(read);
        let (taken, done) = self.take_from(&mut bytes, budget, &mut handle)?;
        if taken < bytes.len() {
            bytes.drain(..taken);
            self.partial = bytes;
        }
        Ok(done)
    }

    fn keep(&mut self, rest: &[u8]) {
        if !rest.is_empty() {
            self.partial = rest.to_vec();
        }
    }

    fn take_from(
        &mut self,
        bytes: &mut [u8],
        budget: &mut Budget,
        handle: &mut impl FnMut(Message<'_>) -> bool,
    ) -> Result<(usize, bool), Violation> {
        let mut taken = 0;
        while !budget.is_spent() {
            let rest = &mut bytes[taken..];
            let so_far = self.fragments.as_ref().map_or(0, |fragments| fragments.len());
            let Ok(frame) = websocket::take_frame(rest, self.max.bytes.saturating_sub(so_far))? else {
                self.check_begun(rest)?;
                return Ok((taken, true));
            };
            self.checked = 0;
            let payload = &rest[frame.payload.clone()];
            taken += frame.payload.end;
            budget.spend(payload.len());
            if !self.hand_on(&frame, payload, handle)? {
                return Ok((taken, false));
            }
        }
        Ok((taken, false))
    }

    /// Text that cannot become UTF-8 any more is not waited for to the end of its frame.
    fn check_begun(&mut self, rest: &[u8]) -> Result<(), Violation> {
        let Some((opcode, mut came)) = websocket::begun(rest, self.checked) else { return Ok(()) };
        let cut = match opcode {
            Opcode::Text => &[],
            Opcode::Continuation => match self.fragments.as_ref().and_then(|message| message.cut_character())
            {
                Some(cut) => cut,
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        let before = if self.checked == 0 { cut.len() } else { 0 };
        came.splice(..0, cut[..before].iter().copied());
        self.checked += websocket::whole_characters(&came)?.saturating_sub(before);
        Ok(())
    }

    fn hand_on(
        &mut self,
        frame: &Frame,
        payload: &[u8],
        handle: &mut impl FnMut(Message<'_>) -> bool,
    ) -> Result<bool, Violation> {
        if matches!(frame.opcode, Opcode::Close | Opcode::Ping | Opcode::Pong) {
            return Ok(handle(Message { opcode: frame.opcode, payload }));
        }
        Ok(match websocket::assemble(&mut self.fragments, frame, payload, self.max)? {
            Progress::Whole => handle(Message { opcode: frame.opcode, payload }),
            Progress::Joined((opcode, data)) => handle(Message { opcode, payload: &data }),
            Progress::More => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0x80 | opcode as u8, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        out.extend_from_slice(payload);
        out
    }

    fn taken(inbox: &mut Inbox, bytes: &[u8], budget: &mut Budget) -> (Vec<String>, bool) {
        let mut seen = Vec::new();
        let done = inbox.take(&mut bytes.to_vec(), budget, |message| {
            seen.push(String::from_utf8_lossy(message.payload).into_owned());
            true
        });
        (seen, done.unwrap())
    }

    #[test]
    fn messages_come_out_whole_however_the_bytes_are_cut() {
        let stream = [client_frame(Opcode::Text, b"one"), client_frame(Opcode::Text, b"two")].concat();
        for cut in 0..stream.len() {
            let mut inbox = Inbox::new(MessageLimits::bytes(100), &stream[..cut]);
            let (seen, done) = taken(&mut inbox, &stream[cut..], &mut Budget::new());
            assert_eq!((seen, done), (vec!["one".to_owned(), "two".to_owned()], true), "{cut}");
            assert!(!inbox.has_leftover());
        }
    }

    #[test]
    fn text_that_is_none_is_refused_while_its_frame_is_under_way_and_good_text_never_is() {
        let text = "é😀\u{10ffff}x".repeat(3);
        let pieces = text.as_bytes().split_at(4); // in the middle of a character
        let mut stream = client_frame(Opcode::Text, pieces.0);
        stream[0] &= 0x7f;
        stream.extend(client_frame(Opcode::Continuation, pieces.1));
        let mut bad = stream.clone();
        let at = bad.len() - 3; // within the last character but one
        bad[at] = b'(';
        for size in 1..9 {
            let read = |bytes: &[u8]| {
                let mut inbox = Inbox::new(MessageLimits::bytes(100), b"");
                let mut heard = Vec::new();
                for piece in bytes.chunks(size) {
                    inbox.take(&mut piece.to_vec(), &mut Budget::new(), |message| {
                        heard.push(message.payload.to_vec());
                        true
                    })?;
                }
                Ok(heard)
            };
            assert_eq!(read(&stream), Ok(vec![text.as_bytes().to_vec()]), "{size}");
            assert_eq!(read(&bad[..=at]), Err(Violation::NotUtf8), "{size}");
        }
    }

    #[test]
    fn a_flood_waits_for_the_next_turn() {
        let stream = client_frame(Opcode::Text, b"x").repeat(20);
        let mut inbox = Inbox::new(MessageLimits::bytes(100), b"");
        let (first, done) = taken(&mut inbox, &stream, &mut Budget::new());
        assert_eq!((first.len(), done), (16, false));
        let (rest, done) = taken(&mut inbox, b"", &mut Budget::new());
        assert_eq!((rest.len(), done), (4, true));
    }
}
