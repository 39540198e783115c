//! The ways in: a websocket of Socket.IO, a poll, the plain websocket.

use crate::common::line::Answer;
use crate::common::*;

/// How a client comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    Websocket,
    Poll,
    Plain,
}

/// A page that the hubs of these tests allow.
pub const PAGE: &str = "https://app.example.com";

impl Entry {
    pub const ALL: [Entry; 3] = [Entry::Websocket, Entry::Poll, Entry::Plain];

    fn target(self) -> &'static str {
        match self {
            Entry::Websocket => "/socket.io/?EIO=4&transport=websocket",
            Entry::Poll => "/socket.io/?EIO=4&transport=polling",
            Entry::Plain => "/ws",
        }
    }

    /// One handshake from behind a proxy, as a page makes it; on a connection of its own, which lives as long as
    /// what is given back.
    pub fn knock(self, port: u16, address: &str) -> (Answer, Line) {
        let mut line = Line::open(port);
        (self.knock_on(&mut line, address), line)
    }

    /// The same on a connection that is there.
    pub fn knock_on(self, line: &mut Line, address: &str) -> Answer {
        let mut headers = vec![("Origin", PAGE), ("X-Forwarded-For", address)];
        if self != Entry::Poll {
            headers.extend([
                ("Connection", "Upgrade"),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ]);
        }
        line.request("GET", self.target(), &headers, b"")
    }

    /// The status of a handshake that is let in.
    pub fn welcome(self) -> u16 {
        if self == Entry::Poll { 200 } else { 101 }
    }

    /// Fails unless it was refused in the form of its protocol, in a way that the page may read and that says when
    /// to come again. Gives the seconds.
    pub fn assert_refused(self, answer: &Answer, status: u16, code: &str, message: &str) -> u64 {
        let body = match self {
            Entry::Plain => json!({"error": {"code": code, "message": message}}),
            _ => json!({"code": 4, "message": message}),
        };
        assert_eq!((answer.status, answer.json()), (status, body), "{self:?}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE), "{self:?}: {answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        answer.header("retry-after").and_then(|seconds| seconds.parse().ok()).unwrap()
    }
}

/// A hub that believes the test when it says whose connection it is.
pub fn behind_a_proxy() -> Builder {
    TestServer::builder().set("server.trusted_proxies", "127.0.0.1").set("cors.origins", PAGE)
}
