//! Acks that a client was asked for, and what waits for them.

use std::collections::HashMap;
use std::time::Duration;

use actix::{AsyncContext as _, Context, SpawnHandle};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::actor::Socket;
use super::conn::Conn;
use super::namespace::Namespace;

/// The most acks that one client may owe.
const MOST: usize = 1_000;

/// What a client answered.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The arguments of its ack. A `{"_placeholder":true,"num":n}` in them stands for `attachments[n]`.
    pub args: &'a [&'a RawValue],
    /// Its binary parts.
    pub attachments: &'a [Bytes],
}

/// The client did not answer in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the client did not answer in time")]
pub struct NoReply;

/// What happens with an answer.
pub type Then<N> = Box<dyn FnOnce(&N, &mut Conn<'_, N>, Result<Reply<'_>, NoReply>)>;

/// The acks that one socket waits for.
pub(super) struct Asks<N: Namespace> {
    waiting: HashMap<u64, Waiting<N>>,
    next: u64,
}

struct Waiting<N: Namespace> {
    member: u32,
    then: Then<N>,
    deadline: SpawnHandle,
}

impl<N: Namespace> Asks<N> {
    pub(super) fn new() -> Asks<N> {
        Asks { waiting: HashMap::new(), next: 0 }
    }

    /// Waits for one more ack, and says its id; none where the client owes too many.
    pub(super) fn add(
        &mut self,
        member: u32,
        timeout: Duration,
        then: Then<N>,
        ctx: &mut Context<Socket<N>>,
    ) -> Option<u64> {
        if self.waiting.len() >= MOST {
            return None;
        }
        let id = self.next;
        self.next += 1;
        let deadline = ctx.run_later(timeout, move |socket, ctx| socket.give_up(id, ctx));
        self.waiting.insert(id, Waiting { member, then, deadline });
        Some(id)
    }

    /// What waited for this ack of this member.
    pub(super) fn take(&mut self, id: u64, member: u32, ctx: &mut Context<Socket<N>>) -> Option<Then<N>> {
        if self.waiting.get(&id)?.member != member {
            return None;
        }
        let waiting = self.waiting.remove(&id)?;
        ctx.cancel_future(waiting.deadline);
        Some(waiting.then)
    }

    /// What waited for this ack, and for whom.
    pub(super) fn take_late(&mut self, id: u64) -> Option<(u32, Then<N>)> {
        self.waiting.remove(&id).map(|waiting| (waiting.member, waiting.then))
    }

    /// Waits for no more acks of a member that has left.
    pub(super) fn forget(&mut self, member: u32, ctx: &mut Context<Socket<N>>) {
        let gone = self.waiting.extract_if(|_, waiting| waiting.member == member);
        for (_, waiting) in gone {
            ctx.cancel_future(waiting.deadline);
        }
    }
}
