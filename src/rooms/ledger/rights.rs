//! A change of rights: members and waiting subscribes of those who lost theirs leave at once (rule 11).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use smallvec::SmallVec;

use super::super::RoomId;
use super::super::lane::{Expelled, Order};
use super::super::publication::RoomName;
use super::super::request::{Refused, Right};
use super::{Ledger, Outputs};
use crate::ids::{Place, Uid};
use crate::protocol::frame::Event;

/// Who is in a room by a right that can be taken away, by user.
#[derive(Default)]
pub(super) struct Holders(HashMap<Arc<str>, SmallVec<[Held; 1]>>);

#[derive(Clone, Copy)]
struct Held {
    uid: Uid,
    claimed: bool,
}

impl Holders {
    pub(super) fn add(&mut self, uid: Uid, right: &Right) {
        let held = Held { uid, claimed: right.claimed };
        self.0.entry(Arc::clone(&right.user)).or_default().push(held);
    }

    pub(super) fn remove(&mut self, uid: Uid, user: &str) {
        let Some(held) = self.0.get_mut(user) else { return };
        held.retain(|one| one.uid != uid);
        if held.is_empty() {
            self.0.remove(user);
        }
    }

    fn losers(&self, lost: &Withdrawn) -> Vec<Uid> {
        let loses = |held: &&Held| !(held.claimed && lost.claims_stand);
        match &lost.from {
            Some(user) => self.0.get(user).into_iter().flatten().filter(loses).map(|held| held.uid).collect(),
            None => {
                let losers = self.0.iter().filter(|(user, _)| !lost.but.contains(*user));
                losers.flat_map(|(_, held)| held).filter(loses).map(|held| held.uid).collect()
            }
        }
    }
}

/// The store does not give a right any more. Who is in by another one stays.
#[derive(Clone, Debug)]
pub struct Withdrawn {
    /// The room that it was for.
    pub room: RoomName,
    /// Whose it was; none where it was everybody's.
    pub from: Option<Arc<str>>,
    /// Of everybody: who keeps it.
    pub but: HashSet<Arc<str>>,
    /// Whether what tokens claim still counts.
    pub claims_stand: bool,
    /// What each member is told.
    pub told: Arc<Event>,
}

impl<R> Ledger<R> {
    /// Notes by what right a socket is in a room from now on: its newest request says it.
    pub(super) fn note_right(&mut self, id: RoomId, uid: Uid, right: Option<&Right>) {
        self.forget_right(id, uid);
        let Some(right) = right else { return };
        if let Some(joined) = self.sockets.get_mut(&uid) {
            joined.user = Some(Arc::clone(&right.user));
        }
        if let Some(room) = &mut self.rooms[id.0 as usize] {
            room.holders.add(uid, right);
        }
    }

    pub(super) fn forget_right(&mut self, id: RoomId, uid: Uid) {
        let user = self.sockets.get(&uid).and_then(|joined| joined.user.as_ref());
        if let (Some(user), Some(room)) = (user, &mut self.rooms[id.0 as usize]) {
            room.holders.remove(uid, user);
        }
    }

    /// Takes out who has lost his right, in the order of the events: a member gets none that comes later,
    /// and a subscribe that is under way is denied.
    pub fn withdraw(&mut self, lost: &Withdrawn, out: &mut Outputs<R>) {
        let Some(&id) = self.names.get(&lost.room) else { return };
        let losers = self.rooms[id.0 as usize].as_ref().map_or(Vec::new(), |room| room.holders.losers(lost));
        self.put_out(id, losers, &lost.told, out);
    }

    /// Takes sockets out of a room; each is told.
    pub(super) fn put_out(
        &mut self,
        id: RoomId,
        uids: impl IntoIterator<Item = Uid>,
        told: &Arc<Event>,
        out: &mut Outputs<R>,
    ) {
        let mut by_worker: Vec<Vec<Place>> = Vec::new();
        for uid in uids {
            let Some(place) = self.sockets.get(&uid).map(|joined| joined.place) else { continue };
            for (_, join) in self.take_parked(id, uid) {
                let refusal = Order::Refuse(place, Box::new(join.asked), Refused::Denied);
                out.orders.push((place.worker, refusal));
            }
            self.count_out(id, uid);
            let worker = place.worker as usize;
            by_worker.resize_with(by_worker.len().max(worker + 1), Vec::new);
            by_worker[worker].push(place);
        }
        for (worker, places) in by_worker.into_iter().enumerate().filter(|(_, places)| !places.is_empty()) {
            let expelled = Expelled { places, room: id, told: Arc::clone(told) };
            out.orders.push((worker as u16, Order::Expel(expelled)));
        }
    }
}
