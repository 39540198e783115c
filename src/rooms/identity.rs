//! Another identity for a socket that is in rooms already.

use std::fmt;
use std::sync::Arc;

use super::publication::RoomName;
use super::request::{Read, Right};
use crate::ids::Place;
use crate::protocol::frame::Event;

/// What an identity means for a room that its socket is in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It stays.
    Stays,
    /// The store decides whether it stays, by this right.
    Unsure(Right),
    /// It may not be there any more.
    Lost,
}

/// Who a socket is from now on; the layer above knows what follows from it.
pub trait Identity: Send + Sync {
    /// What it means for this room.
    fn standing(&self, room: &str) -> Standing;
    /// Other names of this room that the client claims; none where the room is not the client's own.
    fn claims(&self, room: &str) -> Option<Vec<RoomName>>;
    /// What has to be read for a subscribe to this room that is under way; none where nothing is.
    fn read(&self, room: &str) -> Option<Box<dyn Read>>;
    /// What a member is told that has lost its right to this room.
    fn lost(&self, room: &str) -> Event;
}

/// A socket is somebody else, or may do something else, from here on in the order.
pub struct Renewal {
    /// The socket.
    pub place: Place,
    /// Who it is now.
    pub identity: Arc<dyn Identity>,
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal").field("place", &self.place).finish_non_exhaustive()
    }
}
