//! All wiring on one page: store, bus, actors, HTTP server; start and drain.
//!
//! The registry, the connection manager and the bridge run on the first worker's thread, beside its lane
//! and sockets: the hop to another thread would be the whole cost of many small rooms. What the configuration
//! says to each part stands in [`options`].

mod descriptors;
pub mod options;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::{Actor, Addr, Recipient};
use actix_web::web::{self, ServiceConfig};

use crate::admin;
use crate::auth::{AuthOptions, KeyError, KeySet};
use crate::bridge::access::{AccessFeed, Revoker};
use crate::bridge::intake::Intake;
use crate::bridge::journal::{self, StoreJournal, ToRegistry};
use crate::bridge::outbox::{Relay, Wires};
use crate::bridge::{BusHandle, LinkEvent, MemoryBridge, OnLink, RedisBridge, Sink, Target};
use crate::client::{Hub, Shared as ClientShared};
use crate::config::Config;
use crate::events::{Campaigns, Rules, Stamp, names, server};
use crate::http::read_model::ReadModel;
use crate::http::roster::Roster;
use crate::http::stats::Figures;
use crate::http::{self, Api, Audience};
use crate::metrics::Metrics;
use crate::protocol::frame::Event;
use crate::pulse::beat::Watched;
use crate::pulse::{Health, Pulse};
use crate::rooms::lane::Drain;
use crate::rooms::registry::{Gap, LaneUp, Look, Publish};
use crate::rooms::{ConnectionManager, Lane, Permits, RoomRegistry};
use crate::store::analytics::{Analytics, ConnectionLog};
use crate::store::retention::Retention;
use crate::store::{AccessChange, AccessChanges, Outbox, Record, Store, StoreError, StoreOptions};
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
    pub fn reload_keys(&self) -> Result<(), KeyError> {
        self.parts.clients.set_keys(KeySet::load(&AuthOptions::from(&self.parts.config.auth))?);
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

    // ── start ───────────────────────────────────────────────────────────────────────────────────────────

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
        let figures = Figures {
            manager: manager.clone(),
            registry: registry.clone().recipient(),
            turn: Arc::new(tokio::sync::Semaphore::new(1)),
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
            figures,
            roster,
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

    /// What happens when the link to the source comes and goes.
    fn on_link(&self) -> OnLink {
        let (health, metrics) = (Arc::clone(&self.health), Arc::clone(&self.shared.metrics));
        let (linked, gap_listener) = (Arc::clone(&self.linked), Arc::clone(&self.gap_listener));
        Arc::new(move |event| match event {
            LinkEvent::Up { first } => {
                health.note_redis_up();
                if first {
                    linked.notify_one();
                }
            }
            LinkEvent::Gap { since, until } => {
                health.note_gap();
                metrics.gaps.with_label_values(&["redis"]).inc();
                log::warn!("events may be missing: the link to Redis was away for {} ms", until - since);
                if let Some(listener) = gap_listener.get() {
                    let gap = server::Gap { source: "redis", since: Stamp(since), until: Stamp(until) };
                    listener.do_send(Gap(Arc::new(Event::new(names::GAP, &gap))));
                }
            }
            LinkEvent::Down { reason, silent } => {
                health.note_redis_lost(silent);
                log::warn!("the link to Redis is down: {reason}");
            }
        })
    }

    fn catalogue(&self) -> Campaigns {
        let shared_suffixes = self.config.redis.shared_suffixes.clone();
        Campaigns { rules: Rules { shared_suffixes, latest: self.config.delivery.latest.clone() } }
    }

    /// Brings the schema up to date; waits, with a message, for a database that is not there yet.
    async fn migrate(&self) -> Result<(), AppError> {
        let mut last = String::new();
        loop {
            let database = options::store(&self.config);
            let result = web::block(move || Store::migrate(&database)).await;
            match result.map_err(std::io::Error::other)? {
                Ok(_) => return Ok(()),
                Err(error) if error.is_worth_waiting() => {
                    let text = error.to_string();
                    if text != last {
                        log::warn!("waiting: {text}");
                        last = text;
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads which tokens have been revoked, before anybody is let in; waits for the database. Says from where
    /// on the line of changes is to be read.
    async fn read_revocations(&self) -> i64 {
        loop {
            let (tell, told) = tokio::sync::oneshot::channel();
            self.clients.store.revocations(move |all| drop(tell.send(all)));
            if let Ok(Ok(all)) = told.await {
                return self.begin_with(all);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    fn begin_with(&self, all: AccessChanges) -> i64 {
        for change in &all.list {
            if let AccessChange::Revoked { user, before } = change {
                self.clients.revocations.add(user, *before);
            }
        }
        self.clients.revocations.know_all();
        all.seen
    }

    /// Reads from now on what other nodes change.
    fn start_access_feed(&self, seen: i64) {
        let Some(actors) = self.central.get() else { return };
        let registry = Arc::clone(&self.to_registry);
        AccessFeed::new(self.clients.store.clone(), actors.api.revoker.clone(), registry, seen).start();
    }

    /// Waits for the first subscription.
    async fn await_first_link(&self) {
        self.linked.notified().await;
    }

    /// From here on it is written who comes and goes. On this thread, which has little else to do.
    fn start_analytics(&self) {
        let ClientShared { connections, store, node, .. } = &*self.clients;
        Analytics::new(connections.clone(), store.clone(), Arc::clone(node)).start();
    }

    /// The threads that work on the store's tables beside the hub.
    fn start_store_threads(&self) -> Result<(), AppError> {
        let config = &self.config.store;
        let (database, store) = (options::store(&self.config), self.clients.store.clone());
        let retention = Retention::start(&database, options::keep(&self.config), store.clone())?;
        let _ = self.retention.set(retention);
        // started by the first worker, on its thread
        let Some(actors) = self.central.get() else { return Ok(()) };
        let relay = Relay::start(Wires {
            outbox: Outbox::new(&database),
            store,
            bus: Arc::clone(&actors.api.bus),
            intake: Arc::clone(&actors.api.intake),
            registry: actors.looks.clone(),
            poll: Duration::from_millis(config.outbox_poll_ms),
        })?;
        let _ = self.relay.set(relay);
        Ok(())
    }

    /// Who is served on this side's address.
    fn audience(&self, side: Side) -> Audience {
        match side {
            Side::Operators => Audience::Operators,
            Side::Public if self.config.server.admin_address.is_empty() => Audience::All,
            Side::Public => Audience::Public,
        }
    }

    // ── end ─────────────────────────────────────────────────────────────────────────────────────────────

    /// Tells every socket that the hub goes down, within the grace time.
    async fn drain(&self) {
        let shutdown = &self.config.shutdown;
        self.shared.gate.leave();
        self.stop_relay().await;
        tokio::time::sleep(Duration::from_millis(shutdown.drain_delay_ms)).await;
        self.shared.gate.drain();
        let active = &self.shared.metrics.active;
        // two thirds of the grace time are for the sockets, the rest for the store
        let most = Duration::from_millis(shutdown.grace_ms.saturating_sub(shutdown.drain_delay_ms) * 2 / 3);
        let sockets = u64::try_from(active.get()).unwrap_or(0);
        log::info!("going down: {sockets} sockets are told");
        let needed = sockets * 1_000 / (most.as_millis() as u64).max(1) + 1;
        let lanes = self.lanes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let per_second = shutdown.sockets_per_second.max(needed) / lanes.len().max(1) as u64 + 1;
        let drain = Drain { per_second: u32::try_from(per_second).unwrap_or(u32::MAX) };
        lanes.iter().for_each(|lane| lane.do_send(drain));
        let end = tokio::time::Instant::now() + most;
        while active.get() > 0 && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if sockets > 0 {
            // a client between two polls comes for its last words; the last answers are on their way
            let last_words = &self.shared.metrics.last_words;
            while last_words.get() > 0 && tokio::time::Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(Duration::from_millis(250).min(most)).await;
        }
    }

    /// Rows of the outbox that come now wait for another hub, or for the next start.
    async fn stop_relay(&self) {
        const TURN: Duration = Duration::from_millis(500);
        let relay = Arc::clone(&self.relay);
        let _ = web::block(move || relay.get().map(|relay| relay.stop(TURN))).await;
    }

    /// Writes what waits to be written, in all of the grace time that is left but what the end itself takes.
    async fn flush_store(&self, spent: Duration) {
        const LAST_STEPS: Duration = Duration::from_millis(1_500);
        let store = self.clients.store.clone();
        self.clients.connections.hand_over(&store);
        let grace = Duration::from_millis(self.config.shutdown.grace_ms);
        let limit = grace.saturating_sub(spent + LAST_STEPS.min(grace / 4));
        let written = web::block(move || store.flush(limit)).await;
        if !matches!(written, Ok(true)) {
            log::error!("{} writes were not written in time", self.clients.store.depth());
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
        http::routes(config, &web::Data::from(Arc::clone(&actors.api)), self.audience(side));
        if self.config.dev && side == Side::Public {
            let clients = Arc::clone(&self.clients);
            let sign = move |claims: &crate::auth::NewToken| {
                clients.keys().sign(claims, crate::clock::now_ms()).map_err(|error| error.to_string())
            };
            admin::routes(config, Arc::new(sign), &self.config.plain.path);
        }
    }
}
