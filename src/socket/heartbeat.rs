//! Pings for all sockets of a worker from one timer: each tick a share of the slots.

use std::collections::VecDeque;

use bytes::Bytes;

use super::outbox::{Outboxes, Signal, Slot};
use crate::close::CloseReason;
use crate::ids::Uid;
use crate::protocol::frame::Dialect;

/// Ticks in a ping interval. The slots are gone through in one less, so that a ping may come early and
/// never late.
pub const TICKS: u64 = 25;

/// How often a socket is pinged and how long it may take to answer, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct HeartbeatOptions {
    /// Between two pings.
    pub interval_ms: u64,
    /// From a ping until a sign of life.
    pub timeout_ms: u64,
    /// From the first byte until the client has been let in.
    pub auth_timeout_ms: u64,
}

impl HeartbeatOptions {
    /// Between two ticks, in milliseconds.
    pub fn tick_ms(&self) -> u64 {
        (self.interval_ms / TICKS).max(1)
    }
}

/// The wheel of one worker. Its deadlines are all equally long, so two queues hold them in order.
#[derive(Debug)]
pub struct Heartbeat {
    options: HeartbeatOptions,
    /// The ping frame of each dialect.
    ping: [Bytes; Dialect::COUNT],
    tick: u64,
    last_tick: u64,
    /// When an answer to a ping is due.
    due: VecDeque<Deadline>,
    /// When a newcomer must have been let in.
    newcomers: VecDeque<Deadline>,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: u64,
    /// When the time began to run.
    since: u64,
    slot: Slot,
    uid: Uid,
}

impl Heartbeat {
    /// A wheel that starts now; times are those of [`crate::clock::uptime_ms`].
    pub fn new(options: HeartbeatOptions, ping: [Bytes; Dialect::COUNT], now: u64) -> Heartbeat {
        Heartbeat { options, ping, tick: 0, last_tick: now, due: VecDeque::new(), newcomers: VecDeque::new() }
    }

    /// Begins to wait for a newcomer's credentials.
    pub fn welcome(&mut self, slot: Slot, uid: Uid, now: u64) {
        self.newcomers.push_back(Deadline { at: now + self.options.auth_timeout_ms, since: now, slot, uid });
    }

    /// Pings one share of the sockets, and judges those whose time is over.
    pub fn tick(&mut self, outboxes: &mut Outboxes, now: u64) {
        self.forgive(now);
        self.judge(outboxes, now);
        let share = self.tick % (TICKS - 1);
        self.tick += 1;
        for slot in (share as Slot..outboxes.slots() as Slot).step_by(TICKS as usize - 1) {
            let Some(uid) = outboxes.uid(slot) else { continue };
            outboxes.say(slot, self.ping[outboxes.dialect(slot) as usize].clone());
            self.due.push_back(Deadline { at: now + self.options.timeout_ms, since: now, slot, uid });
        }
    }

    /// A process that was stopped for a while has not heard anyone: the lost time is nobody's fault.
    fn forgive(&mut self, now: u64) {
        let lost = now.saturating_sub(self.last_tick + self.options.tick_ms());
        self.last_tick = now;
        if lost > self.options.tick_ms().max(1_000) {
            let all = self.due.iter_mut().chain(&mut self.newcomers);
            all.for_each(|deadline| deadline.at += lost);
        }
    }

    fn judge(&mut self, outboxes: &mut Outboxes, now: u64) {
        while let Some(due) = self.due.pop_front_if(|due| due.at <= now) {
            let silent = || outboxes.last_heard(due.slot) < due.since;
            if outboxes.is_open(due.slot, due.uid) && silent() {
                outboxes.signal(due.slot, Signal::Close(CloseReason::PingTimeout));
            }
        }
        while let Some(due) = self.newcomers.pop_front_if(|due| due.at <= now) {
            if outboxes.is_open(due.slot, due.uid) && !outboxes.is_accepted(due.slot) {
                outboxes.signal(due.slot, Signal::Close(CloseReason::AuthTimeout));
            }
        }
    }
}
