//! Letting sockets in and out: watches, what the store answers, what is left behind (rules 3 to 11).

use std::sync::Arc;

use super::{Effect, JoinOrder, Members, Outlet, Word};
use crate::ids::Place;
use crate::protocol::frame::Event;
use crate::rooms::RoomId;
use crate::rooms::lane::{Expelled, Leaving};
use crate::rooms::request::{Asked, CaughtUp, Found, Read, ReadAnswer, Refused};
use crate::rooms::watch::{Marks, Watch, WatchId};
use crate::socket::Slot;

// ── joining ─────────────────────────────────────────────────────────────────────────────────────────────

impl<O: Outlet> Members<O> {
    /// Handles a join in its place in the order (rules 3, 4 and 7).
    pub fn join(&mut self, order: JoinOrder, now: u64, effects: &mut Vec<Effect>) {
        let (slot, uid) = (order.place.slot, order.place.uid);
        if !self.outlet.is_here(slot, uid) {
            return;
        }
        self.remember_marks(slot, order.room, order.caught_up);
        let Some(read) = order.read else {
            self.enter(slot, order.room);
            return self.answer_done(slot, &order.asked);
        };
        if self.is_live(slot, order.room) && self.has_had_everything(slot, order.room) {
            return self.answer_done(slot, &order.asked);
        }
        let id = match self.find_watch(slot, order.room) {
            Some(id) => id,
            None => {
                let watch = Watch::new(slot, uid, order.room, order.kept);
                let id = self.open_watch(watch, now);
                let since = self.marks.get(&slot).map_or(i64::MAX, |marks| marks.mark);
                let optional = read.is_optional();
                effects.push(Effect::Read { watch: id, read, since });
                // what went out in another's room before is not for this socket
                let items = if self.is_own_room(slot, order.room) { order.items } else { Vec::new() };
                if let Some(watch) = self.watches.get_mut(&id) {
                    watch.optional = optional;
                    items.iter().for_each(|(id, event)| watch.pass_item(id, event));
                }
                id
            }
        };
        let waits = self.watches.get_mut(&id).map(|watch| watch.wait(order.asked, order.request));
        if let Some(Err(asked)) = waits {
            self.answer_refused(slot, &asked, Refused::Unavailable);
        }
    }

    fn remember_marks(&mut self, slot: Slot, room: RoomId, caught_up: Option<CaughtUp>) {
        let Some(caught_up) = caught_up else { return };
        let marks = self.marks.entry(slot).or_insert_with(|| Marks::new(caught_up.mark, caught_up.ids));
        marks.room = Some(room);
    }

    /// The room's number may be another room's when the socket asks again; its mark stays.
    pub(super) fn disown(&mut self, slot: Slot, room: RoomId) {
        if let Some(marks) = self.marks.get_mut(&slot).filter(|marks| marks.room == Some(room)) {
            marks.room = None;
        }
    }

    fn has_had_everything(&self, slot: Slot, room: RoomId) -> bool {
        self.marks.get(&slot).is_some_and(|marks| marks.room == Some(room) && !marks.behind)
    }

    fn is_own_room(&self, slot: Slot, room: RoomId) -> bool {
        self.marks.get(&slot).is_some_and(|marks| marks.room == Some(room))
    }

    fn open_watch(&mut self, mut watch: Watch, now: u64) -> WatchId {
        self.next_watch += 1;
        let id = WatchId(self.next_watch);
        let room = self.room_mut(watch.room);
        watch.at = room.watches.len() as u32;
        room.watches.push(id);
        self.watching.entry(watch.slot).or_default().push(id);
        self.deadlines.push_back((now + self.patience, id));
        self.watches.insert(id, watch);
        id
    }

    fn find_watch(&self, slot: Slot, room: RoomId) -> Option<WatchId> {
        let ids = self.watching.get(&slot)?;
        ids.iter().copied().find(|id| self.watches.get(id).is_some_and(|watch| watch.room == room))
    }

    /// The socket is somebody else from here on: what it waits for is read again, in the place of the read that
    /// is under way, whose answer is dropped (rule 9). To the watch it is as if that read had begun late.
    pub fn renew(
        &mut self,
        place: Place,
        reads: Vec<(RoomId, Box<dyn Read>)>,
        now: u64,
        effects: &mut Vec<Effect>,
    ) {
        if !self.outlet.is_here(place.slot, place.uid) {
            return;
        }
        for (room, read) in reads {
            let open = self.find_watch(place.slot, room).and_then(|id| self.close_watch(id));
            let Some(mut watch) = open else { continue };
            watch.optional = read.is_optional();
            let since = self.marks.get(&place.slot).map_or(i64::MAX, |marks| marks.mark);
            let watch = self.open_watch(watch, now);
            effects.push(Effect::Read { watch, read, since });
        }
    }

    /// The registry did not let the socket in.
    pub fn refuse(&mut self, place: Place, asked: &Asked, why: Refused) {
        if self.outlet.is_here(place.slot, place.uid) {
            self.answer_refused(place.slot, asked, why);
        }
    }
}

// ── the store's answer ──────────────────────────────────────────────────────────────────────────────────

impl<O: Outlet> Members<O> {
    /// Handles what the store said; an answer that nobody waits for any more is dropped (rule 9).
    pub fn answered(&mut self, id: WatchId, answer: ReadAnswer, effects: &mut Vec<Effect>) {
        let Some(watch) = self.close_watch(id) else { return };
        match answer {
            ReadAnswer::Found(_) | ReadAnswer::Unavailable if watch.has_overflowed() => {
                self.turn_away(watch, Refused::Unavailable, effects);
            }
            ReadAnswer::Found(found) => self.let_in(watch, Some(found)),
            ReadAnswer::Unavailable if watch.optional => self.let_in(watch, None),
            ReadAnswer::Unavailable => self.turn_away(watch, Refused::Unavailable, effects),
            ReadAnswer::Denied => {
                self.put_out(&watch);
                self.turn_away(watch, Refused::Denied, effects);
            }
        }
    }

    /// A member who asked again, and whose right turned out to be gone.
    fn put_out(&mut self, watch: &Watch) {
        if self.is_live(watch.slot, watch.room) {
            self.exit(watch.slot, watch.room);
            let told = watch.waiting.first().map(|asked| asked.answers.lost());
            self.outlet.say(watch.slot, told.as_ref().map(Word::Event).as_slice());
        }
    }

    /// Rule 6: the snapshot, `subscribed`, and what passed since.
    fn let_in(&mut self, mut watch: Watch, found: Option<Found>) {
        self.note_read(&watch, found.as_ref());
        let mut found = found.unwrap_or_default();
        let (newest, list) = watch.resolve(&found);
        let snapshot = found.snapshot.take().map(|make| make(newest.as_ref()));
        let items = self.unsent_items(&watch, &found);
        let mut words: Vec<Word<'_>> = Vec::new();
        for (n, asked) in watch.waiting.iter().enumerate() {
            words.extend(snapshot.as_ref().map(Word::Event));
            words.push(Word::Event(asked.answers.done()));
            words.extend(asked.ack.as_ref().map(|ack| Word::Ack(ack, asked.outcome())));
            if n == 0 {
                // before the later answers: some of it passed before they were asked for
                words.extend(list.iter().chain(&items).map(|event| Word::Event(event)));
            }
        }
        self.outlet.say(watch.slot, &words);
        drop(words);
        self.enter(watch.slot, watch.room);
    }

    fn note_read(&mut self, watch: &Watch, found: Option<&Found>) {
        let marks = self.marks.get_mut(&watch.slot).filter(|marks| marks.room == Some(watch.room));
        if let Some(marks) = marks {
            marks.behind = found.is_none();
            marks.mark = found.map_or(marks.mark, |found| marks.mark.max(found.mark));
        }
    }

    /// Stored events: those read, then those that passed, none that the socket has had.
    fn unsent_items(&mut self, watch: &Watch, found: &Found) -> Vec<Arc<Event>> {
        let Some(marks) = self.marks.get_mut(&watch.slot).filter(|marks| marks.room == Some(watch.room))
        else {
            return watch.items().iter().map(|(_, event)| Arc::clone(event)).collect();
        };
        let all = found.items.iter().chain(watch.items());
        all.filter(|(id, _)| marks.note(id)).map(|(_, event)| Arc::clone(event)).collect()
    }

    /// Rule 10.
    fn turn_away(&mut self, watch: Watch, why: Refused, effects: &mut Vec<Effect>) {
        for asked in &watch.waiting {
            self.answer_refused(watch.slot, asked, why);
        }
        if !self.is_live(watch.slot, watch.room) {
            self.disown(watch.slot, watch.room);
            effects.push(Effect::Drop { uid: watch.uid, room: watch.room, request: watch.request });
        }
    }

    /// Ends the watches whose time is over.
    pub fn expire(&mut self, now: u64, effects: &mut Vec<Effect>) {
        while let Some((_, id)) = self.deadlines.pop_front_if(|(at, _)| *at <= now) {
            self.answered(id, ReadAnswer::Unavailable, effects);
        }
    }
}

// ── leaving ─────────────────────────────────────────────────────────────────────────────────────────────

impl<O: Outlet> Members<O> {
    /// Handles a leave in its place in the order (rule 9). Subscribes that it overtakes are answered
    /// with its own words.
    pub fn leave(&mut self, leaving: &Leaving) {
        let Leaving { place, room, asked, overtaken } = leaving;
        if !self.outlet.is_here(place.slot, place.uid) {
            return;
        }
        let watch = room.and_then(|room| {
            self.exit(place.slot, room);
            self.close_watch(self.find_watch(place.slot, room)?)
        });
        let waiting = watch.iter().flat_map(|watch| &watch.waiting);
        let acks = overtaken.iter().chain(waiting).chain([asked]).filter_map(|asked| asked.ack.as_ref());
        let mut words = vec![Word::Event(asked.answers.done())];
        words.extend(acks.map(|ack| Word::Ack(ack, asked.outcome())));
        self.outlet.say(place.slot, &words);
    }

    /// Handles a change of rights in its place in the order (rule 11). A member is told, and subscribes that
    /// wait are denied: what the store still has to say of them is of no interest.
    pub fn expel(&mut self, Expelled { places, room, told }: &Expelled) {
        for Place { slot, uid, .. } in places {
            if self.outlet.is_here(*slot, *uid) {
                self.expel_one(*slot, *room, told);
            }
        }
    }

    fn expel_one(&mut self, slot: Slot, room: RoomId, told: &Event) {
        if self.is_live(slot, room) {
            self.exit(slot, room);
            self.outlet.say(slot, &[Word::Event(told)]);
        }
        let watch = self.find_watch(slot, room).and_then(|id| self.close_watch(id));
        for asked in watch.iter().flat_map(|watch| &watch.waiting) {
            self.answer_refused(slot, asked, Refused::Denied);
        }
    }

    /// Forgets a socket that is gone, at once.
    pub fn forget(&mut self, slot: Slot) {
        for id in self.watching.remove(&slot).unwrap_or_default() {
            self.unlist_watch(id);
        }
        self.marks.remove(&slot);
        if let Some(memberships) = self.memberships.get_mut(slot as usize) {
            for membership in std::mem::take(memberships) {
                self.remove_live(membership);
            }
        }
    }

    fn close_watch(&mut self, id: WatchId) -> Option<Watch> {
        let watch = self.unlist_watch(id)?;
        if let Some(ids) = self.watching.get_mut(&watch.slot) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.watching.remove(&watch.slot);
            }
        }
        Some(watch)
    }

    fn unlist_watch(&mut self, id: WatchId) -> Option<Watch> {
        let watch = self.watches.remove(&id)?;
        let list = &mut self.rooms[watch.room.0 as usize].watches;
        list.swap_remove(watch.at as usize);
        if let Some(moved) = list.get(watch.at as usize).and_then(|moved| self.watches.get_mut(moved)) {
            moved.at = watch.at;
        }
        Some(watch)
    }
}
