//! The `Pulse` actor: the hub's own `system:service_status`, each second while anyone is in the system
//! room, and at once when its status changes.
//!
//! Messages: `Rooms` and `Users`, the figures that registry and manager were asked for.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use smallvec::smallvec;

use super::health::Health;
use crate::bridge::intake::Intake;
use crate::clock;
use crate::events::route::SYSTEM_ROOM;
use crate::events::server::{HubMetrics, HubServiceStatus, HubStatus};
use crate::events::{Campaigns, Stamp, names, system};
use crate::metrics::Metrics;
use crate::protocol::frame::Event;
use crate::rooms::registry::{self, Publish};
use crate::rooms::{ConnectionManager, Permits, Publication, Publications, manager};
use crate::store::Record;

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);
/// Between two looks at the status.
const LOOK: Duration = Duration::from_millis(100);

/// What the pulse watches.
pub struct Watched {
    /// The hub and its parts.
    pub health: Arc<Health>,
    /// The hub's counters.
    pub metrics: Arc<Metrics>,
    /// What came in.
    pub intake: Arc<Intake<Campaigns>>,
    /// What is in flight.
    pub permits: Permits,
    /// Rooms.
    pub registry: Recipient<registry::Look<Record>>,
    /// Connections.
    pub manager: Addr<ConnectionManager>,
    /// Where the event goes.
    pub publisher: Recipient<Publish<Record>>,
}

/// See the module.
pub struct Pulse {
    watched: Watched,
    status: HubStatus,
    users: u64,
    last: Sample,
}

/// Counters at one moment, to make rates of.
#[derive(Clone, Copy)]
struct Sample {
    at: u64,
    events: u64,
    deliveries: u64,
}

/// What the registry says.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
struct Rooms {
    rooms: u64,
    watching: u32,
}

/// What the manager says: how many users are connected.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
struct Users(u64);

impl Pulse {
    /// A pulse that has not beaten yet.
    pub fn new(watched: Watched) -> Pulse {
        let status = watched.health.status();
        let last = Sample { at: clock::uptime_ms(), events: 0, deliveries: 0 };
        Pulse { watched, status, users: 0, last }
    }

    /// Asks for the figures; their answer makes the beat.
    fn beat(&mut self, ctx: &mut Context<Self>) {
        let pulse = ctx.address();
        self.watched.manager.do_send(manager::Look(Box::new(move |connections| {
            pulse.do_send(Users(connections.users() as u64));
        })));
        let pulse = ctx.address();
        self.watched.registry.do_send(registry::Look(Box::new(move |ledger| {
            let watching =
                ledger.rooms().find(|(name, _)| &***name == SYSTEM_ROOM).map_or(0, |(_, count)| count);
            pulse.do_send(Rooms { rooms: ledger.rooms().count() as u64, watching });
        })));
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        let status = self.watched.health.status();
        if status != self.status {
            self.status = status;
            log::info!("the hub is {}", status.as_str());
            self.beat(ctx);
        }
    }

    fn sample(&self) -> Sample {
        Sample {
            at: clock::uptime_ms(),
            events: self.watched.intake.events(),
            deliveries: self.watched.metrics.deliveries.get(),
        }
    }

    fn event(&self, rooms: u64, now: Sample) -> Event {
        let Watched { health, metrics, intake, permits, .. } = &self.watched;
        let rate = |new: u64, old: u64| (new - old) * 1_000 / (now.at - self.last.at).max(1);
        let figures = HubMetrics {
            connections: u64::try_from(metrics.active.get()).unwrap_or(0),
            users: self.users,
            rooms,
            events_per_second: rate(now.events, self.last.events),
            deliveries_per_second: rate(now.deliveries, self.last.deliveries),
            delay_ms: permits.delay_ms(),
            gaps: metrics.gaps.with_label_values(&["redis"]).get(),
            refused: intake.with_rejected(|rejected| rejected.total()),
            slow_consumers: metrics.slow_consumers.get(),
            redis: health.redis_word(),
            database: health.database_word(),
        };
        let status = HubServiceStatus {
            service: "roomcast".into(),
            status: match health.status() {
                HubStatus::Operational => system::Health::Healthy,
                HubStatus::Degraded | HubStatus::Draining => system::Health::Degraded,
            },
            timestamp: Stamp(clock::now_ms()),
            metrics: Some(figures),
        };
        Event::new(names::SYSTEM_SERVICE_STATUS, &status)
    }
}

impl Actor for Pulse {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(BEAT, Pulse::beat);
        ctx.run_interval(LOOK, Pulse::look);
    }
}

impl Handler<Users> for Pulse {
    type Result = ();

    fn handle(&mut self, Users(users): Users, _: &mut Context<Self>) {
        self.users = users;
    }
}

impl Handler<Rooms> for Pulse {
    type Result = ();

    fn handle(&mut self, Rooms { rooms, watching }: Rooms, _: &mut Context<Self>) {
        let now = self.sample();
        if watching > 0 {
            let event = Some(Arc::new(self.event(rooms, now)));
            let rooms = smallvec![SYSTEM_ROOM.into()];
            let mut publication =
                Publication { event, rooms, state: None, item: None, record: None, except: None };
            self.watched.intake.catalogue().mark_latest(&mut publication, "roomcast");
            let permit = self.watched.permits.take(1, 0);
            self.watched.publisher.do_send(Publish(Publications { list: vec![publication], permit }));
        }
        self.last = now;
    }
}
