//! What others see of the ledger: counts, and lists for operators.

use smallvec::SmallVec;

use super::super::RoomId;
use super::super::publication::RoomName;
use super::Ledger;
use crate::ids::Uid;

/// A room as operators find it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its number.
    pub id: RoomId,
    /// How many are in it.
    pub count: u32,
    /// The workers whose sockets they are.
    pub workers: SmallVec<[u16; 4]>,
}

impl<R> Ledger<R> {
    /// Rooms that have members, with their number.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomName, u32)> {
        self.rooms.iter().flatten().map(|room| (&room.name, room.count))
    }

    /// What is known of a room; none where nobody is in it.
    pub fn room(&self, name: &str) -> Option<Found> {
        let id = *self.names.get(name)?;
        let room = self.rooms[id.0 as usize].as_ref()?;
        let has_some = room.workers.iter().enumerate().filter(|(_, count)| **count > 0);
        let workers = has_some.map(|(worker, _)| worker as u16).collect();
        Some(Found { id, count: room.count, workers })
    }

    /// Some rooms, in the order of their numbers, which a room keeps while anyone is in it: at most `most`, with
    /// their number of members, from number `from` on, and where to go on. Looks at a bounded number of them.
    pub fn some_rooms(&self, from: u32, most: usize) -> (Vec<(RoomId, RoomName, u32)>, Option<u32>) {
        const LOOKED_AT: usize = 16_384;
        let mut found = Vec::new();
        let rest = self.rooms.iter().enumerate().skip(from as usize);
        for (looked_at, (number, room)) in rest.enumerate() {
            if found.len() == most || looked_at == LOOKED_AT {
                return (found, Some(number as u32));
            }
            found.extend(room.as_ref().map(|room| (RoomId(number as u32), room.name.clone(), room.count)));
        }
        (found, None)
    }

    /// How many sockets are in any room.
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// Names of the rooms that a socket is in.
    pub fn rooms_of(&self, uid: Uid) -> Vec<RoomName> {
        self.rooms_with_ids(uid).into_iter().map(|(_, name)| name).collect()
    }

    pub(super) fn rooms_with_ids(&self, uid: Uid) -> Vec<(RoomId, RoomName)> {
        let joined = self.sockets.get(&uid).into_iter().flat_map(|joined| &joined.rooms);
        joined.filter_map(|(id, _)| Some((*id, self.rooms[id.0 as usize].as_ref()?.name.clone()))).collect()
    }

    /// The newest request of a socket for a room that it is in.
    pub(super) fn newest_request(&self, uid: Uid, name: &RoomName) -> Option<(RoomId, u64)> {
        let id = self.names.get(name)?;
        self.sockets.get(&uid)?.rooms.iter().find(|(room, _)| room == id).copied()
    }

    /// States and stored events that the writer has not confirmed.
    pub fn unconfirmed(&self) -> usize {
        self.kept.len() + self.waiting_at.len() + self.unconfirmed_at.len()
    }
}
