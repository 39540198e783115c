//! A service that is its namespace and nothing more: it keeps its rooms nowhere else, and limits nobody.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::{Actor as _, Addr};
use actix_web::web::ServiceConfig;

use super::Side;
use super::server::Service;
use super::worker::Central;
use crate::metrics::Metrics;
use crate::rooms::ledger::{AliasLoad, Limits, RightsRead, StateRead};
use crate::rooms::manager::{self, OnLimit};
use crate::rooms::registry::{Journal, LaneUp};
use crate::rooms::{ConnectionManager, Lane, RoomRegistry};
use crate::socket::Namespace;

const ROOMS: Limits = Limits { room_size: 0, rooms_per_socket: 0, item_patience: 0, alias_patience: 0 };
const CONNECTIONS: manager::Limits = manager::Limits {
    connects_per_minute: 0,
    unsent_bytes_total: usize::MAX,
    per_user: 0,
    on_limit: OnLimit::RejectNew,
    idle_check: Duration::ZERO,
    idle_timeout: Duration::ZERO,
};

/// A journal of nothing: rooms have no state and no other names, and events are not written down.
struct NoJournal;

impl Journal<()> for NoJournal {
    fn write(&self, _place: u64, (): ()) {}
    fn load_aliases(&self, _load: AliasLoad) {}
    fn has_state(&self, _room: &str) -> bool {
        false
    }
    fn read_state(&self, _read: StateRead) {}
    fn read_rights(&self, _read: RightsRead) {}
}

/// The actors of the first worker.
#[derive(Clone)]
struct Actors {
    registry: Addr<RoomRegistry<(), NoJournal>>,
    manager: Addr<ConnectionManager>,
}

/// See the module.
#[derive(Clone)]
pub struct Standalone<F> {
    /// Makes a worker's namespace.
    namespace: F,
    metrics: Arc<Metrics>,
    actors: Arc<OnceLock<Actors>>,
}

impl<F> Standalone<F> {
    /// A service whose workers speak to what `namespace` makes, one each.
    pub fn new(namespace: F, metrics: Arc<Metrics>) -> Standalone<F> {
        Standalone { namespace, metrics, actors: Arc::default() }
    }

    fn actors(&self) -> &Actors {
        self.actors.get_or_init(|| Actors {
            registry: RoomRegistry::new(ROOMS, NoJournal, Arc::clone(&self.metrics)).start(),
            manager: ConnectionManager::new(CONNECTIONS, Arc::clone(&self.metrics)).start(),
        })
    }
}

impl<N: Namespace, F: Fn() -> N + Clone + Send + Sync + 'static> Service for Standalone<F> {
    type Namespace = N;

    fn central(&self, _: u16) -> Central {
        let Actors { registry, manager } = self.actors().clone();
        Central { registry: registry.clone().recipient(), from_lanes: registry.recipient(), manager }
    }

    fn namespace(&self, _: u16) -> N {
        (self.namespace)()
    }

    fn lane_up(&self, worker: u16, lane: Addr<Lane>) {
        self.actors().registry.do_send(LaneUp { worker, lane });
    }

    fn routes(&self, _: &mut ServiceConfig, _: Side) {}
}
