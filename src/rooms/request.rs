//! What a socket asks of the registry, and how it is answered.

use std::fmt;
use std::sync::Arc;

use actix::Addr;

use super::lane::{Answered, Lane};
use super::publication::{RoomName, State};
use super::watch::WatchId;
use crate::ids::Place;
use crate::protocol::ack::{AckRef, Outcome};
use crate::protocol::frame::Event;

/// Why a request to join is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The room has as many members as it may have.
    RoomFull,
    /// The socket is in as many rooms as it may be in.
    RoomLimit,
    /// The store did not answer in time.
    Unavailable,
    /// The client may not see this room.
    Denied,
}

/// The words that answer a request; the layer above has them.
pub trait Answers: Send + Sync {
    /// What tells the client that it is done (`subscribed`, `unsubscribed`).
    fn done(&self) -> &Event;
    /// What tells the client that it is refused: the `error` event and the ack's content.
    fn refused(&self, why: Refused) -> (Event, Outcome);
    /// What tells a member that its right to the room is gone.
    fn lost(&self) -> Event;
}

/// One request of a client and how it is answered.
pub struct Asked {
    /// How its ack is addressed, where it asked for one.
    pub ack: Option<AckRef>,
    /// The words.
    pub answers: Arc<dyn Answers>,
}

impl Asked {
    /// The content of the ack of a request that is done: the data of the last answer.
    pub fn outcome(&self) -> Outcome {
        Outcome::Ok(Some(self.answers.done().data().into()))
    }
}

/// Asks the store what a subscriber has to be shown first, and whether it may see the room at all.
pub trait Read: Send {
    /// Begins the read; it is called after the join has its place in the lane, and never before.
    /// `since` is the mark up to which the socket has been sent the room's stored events.
    fn start(&self, since: i64, reply: Reply);
    /// Whether the client is let in where the store cannot answer.
    fn is_optional(&self) -> bool;
}

/// Where a [`Read`] sends its answer: into the lane's mailbox, in line with the events.
pub struct Reply {
    pub(super) lane: Addr<Lane>,
    pub(super) watch: WatchId,
}

impl Reply {
    /// Sends the answer.
    pub fn send(self, answer: ReadAnswer) {
        self.lane.do_send(Answered { watch: self.watch, answer });
    }
}

/// What a read found.
pub enum ReadAnswer {
    /// The client may see the room, and this is what the store holds.
    Found(Found),
    /// It may not.
    Denied,
    /// The store cannot say.
    Unavailable,
}

/// What the store holds of a room.
#[derive(Default)]
pub struct Found {
    /// The stored state.
    pub state: Option<State>,
    /// Makes the snapshot of the newer of stored and passing state; none where a room has no snapshot.
    pub snapshot: Option<Snapshot>,
    /// Stored events after the mark, oldest first.
    pub items: Vec<(Arc<str>, Arc<Event>)>,
    /// The mark that they reach up to.
    pub mark: i64,
}

/// See [`Found::snapshot`].
pub type Snapshot = Box<dyn FnOnce(Option<&State>) -> Event + Send>;

/// What the store holds of a room, for all its members.
#[derive(Clone)]
pub struct RoomState {
    /// The stored state.
    pub state: Option<State>,
    /// Makes the snapshot of the newer of stored and passing state.
    pub snapshot: SharedSnapshot,
}

/// See [`RoomState::snapshot`].
pub type SharedSnapshot = Arc<dyn Fn(Option<&State>) -> Event + Send + Sync>;

/// By what right a socket is in a room, where the store can take it away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Right {
    /// Whose it is.
    pub user: Arc<str>,
    /// Whether the client's token claims it too: then it stands unless the store speaks against it.
    pub claimed: bool,
}

/// A socket asks to be let into a room.
pub struct Join {
    /// The socket.
    pub place: Place,
    /// The room.
    pub room: RoomName,
    /// The request.
    pub asked: Asked,
    /// By what right; none where nothing in the store can take it away.
    pub right: Option<Right>,
    /// What has to be read first; none where the socket is let in as it stands.
    pub read: Option<Box<dyn Read>>,
    /// Set where other names of the room have to be loaded before it is answered: those that the client
    /// claims by its token.
    pub aliases: Option<Vec<RoomName>>,
    /// Set where the room's stored events are this client's own: what it has been sent already.
    pub caught_up: Option<CaughtUp>,
}

/// What a socket has been sent of its own stored events.
#[derive(Clone, Default, Debug)]
pub struct CaughtUp {
    /// All up to this mark.
    pub mark: i64,
    /// Ids of some of them that may still pass live.
    pub ids: Vec<Arc<str>>,
}

/// A socket asks to be let out of a room.
pub struct LeaveRoom {
    /// The socket.
    pub place: Place,
    /// The room.
    pub room: RoomName,
    /// The request.
    pub asked: Asked,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("ack", &self.ack).finish_non_exhaustive()
    }
}

impl fmt::Debug for RoomState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomState").field("state", &self.state).finish_non_exhaustive()
    }
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").field("place", &self.place).field("room", &self.room).finish_non_exhaustive()
    }
}

impl fmt::Debug for LeaveRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaveRoom")
            .field("place", &self.place)
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}
