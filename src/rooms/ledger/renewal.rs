//! A socket gets another identity: what it may not see any more is left in the order of the events.
//!
//! What the store has to decide is read once for all rooms of the socket, after the change has its place in
//! the order. Until the store can say, the socket stays where it is, and the store is asked again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::super::identity::{Identity, Renewal, Standing};
use super::super::lane::Order;
use super::super::publication::RoomName;
use super::super::request::Right;
use super::{Ledger, Outputs};
use crate::ids::{Place, Uid};

/// Milliseconds until a store that could not say is asked again …
const AGAIN: u64 = 1_000;
/// … and for how many sockets a tick, so that those of an outage do not come all at once.
const PER_TICK: usize = 16;

/// Asks the layer above which of these rights the store gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RightsRead {
    /// The socket.
    pub uid: Uid,
    /// To be given back with the answer: an older one is ignored.
    pub number: u64,
    /// Its rooms, and by what right it is there.
    pub rights: Vec<(RoomName, Right)>,
}

/// Sockets whose rights the store is asked about.
#[derive(Default)]
pub(super) struct Doubts {
    by_socket: HashMap<Uid, Doubt>,
    /// Those that are asked about again, and when.
    waiting: VecDeque<(u64, Uid)>,
}

struct Doubt {
    /// Requests with a greater number came after the read began.
    number: u64,
    place: Place,
    identity: Arc<dyn Identity>,
    rooms: Vec<RoomName>,
}

impl Doubts {
    pub(super) fn forget(&mut self, uid: Uid) {
        self.by_socket.remove(&uid);
    }
}

impl<R> Ledger<R> {
    /// Judges all rooms of a socket by its new identity. Subscribes that are under way are read for anew: what
    /// is asked behind this joins them.
    pub fn renew(&mut self, renewal: Renewal, now: u64, out: &mut Outputs<R>) {
        let Renewal { place, identity } = renewal;
        self.doubts.forget(place.uid);
        let (mut unsure, mut reads) = (Vec::new(), Vec::new());
        for (id, name) in self.rooms_with_ids(place.uid) {
            match identity.standing(&name) {
                Standing::Lost => {
                    self.put_out(id, [place.uid], &Arc::new(identity.lost(&name)), out);
                    continue;
                }
                Standing::Stays => self.note_right(id, place.uid, None),
                Standing::Unsure(right) => {
                    self.note_right(id, place.uid, Some(&right));
                    unsure.push(name.clone());
                }
            }
            reads.extend(identity.read(&name).map(|read| (id, read)));
            if let Some(claims) = identity.claims(&name) {
                self.reclaim(id, place.uid, claims, now, out);
            }
        }
        if !reads.is_empty() {
            out.orders.push((place.worker, Order::Renew { place, reads }));
        }
        self.doubt(Doubt { number: 0, place, identity, rooms: unsure }, out);
    }

    /// Asks the store about rooms of a socket, from this place in the order on.
    fn doubt(&mut self, mut doubt: Doubt, out: &mut Outputs<R>) {
        let right = |name: &RoomName| match doubt.identity.standing(name) {
            Standing::Unsure(right) => Some((name.clone(), right)),
            _ => None,
        };
        let rights: Vec<_> = doubt.rooms.iter().filter_map(right).collect();
        if rights.is_empty() {
            return;
        }
        self.request += 1;
        doubt.number = self.request;
        out.rights.push(RightsRead { uid: doubt.place.uid, number: doubt.number, rights });
        self.doubts.by_socket.insert(doubt.place.uid, doubt);
    }

    /// The store has said which rooms are lost; none where it cannot say. A room that was asked for again
    /// after the read began is asked about anew: the newer request must not fall to the older read.
    pub fn rights_read(
        &mut self,
        uid: Uid,
        number: u64,
        lost: Option<Vec<RoomName>>,
        now: u64,
        out: &mut Outputs<R>,
    ) {
        if self.doubts.by_socket.get(&uid).is_none_or(|doubt| doubt.number != number) {
            return; // the socket is gone, or somebody else meanwhile
        }
        let Some(lost) = lost else { return self.doubts.waiting.push_back((now + AGAIN, uid)) };
        let Some(mut doubt) = self.doubts.by_socket.remove(&uid) else { return };
        doubt.rooms.clear();
        for name in lost {
            match self.newest_request(uid, &name) {
                None => {}
                Some((_, newest)) if newest > number => doubt.rooms.push(name),
                Some((id, _)) => self.put_out(id, [uid], &Arc::new(doubt.identity.lost(&name)), out),
            }
        }
        self.doubt(doubt, out);
    }

    /// Asks again where the store could not say.
    pub(super) fn tick_doubts(&mut self, now: u64, out: &mut Outputs<R>) {
        for _ in 0..PER_TICK {
            let Some((_, uid)) = self.doubts.waiting.pop_front_if(|(at, _)| *at <= now) else { return };
            if let Some(doubt) = self.doubts.by_socket.remove(&uid) {
                self.doubt(doubt, out);
            }
        }
    }
}
