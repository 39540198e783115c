//! The outboxes of a worker's sockets: what waits for each, and how it gets onto the wire.
//!
//! The lane delivers into them and flushes; a socket's actor says its own words and, while the peer does
//! not take everything, writes the backlog. Both run on one thread and share this state plainly.

mod backlog;
mod owner;
mod polls;
mod unsent;

use backlog::Backlog;
pub use owner::{Beat, Carrier, Owner, Polls, Presence, Signal};
pub use unsent::Unsent;

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::tree::{NodeId, Tree};
use crate::close::CloseReason;
use crate::ids::Uid;
use crate::metrics::{Metrics, Tally};
use crate::protocol::frame::{Dialect, Event};

/// Index of a socket's outbox in its worker; used again when the socket is gone.
pub type Slot = u32;

/// The outboxes of one worker, shared by its lane and its sockets.
pub type SharedOutboxes = Rc<RefCell<Outboxes>>;

/// See the module.
#[derive(Debug)]
pub struct Outboxes {
    boxes: Vec<Outbox>,
    free: Vec<Slot>,
    tree: Tree,
    /// Sockets for which something hangs in the tree.
    touched: Vec<Slot>,
    /// How much may wait.
    unsent: Unsent,
    metrics: Arc<Metrics>,
    /// Deliveries since the last flush, added to the metrics then.
    delivered: u64,
    /// Messages sent, by name.
    tally: Tally,
}

#[derive(Debug)]
struct Outbox {
    /// Whose it is; none while the slot is free.
    owner: Option<Owner>,
    /// Where the socket stands in the tree.
    pending: NodeId,
    dialect: Dialect,
    /// The last event delivered here: a socket in several of an event's rooms gets it once.
    seen: u64,
    /// Nothing is written any more: the session is about to end. The slot stays taken until its actor
    /// gives it back, since the lane's rooms still name it.
    cut: bool,
    /// Its client has been let in.
    accepted: bool,
    /// What the peer did not take.
    backlog: Option<Box<Backlog>>,
}

impl Outboxes {
    /// No sockets yet.
    pub fn new(unsent: Unsent, metrics: Arc<Metrics>) -> Outboxes {
        Outboxes {
            boxes: Vec::new(),
            free: Vec::new(),
            tree: Tree::new(),
            touched: Vec::new(),
            unsent,
            metrics,
            delivered: 0,
            tally: Tally::default(),
        }
    }

    /// Gives a socket its outbox.
    pub fn open(&mut self, owner: Owner, dialect: Dialect) -> Slot {
        let outbox = Outbox {
            owner: Some(owner),
            pending: NodeId::root(dialect),
            dialect,
            seen: 0,
            cut: false,
            accepted: false,
            backlog: None,
        };
        match self.free.pop() {
            Some(slot) => {
                self.boxes[slot as usize] = outbox;
                slot
            }
            None => {
                self.boxes.push(outbox);
                (self.boxes.len() - 1) as Slot
            }
        }
    }

    /// Gives the socket of an outbox another number: its client has left, and may come again on the same
    /// transport.
    pub fn renew(&mut self, slot: Slot, uid: Uid) {
        let outbox = &mut self.boxes[slot as usize];
        outbox.accepted = false;
        if let Some(owner) = &mut outbox.owner {
            owner.uid = uid;
        }
    }

    /// Forgets a socket and all that waits for it.
    pub fn close(&mut self, slot: Slot, uid: Uid) {
        if !self.is_open(slot, uid) {
            return;
        }
        self.cut(slot);
        self.boxes[slot as usize].owner = None;
        self.free.push(slot);
    }

    /// Writes nothing more to a socket, and lets go of what waits for it.
    pub fn cut(&mut self, slot: Slot) {
        let outbox = &mut self.boxes[slot as usize];
        outbox.cut = true;
        outbox.pending = NodeId::root(outbox.dialect);
        if let (Some(backlog), Some(owner)) = (outbox.backlog.take(), &outbox.owner) {
            owner.presence.waits_no_more(backlog.bytes(), &self.metrics);
        }
    }

    /// Notes that a socket's client has been let in.
    pub fn accept(&mut self, slot: Slot) {
        self.boxes[slot as usize].accepted = true;
    }

    /// Whether a socket's client has been let in.
    pub fn is_accepted(&self, slot: Slot) -> bool {
        self.boxes[slot as usize].accepted
    }

    /// When something was last read from a socket's peer, in milliseconds of [`crate::clock::uptime_ms`].
    pub fn last_heard(&self, slot: Slot) -> u64 {
        self.owner(slot).map_or(0, |owner| owner.presence.last_heard())
    }

    /// Whether this socket has this slot.
    pub fn is_open(&self, slot: Slot, uid: Uid) -> bool {
        self.owner(slot).is_some_and(|owner| owner.uid == uid)
    }

    /// Who has this slot, if anyone.
    pub fn uid(&self, slot: Slot) -> Option<Uid> {
        Some(self.owner(slot)?.uid)
    }

    fn owner(&self, slot: Slot) -> Option<&Owner> {
        self.boxes.get(slot as usize)?.owner.as_ref()
    }

    /// Who pings this socket.
    pub fn beat(&self, slot: Slot) -> Beat {
        self.owner(slot).map_or(Beat::None, |owner| owner.beat)
    }

    /// Tells a socket's actor something.
    pub fn signal(&self, slot: Slot, signal: Signal) {
        if let Some(owner) = self.owner(slot) {
            owner.actor.do_send(signal);
        }
    }

    /// All sockets there are, with the slots they have.
    pub fn sockets(&self) -> impl Iterator<Item = (Slot, Uid)> + '_ {
        let uid = |(slot, outbox): (usize, &Outbox)| Some((slot as Slot, outbox.owner.as_ref()?.uid));
        self.boxes.iter().enumerate().filter_map(uid)
    }

    /// How many slots there are, used or free.
    pub fn slots(&self) -> usize {
        self.boxes.len()
    }

    /// Puts an event into the outboxes of `slots`; `number` names it, counted up from 1.
    #[inline]
    pub fn deliver(&mut self, slots: &[Slot], number: u64, event: &Event) {
        let before = self.delivered;
        for &slot in slots {
            let outbox = &mut self.boxes[slot as usize];
            if outbox.seen == number || outbox.cut {
                continue;
            }
            outbox.seen = number;
            if outbox.pending.is_root() {
                self.touched.push(slot);
            }
            outbox.pending = self.tree.advance(outbox.pending, number, event, outbox.dialect);
            self.delivered += 1;
        }
        self.tally.add(event.name(), self.delivered - before);
    }

    /// Counts an event that is said to one socket.
    pub fn count(&mut self, event: &Event) {
        self.tally.add(event.name(), 1);
    }

    /// Adds what was counted to the metrics; to be called about once a second.
    pub fn publish_counts(&mut self) {
        self.tally.publish(&self.metrics);
    }

    /// Notes that a socket has the event of this number already.
    pub fn skip(&mut self, slot: Slot, uid: Uid, number: u64) {
        if self.is_open(slot, uid) {
            self.boxes[slot as usize].seen = number;
        }
    }

    /// Whether the event with this number was delivered to `slot`.
    pub fn was_reached(&self, slot: Slot, number: u64) -> bool {
        self.boxes[slot as usize].seen == number
    }

    /// Bytes that one flush would send to a socket that waits for everything.
    pub fn pending_bytes(&self) -> usize {
        self.tree.bytes()
    }

    /// Whether there is anything to flush.
    pub fn has_pending(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Writes what waits, one `send` a socket.
    pub fn flush(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for slot in touched.drain(..) {
            self.settle(slot);
        }
        self.touched = touched;
        self.tree.clear();
        self.metrics.deliveries.inc_by(std::mem::take(&mut self.delivered));
    }

    /// Writes what waits for one socket.
    pub fn settle(&mut self, slot: Slot) {
        let outbox = &mut self.boxes[slot as usize];
        if outbox.pending.is_root() {
            return;
        }
        let at = std::mem::replace(&mut outbox.pending, NodeId::root(outbox.dialect));
        let bytes = self.tree.joined(at);
        if self.tree.has_latest() {
            return self.write_frames(slot, &bytes, at);
        }
        self.write(slot, bytes);
    }

    /// Writes frames of which some may be superseded while they wait: so each one waits by itself.
    fn write_frames(&mut self, slot: Slot, joined: &[u8], at: NodeId) {
        let Some(mut sent) = self.try_write(slot, joined) else { return };
        if sent == joined.len() {
            return;
        }
        for (frame, key) in self.tree.frames(at) {
            let left = sent.min(frame.len());
            sent -= left;
            match left {
                0 => self.keep(slot, frame, key.as_ref()),
                left if left < frame.len() => self.keep(slot, rest(&frame, left), None),
                _ => {}
            }
        }
        self.answer(slot);
    }

    /// Writes a socket's own words behind all that waits for it.
    pub fn say(&mut self, slot: Slot, bytes: Bytes) {
        self.settle(slot);
        self.write(slot, bytes);
    }

    /// How a socket wants its events written.
    pub fn dialect(&self, slot: Slot) -> Dialect {
        self.boxes[slot as usize].dialect
    }

    fn write(&mut self, slot: Slot, bytes: Bytes) {
        match self.try_write(slot, &bytes) {
            Some(sent) if sent < bytes.len() => {
                self.keep(slot, rest(&bytes, sent), None);
                self.answer(slot);
            }
            _ => {}
        }
    }

    /// How much leaves at once: nothing where something waits before it, or for a poll. None where nothing leaves
    /// any more.
    fn try_write(&mut self, slot: Slot, bytes: &[u8]) -> Option<usize> {
        let outbox = &self.boxes[slot as usize];
        let owner = outbox.owner.as_ref().filter(|_| !outbox.cut)?;
        let Carrier::Wire(wire) = &owner.carrier else { return Some(0) };
        if outbox.backlog.is_some() {
            return Some(0);
        }
        match wire.try_write(bytes) {
            Ok(sent) => Some(sent),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
            Err(_) => {
                self.lose(slot, CloseReason::TransportError);
                None
            }
        }
    }

    /// Nothing more reaches this peer: what it has got stays an unbroken run.
    fn lose(&mut self, slot: Slot, reason: CloseReason) {
        self.cut_answer_off(slot);
        self.signal(slot, Signal::Close(reason));
        self.cut(slot);
    }

    /// Keeps what the peer did not take, within the limits; in place of what it supersedes, if it has a key.
    fn keep(&mut self, slot: Slot, rest: Bytes, key: Option<&Arc<str>>) {
        let outbox = &mut self.boxes[slot as usize];
        let Some(owner) = outbox.owner.as_ref().filter(|_| !outbox.cut) else { return };
        let under_way = match &owner.carrier {
            Carrier::Wire(_) => 0,
            Carrier::Polls(polls) => polls.under_way.load(Ordering::Relaxed),
        };
        let backlog = outbox.backlog.get_or_insert_with(|| {
            if matches!(owner.carrier, Carrier::Wire(_)) {
                owner.actor.do_send(Signal::Drain);
            }
            Box::default()
        });
        let superseded = key.map_or(0, |key| backlog.supersede(key));
        owner.presence.waits_no_more(superseded, &self.metrics);
        if !self.unsent.fits(backlog.bytes() + under_way, rest.len(), &self.metrics) {
            return self.lose(slot, CloseReason::SlowConsumer);
        }
        owner.presence.waits(rest.len(), &self.metrics);
        backlog.push(rest, key);
    }

    /// Whether something waits for the peer to take it.
    pub fn has_backlog(&self, slot: Slot) -> bool {
        self.boxes[slot as usize].backlog.is_some()
    }

    /// Writes of the backlog what the peer takes now. Returns whether it is empty then.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn drain(&mut self, slot: Slot) -> std::io::Result<bool> {
        let outbox = &mut self.boxes[slot as usize];
        let (Some(owner), Some(backlog)) = (&outbox.owner, &mut outbox.backlog) else { return Ok(true) };
        let Carrier::Wire(wire) = &owner.carrier else { return Ok(true) };
        while let Some(part) = backlog.front() {
            let sent = match wire.try_write(part) {
                Ok(sent) => sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            backlog.sent(sent);
            owner.presence.waits_no_more(sent, &self.metrics);
        }
        outbox.backlog = None;
        Ok(true)
    }

    /// Whether something said now would leave at once, as far as is known.
    pub fn is_writable(&self, slot: Slot) -> bool {
        let outbox = &self.boxes[slot as usize];
        !outbox.cut
            && outbox.owner.as_ref().is_some_and(|owner| match &owner.carrier {
                Carrier::Wire(_) => outbox.backlog.is_none(),
                Carrier::Polls(polls) => polls.open.is_some(),
            })
    }
}

/// What is left of bytes of which some have left: it does not hold on to many more than it is.
fn rest(bytes: &Bytes, sent: usize) -> Bytes {
    let rest = bytes.slice(sent..);
    if rest.len() < sent { Bytes::copy_from_slice(&rest) } else { rest }
}
