//! What a run is made of: what is ordered, asked, withdrawn and read; its sockets, its store and their names.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::test_runner::TestCaseError;

use super::super::house::{ByHand, state, status};
use super::steps::{Grant, Room, TOPICS, USERS, What};
use crate::ids::{Place, Uid};
use crate::protocol::frame::Event;
use crate::rooms::identity::{Identity, Standing};
use crate::rooms::ledger::Confirmed;
use crate::rooms::request::{Read, Right};
use crate::rooms::{Publication, RoomName, State};

pub type Verdict = Result<(), TestCaseError>;

/// What the writer is given; the number is the event's.
pub enum Record {
    State { topic: usize, state: State },
    Note { number: usize, to: To },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum To {
    User(usize),
    OwnerOf(usize),
}

/// An event as it was ordered; its number is its index.
#[derive(Clone, Copy, Debug)]
pub struct Ordered {
    pub what: What,
    /// The user who got a copy, by what the registry had been told of owners.
    pub copy_to: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    Join(Room),
    Leave(Room),
    /// Not answered by the hub below: it only changes who asks.
    Renew(bool),
}

/// A request of a client; its ack is its index and one.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub act: Act,
    /// How many events were ordered when the registry handled it.
    pub taken: usize,
    /// How many changes of rights the registry had been told of by then.
    pub told: usize,
    /// Which of the socket's identities it was made under.
    pub identity: usize,
}

/// A change of rights, as the registry was told of it.
#[derive(Clone, Debug)]
pub struct Withdrawal {
    pub topic: usize,
    pub from: Option<usize>,
    pub claims_stand: bool,
    /// How many events were ordered by then.
    pub taken: usize,
    /// Sockets whose tokens claimed every topic.
    pub claimants: HashSet<Uid>,
}

/// What a reader has found of a socket's right to a topic.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub uid: Uid,
    pub topic: usize,
    /// Which of the socket's identities it was read for.
    pub identity: usize,
    pub allowed: bool,
}

/// One socket, from its birth on.
pub struct Life {
    pub place: Place,
    pub user: usize,
    pub requests: Vec<Request>,
    /// How many of them the registry has handled.
    pub handled: usize,
    /// How far its lane was when it died.
    pub died: Option<usize>,
    pub buried: bool,
    /// Stored events that it was sent when it connected.
    pub initial: Vec<usize>,
    /// The mark that they reach up to.
    pub mark: i64,
    /// Whether each of its identities' tokens claims every topic.
    pub identities: Vec<bool>,
}

impl Life {
    /// Whether its newest token claims every topic; the first of those of the first lane do.
    pub fn claims(&self) -> bool {
        self.identities.last() == Some(&true)
    }

    /// Whether the registry has something to hear of it.
    pub fn is_waiting(&self) -> bool {
        self.handled < self.requests.len() || (self.died.is_some() && !self.buried)
    }
}

pub enum Report {
    Confirmed(Confirmed),
    Aliases { room: RoomName, generation: u64, names: Vec<RoomName> },
    Moved { topic: usize, to: Option<usize> },
    Withdrawn { topic: usize, from: Option<usize>, claims_stand: bool },
}

/// The database. A row's mark is its index and one.
pub struct Store {
    pub states: [Option<State>; TOPICS],
    pub rows: Vec<(usize, usize)>,
    pub owners: [Option<usize>; TOPICS],
    pub grants: [[Grant; USERS]; TOPICS],
}

impl Store {
    /// Whether a socket may see a topic, by the store or by its token.
    pub fn lets(&self, life: &Life, topic: usize) -> bool {
        self.gives(topic, life.user, life.claims())
    }

    pub fn gives(&self, topic: usize, user: usize, claimed: bool) -> bool {
        match self.grants[topic][user] {
            Grant::Given => true,
            Grant::Open => claimed,
            Grant::Barred => false,
        }
    }
}

pub fn topic(number: usize) -> String {
    format!("topic:{number}")
}

pub fn user(number: usize) -> String {
    format!("user:{number}")
}

pub fn owner(number: usize) -> String {
    format!("owner:{number}")
}

impl Room {
    pub fn name(self) -> String {
        match self {
            Room::Topic(number) => topic(number),
            Room::User(number) => user(number),
        }
    }
}

pub fn status_of(of: usize, time: i64, text: &str) -> Publication<Record> {
    let record = Some(Record::State { topic: of, state: state(time, text) });
    Publication { record, ..status(time, text, &[&topic(of), &owner(of)]) }
}

pub fn initial_states() -> [Option<State>; TOPICS] {
    [Some(state(1, "stored")), None]
}

/// Who a socket is with another token.
pub struct Token {
    pub user: Arc<str>,
    pub claims: bool,
}

impl Identity for Token {
    fn standing(&self, room: &str) -> Standing {
        let right = Right { user: self.user.clone(), claimed: self.claims };
        if room.starts_with("topic:") { Standing::Unsure(right) } else { Standing::Stays }
    }

    fn claims(&self, room: &str) -> Option<Vec<RoomName>> {
        (*room == *self.user).then(Vec::new)
    }

    fn read(&self, room: &str) -> Option<Box<dyn Read>> {
        room.starts_with("topic:").then(|| Box::new(ByHand { optional: false }) as Box<dyn Read>)
    }

    fn lost(&self, room: &str) -> Event {
        Event::new("lost", &room)
    }
}

pub fn ensure(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(TestCaseError::fail(why())) }
}
