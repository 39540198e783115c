//! Polls and posts: a session over HTTP requests, whichever worker they came in on.

use actix::Context;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Link, Phase, Socket};
use crate::close::CloseReason;
use crate::protocol::engineio::payload::{self, Part, Reader};
use crate::protocol::engineio::{self, HandshakeError};
use crate::socket::conn::Word;
use crate::socket::inbox::Budget;
use crate::socket::namespace::Namespace;
use crate::socket::poll::Poll;
use crate::socket::visit::{Errand, Post, Visit};

/// The body of a POST, on its way to the namespace.
pub(super) struct Posted {
    reader: Reader,
    answer: oneshot::Sender<Result<(), HandshakeError>>,
}

impl<N: Namespace> Socket<N> {
    pub(super) fn receive(&mut self, visit: Visit, ctx: &mut Context<Self>) {
        if visit.version != self.core.dialog.version {
            return visit.errand.refuse(HandshakeError::BadRequest);
        }
        if self.phase != Phase::Open {
            return self.receive_late(visit.errand, ctx);
        }
        match visit.errand {
            Errand::Gone(ticket) => self.hear_gone(ticket, ctx),
            // one that comes too late is closed after its handshake, as the reference server does it
            Errand::MayUpgrade(answer) => drop(answer.send(Ok(()))),
            Errand::Upgrade(candidate) => self.begin_probe(candidate, ctx),
            // its client has left polling for good
            errand if matches!(self.link, Link::Websocket(_)) => errand.refuse(HandshakeError::BadRequest),
            Errand::Poll(poll) => self.hear_poll(poll, ctx),
            Errand::Post(post) => self.hear_post(post, ctx),
        }
    }

    /// The session is over: who polls is told why, once.
    fn receive_late(&mut self, errand: Errand, ctx: &mut Context<Self>) {
        match errand {
            Errand::Poll(poll) if !self.last_words.is_empty() => {
                let records = self.take_last_words();
                let payload = payload::write(records, self.core.dialog);
                self.core.outboxes.borrow().answer_late(poll, payload, &self.core.presence);
                self.finish(ctx);
            }
            errand => errand.refuse(HandshakeError::SessionUnknown),
        }
    }

    /// What its client has still to be told, for the last time.
    pub(super) fn take_last_words(&mut self) -> Bytes {
        self.core.outboxes.borrow().count_last_words(-i64::from(!self.last_words.is_empty()));
        std::mem::take(&mut self.last_words)
    }

    fn hear_poll(&mut self, poll: Poll, ctx: &mut Context<Self>) {
        self.core.presence.now();
        let slot = self.core.place.slot;
        if self.core.outboxes.borrow_mut().open_poll(slot).is_some() {
            self.end(CloseReason::ProtocolError, None, ctx);
            return poll.refuse(HandshakeError::BadRequest);
        }
        self.core.outboxes.borrow_mut().poll(slot, poll);
        self.release_poll_while_probing();
    }

    /// A poll whose client went away ends the session, as in the reference server: what it would have been
    /// answered may have been lost.
    fn hear_gone(&mut self, ticket: u64, ctx: &mut Context<Self>) {
        let open = self.core.outboxes.borrow_mut().open_poll(self.core.place.slot);
        if open.is_none_or(|open| open == ticket) && !matches!(self.link, Link::Websocket(_)) {
            self.core.outboxes.borrow_mut().take_poll(self.core.place.slot);
            self.end(CloseReason::TransportError, None, ctx);
            self.finish(ctx);
        }
    }

    /// One POST at a time: packets of two could not be put in order.
    fn hear_post(&mut self, post: Post, ctx: &mut Context<Self>) {
        self.core.presence.now();
        if self.posted.is_some() {
            self.end(CloseReason::ProtocolError, None, ctx);
            let _ = post.answer.send(Err(HandshakeError::BadRequest));
            return;
        }
        match Reader::new(post.body, self.core.dialog.version, post.binary) {
            Ok(reader) => self.posted = Some(Box::new(Posted { reader, answer: post.answer })),
            Err(_) => {
                self.end(CloseReason::ProtocolError, None, ctx);
                let _ = post.answer.send(Err(HandshakeError::BadRequest));
            }
        }
    }

    /// Hears packets of a body, as many as the budget and the client's standing allow.
    pub(super) fn digest_post(&mut self, budget: &mut Budget, ctx: &mut Context<Self>) {
        while self.phase == Phase::Open && !self.core.connecting && !budget.is_spent() {
            let Some(posted) = &mut self.posted else { return };
            match posted.reader.take() {
                Ok(Some(part)) => self.hear_part(&part, budget, ctx),
                Ok(None) => self.close_post(Ok(())),
                Err(_) => self.end(CloseReason::ProtocolError, None, ctx),
            }
        }
    }

    fn hear_part(&mut self, part: &Part, budget: &mut Budget, ctx: &mut Context<Self>) {
        match part {
            Part::Text(text) => {
                budget.spend(text.len());
                // the reader has seen that it is UTF-8
                self.hear_engine(std::str::from_utf8(text).unwrap_or_default(), ctx);
            }
            Part::Binary(bytes) => {
                budget.spend(bytes.len());
                self.hear_binary(bytes, ctx);
            }
        }
        if self.phase == Phase::Open {
            self.core.speak();
        }
    }

    /// Answers the POST that is being heard, if there is one.
    pub(super) fn close_post(&mut self, outcome: Result<(), HandshakeError>) {
        if let Some(posted) = self.posted.take() {
            let _ = posted.answer.send(outcome);
        }
    }

    /// Says the last words of a polled session: now, where a poll is open, else when the client comes again,
    /// unless it has nothing to be told. Returns whether nothing is left to be said.
    pub(super) fn say_last_words(&mut self, reason: CloseReason) -> bool {
        let slot = self.core.place.slot;
        // CLOSE makes python-socketio stay away, and socket.io-client 4 forget what came with it; the next
        // poll, which finds no session, brings back who is to come back
        let packet = if reason.is_a_fault() { engineio::CLOSE } else { engineio::NOOP };
        self.core.words.push(Word::Text(packet.to_owned()));
        self.core.speak();
        let records = self.core.outboxes.borrow_mut().take_records(slot);
        // a poll that its client sent before it left may come in after it
        if !reason.is_a_fault() && reason != CloseReason::PingTimeout {
            self.last_words = records;
            self.core.outboxes.borrow().count_last_words(i64::from(!self.last_words.is_empty()));
        }
        self.last_words.is_empty()
    }
}
