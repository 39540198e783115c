//! After a gap: every room that has a state is read once, a few at a time (rule 12).

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::lane::Order;
use super::super::publication::RoomName;
use super::super::request::RoomState;
use super::{Ledger, Outputs};
use crate::protocol::frame::Event;

/// Ticks over which the rooms are spread: with twenty a second, three seconds.
const SPREAD: usize = 60;

/// The rooms that have still to be read.
#[derive(Default)]
pub(super) struct Refreshes {
    waiting: VecDeque<RoomName>,
    /// Rooms read in one tick.
    per_tick: usize,
    number: u64,
}

/// Asks the layer above to read a room's state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateRead {
    /// The room.
    pub room: RoomName,
    /// To be given back with the answer.
    pub number: u64,
}

impl<R> Ledger<R> {
    /// Events may be missing: tells everyone who is in a room, and begins to read the rooms that `has_state`.
    pub fn gap(&mut self, told: &Arc<Event>, has_state: impl Fn(&str) -> bool, out: &mut Outputs<R>) {
        let mut workers = Vec::new();
        for room in self.rooms.iter().flatten() {
            workers.resize(workers.len().max(room.workers.len()), false);
            room.workers.iter().zip(&mut workers).for_each(|(count, any)| *any |= *count > 0);
        }
        for (worker, _) in workers.iter().enumerate().filter(|(_, any)| **any) {
            out.orders.push((worker as u16, Order::Tell(Arc::clone(told))));
        }
        let names = self.rooms.iter().flatten().map(|room| room.name.clone());
        self.refreshes.waiting = names.filter(|name| has_state(name)).collect();
        self.refreshes.per_tick = self.refreshes.waiting.len() / SPREAD + 1;
    }

    /// Begins the next few reads.
    pub(super) fn tick_refreshes(&mut self, out: &mut Outputs<R>) {
        for _ in 0..self.refreshes.per_tick {
            let Some(name) = self.refreshes.waiting.pop_front() else { return };
            self.begin_refresh(name, out);
        }
    }

    /// The lanes watch before the store is read.
    fn begin_refresh(&mut self, name: RoomName, out: &mut Outputs<R>) {
        let Some(&id) = self.names.get(&name) else { return };
        let kept = self.kept.get(&name).map(|(state, _)| state.clone());
        let Some(room) = &mut self.rooms[id.0 as usize] else { return };
        self.refreshes.number += 1;
        let number = self.refreshes.number;
        room.refresh = Some(number);
        for (worker, _) in room.workers.iter().enumerate().filter(|(_, count)| **count > 0) {
            out.orders.push((worker as u16, Order::Refresh { room: id, number, kept: kept.clone() }));
        }
        out.reads.push(StateRead { room: name, number });
    }

    /// A room's state was read; one that the store could not say is asked for again.
    pub fn refreshed(&mut self, read: StateRead, found: Option<RoomState>, out: &mut Outputs<R>) {
        let Some(&id) = self.names.get(&read.room) else { return };
        let Some(room) = &mut self.rooms[id.0 as usize] else { return };
        if room.refresh != Some(read.number) {
            return; // the room was left by all meanwhile, or asked for anew
        }
        room.refresh = None;
        let Some(found) = found else { return self.refreshes.waiting.push_back(read.room) };
        for (worker, _) in room.workers.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (number, found) = (read.number, found.clone());
            out.orders.push((worker as u16, Order::Refreshed { room: id, number, found }));
        }
    }
}
