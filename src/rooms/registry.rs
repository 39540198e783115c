//! The `RoomRegistry` actor: the one place where events, joins and leaves get their order.
//!
//! Messages: [`Publish`] from the bridge, [`FromSocket`], [`FromLane`], [`FromStore`], [`LaneUp`] from
//! each worker as it starts, [`Look`] and [`Roll`] from whoever wants to see.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use super::RoomId;
use super::identity::Renewal;
use super::lane::{Lane, Order};
use super::ledger::{AliasLoad, Claim, Confirmed, Ledger, Limits, Outputs, RightsRead, StateRead, Withdrawn};
use super::publication::{Publications, RoomName};
use super::request::{Join, LeaveRoom, RoomState};
use super::roll::{Part, Roll};
use crate::clock;
use crate::ids::Uid;
use crate::metrics::Metrics;
use crate::protocol::frame::Event;
use crate::vital::Vital;

/// Where the registry sends what has to be written or looked up; the layer above implements it.
pub trait Journal<R>: 'static {
    /// Writes a record; `place` names it in the confirmation. Never blocks.
    fn write(&self, place: u64, record: R);
    /// Loads the other names of a room; the answer comes as [`FromStore::Aliases`].
    fn load_aliases(&self, load: AliasLoad);
    /// Whether rooms of this name have a state.
    fn has_state(&self, room: &str) -> bool;
    /// Reads a room's state; the answer comes as [`FromStore::State`].
    fn read_state(&self, read: StateRead);
    /// Reads which rights the store gives; the answer comes as [`FromStore::Rights`].
    fn read_rights(&self, read: RightsRead);
}

/// Events may be missing: everyone who is in a room is told, and shown its rooms' states anew.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct Gap(pub Arc<Event>);

/// What one read from a source brought.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Publish<R: 'static>(pub Publications<R>);

/// What a socket asks.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub enum FromSocket {
    /// To be let into a room.
    Join(Box<Join>),
    /// To be let out.
    Leave(Box<LeaveRoom>),
    /// To be judged anew in all its rooms, and in what it asks from here on.
    Renew(Renewal),
    /// Nothing more: it is gone.
    Gone(Uid),
}

/// A subscribe that came to nothing in its lane.
#[derive(Clone, Copy, Debug)]
pub struct Dropped {
    /// The socket.
    pub uid: Uid,
    /// The room.
    pub room: RoomId,
    /// The newest request that the lane knew.
    pub request: u64,
}

/// What a lane reports.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub enum FromLane {
    /// See [`Dropped`].
    Dropped(Dropped),
}

/// What the store reports, in the order in which it happened there.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub enum FromStore {
    /// These were written.
    Confirmed(Vec<Confirmed>),
    /// The other names of a room; none where the store cannot say.
    Aliases {
        /// The room.
        room: RoomName,
        /// What was asked.
        generation: u64,
        /// The answer.
        names: Option<Vec<RoomName>>,
    },
    /// A room's state; none where the store cannot say.
    State {
        /// What was asked.
        read: StateRead,
        /// The answer.
        found: Option<RoomState>,
    },
    /// Rooms that a socket may not be in; none where the store cannot say.
    Rights {
        /// The socket.
        uid: Uid,
        /// What was asked.
        number: u64,
        /// The answer.
        lost: Option<Vec<RoomName>>,
    },
    /// An alias belongs to another room now.
    AliasMoved {
        /// The alias.
        alias: RoomName,
        /// The room; none where it belongs to nobody.
        to: Option<RoomName>,
    },
    /// What clients claim as another name of their room counts again, or not any more.
    Claim(Claim),
    /// A right is gone.
    Withdrawn(Withdrawn),
}

/// A worker's lane is ready.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct LaneUp {
    /// The worker.
    pub worker: u16,
    /// Its lane.
    pub lane: Addr<Lane>,
}

/// Looks at the registry's state.
pub type Glance<R> = Box<dyn FnOnce(&Ledger<R>) + Send>;

/// Runs a look at the registry's state; only for what may wait (lists, statistics).
#[derive(Message)]
#[rtype(result = "()")]
pub struct Look<R: 'static>(pub Glance<R>);

/// The registry.
pub struct RoomRegistry<R: 'static, J> {
    ledger: Ledger<R>,
    journal: J,
    lanes: Vec<Option<Addr<Lane>>>,
    metrics: Arc<Metrics>,
    _vital: Vital,
}

impl<R: Unpin + 'static, J: Journal<R> + Unpin> RoomRegistry<R, J> {
    /// A registry without lanes.
    pub fn new(limits: Limits, journal: J, metrics: Arc<Metrics>) -> Self {
        RoomRegistry {
            ledger: Ledger::new(limits),
            journal,
            lanes: Vec::new(),
            metrics,
            _vital: Vital("the registry"),
        }
    }

    /// Runs a step of the ledger and sends what it wants sent: to the lanes, then to the writer.
    fn step(&mut self, step: impl FnOnce(&mut Ledger<R>, u64, &mut Outputs<R>)) {
        let mut out = Outputs::default();
        step(&mut self.ledger, clock::uptime_ms(), &mut out);
        self.send_out(out);
    }

    fn send_out(&self, out: Outputs<R>) {
        for (worker, order) in out.orders {
            self.send(worker, order);
        }
        for (place, record) in out.records {
            self.journal.write(place, record);
        }
        for load in out.loads {
            self.journal.load_aliases(load);
        }
        for read in out.reads {
            self.journal.read_state(read);
        }
        for read in out.rights {
            self.journal.read_rights(read);
        }
    }

    fn send(&self, worker: u16, order: Order) {
        if let Some(Some(lane)) = self.lanes.get(worker as usize) {
            lane.do_send(order);
        }
    }

    fn count_members(&self) {
        let members = &self.metrics.room_members;
        members.reset();
        for (name, count) in self.ledger.rooms() {
            // names are made by the layer above, so their kinds are few
            let kind = name.split(':').next().unwrap_or_default();
            members.with_label_values(&[kind]).add(i64::from(count));
        }
        self.metrics.queue_depth.with_label_values(&["unconfirmed"]).set(self.ledger.unconfirmed() as i64);
    }
}

impl<R: Unpin + 'static, J: Journal<R> + Unpin> Actor for RoomRegistry<R, J> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(Duration::from_millis(50), |act, _| {
            act.step(|ledger, now, out| ledger.tick(now, out));
        });
        ctx.run_interval(Duration::from_secs(1), |act, _| act.count_members());
    }
}

impl<R: Unpin + 'static, J: Journal<R> + Unpin> Handler<Publish<R>> for RoomRegistry<R, J> {
    type Result = ();

    fn handle(&mut self, Publish(publications): Publish<R>, _: &mut Context<Self>) {
        self.step(|ledger, now, out| ledger.publish(publications, now, out));
    }
}

impl<R: Unpin + 'static, J: Journal<R> + Unpin> Handler<FromSocket> for RoomRegistry<R, J> {
    type Result = ();

    fn handle(&mut self, message: FromSocket, _: &mut Context<Self>) {
        self.step(|ledger, now, out| match message {
            FromSocket::Join(join) => ledger.join(*join, now, out),
            FromSocket::Leave(leave) => ledger.leave(*leave, out),
            FromSocket::Renew(renewal) => ledger.renew(renewal, now, out),
            FromSocket::Gone(uid) => ledger.gone(uid),
        });
    }
}

impl<R: Unpin + 'static, J: Journal<R> + Unpin> Handler<FromLane> for RoomRegistry<R, J> {
    type Result = ();

    fn handle(&mut self, message: FromLane, _: &mut Context<Self>) {
        let FromLane::Dropped(Dropped { uid, room, request }) = message;
        self.step(|ledger, _, _| ledger.dropped(uid, room, request));
    }
}

impl<R: Unpin + 'static, J: Journal<R> + Unpin> Handler<FromStore> for RoomRegistry<R, J> {
    type Result = ();

    fn handle(&mut self, message: FromStore, _: &mut Context<Self>) {
        self.step(|ledger, now, out| match message {
            FromStore::Confirmed(list) => list.into_iter().for_each(|what| ledger.confirmed(what, out)),
            FromStore::Aliases { room, generation, names } => {
                ledger.loaded(&room, generation, names, now, out);
            }
            FromStore::State { read, found } => ledger.refreshed(read, found, out),
            FromStore::Rights { uid, number, lost } => ledger.rights_read(uid, number, lost, now, out),
            FromStore::AliasMoved { alias, to } => ledger.move_alias(&alias, to.as_ref(), now, out),
            FromStore::Claim(claim) => ledger.judge_claim(&claim, now, out),
            FromStore::Withdrawn(lost) => ledger.withdraw(&lost, out),
        });
    }
}

impl<R: Unpin + 'static, J: Journal<R> + Unpin> Handler<Gap> for RoomRegistry<R, J> {
    type Result = ();

    fn handle(&mut self, Gap(told): Gap, _: &mut Context<Self>) {
        let mut out = Outputs::default();
        self.ledger.gap(&told, |room| self.journal.has_state(room), &mut out);
        self.send_out(out);
    }
}

impl<R: Unpin + 'static, J: Journal<R> + Unpin> Handler<LaneUp> for RoomRegistry<R, J> {
    type Result = ();

    fn handle(&mut self, LaneUp { worker, lane }: LaneUp, _: &mut Context<Self>) {
        let at = worker as usize;
        self.lanes.resize(self.lanes.len().max(at + 1), None);
        self.lanes[at] = Some(lane);
    }
}

impl<R: Unpin + 'static, J: Journal<R> + Unpin> Handler<Look<R>> for RoomRegistry<R, J> {
    type Result = ();

    fn handle(&mut self, Look(look): Look<R>, _: &mut Context<Self>) {
        look(&self.ledger);
    }
}

impl<R: Unpin + 'static, J: Journal<R> + Unpin> Handler<Roll> for RoomRegistry<R, J> {
    type Result = ();

    fn handle(&mut self, roll: Roll, _: &mut Context<Self>) {
        let Some(found) = self.ledger.room(&roll.room) else { return };
        roll.say(Part::Count(found.count));
        for &worker in &found.workers {
            self.send(worker, Order::Roll { room: found.id, roll: roll.clone() });
        }
    }
}
