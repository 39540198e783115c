//! The `Lane` actor: one a worker. It fans events out to its members, and lets them in and out in line
//! with the events.
//!
//! Messages: [`Order`] from the registry, [`Answered`] from the store by way of a
//! [`Reply`], [`Drain`] at the end.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use actix::fut::ActorFuture;
use actix::prelude::*;
use bytes::Bytes;

use super::RoomId;
use super::members::{Delivery, Effect, JoinOrder, Members, Outlet, Word};
use super::permits::Permit;
use super::publication::State;
use super::registry::{Dropped, FromLane};
use super::request::{Asked, Read, ReadAnswer, Refused, Reply, RoomState};
use super::roll::Roll;
use super::watch::WatchId;
use crate::clock;
use crate::close::CloseReason;
use crate::ids::{Place, Uid};
use crate::protocol::ack::ack_frame;
use crate::protocol::frame::Event;
use crate::socket::heartbeat::Heartbeat;
use crate::socket::{SharedOutboxes, Signal, Slot};
use crate::vital::Vital;

/// What one read from a source brought, ordered; shared by the lanes. The permit goes back when the last
/// lane is done with it.
#[derive(Debug)]
pub struct Batch {
    /// In order.
    pub deliveries: Vec<Delivery>,
    /// What is in flight.
    pub permits: Vec<Arc<Permit>>,
}

/// A leave in its place in the order.
#[derive(Debug)]
pub struct Leaving {
    /// The socket.
    pub place: Place,
    /// The room; none where nobody is in it.
    pub room: Option<RoomId>,
    /// How it is answered.
    pub asked: Asked,
    /// Subscribes that it overtook before they got to the lane: answered with its words.
    pub overtaken: Vec<Asked>,
}

/// Sockets that have lost their right to a room.
#[derive(Debug)]
pub struct Expelled {
    /// The sockets, all of one worker.
    pub places: Vec<Place>,
    /// The room.
    pub room: RoomId,
    /// What each of them is told.
    pub told: Arc<Event>,
}

/// What the registry tells a lane: everything in one line, so that it stays in order.
#[derive(Message)]
#[rtype(result = "()")]
pub enum Order {
    /// Deliver these.
    Batch(Arc<Batch>),
    /// Let a socket in.
    Join(Box<JoinOrder>),
    /// Tell a socket that it is not let in.
    Refuse(Place, Box<Asked>, Refused),
    /// Let a socket out.
    Leave(Box<Leaving>),
    /// Put sockets out.
    Expel(Expelled),
    /// Read anew for what a socket waits for: it is somebody else now.
    Renew {
        /// The socket.
        place: Place,
        /// By room, what is read for a subscribe that is under way.
        reads: Vec<(RoomId, Box<dyn Read>)>,
    },
    /// Tell every socket that is in a room.
    Tell(Arc<Event>),
    /// Watch a room for all its members.
    Refresh {
        /// The room.
        room: RoomId,
        /// The read that begins now.
        number: u64,
        /// The newest state that the store may not have yet.
        kept: Option<State>,
    },
    /// Show all members of a room what was read.
    Refreshed {
        /// The room.
        room: RoomId,
        /// The read.
        number: u64,
        /// What the store holds.
        found: RoomState,
    },
    /// Say who is in a room.
    Roll {
        /// The room.
        room: RoomId,
        /// What is asked.
        roll: Roll,
    },
}

/// The store's answer to a watch.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Answered {
    pub(super) watch: WatchId,
    pub(super) answer: ReadAnswer,
}

/// Close every socket, this many a second.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Drain {
    /// Sockets a second.
    pub per_second: u32,
}

/// A write happens after at most this many events …
const FLUSH_EVENTS: u32 = 64;
/// … or this many bytes for one socket …
const FLUSH_BYTES: usize = 256 * 1024;
/// … or this long after the first event that waits: a mailbox is drained without a budget, and a lane
/// that writes "when the mailbox is empty" never writes under a steady flood.
const FLUSH_AFTER: Duration = Duration::from_millis(1);

/// A worker's members, shared by its lane and the guards of its sockets.
pub type SharedMembers = Rc<RefCell<Members<SharedOutboxes>>>;

/// The lane of one worker.
pub struct Lane {
    members: SharedMembers,
    outboxes: SharedOutboxes,
    heartbeat: Rc<RefCell<Heartbeat>>,
    tick: Duration,
    registry: Recipient<FromLane>,
    /// Events since the last flush, and since when the first of them waits.
    waiting: u32,
    since: Instant,
    effects: Vec<Effect>,
    _vital: Vital,
}

impl Lane {
    /// The lane of the worker whose state this is.
    pub fn new(
        members: SharedMembers,
        outboxes: SharedOutboxes,
        heartbeat: Rc<RefCell<Heartbeat>>,
        tick: Duration,
        registry: Recipient<FromLane>,
    ) -> Lane {
        let since = Instant::now();
        Lane {
            members,
            outboxes,
            heartbeat,
            tick,
            registry,
            waiting: 0,
            since,
            effects: Vec::new(),
            _vital: Vital("a lane"),
        }
    }

    fn deliver(&mut self, batch: &Batch) {
        for delivery in &batch.deliveries {
            if self.waiting == 0 {
                self.since = Instant::now();
            }
            self.members.borrow_mut().deliver(delivery);
            self.waiting += 1;
            if self.is_flush_due() {
                self.flush();
            }
        }
    }

    fn is_flush_due(&self) -> bool {
        self.waiting >= FLUSH_EVENTS
            || self.outboxes.borrow().pending_bytes() >= FLUSH_BYTES
            || self.since.elapsed() >= FLUSH_AFTER
    }

    fn flush(&mut self) {
        if self.waiting > 0 {
            self.waiting = 0;
            self.outboxes.borrow_mut().flush();
        }
    }

    /// Does what the members' state wants done.
    fn carry_out(&mut self, ctx: &mut Context<Self>) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Read { watch, read, since } => {
                    read.start(since, Reply { lane: ctx.address(), watch })
                }
                Effect::Drop { uid, room, request } => {
                    self.registry.do_send(FromLane::Dropped(Dropped { uid, room, request }));
                }
            }
        }
    }

    fn beat(&mut self, ctx: &mut Context<Self>) {
        let now = clock::uptime_ms();
        self.heartbeat.borrow_mut().tick(&mut self.outboxes.borrow_mut(), now);
        self.outboxes.borrow_mut().publish_counts();
        self.members.borrow_mut().expire(now, &mut self.effects);
        self.carry_out(ctx);
    }

    fn call_roll(&self, room: RoomId, roll: &Roll) {
        let (members, outboxes) = (self.members.borrow(), self.outboxes.borrow());
        roll.answer(members.live(room).iter().filter_map(|&slot| outboxes.uid(slot)));
    }

    /// Tells the next few sockets that the server goes down.
    fn send_away(&mut self, count: u32) {
        let outboxes = self.outboxes.borrow();
        let closing = Signal::Close(CloseReason::ShuttingDown);
        outboxes.sockets().take(count as usize).for_each(|(slot, _)| outboxes.signal(slot, closing));
    }
}

/// Writes what waits, whenever the mailbox is empty.
struct Flusher;

impl ActorFuture<Lane> for Flusher {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        lane: &mut Lane,
        _: &mut Context<Lane>,
        _: &mut TaskContext<'_>,
    ) -> Poll<()> {
        lane.flush();
        Poll::Pending
    }
}

impl Actor for Lane {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.spawn(Flusher);
        ctx.run_interval(self.tick, Lane::beat);
    }
}

impl Handler<Order> for Lane {
    type Result = ();

    fn handle(&mut self, order: Order, ctx: &mut Context<Self>) {
        match order {
            Order::Batch(batch) => self.deliver(&batch),
            Order::Join(join) => {
                self.members.borrow_mut().join(*join, clock::uptime_ms(), &mut self.effects);
            }
            Order::Refuse(place, asked, why) => self.members.borrow_mut().refuse(place, &asked, why),
            Order::Leave(leaving) => self.members.borrow_mut().leave(&leaving),
            Order::Expel(expelled) => self.members.borrow_mut().expel(&expelled),
            Order::Renew { place, reads } => {
                self.members.borrow_mut().renew(place, reads, clock::uptime_ms(), &mut self.effects);
            }
            Order::Tell(event) => self.members.borrow_mut().tell_all(&event),
            Order::Refresh { room, number, kept } => {
                self.members.borrow_mut().begin_refresh(room, number, kept);
            }
            Order::Refreshed { room, number, found } => {
                self.members.borrow_mut().end_refresh(room, number, &found);
                self.waiting += 1; // to be flushed like any event
            }
            Order::Roll { room, roll } => self.call_roll(room, &roll),
        }
        self.carry_out(ctx);
    }
}

impl Handler<Answered> for Lane {
    type Result = ();

    fn handle(&mut self, Answered { watch, answer }: Answered, ctx: &mut Context<Self>) {
        self.members.borrow_mut().answered(watch, answer, &mut self.effects);
        self.carry_out(ctx);
    }
}

impl Handler<Drain> for Lane {
    type Result = ();

    fn handle(&mut self, Drain { per_second }: Drain, ctx: &mut Context<Self>) {
        const STEP: Duration = Duration::from_millis(20);
        let (begun, mut sent) = (Instant::now(), 0);
        ctx.run_interval(STEP, move |lane, _| {
            let due = sent_away_by(begun.elapsed(), per_second);
            lane.send_away(due.saturating_sub(sent));
            sent = due;
        });
    }
}

/// How many sockets were to be told after this time: few a second are not rounded up to one a step, nor many down.
fn sent_away_by(elapsed: Duration, per_second: u32) -> u32 {
    let due = elapsed.as_millis().saturating_mul(u128::from(per_second)) / 1_000 + 1;
    u32::try_from(due).unwrap_or(u32::MAX)
}

impl Outlet for SharedOutboxes {
    fn is_here(&self, slot: Slot, uid: Uid) -> bool {
        self.borrow().is_open(slot, uid)
    }

    fn deliver(&mut self, slots: &[Slot], number: u64, event: &Event) {
        self.borrow_mut().deliver(slots, number, event);
    }

    fn skip(&mut self, place: Place, number: u64) {
        self.borrow_mut().skip(place.slot, place.uid, number);
    }

    fn was_reached(&self, slot: Slot, number: u64) -> bool {
        self.borrow().was_reached(slot, number)
    }

    fn say(&mut self, slot: Slot, words: &[Word<'_>]) {
        let mut outboxes = self.borrow_mut();
        let dialect = outboxes.dialect(slot);
        let events =
            words.iter().filter_map(|word| if let Word::Event(event) = word { Some(event) } else { None });
        events.for_each(|event| outboxes.count(event));
        let frame = |word: &Word<'_>| match word {
            Word::Event(event) => event.frame(dialect).clone(),
            Word::Ack(ack, outcome) => ack_frame(dialect, ack, outcome),
        };
        let bytes: Bytes = match words {
            [word] => frame(word),
            words => words.iter().map(frame).collect::<Vec<_>>().concat().into(),
        };
        outboxes.say(slot, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_at_the_rate_that_is_set_however_low_or_odd_it_is() {
        let after = |ms, per_second| sent_away_by(Duration::from_millis(ms), per_second);
        assert_eq!((after(20, 10), after(1_000, 10), after(10_000, 10)), (1, 11, 101));
        assert_eq!((after(1_000, 149), after(1_000, 1_000)), (150, 1_001));
        assert_eq!(after(u64::MAX, u32::MAX), u32::MAX);
    }
}
