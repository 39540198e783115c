//! A session over long-polling: one connection for GET, one for POST, as a browser keeps them.

use std::time::Duration;

use super::engine::Version;
use super::line::{Heard, Line};
use super::payload::{Packet, decode, encode};

/// A session that is polled.
pub struct Polls {
    get: Line,
    post: Line,
    version: Version,
    /// Path and query of each request.
    target: String,
    /// A poll is outstanding.
    polling: bool,
}

/// What a poll led to.
#[derive(Debug)]
pub enum Polled {
    /// These packets.
    Packets(Vec<Packet>),
    /// Nothing yet: the poll goes on.
    Nothing,
    /// The session is over.
    Over,
}

impl Polls {
    /// Polls a new session: gives what its first answer had, or the refusal's status and body.
    pub fn open(
        port: u16,
        version: Version,
        target: String,
        headers: &[(&str, &str)],
        receive_buffer: Option<usize>,
    ) -> Result<(Polls, Vec<Packet>), (u16, String)> {
        let mut get = Line::open_with(port, receive_buffer);
        let answer = get.request("GET", &target, headers, b"");
        if answer.status != 200 {
            return Err((answer.status, answer.text()));
        }
        let packets = decode(version, answer.header("content-type").unwrap(), &answer.body);
        Ok((Polls { get, post: Line::open(port), version, target, polling: false }, packets))
    }

    /// All further requests name the session.
    pub fn name(&mut self, sid: &str) {
        self.target.push_str(&format!("&sid={sid}"));
    }

    /// Path and query of the session's requests.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The connection of the polls.
    pub fn get_line(&mut self) -> &mut Line {
        &mut self.get
    }

    /// Sees to it that a poll is outstanding.
    pub fn begin(&mut self) {
        if !self.polling {
            self.polling = self.get.send("GET", &self.target, &[], b"");
        }
    }

    /// Whether a poll is outstanding.
    pub fn is_polling(&self) -> bool {
        self.polling
    }

    /// Polls, or goes on with the poll that is outstanding; it stays so when the time is over.
    pub fn poll(&mut self, time: Duration) -> Polled {
        self.begin();
        if !self.polling {
            return Polled::Over;
        }
        match self.get.hear(time) {
            Heard::Nothing => Polled::Nothing,
            Heard::End => Polled::Over,
            Heard::Answer(answer) => {
                self.polling = false;
                if answer.status != 200 {
                    return Polled::Over;
                }
                let kind = answer.header("content-type").unwrap();
                Polled::Packets(decode(self.version, kind, &answer.body))
            }
        }
    }

    /// Posts packets; gives the answer's status, or none where the connection was closed.
    pub fn post(&mut self, packets: &[Packet]) -> Option<u16> {
        if self.begin_post(packets) { self.finish_post() } else { None }
    }

    /// Posts packets without waiting for the answer. Returns whether the connection took them.
    pub fn begin_post(&mut self, packets: &[Packet]) -> bool {
        let (body, kind) = encode(self.version, packets);
        self.post.send("POST", &self.target, &[kind], &body)
    }

    /// The answer to what was posted.
    pub fn finish_post(&mut self) -> Option<u16> {
        match self.post.hear(super::PATIENCE) {
            Heard::Answer(answer) => Some(answer.status),
            Heard::End => None,
            Heard::Nothing => panic!("a POST was not answered"),
        }
    }
}
