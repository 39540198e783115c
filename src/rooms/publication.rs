//! What is handed to the registry: an event, the rooms it goes to, and what has to be remembered of it.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Permit;
use crate::clock::Millis;
use crate::ids::Place;
use crate::protocol::frame::Event;

/// The name of a room, or of an alias of one. Its kind is what stands before the first colon.
pub type RoomName = Arc<str>;

/// The newest known state of a room, as the snapshot of a subscriber shows it.
///
/// Newer means a greater time; of equal times the one that arrived later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// The publisher's time, in milliseconds.
    pub time: Millis,
    /// An opaque word: what the room is about is in this state.
    pub value: Arc<str>,
}

impl State {
    /// Whether this state, which arrived after `older`, takes its place.
    pub fn replaces(&self, older: &State) -> bool {
        self.time >= older.time
    }
}

/// An event that is stored for the members of a room until they have read it (a notification).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Its id, unique in its room.
    pub id: Arc<str>,
}

/// One event on its way in. `R` is what the store has to write of it.
#[derive(Debug)]
pub struct Publication<R> {
    /// What the receivers get; `None` where only the state or the record matters.
    pub event: Option<Arc<Event>>,
    /// The rooms or aliases it goes to; a socket that is in several gets it once.
    pub rooms: SmallVec<[RoomName; 2]>,
    /// The state that it sets, which belongs to the first of `rooms`.
    pub state: Option<State>,
    /// Set where the event is stored for the first of `rooms` (which may be an alias): it then waits a
    /// moment for the store before it goes out.
    pub item: Option<Item>,
    /// What the store has to write.
    pub record: Option<R>,
    /// A socket that has it already.
    pub except: Option<Place>,
}

/// What one read from a source brought: it travels as one message, in this order, and holds its share
/// of what may be in flight until the last lane is done with it.
#[derive(Debug)]
pub struct Publications<R> {
    /// The events in the source's order.
    pub list: Vec<Publication<R>>,
    /// Given back when the last lane has delivered them.
    pub permit: Permit,
}
