//! What a lane knows, pure: which of its worker's sockets are in which rooms, and who is about to be.

mod entry;
mod refresh;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::ids::{Place, Uid};
use crate::protocol::ack::{AckRef, Outcome};
use crate::protocol::frame::Event;
use crate::rooms::RoomId;
use crate::rooms::publication::{Item, State};
use crate::rooms::request::{Asked, CaughtUp, Read, Refused};
use crate::rooms::watch::{Marks, Watch, WatchId};
use crate::socket::Slot;

/// Where a lane's words go: the outboxes of its worker, or a test's notebook.
pub trait Outlet {
    /// Whether this socket still has this slot.
    fn is_here(&self, slot: Slot, uid: Uid) -> bool;
    /// Delivers an event, once a socket for each `number`.
    fn deliver(&mut self, slots: &[Slot], number: u64, event: &Event);
    /// Notes that a socket needs no copy of the event of this number, if it still has its slot.
    fn skip(&mut self, place: Place, number: u64);
    /// Whether the event of this number was delivered to this socket.
    fn was_reached(&self, slot: Slot, number: u64) -> bool;
    /// Sends words to one socket, behind all that waits for it.
    fn say(&mut self, slot: Slot, words: &[Word<'_>]);
}

/// Something said to one socket.
#[derive(Debug)]
pub enum Word<'a> {
    /// An event.
    Event(&'a Event),
    /// The answer to an ack.
    Ack(&'a AckRef, Outcome),
}

/// An event as the registry has ordered it.
#[derive(Debug)]
pub struct Delivery {
    /// The event; none where only its state matters.
    pub event: Option<Arc<Event>>,
    /// The rooms that it goes to.
    pub rooms: SmallVec<[RoomId; 2]>,
    /// The one of them that it was published to first, where that has members: its own room. The others
    /// get a copy.
    pub own: Option<RoomId>,
    /// The state that it sets, of its own room.
    pub state: Option<State>,
    /// Set where it is stored for the members of a room.
    pub item: Option<(Item, Option<i64>)>,
    /// A socket that has it already.
    pub except: Option<Place>,
}

/// A join in its place in the order.
pub struct JoinOrder {
    /// The socket.
    pub place: Place,
    /// The room.
    pub room: RoomId,
    /// The registry's number of this request.
    pub request: u64,
    /// How it is answered.
    pub asked: Asked,
    /// What has to be read first.
    pub read: Option<Box<dyn Read>>,
    /// The newest state that the store may not have yet.
    pub kept: Option<State>,
    /// Stored events that the store may not have yet.
    pub items: Vec<(Arc<str>, Arc<Event>)>,
    /// See [`crate::rooms::request::Join::caught_up`].
    pub caught_up: Option<CaughtUp>,
}

/// What a lane wants done after it handled something.
pub enum Effect {
    /// Begin a read for a watch.
    Read {
        /// The watch that waits for it.
        watch: WatchId,
        /// What to read.
        read: Box<dyn Read>,
        /// The socket's mark.
        since: i64,
    },
    /// Tell the registry that a request came to nothing.
    Drop {
        /// The socket.
        uid: Uid,
        /// The room.
        room: RoomId,
        /// The newest request of it that the lane knows.
        request: u64,
    },
}

/// The state of one lane.
#[derive(Debug)]
pub struct Members<O> {
    /// Where its words go.
    pub outlet: O,
    /// The worker that this is the lane of.
    worker: u16,
    rooms: Vec<Room>,
    /// By slot: where its socket is a member.
    memberships: Vec<SmallVec<[Membership; 2]>>,
    /// By slot: what its socket has been sent of its own stored events.
    marks: HashMap<Slot, Marks>,
    watches: HashMap<WatchId, Watch>,
    /// Rooms that are read anew for all their members: the read's number and the newest state that passed.
    refreshes: HashMap<RoomId, (u64, Option<State>)>,
    watching: HashMap<Slot, SmallVec<[WatchId; 1]>>,
    /// Watches by the time they must have been answered, in milliseconds of the uptime.
    deadlines: VecDeque<(u64, WatchId)>,
    /// How long a read may take, in milliseconds.
    patience: u64,
    next_watch: u64,
    /// Number of the newest event.
    number: u64,
}

#[derive(Debug, Default)]
struct Room {
    live: Vec<Slot>,
    watches: Vec<WatchId>,
}

#[derive(Clone, Copy, Debug)]
struct Membership {
    room: RoomId,
    /// Position among the room's members.
    at: u32,
}

impl<O: Outlet> Members<O> {
    /// A lane without members; a read may take `patience` milliseconds.
    pub fn new(worker: u16, outlet: O, patience: u64) -> Members<O> {
        Members {
            outlet,
            worker,
            rooms: Vec::new(),
            memberships: Vec::new(),
            marks: HashMap::new(),
            watches: HashMap::new(),
            refreshes: HashMap::new(),
            watching: HashMap::new(),
            deadlines: VecDeque::new(),
            patience,
            next_watch: 0,
            number: 0,
        }
    }

    // ── events ──────────────────────────────────────────────────────────────────────────────────────────

    /// Hands an event to every member of its rooms, once a socket, and shows it to those who watch.
    pub fn deliver(&mut self, delivery: &Delivery) {
        self.number += 1;
        if let Some(place) = delivery.except.filter(|place| place.worker == self.worker) {
            self.outlet.skip(place, self.number);
        }
        if let Some(event) = &delivery.event {
            match &delivery.item {
                None => self.fan_out(&delivery.rooms, event),
                Some((item, mark)) => self.fan_out_item(&delivery.rooms, event, item, *mark),
            }
        }
        self.show_watches(delivery);
        if let (Some(room), Some(state)) = (delivery.own, &delivery.state) {
            self.pass_refresh(room, state);
        }
    }

    fn fan_out(&mut self, rooms: &[RoomId], event: &Event) {
        for room in rooms {
            if let Some(room) = self.rooms.get(room.0 as usize) {
                self.outlet.deliver(&room.live, self.number, event);
            }
        }
    }

    /// A stored event goes to its owner's sockets unless a read has sent it already.
    fn fan_out_item(&mut self, rooms: &[RoomId], event: &Arc<Event>, item: &Item, mark: Option<i64>) {
        for &id in rooms {
            let Some(room) = self.rooms.get(id.0 as usize) else { continue };
            let marks = &mut self.marks;
            let first = |slot: &Slot| match marks.get_mut(slot).filter(|marks| marks.room == Some(id)) {
                Some(marks) => {
                    marks.advance(mark);
                    marks.note(&item.id)
                }
                None => true,
            };
            let slots: Vec<Slot> = room.live.iter().copied().filter(first).collect();
            self.outlet.deliver(&slots, self.number, event);
            for watch in &room.watches {
                let reached = |watch: &&mut Watch| self.outlet.was_reached(watch.slot, self.number);
                if let Some(watch) = self.watches.get_mut(watch).filter(|watch| !reached(watch)) {
                    watch.pass_item(&item.id, event);
                }
            }
        }
    }

    /// Rule 5. Only who watches the event's own room lists it; whatever reaches a socket empties the lists
    /// of all the event's rooms, or what was listed before it would follow it.
    fn show_watches(&mut self, delivery: &Delivery) {
        if delivery.item.is_some() {
            return;
        }
        for &id in &delivery.rooms {
            let Some(room) = self.rooms.get(id.0 as usize) else { continue };
            let is_own = delivery.own == Some(id);
            for watch in &room.watches {
                let Some(watch) = self.watches.get_mut(watch) else { continue };
                let reached = self.outlet.was_reached(watch.slot, self.number);
                match &delivery.event {
                    Some(event) if is_own => watch.pass(event, delivery.state.as_ref(), reached),
                    Some(_) if reached => watch.empty(),
                    None if is_own => watch.pass_silently(delivery.state.as_ref()),
                    _ => {}
                }
            }
        }
    }

    // ── members ─────────────────────────────────────────────────────────────────────────────────────────

    fn room_mut(&mut self, id: RoomId) -> &mut Room {
        let at = id.0 as usize;
        if self.rooms.len() <= at {
            self.rooms.resize_with(at + 1, Room::default);
        }
        &mut self.rooms[at]
    }

    fn memberships_mut(&mut self, slot: Slot) -> &mut SmallVec<[Membership; 2]> {
        let at = slot as usize;
        if self.memberships.len() <= at {
            self.memberships.resize_with(at + 1, SmallVec::new);
        }
        &mut self.memberships[at]
    }

    /// Whether a socket is a live member of a room.
    pub fn is_live(&self, slot: Slot, room: RoomId) -> bool {
        self.memberships.get(slot as usize).is_some_and(|list| list.iter().any(|member| member.room == room))
    }

    fn enter(&mut self, slot: Slot, room: RoomId) {
        if self.is_live(slot, room) {
            return;
        }
        let live = &mut self.room_mut(room).live;
        let at = live.len() as u32;
        live.push(slot);
        self.memberships_mut(slot).push(Membership { room, at });
    }

    fn exit(&mut self, slot: Slot, room: RoomId) {
        self.disown(slot, room);
        let list = self.memberships_mut(slot);
        if let Some(index) = list.iter().position(|member| member.room == room) {
            let membership = list.swap_remove(index);
            self.remove_live(membership);
        }
    }

    fn remove_live(&mut self, Membership { room, at }: Membership) {
        let live = &mut self.rooms[room.0 as usize].live;
        live.swap_remove(at as usize);
        let Some(&moved) = live.get(at as usize) else {
            if live.is_empty() {
                *live = Vec::new();
                self.refreshes.remove(&room);
            }
            return;
        };
        let list = &mut self.memberships[moved as usize];
        if let Some(member) = list.iter_mut().find(|member| member.room == room) {
            member.at = at;
        }
    }

    /// The sockets that are live members of a room.
    pub fn live(&self, room: RoomId) -> &[Slot] {
        self.rooms.get(room.0 as usize).map_or(&[], |room| &room.live)
    }

    fn answer_done(&mut self, slot: Slot, asked: &Asked) {
        let mut words = vec![Word::Event(asked.answers.done())];
        words.extend(asked.ack.as_ref().map(|ack| Word::Ack(ack, asked.outcome())));
        self.outlet.say(slot, &words);
    }

    fn answer_refused(&mut self, slot: Slot, asked: &Asked, why: Refused) {
        let (event, outcome) = asked.answers.refused(why);
        let mut words = vec![Word::Event(&event)];
        words.extend(asked.ack.as_ref().map(|ack| Word::Ack(ack, outcome)));
        self.outlet.say(slot, &words);
    }
}
