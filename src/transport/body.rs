//! The body of a poll's answer: it leaves in pieces, and each one that is taken is a sign of life.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, MessageBody};
use bytes::Bytes;

use super::desks::Desks;
use crate::ids::Sid;
use crate::protocol::engineio::Version;
use crate::socket::poll::UnderWay;
use crate::socket::visit::{Errand, Visit};

/// Bytes handed to the connection at once: it takes no more before the peer has read.
const PIECE: usize = 16 * 1024;

/// Tells the session where its poll came to nothing: the client went away, or did not read all of the
/// answer.
pub struct PollGuard {
    desks: Arc<Desks>,
    sid: Sid,
    version: Version,
    ticket: u64,
    /// Nothing can be lost any more.
    settled: bool,
}

impl PollGuard {
    /// Guards one poll.
    pub fn new(desks: &Arc<Desks>, sid: Sid, version: Version, ticket: u64) -> PollGuard {
        PollGuard { desks: Arc::clone(desks), sid, version, ticket, settled: false }
    }

    /// It has come to its end.
    pub fn settle(&mut self) {
        self.settled = true;
    }
}

impl Drop for PollGuard {
    fn drop(&mut self) {
        if !self.settled {
            let errand = Errand::Gone(self.ticket);
            self.desks.send(Visit { sid: self.sid, version: self.version, errand });
        }
    }
}

/// See the module.
pub struct AnswerBody {
    left: Bytes,
    size: u64,
    way: UnderWay,
    guard: PollGuard,
}

impl AnswerBody {
    /// A body that nothing has been read of.
    pub fn new(body: Bytes, way: UnderWay, guard: PollGuard) -> AnswerBody {
        AnswerBody { size: body.len() as u64, left: body, way, guard }
    }
}

impl MessageBody for AnswerBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let len = self.left.len().min(PIECE);
        let piece = self.left.split_to(len);
        self.way.took(len);
        if self.way.is_done() {
            self.guard.settle();
        }
        Poll::Ready(Some(Ok(piece)))
    }
}
