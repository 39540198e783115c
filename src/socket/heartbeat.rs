//! Pings and deadlines for all sockets of a worker from one timer.
//!
//! Everything that is due stands in a wheel by the tick at which it is; a ping or its timeout may come early
//! by a tick, never late.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::outbox::{Beat, Outboxes, Signal, Slot};
use crate::close::CloseReason;
use crate::ids::Uid;
use crate::protocol::frame::Dialect;

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
        (self.interval_ms.min(self.auth_timeout_ms) / 100).clamp(10, 250)
    }
}

/// A tick that comes later than this came after a time in which the process was stopped.
const LONGEST_WORK_MS: u64 = 1_000;

/// The wheel of one worker.
#[derive(Debug)]
pub struct Heartbeat {
    options: HeartbeatOptions,
    /// The ping frame of each dialect.
    ping: [Bytes; Dialect::COUNT],
    /// Ticks so far.
    tick: u64,
    last_tick: u64,
    due: BTreeMap<u64, Vec<Due>>,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    slot: Slot,
    uid: Uid,
    what: What,
}

/// What is due. Times are those of [`crate::clock::uptime_ms`].
#[derive(Clone, Copy, Debug)]
enum What {
    /// The next ping.
    Ping,
    /// A sign of life after the ping of this time.
    Answer { since: u64 },
    /// A ping of the client's, after the one of this time.
    Silence { since: u64 },
    /// To be let in.
    Admission,
}

impl Heartbeat {
    /// A wheel that starts now; times are those of [`crate::clock::uptime_ms`].
    pub fn new(options: HeartbeatOptions, ping: [Bytes; Dialect::COUNT], now: u64) -> Heartbeat {
        Heartbeat { options, ping, tick: 0, last_tick: now, due: BTreeMap::new() }
    }

    /// Begins to keep a new socket alive.
    pub fn welcome(&mut self, slot: Slot, uid: Uid, beat: Beat, now: u64) {
        let (after, what) = match beat {
            Beat::Server => (self.options.interval_ms, What::Ping),
            Beat::Client => (self.client_patience(), What::Silence { since: now }),
            Beat::None => return,
        };
        self.put(now, after, Due { slot, uid, what });
    }

    /// Begins to wait until a client has been let in.
    pub fn await_admission(&mut self, slot: Slot, uid: Uid, now: u64) {
        // a client has all of this time: here the tick after it is meant
        let after = self.options.auth_timeout_ms + self.options.tick_ms();
        self.put(now, after, Due { slot, uid, what: What::Admission });
    }

    /// A client that pings has this long for the next one.
    fn client_patience(&self) -> u64 {
        self.options.interval_ms + self.options.timeout_ms
    }

    /// `now` may be ahead of the last tick, where the worker is busy; the wheel will turn for that, but not for a
    /// time in which the process was stopped.
    fn put(&mut self, now: u64, after_ms: u64, due: Due) {
        let tick_ms = self.options.tick_ms();
        let behind = if self.was_stopped(now) { 0 } else { now.saturating_sub(self.last_tick) / tick_ms };
        let at = self.tick + behind + (after_ms / tick_ms).max(1);
        self.due.entry(at).or_default().push(due);
    }

    /// Does what is due. A process that was stopped for a while has not heard anyone: the lost time is
    /// nobody's fault, and the wheel does not turn for it.
    pub fn tick(&mut self, outboxes: &mut Outboxes, now: u64) {
        let tick_ms = self.options.tick_ms();
        if self.was_stopped(now) {
            self.last_tick = now - tick_ms;
        }
        while self.last_tick + tick_ms <= now {
            self.last_tick += tick_ms;
            self.tick += 1;
            for due in self.due.remove(&self.tick).unwrap_or_default() {
                if outboxes.is_open(due.slot, due.uid) {
                    self.settle(due, outboxes, now);
                }
            }
        }
    }

    /// So long after the last tick no worker is that is only busy.
    fn was_stopped(&self, now: u64) -> bool {
        now.saturating_sub(self.last_tick) > LONGEST_WORK_MS + self.options.tick_ms()
    }

    fn settle(&mut self, due: Due, outboxes: &mut Outboxes, now: u64) {
        let Due { slot, .. } = due;
        let heard = outboxes.last_heard(slot);
        match due.what {
            What::Ping => {
                outboxes.say(slot, self.ping[outboxes.dialect(slot) as usize].clone());
                self.put(now, self.options.timeout_ms, Due { what: What::Answer { since: now }, ..due });
                self.put(now, self.options.interval_ms, due);
            }
            What::Silence { since } if heard > since => {
                let left = (heard + self.client_patience()).saturating_sub(now);
                self.put(now, left, Due { what: What::Silence { since: heard }, ..due });
            }
            What::Answer { since } if heard >= since => {}
            What::Answer { .. } | What::Silence { .. } => {
                outboxes.signal(slot, Signal::Close(CloseReason::PingTimeout));
            }
            What::Admission if outboxes.is_accepted(slot) => {}
            What::Admission => outboxes.signal(slot, Signal::Close(CloseReason::AuthTimeout)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks of 250 ms.
    fn wheel() -> Heartbeat {
        let options = HeartbeatOptions { interval_ms: 25_000, timeout_ms: 60_000, auth_timeout_ms: 25_000 };
        Heartbeat::new(options, Default::default(), 0)
    }

    /// The tick at which the first ping of a socket that comes at this time is due.
    fn first_ping(now: u64) -> u64 {
        let mut wheel = wheel();
        wheel.welcome(0, Uid(1), Beat::Server, now);
        *wheel.due.keys().next().unwrap()
    }

    #[test]
    fn a_busy_worker_puts_nothing_too_early_and_one_that_was_stopped_nothing_off() {
        assert_eq!((first_ping(0), first_ping(500)), (100, 102));
        assert_eq!(first_ping(100_000), 100, "the wheel will not turn for the time in between");
    }
}
