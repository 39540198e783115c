//! Publishes without a pause through Redis, and what slows the store down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::check::{Fact, Topic};
use super::common::store::Store;
use super::plan::{Dice, Log, OWNERS, STORED_AT, TOPICS, name, owner_name};

/// Times of events begin here, in milliseconds.
const FIRST: i64 = STORED_AT + 1_000_000;

/// Publishes on one connection, so that there is one order.
pub struct Publisher {
    log: Arc<Log>,
    redis: redis::Connection,
    dice: Dice,
    newest: [i64; TOPICS],
}

impl Publisher {
    /// One that has published nothing.
    pub fn new(log: Arc<Log>, redis: redis::Connection, dice: Dice) -> Publisher {
        Publisher { log, redis, dice, newest: [FIRST; TOPICS] }
    }

    /// Publishes a notification for an owner.
    pub fn notify(&mut self, owner: usize) {
        let number = self.log.note_notice(owner);
        let payload =
            serde_json::json!({"id": format!("N{number}"), "type": "info", "title": "t", "message": "m"});
        let channel = format!("user:{}", owner_name(owner));
        let taken: usize =
            redis::cmd("PUBLISH").arg(channel).arg(payload.to_string()).query(&mut self.redis).unwrap();
        assert_eq!(taken, 1, "the hub's subscription took it");
    }

    /// Publishes until it is told to stop, then for each campaign an update and a status. Now and then also
    /// a notification.
    pub fn run(mut self, every_ms: u64) -> Publisher {
        while !self.log.stop.load(Ordering::SeqCst) {
            let burst = if self.dice.percent(2) { 40 } else { 1 };
            let topic = self.dice.below(TOPICS as u64) as Topic;
            self.send(burst, |dice| {
                let topic = if burst > 1 { topic } else { dice.below(TOPICS as u64) as Topic };
                (topic, dice.percent(50))
            });
            if self.dice.percent(6) {
                let owner = self.dice.below(OWNERS as u64) as usize;
                self.notify(owner);
            }
            let pause = self.dice.below(2 * every_ms * (1 + burst / 4));
            std::thread::sleep(Duration::from_millis(pause)); // the pace, waited on by nobody
        }
        self.close_round();
        self
    }

    /// For each campaign an update and a status, so that everybody has a last event to get.
    pub fn close_round(&mut self) {
        for topic in 0..TOPICS {
            self.send(1, |_| (topic, false));
            self.send(1, |_| (topic, true));
        }
    }

    fn send(&mut self, count: u64, mut which: impl FnMut(&mut Dice) -> (Topic, bool)) {
        let mut pipe = redis::pipe();
        for _ in 0..count {
            let (topic, is_status) = which(&mut self.dice);
            let (time, text) = self.time(topic);
            let number = self.log.note(topic, Fact { time, is_status });
            let payload = if is_status {
                serde_json::json!({"eventType": "status.changed", "toStatus": format!("S{number}"), "trigger": "t", "timestamp": text})
            } else {
                serde_json::json!({"eventType": "updated", "n": number, "timestamp": text})
            };
            pipe.cmd("PUBLISH").arg(format!("campaign:{}", name(topic))).arg(payload.to_string());
        }
        let taken: Vec<usize> = pipe.query(&mut self.redis).unwrap();
        assert!(taken.iter().all(|n| *n == 1), "the hub's subscriptions took it: {taken:?}");
    }

    /// Newer as a rule, now and then late, tied, or tied once it is cut to milliseconds.
    fn time(&mut self, topic: Topic) -> (i64, serde_json::Value) {
        let newest = &mut self.newest[topic];
        let time = match self.dice.below(10) {
            0 | 1 => *newest,
            2 => *newest - 1 - self.dice.below(30) as i64,
            _ => {
                *newest += 1 + self.dice.below(5) as i64;
                *newest
            }
        };
        if self.dice.percent(50) {
            return (time, serde_json::json!(time));
        }
        let text = roomcast::clock::rfc3339(time);
        let micros = self.dice.below(1000);
        (time, serde_json::json!(text.replace('Z', &format!("{micros:03}+00:00"))))
    }
}

/// Holds the store's lock for `hold`, lets the hub commit once, and so on: each commit waits that long.
/// Says how many there were.
pub fn slow_down(mut store: Store, hold: Duration, over: &AtomicBool) -> usize {
    let mut commits = 0;
    while !over.load(Ordering::SeqCst) {
        store.hold_lock(hold);
        let before = store.data_version();
        let until = Instant::now() + Duration::from_millis(500); // where the hub has nothing to write
        while Instant::now() < until && !over.load(Ordering::SeqCst) {
            if store.data_version() != before {
                commits += 1;
                break;
            }
            std::thread::sleep(Duration::from_millis(1)); // between two looks
        }
    }
    commits
}
