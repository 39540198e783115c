//! What the registry knows, pure: the order, how many are where, and what the store has not confirmed.

mod aliases;
mod items;
mod look;
mod refresh;
mod renewal;
mod rights;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use super::RoomId;
use aliases::AliasState;
pub use aliases::{AliasLoad, Claim};
pub use items::Confirmed;
use items::WaitingItem;
pub use look::Found;
pub use refresh::StateRead;
pub use renewal::RightsRead;
use rights::Holders;
pub use rights::Withdrawn;

use super::lane::{Batch, Leaving, Order};
use super::members::{Delivery, JoinOrder};
use super::permits::Permit;
use super::publication::{Item, Publication, Publications, RoomName, State};
use super::request::{Join, LeaveRoom, Refused};
use crate::ids::{Place, Uid};
use crate::protocol::frame::Event;

/// How many may be where.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Members of a room; 0 is no limit.
    pub room_size: u32,
    /// Rooms of a socket; 0 is no limit.
    pub rooms_per_socket: u32,
    /// How long a stored event waits for the store before it goes out, in milliseconds.
    pub item_patience: u64,
    /// How long a join waits for its room's other names, in milliseconds.
    pub alias_patience: u64,
}

/// What the ledger wants done, in this order.
pub struct Outputs<R> {
    /// For the lanes, by worker.
    pub orders: Vec<(u16, Order)>,
    /// For the writer, with their place in the order: after the lanes have been told.
    pub records: Vec<(u64, R)>,
    /// For whoever knows other names of rooms.
    pub loads: Vec<AliasLoad>,
    /// For whoever knows the states of rooms: after the lanes have been told.
    pub reads: Vec<StateRead>,
    /// For whoever knows who may be where: after the lanes have been told.
    pub rights: Vec<RightsRead>,
}

impl<R> Default for Outputs<R> {
    fn default() -> Self {
        Outputs {
            orders: Vec::new(),
            records: Vec::new(),
            loads: Vec::new(),
            reads: Vec::new(),
            rights: Vec::new(),
        }
    }
}

/// The state of the registry. `R` is what the store has to write of an event.
pub struct Ledger<R> {
    limits: Limits,
    /// Events and records in the order in which they were taken, counted from 1.
    place: u64,
    /// Requests to join, counted from 1.
    request: u64,
    names: HashMap<RoomName, RoomId>,
    rooms: Vec<Option<Box<Room>>>,
    free: Vec<RoomId>,
    sockets: HashMap<Uid, Joined>,
    aliases: HashMap<RoomName, SmallVec<[RoomId; 1]>>,
    /// Rooms whose other names are being loaded or not complete.
    unsettled: HashSet<RoomId>,
    /// The newest state of every room that the writer has not confirmed yet, members or not (rule 2).
    kept: HashMap<RoomName, (State, u64)>,
    /// Stored events that wait for the store, by the room's name, oldest first.
    waiting: HashMap<RoomName, VecDeque<WaitingItem>>,
    /// Whose turn to wait is where: the name of a waiting item's queue by its place.
    waiting_at: HashMap<u64, RoomName>,
    /// Stored events that went out before the store confirmed them.
    unconfirmed: HashMap<RoomName, VecDeque<(u64, Item, Arc<Event>)>>,
    /// Whose they are, by their place.
    unconfirmed_at: HashMap<u64, RoomName>,
    generation: u64,
    refreshes: refresh::Refreshes,
    /// Sockets with another identity, whose rights the store is asked about.
    doubts: renewal::Doubts,
    _record: std::marker::PhantomData<R>,
}

struct Room {
    name: RoomName,
    count: u32,
    /// Members by worker.
    workers: SmallVec<[u32; 2]>,
    alias: AliasState,
    /// What members claim as its other names, those who claim any.
    claimants: HashMap<Uid, Vec<RoomName>>,
    /// The read after a gap that is under way.
    refresh: Option<u64>,
    /// Who is in by a right that can be taken away.
    holders: Holders,
}

struct Joined {
    place: Place,
    /// Whose it is, where one of its rights can be taken away.
    user: Option<Arc<str>>,
    /// Rooms, each with the newest request.
    rooms: SmallVec<[(RoomId, u64); 2]>,
}

impl<R> Ledger<R> {
    /// An empty house.
    pub fn new(limits: Limits) -> Ledger<R> {
        Ledger {
            limits,
            place: 0,
            request: 0,
            names: HashMap::new(),
            rooms: Vec::new(),
            free: Vec::new(),
            sockets: HashMap::new(),
            aliases: HashMap::new(),
            unsettled: HashSet::new(),
            kept: HashMap::new(),
            waiting: HashMap::new(),
            waiting_at: HashMap::new(),
            unconfirmed: HashMap::new(),
            unconfirmed_at: HashMap::new(),
            generation: 0,
            refreshes: refresh::Refreshes::default(),
            doubts: renewal::Doubts::default(),
            _record: std::marker::PhantomData,
        }
    }

    // ── events ──────────────────────────────────────────────────────────────────────────────────────────

    /// Gives what one read brought its place in the order.
    pub fn publish(&mut self, publications: Publications<R>, now: u64, out: &mut Outputs<R>) {
        let mut deliveries = Vec::with_capacity(publications.list.len());
        let permit = Arc::new(publications.permit);
        for publication in publications.list {
            self.place += 1;
            let Publication { event, rooms, state, item, record, except } = publication;
            out.records.extend(record.map(|record| (self.place, record)));
            if let (Some(item), Some(event), Some(room)) = (item, &event, rooms.first()) {
                self.wait_for_store(room.clone(), Arc::clone(event), item, now, Arc::clone(&permit));
                continue;
            }
            let delivery = self.order(event, &rooms, state);
            deliveries.extend(delivery.map(|delivery| Delivery { except, ..delivery }));
        }
        self.hand_out(deliveries, vec![permit], out);
    }

    fn order(
        &mut self,
        event: Option<Arc<Event>>,
        rooms: &[RoomName],
        state: Option<State>,
    ) -> Option<Delivery> {
        if let (Some(state), Some(name)) = (&state, rooms.first()) {
            self.keep(name, state);
        }
        let ids = self.resolve(rooms);
        let own = rooms.first().and_then(|name| self.names.get(name)).copied();
        (!ids.is_empty()).then_some(Delivery { event, rooms: ids, own, state, item: None, except: None })
    }

    /// Rule 2. Newer is a greater time, ties by place.
    fn keep(&mut self, name: &RoomName, state: &State) {
        let place = self.place;
        match self.kept.get_mut(name) {
            Some((kept, at)) if state.replaces(kept) => (*kept, *at) = (state.clone(), place),
            Some(_) => {}
            None => {
                self.kept.insert(name.clone(), (state.clone(), place));
            }
        }
    }

    /// The rooms behind these names and aliases, each once.
    fn resolve(&self, names: &[RoomName]) -> SmallVec<[RoomId; 2]> {
        let mut ids = SmallVec::new();
        for name in names {
            let named = self.names.get(name).into_iter();
            for id in named.chain(self.aliases.get(name).into_iter().flatten()) {
                if !ids.contains(id) {
                    ids.push(*id);
                }
            }
        }
        ids
    }

    /// One message to each worker that has members of any of the rooms.
    fn hand_out(&mut self, deliveries: Vec<Delivery>, permits: Vec<Arc<Permit>>, out: &mut Outputs<R>) {
        let rooms = deliveries.iter().flat_map(|delivery| &delivery.rooms);
        let mut workers: SmallVec<[bool; 8]> = SmallVec::new();
        for room in rooms.filter_map(|id| self.rooms[id.0 as usize].as_ref()) {
            workers.resize(workers.len().max(room.workers.len()), false);
            room.workers.iter().zip(&mut workers).for_each(|(count, any)| *any |= *count > 0);
        }
        let batch = Arc::new(Batch { deliveries, permits });
        for (worker, _) in workers.iter().enumerate().filter(|(_, any)| **any) {
            out.orders.push((worker as u16, Order::Batch(Arc::clone(&batch))));
        }
    }

    // ── joining and leaving ─────────────────────────────────────────────────────────────────────────────

    /// Handles a request to join; the lane answers it.
    pub fn join(&mut self, join: Join, now: u64, out: &mut Outputs<R>) {
        self.request += 1;
        let request = self.request;
        let id = match self.admit(join.place, &join.room, request) {
            Ok(id) => id,
            Err(why) => {
                out.orders.push((join.place.worker, Order::Refuse(join.place, Box::new(join.asked), why)));
                return;
            }
        };
        self.note_right(id, join.place.uid, join.right.as_ref());
        if let Some(claims) = &join.aliases {
            let claims = claims.clone();
            self.note_claims(id, join.place.uid, &claims);
            if self.must_load(id, &claims) {
                return self.park(id, request, join, claims, now, out);
            }
        }
        self.pass_on(id, request, join, out);
    }

    /// Counts a socket in, within the limits; one that is in already is never refused.
    fn admit(&mut self, place: Place, name: &RoomName, request: u64) -> Result<RoomId, Refused> {
        let known = self.names.get(name).copied();
        let rooms = self.sockets.get_mut(&place.uid).map_or(&mut [][..], |joined| &mut joined.rooms);
        if let Some((id, newest)) = rooms.iter_mut().find(|(id, _)| Some(*id) == known) {
            *newest = request;
            return Ok(*id);
        }
        let within = |count: usize, limit: u32| limit == 0 || count < limit as usize;
        if !within(rooms.len(), self.limits.rooms_per_socket) {
            return Err(Refused::RoomLimit);
        }
        let count = known.and_then(|id| self.rooms[id.0 as usize].as_ref()).map_or(0, |room| room.count);
        if !within(count as usize, self.limits.room_size) {
            return Err(Refused::RoomFull);
        }
        let id = known.unwrap_or_else(|| self.make_room(name));
        self.count_in(id, place, request);
        Ok(id)
    }

    fn make_room(&mut self, name: &RoomName) -> RoomId {
        let room = Room {
            name: name.clone(),
            count: 0,
            workers: SmallVec::new(),
            alias: AliasState::None,
            claimants: HashMap::new(),
            refresh: None,
            holders: Holders::default(),
        };
        let id = self.free.pop().unwrap_or_else(|| {
            self.rooms.push(None);
            RoomId(self.rooms.len() as u32 - 1)
        });
        self.rooms[id.0 as usize] = Some(Box::new(room));
        self.names.insert(name.clone(), id);
        id
    }

    fn count_in(&mut self, id: RoomId, place: Place, request: u64) {
        if let Some(room) = &mut self.rooms[id.0 as usize] {
            let worker = place.worker as usize;
            room.workers.resize(room.workers.len().max(worker + 1), 0);
            room.workers[worker] += 1;
            room.count += 1;
        }
        let nowhere = || Joined { place, user: None, rooms: SmallVec::new() };
        self.sockets.entry(place.uid).or_insert_with(nowhere).rooms.push((id, request));
    }

    /// Sends a join to its lane, with what the store may not have yet (rule 3).
    fn pass_on(&mut self, id: RoomId, request: u64, join: Join, out: &mut Outputs<R>) {
        let order = JoinOrder {
            place: join.place,
            room: id,
            request,
            asked: join.asked,
            read: join.read,
            kept: self.kept.get(&join.room).map(|(state, _)| state.clone()),
            items: self.unconfirmed_of(id, &join.room),
            caught_up: join.caught_up,
        };
        out.orders.push((join.place.worker, Order::Join(Box::new(order))));
    }

    /// Handles a request to leave; the lane answers it, also where there was nothing to leave.
    pub fn leave(&mut self, leave: LeaveRoom, out: &mut Outputs<R>) {
        let id = self.names.get(&leave.room).copied();
        let mut overtaken = Vec::new();
        if let Some(id) = id {
            overtaken =
                self.take_parked(id, leave.place.uid).into_iter().map(|(_, join)| join.asked).collect();
            self.count_out(id, leave.place.uid);
        }
        let leaving = Leaving { place: leave.place, room: id, asked: leave.asked, overtaken };
        out.orders.push((leave.place.worker, Order::Leave(Box::new(leaving))));
    }

    /// A subscribe came to nothing in its lane (rule 10): a newer one stands.
    pub fn dropped(&mut self, uid: Uid, id: RoomId, request: u64) {
        let newest =
            self.sockets.get(&uid).and_then(|joined| joined.rooms.iter().find(|(room, _)| *room == id));
        if newest.is_some_and(|(_, newest)| *newest == request) {
            self.count_out(id, uid);
        }
    }

    /// A socket is gone: it leaves every room, and waits for nothing any more.
    pub fn gone(&mut self, uid: Uid) {
        self.doubts.forget(uid);
        let Some(joined) = self.sockets.get(&uid) else { return };
        let rooms: SmallVec<[RoomId; 8]> = joined.rooms.iter().map(|(id, _)| *id).collect();
        for id in rooms {
            self.take_parked(id, uid);
            self.count_out(id, uid);
        }
        self.sockets.remove(&uid);
    }

    fn count_out(&mut self, id: RoomId, uid: Uid) {
        self.forget_right(id, uid);
        let Some(joined) = self.sockets.get_mut(&uid) else { return };
        let Some(at) = joined.rooms.iter().position(|(room, _)| *room == id) else { return };
        joined.rooms.swap_remove(at);
        let worker = joined.place.worker as usize;
        if joined.rooms.is_empty() {
            self.sockets.remove(&uid);
        }
        let Some(room) = &mut self.rooms[id.0 as usize] else { return };
        room.claimants.remove(&uid);
        room.workers[worker] -= 1;
        room.count -= 1;
        if room.count == 0 {
            self.remove_room(id);
        }
    }

    fn remove_room(&mut self, id: RoomId) {
        let Some(room) = self.rooms[id.0 as usize].take() else { return };
        self.names.remove(&room.name);
        self.unsettled.remove(&id);
        self.free.push(id);
        self.remove_aliases(id, room.alias.names());
    }
}
