//! Names for sockets and sessions.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

/// A socket's number within this process: unique for its lifetime, never used again.
///
/// A slot of a lane is used again as soon as its socket is gone; messages under way name this number,
/// so that they cannot hit the next one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Uid(pub u64);

/// Where a socket lives: its worker, its slot in that worker's lane, and its [`Uid`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// Index of the worker thread.
    pub worker: u16,
    /// Slot in that worker's lane.
    pub slot: u32,
    /// The socket that is meant.
    pub uid: Uid,
}

/// An id that the outside sees: 128 random bits from the operating system behind the names of the node
/// and the worker that hold the session, 26 characters of URL-safe base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid([u8; 26]);

impl Sid {
    /// Draws a new id for a session of `worker` on `node`.
    ///
    /// # Panics
    /// Only where the operating system has no source of randomness.
    pub fn new(node: u8, worker: u16) -> Sid {
        let mut raw = [0u8; 19];
        raw[0] = node;
        raw[1..3].copy_from_slice(&worker.to_be_bytes());
        #[allow(clippy::expect_used, reason = "a server without randomness must not run")]
        getrandom::fill(&mut raw[3..]).expect("the operating system gives random bytes");
        let mut text = [0u8; 26];
        let written = URL_SAFE_NO_PAD.encode_slice(raw, &mut text);
        debug_assert_eq!(written.ok(), Some(26));
        Sid(text)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // base64 is ASCII
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Reads an id that somebody sends.
    pub fn parse(text: &str) -> Option<Sid> {
        let mut raw = [0u8; 19];
        let n = URL_SAFE_NO_PAD.decode_slice(text, &mut raw).ok()?;
        let text = text.as_bytes().try_into().ok()?;
        (n == raw.len()).then_some(Sid(text))
    }

    /// The worker whose session this id names.
    pub fn worker(&self) -> u16 {
        let mut raw = [0u8; 19];
        // it was encoded, or decoded, before it became an id
        let _ = URL_SAFE_NO_PAD.decode_slice(self.0, &mut raw);
        u16::from_be_bytes([raw[1], raw[2]])
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Sid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_names_its_worker_and_is_never_drawn_twice() {
        let (a, b) = (Sid::new(1, 513), Sid::new(1, 513));
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 26);
        assert_eq!(a.worker(), 513);
        assert_eq!(Sid::parse(a.as_str()), Some(a));
        for bad in ["", "nonsense", &a.as_str()[1..], "!!!!!!!!!!!!!!!!!!!!!!!!!!"] {
            assert_eq!(Sid::parse(bad), None);
        }
    }
}
