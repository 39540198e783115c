//! A hub of pure parts: one ledger, lanes with mailboxes, a clock that is set by hand.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::ids::{Place, Uid};
use crate::protocol::frame::Event;
use crate::rooms::identity::{Identity, Renewal};
use crate::rooms::lane::Order;
use crate::rooms::ledger::{AliasLoad, Ledger, Limits, Outputs, RightsRead, StateRead, Withdrawn};
use crate::rooms::members::{Effect, Members};
use crate::rooms::request::{CaughtUp, Join, LeaveRoom, Read, ReadAnswer, Right};
use crate::rooms::watch::WatchId;
use crate::rooms::{Permits, Publications, RoomId, RoomName};
use crate::socket::Slot;

pub use super::publications::*;
pub use super::said::*;

/// Milliseconds that a read may take, in tests.
pub const PATIENCE: u64 = 1_000;

pub const NO_LIMITS: Limits =
    Limits { room_size: 0, rooms_per_socket: 0, item_patience: 250, alias_patience: 250 };

/// What a lane has to handle.
pub enum Mail {
    /// From the registry; how far the order was when it was sent.
    Order(usize, Order),
    /// From the store.
    Answer(WatchId, ReadAnswer),
}

impl Mail {
    pub fn is_answer(&self) -> bool {
        matches!(self, Mail::Answer(..))
    }
}

pub struct LaneUnderTest {
    pub members: Members<Notebook>,
    pub mailbox: VecDeque<Mail>,
}

/// A read that a lane has asked for.
pub struct OpenRead {
    pub worker: u16,
    pub watch: WatchId,
    pub uid: Uid,
    pub room: RoomName,
    pub since: i64,
    pub opened: u64,
    /// Which of the socket's identities it is made for; the first is 0.
    pub identity: usize,
}

/// How a room is asked for.
#[derive(Clone, Default)]
pub struct How {
    /// Where no read is made.
    pub unread: bool,
    pub optional: bool,
    pub aliases: Option<Vec<RoomName>>,
    pub caught_up: Option<CaughtUp>,
    pub right: Option<Right>,
}

pub struct House<R> {
    pub now: u64,
    pub ledger: Ledger<R>,
    pub lanes: Vec<LaneUnderTest>,
    pub records: Vec<(u64, R)>,
    pub loads: Vec<AliasLoad>,
    pub dropped: VecDeque<(Uid, RoomId, u64)>,
    pub reads: Vec<OpenRead>,
    /// Reads for all members of a room, after a gap.
    pub room_reads: Vec<StateRead>,
    /// Reads of rights, after another identity.
    pub rights_reads: Vec<RightsRead>,
    pub permits: Permits,
    /// How many events were published.
    pub order: usize,
    names: HashMap<(Uid, RoomId), RoomName>,
    uids: u64,
    /// How many identities each socket has had, by the registry.
    identities: HashMap<Uid, usize>,
    /// Under which of them the registry took a request.
    asked_as: HashMap<(Uid, u64), usize>,
    /// Those that the lanes have not heard of.
    renewed_as: HashMap<Uid, VecDeque<usize>>,
}

/// Who asks for what, under which identity.
type Asking = (Uid, RoomName, usize);

impl<R> House<R> {
    pub fn new(lanes: usize, limits: Limits) -> House<R> {
        let lane = |worker| LaneUnderTest {
            members: Members::new(worker as u16, Notebook::default(), PATIENCE),
            mailbox: VecDeque::new(),
        };
        House {
            now: 0,
            ledger: Ledger::new(limits),
            lanes: (0..lanes).map(lane).collect(),
            records: Vec::new(),
            loads: Vec::new(),
            dropped: VecDeque::new(),
            reads: Vec::new(),
            room_reads: Vec::new(),
            rights_reads: Vec::new(),
            permits: Permits::new(1_000, 1_000_000),
            order: 0,
            names: HashMap::new(),
            uids: 0,
            identities: HashMap::new(),
            asked_as: HashMap::new(),
            renewed_as: HashMap::new(),
        }
    }

    /// A step of the ledger; what it wants said goes into the mailboxes.
    pub fn step(&mut self, step: impl FnOnce(&mut Ledger<R>, u64, &mut Outputs<R>)) {
        let mut out = Outputs::default();
        step(&mut self.ledger, self.now, &mut out);
        for (worker, order) in out.orders {
            self.lanes[worker as usize].mailbox.push_back(Mail::Order(self.order, order));
        }
        self.records.extend(out.records);
        self.loads.extend(out.loads);
        self.room_reads.extend(out.reads);
        self.rights_reads.extend(out.rights);
    }

    // ── sockets ─────────────────────────────────────────────────────────────────────────────────────────

    pub fn connect(&mut self, worker: u16, slot: Slot) -> Place {
        self.uids += 1;
        let uid = Uid(self.uids);
        let taken = self.lanes[worker as usize].members.outlet.here.insert(slot, uid);
        assert_eq!(taken, None, "the slot is taken");
        Place { worker, slot, uid }
    }

    /// A socket dies: its lane forgets it at once, and the ledger will hear of it.
    pub fn die(&mut self, place: Place) {
        let members = &mut self.lanes[place.worker as usize].members;
        members.forget(place.slot);
        members.outlet.here.remove(&place.slot);
    }

    pub fn join(&mut self, place: Place, room: &str, ack: u32, how: How) {
        let join = Join {
            place,
            room: room.into(),
            asked: asked(ack, "subscribed", room),
            right: how.right,
            read: (!how.unread).then(|| Box::new(ByHand { optional: how.optional }) as Box<dyn Read>),
            aliases: how.aliases,
            caught_up: how.caught_up,
        };
        self.step(|ledger, now, out| ledger.join(join, now, out));
        let identity = self.identity(place.uid);
        if let Some(Mail::Order(_, Order::Join(join))) = self.lanes[place.worker as usize].mailbox.back() {
            self.asked_as.insert((place.uid, join.request), identity);
        }
    }

    /// Which identity a socket has by the registry.
    pub fn identity(&self, uid: Uid) -> usize {
        self.identities.get(&uid).copied().unwrap_or(0)
    }

    pub fn leave(&mut self, place: Place, room: &str, ack: u32) {
        let leave = LeaveRoom { place, room: room.into(), asked: asked(ack, "unsubscribed", room) };
        self.step(|ledger, _, out| ledger.leave(leave, out));
    }

    /// The store does not give a right any more.
    pub fn withdraw(&mut self, room: &str, from: Option<&str>, claims_stand: bool) {
        let told = Arc::new(Event::new("lost", &room));
        let (from, but) = (from.map(Into::into), Default::default());
        let lost = Withdrawn { room: room.into(), from, but, claims_stand, told };
        self.step(|ledger, _, out| ledger.withdraw(&lost, out));
    }

    /// It gives none to anybody but these any more.
    pub fn withdraw_from_all_but(&mut self, room: &str, but: &[&str]) {
        let told = Arc::new(Event::new("lost", &room));
        let but = but.iter().map(|user| (*user).into()).collect();
        let lost = Withdrawn { room: room.into(), from: None, but, claims_stand: true, told };
        self.step(|ledger, _, out| ledger.withdraw(&lost, out));
    }

    /// A socket is somebody else.
    pub fn renew(&mut self, place: Place, identity: impl Identity + 'static) {
        let renewal = Renewal { place, identity: Arc::new(identity) };
        self.step(|ledger, now, out| ledger.renew(renewal, now, out));
        *self.identities.entry(place.uid).or_default() += 1;
        let identity = self.identity(place.uid);
        if let Some(Mail::Order(_, Order::Renew { place: of, .. })) =
            self.lanes[place.worker as usize].mailbox.back()
            && *of == place
        {
            self.renewed_as.entry(place.uid).or_default().push_back(identity);
        }
    }

    /// Answers the oldest read of rights with what is lost; none where the store cannot say.
    pub fn answer_rights(&mut self, lost: Option<&[&str]>) {
        let RightsRead { uid, number, .. } = self.rights_reads.remove(0);
        let lost = lost.map(|rooms| rooms.iter().map(|room| (*room).into()).collect());
        self.step(|ledger, now, out| ledger.rights_read(uid, number, lost, now, out));
        self.settle();
    }

    // ── events ──────────────────────────────────────────────────────────────────────────────────────────

    pub fn publish(&mut self, list: Vec<Pub<R>>) {
        self.order += list.len();
        let permit = self.permits.take(list.len(), 1);
        self.step(|ledger, now, out| ledger.publish(Publications { list, permit }, now, out));
    }

    /// A lane handles the oldest of its mail.
    pub fn handle(&mut self, worker: usize) -> bool {
        let lane = &mut self.lanes[worker];
        let Some(mail) = lane.mailbox.pop_front() else { return false };
        let mut effects = Vec::new();
        let mut asking = None;
        match mail {
            Mail::Answer(watch, answer) => lane.members.answered(watch, answer, &mut effects),
            Mail::Order(at, order) => {
                lane.members.outlet.at = at;
                match order {
                    Order::Batch(batch) => batch.deliveries.iter().for_each(|one| lane.members.deliver(one)),
                    Order::Refuse(place, asked, why) => lane.members.refuse(place, &asked, why),
                    Order::Leave(leaving) => lane.members.leave(&leaving),
                    Order::Expel(expelled) => lane.members.expel(&expelled),
                    Order::Renew { place, reads } => return self.renew_in_lane(worker, place, reads),
                    Order::Tell(event) => lane.members.tell_all(&event),
                    Order::Roll { .. } => {} // no state changes
                    Order::Refresh { room, number, kept } => lane.members.begin_refresh(room, number, kept),
                    Order::Refreshed { room, number, found } => {
                        lane.members.end_refresh(room, number, &found);
                    }
                    Order::Join(join) => {
                        let room = join.asked.answers.done().data().trim_matches('"').into();
                        let identity = self.asked_as.remove(&(join.place.uid, join.request)).unwrap_or(0);
                        asking = Some((join.place.uid, room, identity));
                        self.names.extend(asking.clone().map(|(uid, room, _)| ((uid, join.room), room)));
                        lane.members.join(*join, self.now, &mut effects);
                    }
                }
            }
        }
        self.carry_out(worker as u16, effects, asking);
        true
    }

    /// A lane hears of another identity, of which one was noted when the registry sent it.
    fn renew_in_lane(&mut self, worker: usize, place: Place, reads: Vec<(RoomId, Box<dyn Read>)>) -> bool {
        let identity = self.renewed_as.get_mut(&place.uid).and_then(VecDeque::pop_front).unwrap_or(0);
        for (id, read) in reads {
            let mut effects = Vec::new();
            self.lanes[worker].members.renew(place, vec![(id, read)], self.now, &mut effects);
            let room = self.names.get(&(place.uid, id)).cloned();
            self.carry_out(worker as u16, effects, room.map(|room| (place.uid, room, identity)));
        }
        true
    }

    fn carry_out(&mut self, worker: u16, effects: Vec<Effect>, asking: Option<Asking>) {
        for effect in effects {
            match effect {
                Effect::Drop { uid, room, request } => self.dropped.push_back((uid, room, request)),
                Effect::Read { watch, since, .. } => {
                    let (uid, room, identity) = asking.clone().expect("a read without a join");
                    self.reads.push(OpenRead { worker, watch, uid, room, since, opened: self.now, identity });
                }
            }
        }
    }

    /// A lane looks at its deadlines.
    pub fn expire(&mut self, worker: usize) {
        let mut effects = Vec::new();
        self.lanes[worker].members.expire(self.now, &mut effects);
        self.carry_out(worker as u16, effects, None);
    }

    pub fn hear_dropped(&mut self) -> bool {
        let Some((uid, room, request)) = self.dropped.pop_front() else { return false };
        self.ledger.dropped(uid, room, request);
        true
    }

    /// Everybody handles everything.
    pub fn settle(&mut self) {
        while (0..self.lanes.len()).any(|worker| self.handle(worker)) || self.hear_dropped() {}
    }

    /// Time passes, and everybody looks at the clock.
    pub fn wait(&mut self, ms: u64) {
        self.now += ms;
        self.step(|ledger, now, out| ledger.tick(now, out));
        self.settle();
        (0..self.lanes.len()).for_each(|worker| self.expire(worker));
        self.settle();
    }

    /// Answers the oldest read.
    pub fn answer(&mut self, answer: ReadAnswer) {
        let read = self.reads.remove(0);
        self.lanes[read.worker as usize].mailbox.push_back(Mail::Answer(read.watch, answer));
        self.settle();
    }

    // ── looking ─────────────────────────────────────────────────────────────────────────────────────────

    /// What a socket was told since the last look.
    pub fn said(&mut self, place: Place) -> Vec<String> {
        let said = &mut self.lanes[place.worker as usize].members.outlet.said;
        said.extract_if(.., |said| said.uid == place.uid).map(|said| said.text).collect()
    }

    /// Members of each room by the ledger, by name.
    pub fn counts(&self) -> Vec<(String, u32)> {
        let mut counts: Vec<_> = self.ledger.rooms().map(|(name, count)| (name.to_string(), count)).collect();
        counts.sort();
        counts
    }

    /// Whether a socket is a live member of a room by its lane.
    pub fn is_live(&self, place: Place, room: &str) -> bool {
        let members = &self.lanes[place.worker as usize].members;
        let mut ids = self.names.iter().filter(|((uid, _), name)| *uid == place.uid && ***name == *room);
        ids.any(|((_, id), _)| members.is_live(place.slot, *id))
    }
}
