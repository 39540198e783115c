//! All wiring on one page: store, bus, actors, HTTP server.
//!
//! The registry, the connection manager and the bridge run on the first worker's thread, beside its lane
//! and sockets: the hop to another thread would be the whole cost of many small rooms.
//!
//! | file | what stands there |
//! |---|---|
//! | [`options`] | what the configuration says to each part |
//! | `descriptors` | how many of them are for clients |
//! | `start` | what has to be there before anybody is let in, and what runs from then on |
//! | `link` | what happens when the link to the source comes and goes |
//! | `end` | the sockets are told, and what waits is written |

mod descriptors;
mod end;
mod link;
pub mod options;
mod start;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::{Actor, Addr, Recipient};
use actix_web::web::{self, ServiceConfig};

use crate::admin;
use crate::auth::{AuthOptions, KeyError, KeySet};
use crate::bridge::access::Revoker;
use crate::bridge::intake::Intake;
use crate::bridge::journal::{self, StoreJournal, ToRegistry};
use crate::bridge::outbox::Relay;
use crate::bridge::{BusHandle, MemoryBridge, RedisBridge, Sink, Target};
use crate::client::{Hub, Shared as ClientShared};
use crate::config::Config;
use crate::events::{Campaigns, Rules};
use crate::http::read_model::ReadModel;
use crate::http::roster::Roster;
use crate::http::{self, Api, Audience};
use crate::metrics::Metrics;
use crate::pulse::beat::Watched;
use crate::pulse::{Health, Pulse};
use crate::rooms::registry::{Gap, LaneUp, Look, Publish};
use crate::rooms::{ConnectionManager, Lane, Permits, RoomRegistry};
use crate::store::analytics::ConnectionLog;
use crate::store::retention::Retention;
use crate::store::{Record, Store, StoreError, StoreOptions};
use crate::transport::server::{Listeners, Service, start};
use crate::transport::worker::{Central, Shared};
use crate::transport::{Gate, Side};

type Registry = RoomRegistry<Record, StoreJournal>;

/// Events and bytes that may be in flight between a source and the sockets.
const IN_FLIGHT: (usize, usize) = (4_096, 32 << 20);

/// Why a hub did not start or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database cannot be used, and waiting would not help.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A setting cannot be used.
    #[error("{0}")]
    Setting(String),
    /// A listener failed.
    #[error("the server failed: {0}")]
    Io(#[from] std::io::Error),
}

/// Runs a hub on its listeners until `shutdown` resolves, then drains it. `ready` is told when it takes
/// connections.
///
/// # Errors
/// It cannot start, or its server failed.
pub async fn run(
    config: Config,
    listeners: impl Into<Listeners>,
    ready: impl FnOnce(&Running),
    shutdown: impl Future<Output = ()>,
) -> Result<(), AppError> {
    let listeners = listeners.into();
    let parts = Parts::build(config, options::node(&listeners.public))?;
    let (server, handle) =
        start(listeners, options::http(&parts.config), parts.shared.clone(), parts.clone())?;
    let server = actix_rt::spawn(server);
    let running = Running { parts: parts.clone() };
    tokio::pin!(shutdown);
    let started = async {
        parts.migrate().await?;
        let seen = parts.read_revocations().await;
        parts.await_first_link().await;
        parts.start_analytics();
        parts.shared.gate.open();
        parts.start_access_feed(seen);
        parts.start_store_threads()
    };
    let mut going_down = None;
    let stopped_early = tokio::select! {
        started = started => { started?; false }
        () = &mut shutdown => true,
    };
    if !stopped_early {
        ready(&running);
        shutdown.await;
        going_down = Some(tokio::time::Instant::now());
        parts.drain().await;
    }
    let since = going_down.unwrap_or_else(tokio::time::Instant::now);
    parts.flush_store(since.elapsed()).await;
    handle.stop(false).await;
    server.await.map_err(std::io::Error::other)??;
    Ok(())
}

/// A running hub, for whoever runs beside it.
pub struct Running {
    parts: Parts,
}

impl Running {
    /// The hub's database.
    pub fn store(&self) -> &Store {
        &self.parts.clients.store
    }

    /// Reads the keys anew.
    ///
    /// # Errors
    /// They cannot be used: the old ones stay.
    pub async fn reload_keys(&self) -> Result<(), KeyError> {
        let options = AuthOptions::from(&self.parts.config.auth);
        let (tell, told) = tokio::sync::oneshot::channel();
        // a thread of its own, which nobody waits for at the end: a file system that hangs may never answer
        std::thread::spawn(move || drop(tell.send(KeySet::load(&options))));
        if let Ok(keys) = told.await {
            self.parts.clients.set_keys(keys?);
        }
        Ok(())
    }

    /// A handle of its own.
    pub fn share(&self) -> Running {
        Running { parts: self.parts.clone() }
    }
}

/// What all workers are made from.
#[derive(Clone)]
struct Parts {
    config: Arc<Config>,
    shared: Shared,
    clients: Arc<ClientShared>,
    health: Arc<Health>,
    to_registry: ToRegistry,
    /// The registry, as it hears of gaps; set when it starts.
    gap_listener: Arc<OnceLock<Recipient<Gap>>>,
    linked: Arc<tokio::sync::Notify>,
    redis: Option<Target>,
    central: Arc<OnceLock<CentralActors>>,
    lanes: Arc<std::sync::Mutex<Vec<Addr<Lane>>>>,
    /// Started when the schema is there and the bus is up.
    relay: Arc<OnceLock<Relay>>,
    retention: Arc<OnceLock<Retention>>,
}

/// The actors of the first worker.
struct CentralActors {
    central: Central,
    registry: Addr<Registry>,
    publisher: Recipient<Publish<Record>>,
    looks: Recipient<Look<Record>>,
    api: Arc<Api>,
}

impl Parts {
    fn build(config: Config, node: Arc<str>) -> Result<Parts, AppError> {
        let keys = KeySet::load(&AuthOptions::from(&config.auth))?;
        let redis = match config.redis.url.as_str() {
            "" => None,
            url => Some(Target::parse(url).map_err(|error| AppError::Setting(error.to_string()))?),
        };
        let metrics = Arc::new(Metrics::new());
        let permits = Permits::new(IN_FLIGHT.0, IN_FLIGHT.1);
        metrics.build_info.with_label_values(&[config.service_version.as_str(), "send"]).set(1);
        let gate = Arc::new(Gate::default());
        let to_registry = ToRegistry::default();
        let confirm = Arc::clone(&to_registry);
        let statements = Some(metrics.database_statements.clone());
        let database = StoreOptions { statements, ..options::store(&config) };
        let store = Store::start(database, move |list| journal::confirm(&confirm, list));
        let required = config.health.required.clone();
        let health = Arc::new(Health::new(
            Arc::clone(&gate),
            store.clone(),
            redis.is_some(),
            required,
            permits.clone(),
        ));
        let shared = Shared {
            options: Arc::new(options::transport(&config)?),
            gate,
            metrics: Arc::clone(&metrics),
            unsent_bytes: options::or_max(config.limits.unsent_bytes),
            unsent_bytes_total: options::or_max(config.limits.unsent_bytes_total),
            rate: options::rate(&config),
            auth_timeout_ms: config.auth.timeout_ms,
            read_patience_ms: config.database.timeout_ms,
        };
        let status = Arc::clone(&health);
        let overflow = metrics.queue_overflow.with_label_values(&["connection_events"]);
        let clients = Arc::new(ClientShared {
            keys: std::sync::RwLock::new(Arc::new(keys)),
            revocations: Arc::default(),
            store,
            connections: ConnectionLog::new(overflow),
            node,
            metrics,
            permits,
            version: config.service_version.clone(),
            status: Box::new(move || status.status()),
            store_patience: Duration::from_millis(config.database.timeout_ms),
            leeway_ms: config.auth.leeway_ms as i64,
            warning_ms: options::warning(&config),
            max_payload: config.socketio.max_payload as usize,
            ping_interval_ms: shared.options.ping_interval_ms,
        });
        Ok(Parts {
            config: Arc::new(config),
            shared,
            clients,
            health,
            to_registry,
            gap_listener: Arc::default(),
            linked: Arc::default(),
            redis,
            central: Arc::default(),
            lanes: Arc::default(),
            relay: Arc::default(),
            retention: Arc::default(),
        })
    }

    /// Starts the central actors on this thread.
    fn start_central(&self) -> CentralActors {
        let metrics = &self.shared.metrics;
        let journal =
            StoreJournal::new(self.clients.store.clone(), Arc::clone(&self.to_registry), Arc::clone(metrics));
        let registry = RoomRegistry::new(options::rooms(&self.config), journal, Arc::clone(metrics)).start();
        let _ = self.to_registry.set(registry.clone().recipient());
        let manager = ConnectionManager::new(options::connections(&self.config), Arc::clone(metrics)).start();
        let _ = self.gap_listener.set(registry.clone().recipient());
        let publisher = registry.clone().recipient();
        let intake = Arc::new(Intake::new(self.catalogue(), publisher.clone(), Arc::clone(metrics)));
        let bus = self.start_bridge(&intake);
        Pulse::new(Watched {
            health: Arc::clone(&self.health),
            metrics: Arc::clone(metrics),
            intake: Arc::clone(&intake),
            permits: self.clients.permits.clone(),
            registry: registry.clone().recipient(),
            manager: manager.clone(),
            publisher: publisher.clone(),
        })
        .start();
        let roster = Roster {
            manager: manager.clone(),
            registry: registry.clone().recipient(),
            rolls: registry.clone().recipient(),
        };
        let central = Central {
            registry: registry.clone().recipient(),
            from_lanes: registry.clone().recipient(),
            manager,
        };
        let api = Arc::new(Api {
            shared: Arc::clone(&self.clients),
            options: Arc::clone(&self.shared.options),
            bus: Arc::new(bus),
            intake,
            read_model: ReadModel {
                store: self.clients.store.clone(),
                publisher: publisher.clone(),
                registry: Arc::clone(&self.to_registry),
                permits: self.clients.permits.clone(),
                patience: self.clients.store_patience,
            },
            revoker: Revoker {
                revocations: Arc::clone(&self.clients.revocations),
                manager: central.manager.clone().recipient(),
            },
            refresh: options::refresh(&self.config),
            roster,
            statistics: Default::default(),
            health: Arc::clone(&self.health),
            api_keys: self.config.auth.api_keys.clone(),
            body_bytes: options::or_max(self.config.limits.body_bytes),
            relay: Arc::clone(&self.relay),
        });
        CentralActors { central, looks: registry.clone().recipient(), registry, publisher, api }
    }

    fn start_bridge(&self, intake: &Arc<Intake<Campaigns>>) -> BusHandle {
        let source = if self.redis.is_some() { "redis" } else { "memory" };
        let taken = Arc::clone(intake);
        let sink: Sink = Arc::new(move |messages, permit| taken.take(source, messages, permit));
        let permits = self.clients.permits.clone();
        let on_link = self.on_link();
        match &self.redis {
            Some(target) => {
                let bridge = RedisBridge::new(target.clone(), permits, sink, on_link).start();
                BusHandle::new(bridge.recipient())
            }
            None => BusHandle::new(MemoryBridge::new(permits, sink, on_link).start().recipient()),
        }
    }

    fn catalogue(&self) -> Campaigns {
        let shared_suffixes = self.config.redis.shared_suffixes.clone();
        Campaigns { rules: Rules { shared_suffixes, latest: self.config.delivery.latest.clone() } }
    }

    /// Who is served on this side's address.
    fn audience(&self, side: Side) -> Audience {
        match side {
            Side::Operators => Audience::Operators,
            Side::Public if self.config.server.admin_address.is_empty() => Audience::All,
            Side::Public => Audience::Public,
        }
    }
}

impl Service for Parts {
    type Namespace = Hub;

    fn central(&self, _: u16) -> Central {
        self.central.get_or_init(|| self.start_central()).central.clone()
    }

    fn namespace(&self, _: u16) -> Hub {
        let actors = self.central.get_or_init(|| self.start_central());
        Hub {
            shared: Arc::clone(&self.clients),
            registry: actors.central.registry.clone(),
            publisher: actors.publisher.clone(),
            manager: actors.central.manager.clone(),
        }
    }

    fn lane_up(&self, worker: u16, lane: Addr<Lane>) {
        let actors = self.central.get_or_init(|| self.start_central());
        self.lanes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(lane.clone());
        actors.registry.do_send(LaneUp { worker, lane });
    }

    fn routes(&self, config: &mut ServiceConfig, side: Side) {
        let actors = self.central.get_or_init(|| self.start_central());
        let audience = self.audience(side);
        http::routes(config, &web::Data::from(Arc::clone(&actors.api)), audience);
        if audience != Audience::Public {
            admin::dashboard::routes(config, &self.config.plain.path, audience == Audience::All);
        }
        if self.config.dev && side == Side::Public {
            let clients = Arc::clone(&self.clients);
            let sign = move |claims: &crate::auth::NewToken| {
                clients.keys().sign(claims, crate::clock::now_ms()).map_err(|error| error.to_string())
            };
            admin::routes(config, Arc::new(sign), &self.config.plain.path);
        }
    }
}
