//! One HTTP/1.1 connection that is kept alive: requests go out as they stand, whole or in pieces, and an
//! answer may be waited for in several goes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::PATIENCE;
use super::wire::dial;

/// A connection.
pub struct Line {
    stream: TcpStream,
    host: String,
    /// Read already, no whole answer yet.
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What waiting for an answer led to.
#[derive(Debug)]
pub enum Heard {
    /// It came.
    Answer(Answer),
    /// It may still come.
    Nothing,
    /// The server has closed the connection.
    End,
}

impl Line {
    /// Opens one.
    pub fn open(port: u16) -> Line {
        Line::open_with(port, None)
    }

    /// Opens one whose receive buffer has this many bytes.
    pub fn open_with(port: u16, receive_buffer: Option<usize>) -> Line {
        Line { stream: dial(port, receive_buffer), host: format!("127.0.0.1:{port}"), read: Vec::new() }
    }

    /// The stream below.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Gives back what was read from the stream by hand.
    pub fn unread(&mut self, bytes: &[u8]) {
        self.read.splice(..0, bytes.iter().copied());
    }

    /// Sends a request with its length. Returns whether the connection took it.
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> bool {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.host);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.stream.write_all(&[head.as_bytes(), body].concat()).is_ok()
    }

    /// Sends a request and waits for its answer.
    pub fn request(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        assert!(self.send(method, target, headers, body), "the connection was closed");
        self.answer()
    }

    /// `GET` without further headers.
    pub fn get(&mut self, target: &str) -> Answer {
        self.request("GET", target, &[], b"")
    }

    /// `POST` of text without further headers.
    pub fn post(&mut self, target: &str, body: &str) -> Answer {
        self.request("POST", target, &[("Content-Type", "text/plain;charset=UTF-8")], body.as_bytes())
    }

    /// Waits for the answer that is due.
    pub fn answer(&mut self) -> Answer {
        match self.hear(PATIENCE) {
            Heard::Answer(answer) => answer,
            other => panic!("no answer but {other:?}"),
        }
    }

    /// Waits for a while for the answer that is due.
    pub fn hear(&mut self, time: Duration) -> Heard {
        let deadline = Instant::now() + time;
        let mut buffer = [0; 64 * 1024];
        loop {
            if let Some((answer, len)) = parse(&self.read) {
                self.read.drain(..len);
                return Heard::Answer(answer);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Heard::Nothing;
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            match self.stream.read(&mut buffer) {
                Ok(0) => return Heard::End,
                Ok(n) => self.read.extend_from_slice(&buffer[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Heard::End,
            }
        }
    }

    /// Exactly so many bytes of what follows the answers.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        while self.read.len() < len {
            let mut buffer = [0; 1024];
            match self.stream.read(&mut buffer) {
                Ok(n) if n > 0 => self.read.extend_from_slice(&buffer[..n]),
                other => panic!("{len} bytes did not come: {other:?}, {:?}", self.read),
            }
        }
        self.read.drain(..len).collect()
    }

    /// The server closes the connection, whatever it may still say before.
    pub fn expect_end(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Heard::End = self.hear(deadline.saturating_duration_since(Instant::now())) {
                return;
            }
        }
        panic!("the connection was not closed");
    }
}

/// The answer at the start of `bytes` and its length, if all of it is there. All answers here say their
/// length, or have no body.
fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.lines();
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = match length {
        Some((_, length)) => length.parse::<usize>().unwrap(),
        None if matches!(status, 101 | 204) => 0,
        None => panic!("an answer without a length: {head}"),
    };
    let body = bytes.get(end..end + length)?.to_vec();
    Some((Answer { status, headers, body }, end + length))
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap_or_else(|_| panic!("no text: {self:?}"))
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))
    }

    /// Fails unless it is Engine.IO's refusal with this code and text.
    pub fn assert_refused(&self, status: u16, code: u8, message: &str) {
        let expected = serde_json::json!({"code": code, "message": message});
        assert_eq!((self.status, self.json()), (status, expected), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
    }
}
