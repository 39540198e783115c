//! Stored events: each waits a moment for the store before it goes out.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::RoomId;
use super::super::members::Delivery;
use super::super::permits::Permit;
use super::super::publication::{Item, RoomName, State};
use super::super::watch::MAX_ITEMS;
use super::{Ledger, Outputs};
use crate::protocol::frame::Event;

pub(super) struct WaitingItem {
    place: u64,
    event: Arc<Event>,
    item: Item,
    /// Where it goes: what was published, or what the store says.
    room: RoomName,
    until: u64,
    /// Set when the store has it.
    mark: Option<i64>,
    confirmed: bool,
    /// Kept in flight while it waits.
    permit: Arc<Permit>,
}

/// The writer says that something is in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Confirmed {
    /// The newest state of a room, as it was written or found to be newer already.
    State {
        /// The room.
        room: RoomName,
        /// The time of what was written.
        time: i64,
        /// The newest place that it covers.
        place: u64,
    },
    /// A stored event.
    Item {
        /// The place of its record.
        place: u64,
        /// The room that it belongs to; none where the store knows of nobody.
        room: Option<RoomName>,
        /// Its mark.
        mark: Option<i64>,
    },
    /// A record that can never be written: nothing is to be waited for.
    Dropped {
        /// Its place.
        place: u64,
    },
}

impl<R> Ledger<R> {
    pub(super) fn wait_for_store(
        &mut self,
        room: RoomName,
        event: Arc<Event>,
        item: Item,
        now: u64,
        permit: Arc<Permit>,
    ) {
        let place = self.place;
        let until = now + self.limits.item_patience;
        self.waiting_at.insert(place, room.clone());
        self.waiting.entry(room.clone()).or_default().push_back(WaitingItem {
            place,
            event,
            item,
            room,
            until,
            mark: None,
            confirmed: false,
            permit,
        });
    }

    /// The writer has written something.
    pub fn confirmed(&mut self, what: Confirmed, out: &mut Outputs<R>) {
        match what {
            Confirmed::State { room, time, place } => {
                let covered = |(kept, at): &(State, u64)| (kept.time, *at) <= (time, place);
                if self.kept.get(&room).is_some_and(covered) {
                    self.kept.remove(&room);
                }
            }
            Confirmed::Item { place, room, mark } => self.confirm_item(place, room, mark, out),
            Confirmed::Dropped { place } => {
                self.kept.retain(|_, (_, at)| *at != place);
                self.confirm_item(place, None, None, out);
            }
        }
    }

    fn confirm_item(&mut self, place: u64, room: Option<RoomName>, mark: Option<i64>, out: &mut Outputs<R>) {
        let Some(queue) = self.waiting_at.get(&place).cloned() else {
            return self.forget_unconfirmed(place);
        };
        let items = self.waiting.get_mut(&queue).into_iter().flatten();
        if let Some(item) = items.into_iter().find(|item| item.place == place) {
            item.confirmed = true;
            item.mark = mark;
            item.room = room.unwrap_or_else(|| item.room.clone());
        }
        let mut ready = Vec::new();
        self.take_ready(&queue, None, &mut ready);
        self.release(ready, out);
    }

    /// What went out to a room, under whichever of its names, and is not in the store yet; oldest first. Where
    /// there is more than a subscriber can be shown, as much as says so.
    pub(super) fn unconfirmed_of(&self, id: RoomId, name: &RoomName) -> Vec<(Arc<str>, Arc<Event>)> {
        let room = self.rooms[id.0 as usize].as_ref();
        let names = room.map_or(&[][..], |room| room.alias.names()).iter().chain([name]);
        let mut items: Vec<_> = names.filter_map(|name| self.unconfirmed.get(name)).flatten().collect();
        items.sort_by_key(|(place, ..)| *place);
        items.truncate(MAX_ITEMS + 1);
        items.into_iter().map(|(_, item, event)| (Arc::clone(&item.id), Arc::clone(event))).collect()
    }

    fn forget_unconfirmed(&mut self, place: u64) {
        let Some(room) = self.unconfirmed_at.remove(&place) else { return };
        let Some(list) = self.unconfirmed.get_mut(&room) else { return };
        // they are confirmed in order, mostly
        if let Some(at) = list.iter().position(|(at, ..)| *at == place) {
            list.remove(at);
        }
        if list.is_empty() {
            self.unconfirmed.remove(&room);
        }
    }

    /// Takes what the store has; what was published later waits for what was published before. With a time,
    /// also what has had its patience: of all queues at once, or they would overtake each other.
    fn take_ready(&mut self, queue: &RoomName, now: Option<u64>, ready: &mut Vec<WaitingItem>) {
        let Some(items) = self.waiting.get_mut(queue) else { return };
        let is_due = |item: &WaitingItem| now.is_some_and(|now| item.until <= now);
        while let Some(item) = items.pop_front_if(|item| item.confirmed || is_due(item)) {
            self.waiting_at.remove(&item.place);
            ready.push(item);
        }
        if items.is_empty() {
            self.waiting.remove(queue);
        }
    }

    /// Lets these go, in the order in which they came.
    fn release(&mut self, mut ready: Vec<WaitingItem>, out: &mut Outputs<R>) {
        let mut deliveries = Vec::new();
        let mut permits = Vec::new();
        ready.sort_by_key(|item| item.place);
        for WaitingItem { place, event, item, room, mark, confirmed, permit, .. } in ready {
            permits.push(permit);
            let rooms = self.resolve(std::slice::from_ref(&room));
            if !confirmed {
                self.unconfirmed_at.insert(place, room.clone());
                let list = self.unconfirmed.entry(room).or_default();
                list.push_back((place, item.clone(), Arc::clone(&event)));
            }
            if !rooms.is_empty() {
                let item = Some((item, mark));
                let (event, own, state, except) = (Some(event), None, None, None);
                deliveries.push(Delivery { event, rooms, own, state, item, except });
            }
        }
        if !deliveries.is_empty() {
            self.hand_out(deliveries, permits, out);
        }
    }

    /// Lets go what has waited long enough; to be called a few times a second.
    pub fn tick(&mut self, now: u64, out: &mut Outputs<R>) {
        let due = |items: &VecDeque<WaitingItem>| items.front().is_some_and(|item| item.until <= now);
        let queues: Vec<RoomName> =
            self.waiting.iter().filter(|(_, items)| due(items)).map(|(name, _)| name.clone()).collect();
        let mut ready = Vec::new();
        queues.iter().for_each(|queue| self.take_ready(queue, Some(now), &mut ready));
        self.release(ready, out);
        self.tick_aliases(now, out);
        self.tick_refreshes(out);
        self.tick_doubts(now, out);
    }
}
