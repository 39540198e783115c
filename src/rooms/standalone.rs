//! The central actors of a service that keeps its rooms nowhere else.

use std::sync::Arc;

use actix::{Actor, Addr};

use super::lane::Lane;
use super::ledger::{AliasLoad, Limits, StateRead};
use super::manager::{self, ConnectionManager};
use super::registry::{Journal, LaneUp, RoomRegistry};
use crate::metrics::Metrics;

/// A journal of nothing: rooms have no state and no other names, and events are not written down.
#[derive(Clone, Copy, Debug)]
pub struct NoJournal;

impl Journal<()> for NoJournal {
    fn write(&self, _place: u64, (): ()) {}
    fn load_aliases(&self, _load: AliasLoad) {}
    fn has_state(&self, _room: &str) -> bool {
        false
    }
    fn read_state(&self, _read: StateRead) {}
}

/// A registry and a manager, on the thread that started them.
#[derive(Clone, Debug)]
pub struct Standalone {
    /// The registry.
    pub registry: Addr<RoomRegistry<(), NoJournal>>,
    /// The manager.
    pub manager: Addr<ConnectionManager>,
}

impl Standalone {
    /// Starts them.
    pub fn start(rooms: Limits, connections: manager::Limits, metrics: &Arc<Metrics>) -> Standalone {
        Standalone {
            registry: RoomRegistry::new(rooms, NoJournal, Arc::clone(metrics)).start(),
            manager: ConnectionManager::new(connections, Arc::clone(metrics)).start(),
        }
    }

    /// A worker's lane has started.
    pub fn lane_up(&self, worker: u16, lane: Addr<Lane>) {
        self.registry.do_send(LaneUp { worker, lane });
    }
}
