//! After a gap: every member is told, and shown its rooms' states anew (rule 12).

use std::sync::Arc;

use super::{Members, Outlet, Word};
use crate::protocol::frame::Event;
use crate::rooms::RoomId;
use crate::rooms::publication::State;
use crate::rooms::request::RoomState;

impl<O: Outlet> Members<O> {
    /// Tells every socket that is in a room something, once.
    pub fn tell_all(&mut self, event: &Event) {
        for slot in 0..self.memberships.len() {
            if !self.memberships[slot].is_empty() {
                self.outlet.say(slot as u32, &[Word::Event(event)]);
            }
        }
    }

    /// Begins to watch a room for all its members, while the store is read once for them.
    pub fn begin_refresh(&mut self, room: RoomId, number: u64, kept: Option<State>) {
        self.refreshes.insert(room, (number, kept));
    }

    /// A state passes; one that is newer takes the place of what was seen.
    pub(super) fn pass_refresh(&mut self, room: RoomId, state: &State) {
        if let Some((_, newest)) = self.refreshes.get_mut(&room)
            && newest.as_ref().is_none_or(|newest| state.replaces(newest))
        {
            *newest = Some(state.clone());
        }
    }

    /// The store answered: every live member is shown the newer of what passed and what is stored.
    pub fn end_refresh(&mut self, room: RoomId, number: u64, stored: &RoomState) {
        if self.refreshes.get(&room).is_none_or(|(current, _)| *current != number) {
            return;
        }
        let passed = self.refreshes.remove(&room).and_then(|(_, passed)| passed);
        let newest = match (passed, &stored.state) {
            (Some(passed), Some(stored)) if !passed.replaces(stored) => Some(stored.clone()),
            (Some(passed), _) => Some(passed),
            (None, stored) => stored.clone(),
        };
        let snapshot = Arc::new((stored.snapshot)(newest.as_ref()));
        self.number += 1;
        self.fan_out(&[room], &snapshot);
    }
}
