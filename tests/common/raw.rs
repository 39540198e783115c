//! A websocket of which every byte is the test's own: frames that no library would send, and what comes back.

use std::io::Write as _;

use super::line::{Heard, Line};
use super::{PATIENCE, eventually};

/// Final frames and their kinds (RFC 6455, 5.2); a first fragment is [`TEXT`] or [`BINARY`] without [`FIN`].
pub const FIN: u8 = 0x80;
/// More of the message under way.
pub const MORE: u8 = 0;
/// Text.
pub const TEXT: u8 = 1;
/// Bytes.
pub const BINARY: u8 = 2;
/// The close handshake.
pub const CLOSE: u8 = 8;
/// Asks for a pong.
pub const PING: u8 = 9;
/// Answers a ping.
pub const PONG: u8 = 10;

/// The headers of an upgrade, without `Host`.
pub const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// See the module.
pub struct Raw(Line);

/// A frame as a client has to send it: masked.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut out = header(first, payload.len() as u64);
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// The header of a masked frame up to its mask.
pub fn header(first: u8, len: u64) -> Vec<u8> {
    let mut out = vec![first];
    match len {
        0..126 => out.push(0x80 | len as u8),
        126..65_536 => {
            out.push(0x80 | 126);
            out.extend((len as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend(len.to_be_bytes());
        }
    }
    out
}

impl Raw {
    /// Opens one; the hub has to let it in.
    pub fn open(port: u16, target: &str) -> Raw {
        Raw::open_with(port, target, &[])
    }

    /// With further headers.
    pub fn open_with(port: u16, target: &str, headers: &[(&str, &str)]) -> Raw {
        let mut line = Line::open(port);
        let answer = line.request("GET", target, &[&UPGRADE[..], headers].concat(), b"");
        assert_eq!(answer.status, 101, "{answer:?}");
        assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        Raw(line)
    }

    /// Sends bytes as they stand.
    pub fn write(&mut self, bytes: &[u8]) {
        self.0.stream().write_all(bytes).unwrap();
    }

    /// Sends bytes until the hub takes no more of them. Returns whether it took all.
    pub fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.0.stream().write_all(bytes).is_ok()
    }

    /// Sends a frame.
    pub fn send(&mut self, first: u8, payload: &[u8]) {
        self.write(&masked(first, payload));
    }

    /// The next frame: its first byte and its payload. A server's are not masked.
    pub fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.0.take(2);
        let len = match head[1] {
            126 => usize::from(u16::from_be_bytes(self.0.take(2).try_into().unwrap())),
            127 => u64::from_be_bytes(self.0.take(8).try_into().unwrap()) as usize,
            short => usize::from(short),
        };
        assert!(head[1] < 0x80, "a server masks nothing");
        (head[0], self.0.take(len))
    }

    /// The next frame is this one.
    pub fn expect(&mut self, first: u8, payload: &[u8]) {
        let (got, came) = self.frame();
        let text = String::from_utf8_lossy(&came);
        assert!(got == first && came == payload, "{got:x} {} bytes: {text:.200}", came.len());
    }

    /// The next frame closes with this code; gives its reason.
    pub fn expect_close_frame(&mut self, code: u16) -> String {
        let (first, payload) = self.frame();
        assert_eq!(first, FIN | CLOSE, "{payload:?}");
        let (came, reason) = payload.split_first_chunk::<2>().expect("a code");
        assert_eq!(u16::from_be_bytes(*came), code);
        String::from_utf8(reason.to_vec()).unwrap()
    }

    /// It is closed with this code and then, without a word of ours, the connection.
    pub fn expect_closed(&mut self, code: u16) {
        self.expect_close_frame(code);
        self.expect_end();
    }

    /// The server closes the connection, and says nothing before.
    pub fn expect_end(&mut self) {
        eventually("the server closes", || match self.0.hear(PATIENCE) {
            Heard::End => Some(()),
            other => panic!("{other:?}"),
        });
    }

    /// The connection below.
    pub fn line(&mut self) -> &mut Line {
        &mut self.0
    }
}
