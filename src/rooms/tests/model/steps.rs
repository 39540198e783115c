//! What can happen next.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::house::NO_LIMITS;
use crate::rooms::ledger::Limits;

/// Topics and users, and sockets at one time.
pub const TOPICS: usize = 2;
pub const USERS: usize = 2;
pub const SEATS: usize = 4;
pub const LANES: usize = 2;

/// Something that is published.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// A topic's state with a time, to its room and its owner's.
    Status { topic: usize, time: i64 },
    /// The same, without a message to clients.
    Silent { topic: usize, time: i64 },
    /// Another event of a topic.
    Other { topic: usize },
    /// An event to a user's room that is not stored.
    Personal { user: usize },
    /// A stored event for a user.
    NoteTo { user: usize },
    /// A stored event for whoever owns a topic.
    NoteToOwner { topic: usize },
}

/// A room that a client may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    Topic(usize),
    User(usize),
}

/// What the store says to a read.
#[derive(Clone, Copy, Debug)]
pub enum Mood {
    Fine,
    Unavailable,
    Denied,
}

/// What the store says of a user's right to a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grant {
    Given,
    /// Nothing: what a token claims counts.
    Open,
    /// Not even that counts.
    Barred,
}

/// One thing moves. Where several could, the number says which.
#[derive(Clone, Debug)]
pub enum Step {
    Publish(Vec<What>),
    /// The client of a seat asks; an empty seat is taken first.
    Subscribe(usize, Room),
    Unsubscribe(usize, Room),
    /// The client of a seat shows another token, which claims every topic or none.
    Renew(usize, bool),
    Die(usize),
    /// The registry handles the oldest request of a socket (the newest socket's, or an earlier one's).
    Registry(usize),
    /// The registry hears of the oldest request that came to nothing.
    Dropped,
    Lane(usize),
    /// A reader sees the store.
    See(usize, Mood),
    /// A reader's answer goes into its lane's mailbox.
    Post(usize),
    /// A reader sees what rights the store gives to one with another token.
    SeeRights(usize, Mood),
    /// Its answer comes to the registry.
    PostRights(usize),
    CommitState(usize),
    CommitNotes(usize),
    /// The writer commits a change of owner.
    Owner(usize, Option<usize>),
    /// The writer commits a change of rights to a topic: a user's, or everybody's.
    Right(usize, Option<usize>, Grant),
    /// The writer reads what a user owns.
    Load(usize),
    /// The registry hears the oldest of the writer's reports.
    Told,
    /// Time passes.
    Wait(u64),
    Tick,
    Expire(usize),
}

fn what() -> impl Strategy<Value = What> {
    let times = 0..5i64;
    prop_oneof![
        6 => (0..TOPICS, times.clone()).prop_map(|(topic, time)| What::Status { topic, time }),
        1 => (0..TOPICS, times).prop_map(|(topic, time)| What::Silent { topic, time }),
        3 => (0..TOPICS).prop_map(|topic| What::Other { topic }),
        2 => (0..USERS).prop_map(|user| What::Personal { user }),
        2 => (0..USERS).prop_map(|user| What::NoteTo { user }),
        1 => (0..TOPICS).prop_map(|topic| What::NoteToOwner { topic }),
    ]
}

fn room() -> impl Strategy<Value = Room> {
    prop_oneof![
        4 => (0..TOPICS).prop_map(Room::Topic),
        3 => (0..USERS).prop_map(Room::User),
    ]
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![14 => Just(Mood::Fine), 1 => Just(Mood::Unavailable), 1 => Just(Mood::Denied)]
}

fn step() -> impl Strategy<Value = Step> {
    let client = prop_oneof![
        9 => (0..SEATS, room()).prop_map(|(seat, room)| Step::Subscribe(seat, room)),
        3 => (0..SEATS, room()).prop_map(|(seat, room)| Step::Unsubscribe(seat, room)),
        3 => (0..SEATS, any::<bool>()).prop_map(|(seat, claims)| Step::Renew(seat, claims)),
        1 => (0..SEATS).prop_map(Step::Die),
    ];
    let hub = prop_oneof![
        8 => (0..8usize).prop_map(Step::Registry),
        1 => Just(Step::Dropped),
        9 => (0..LANES).prop_map(Step::Lane),
        4 => (0..8usize, mood()).prop_map(|(which, mood)| Step::See(which, mood)),
        4 => (0..8usize).prop_map(Step::Post),
        1 => (0..4usize, mood()).prop_map(|(which, mood)| Step::SeeRights(which, mood)),
        1 => (0..4usize).prop_map(Step::PostRights),
    ];
    let owner = prop_oneof![3 => (0..USERS).prop_map(Some), 1 => Just(None)];
    let grant = prop_oneof![2 => Just(Grant::Given), 1 => Just(Grant::Open), 1 => Just(Grant::Barred)];
    let whom = prop_oneof![4 => (0..USERS).prop_map(Some), 1 => Just(None)];
    let right = (0..TOPICS, whom, grant).prop_map(|(topic, whom, grant)| Step::Right(topic, whom, grant));
    let store = prop_oneof![
        2 => right,
        4 => (0..TOPICS).prop_map(Step::CommitState),
        3 => (1..4usize).prop_map(Step::CommitNotes),
        1 => (0..TOPICS, owner).prop_map(|(topic, to)| Step::Owner(topic, to)),
        4 => (0..4usize).prop_map(Step::Load),
        9 => Just(Step::Told),
    ];
    let clock = prop_oneof![
        2 => (50..600u64).prop_map(Step::Wait),
        2 => Just(Step::Tick),
        1 => (0..LANES).prop_map(Step::Expire),
    ];
    prop_oneof![
        4 => vec(what(), 1..4).prop_map(Step::Publish),
        5 => client,
        14 => hub,
        6 => store,
        1 => clock,
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    // names are always awaited: what is known in between is no plain matter
    let limits = |(room_size, rooms_per_socket)| Limits {
        room_size,
        rooms_per_socket,
        alias_patience: u64::MAX / 2,
        ..NO_LIMITS
    };
    prop_oneof![4 => Just((0, 0)), 1 => (1..4u32, 1..4u32)].prop_map(limits)
}

/// Limits, and what happens under them.
pub fn run() -> impl Strategy<Value = (Limits, Vec<Step>)> {
    (limits(), vec(step(), 10..220))
}
