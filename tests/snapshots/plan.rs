//! What the test plays with: campaigns, owners, chance, and the numbers that its parts share.

use std::cell::{Cell, RefCell};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::check::{Fact, Topic};

/// Campaigns whose row, and so whose status, is in the store beforehand.
pub const STORED: usize = 4;
/// All campaigns: of the others the store knows nothing at first.
pub const TOPICS: usize = 6;
/// The time of the statuses in the store, in milliseconds.
pub const STORED_AT: i64 = 1_700_000_000_000;
/// Owners; the first stands in the store, the second in its own token alone.
pub const OWNERS: usize = 2;

/// Which campaigns an owner has.
pub fn owned(owner: usize) -> Vec<Topic> {
    if owner == 0 { vec![0, 1] } else { vec![2, TOPICS - 1] }
}

/// A campaign's id.
pub fn name(topic: Topic) -> String {
    format!("snap-{topic}")
}

/// An owner's id.
pub fn owner_name(owner: usize) -> String {
    format!("owner-{owner}")
}

/// How much is played.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Sockets in all.
    pub sockets: usize,
    /// Sockets at a time that come and go.
    pub at_a_time: usize,
    /// Of a hundred sockets, how many stay to the end.
    pub staying: u64,
    /// Milliseconds from one publication to the next, on average.
    pub every_ms: u64,
}

/// Chance that a seed repeats (SplitMix64).
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    /// Another sequence for each seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

/// What has been published, written before it goes out.
#[derive(Default)]
pub struct Log {
    /// By campaign.
    pub facts: [Mutex<Vec<Fact>>; TOPICS],
    counts: [AtomicU32; TOPICS],
    notices: [AtomicU32; OWNERS],
    /// Set when the publisher is to come to its end.
    pub stop: AtomicBool,
}

impl Log {
    /// Notes an event that goes out next; gives its number.
    pub fn note(&self, topic: Topic, fact: Fact) -> u32 {
        self.facts[topic].lock().unwrap().push(fact);
        self.counts[topic].fetch_add(1, Ordering::SeqCst)
    }

    /// How many there are, by campaign.
    pub fn counts(&self) -> Box<[u32]> {
        self.counts.iter().map(|count| count.load(Ordering::SeqCst)).collect()
    }

    /// Notes a notification for an owner that goes out next; gives its number.
    pub fn note_notice(&self, owner: usize) -> u32 {
        self.notices[owner].fetch_add(1, Ordering::SeqCst)
    }

    /// How many notifications an owner had.
    pub fn notices(&self, owner: usize) -> u32 {
        self.notices[owner].load(Ordering::SeqCst)
    }

    /// How many events there are in all.
    pub fn total(&self) -> u32 {
        self.counts().iter().sum()
    }
}

/// How far the test is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Events are published, sockets come and go.
    Running,
    /// Everything has been published and seen: who is still there leaves every room.
    Leaving,
    /// More was published, which nobody but the monitors may have got.
    After,
    /// The monitors leave, too.
    Over,
}

/// What all sockets share; they live on one thread.
pub struct World {
    /// The hub's port.
    pub port: u16,
    /// What was published.
    pub log: std::sync::Arc<Log>,
    /// By campaign: how many events anybody has got.
    pub seen: RefCell<Box<[u32]>>,
    /// How far the test is.
    pub phase: Cell<Phase>,
    /// Sockets that are done with [`Phase::Leaving`].
    pub left: Cell<usize>,
    /// Sockets that stay.
    pub staying: Cell<usize>,
    /// Where sockets wait until they may come in.
    pub entrance: tokio::sync::Semaphore,
}
