//! What an HTTP request wants of a session, wherever it came in.

use actix::Message;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::poll::Poll;
use super::wire::Held;
use crate::ids::Sid;
use crate::protocol::engineio::{HandshakeError, Version};

/// An errand to a session; it goes to the worker that the session's id names.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Visit {
    /// Whose session, as the request says.
    pub sid: Sid,
    /// The version that the request speaks.
    pub version: Version,
    /// What it wants.
    pub errand: Errand,
}

/// See [`Visit`].
#[derive(Debug)]
pub enum Errand {
    /// GET: waits for packets.
    Poll(Poll),
    /// The GET with this ticket will read no more.
    Gone(u64),
    /// POST: brings packets.
    Post(Post),
    /// Asks whether there is a session that a websocket could be for.
    MayUpgrade(oneshot::Sender<Result<(), HandshakeError>>),
    /// A websocket that wants to take the session over, its handshake done.
    Upgrade(Candidate),
}

/// The body of a POST.
#[derive(Debug)]
pub struct Post {
    /// The payload.
    pub body: Bytes,
    /// It came as `application/octet-stream`.
    pub binary: bool,
    /// Told when all of it has been heard.
    pub answer: oneshot::Sender<Result<(), HandshakeError>>,
}

/// A websocket that has still to prove itself.
#[derive(Debug)]
pub struct Candidate {
    /// The stream: bare, so that it can move to the session's worker.
    pub stream: std::net::TcpStream,
    /// What the handshake read too much.
    pub already_read: Bytes,
    /// Held as long as the stream is open.
    pub held: Held,
}

impl Errand {
    /// Turns the errand away.
    pub fn refuse(self, error: HandshakeError) {
        match self {
            Errand::Poll(poll) => poll.refuse(error),
            Errand::Post(post) => drop(post.answer.send(Err(error))),
            Errand::MayUpgrade(answer) => drop(answer.send(Err(error))),
            Errand::Gone(_) | Errand::Upgrade(_) => {} // a stream that is dropped is closed
        }
    }
}
