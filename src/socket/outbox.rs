//! The outboxes of a worker's sockets: what waits for each, and how it gets onto the wire.
//!
//! The lane delivers into them and flushes; a socket's actor says its own words and, while the peer does
//! not take everything, writes the backlog. Both run on one thread and share this state plainly.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::{Message, Recipient};
use bytes::Bytes;

use super::tree::{NodeId, Tree};
use super::wire::Wire;
use crate::clock;
use crate::close::CloseReason;
use crate::ids::Uid;
use crate::metrics::{Metrics, Tally};
use crate::protocol::frame::{Dialect, Event};

/// Index of a socket's outbox in its worker; used again when the socket is gone.
pub type Slot = u32;

/// The outboxes of one worker, shared by its lane and its sockets.
pub type SharedOutboxes = Rc<RefCell<Outboxes>>;

/// What an outbox tells its socket's actor.
#[derive(Message, Clone, Copy, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub enum Signal {
    /// The peer did not take everything: write the backlog when it can take more.
    Drain,
    /// End the session.
    Close(CloseReason),
}

/// When a socket's peer was last heard: any byte that came from it counts as a sign of life.
#[derive(Debug, Default)]
pub struct Heard(AtomicU64);

impl Heard {
    /// Notes that the peer has just been heard.
    pub fn now(&self) {
        self.0.store(clock::uptime_ms(), Ordering::Relaxed);
    }

    /// The last time, in milliseconds of [`clock::uptime_ms`].
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Outboxes {
    boxes: Vec<Outbox>,
    free: Vec<Slot>,
    tree: Tree,
    /// Sockets for which something hangs in the tree.
    touched: Vec<Slot>,
    /// The most bytes that a backlog may hold; one message always fits.
    unsent_limit: usize,
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

#[derive(Debug)]
struct Owner {
    uid: Uid,
    wire: Rc<Wire>,
    /// The socket's actor.
    actor: Recipient<Signal>,
    /// When something was last read from the peer; the connection manager reads it too.
    heard: Arc<Heard>,
}

#[derive(Debug, Default)]
struct Backlog {
    parts: VecDeque<Bytes>,
    bytes: usize,
}

impl Outboxes {
    /// No sockets yet.
    pub fn new(unsent_limit: usize, metrics: Arc<Metrics>) -> Outboxes {
        Outboxes {
            boxes: Vec::new(),
            free: Vec::new(),
            tree: Tree::new(),
            touched: Vec::new(),
            unsent_limit,
            metrics,
            delivered: 0,
            tally: Tally::default(),
        }
    }

    /// Gives a socket its outbox.
    pub fn open(
        &mut self,
        uid: Uid,
        wire: Rc<Wire>,
        dialect: Dialect,
        actor: Recipient<Signal>,
        heard: Arc<Heard>,
    ) -> Slot {
        let outbox = Outbox {
            owner: Some(Owner { uid, wire, actor, heard }),
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

    /// Forgets a socket and all that waits for it.
    pub fn close(&mut self, slot: Slot) {
        let outbox = &mut self.boxes[slot as usize];
        if outbox.owner.take().is_none() {
            return;
        }
        self.cut(slot);
        self.free.push(slot);
    }

    /// Writes nothing more to a socket, and lets go of what waits for it.
    pub fn cut(&mut self, slot: Slot) {
        let outbox = &mut self.boxes[slot as usize];
        outbox.cut = true;
        outbox.pending = NodeId::root(outbox.dialect);
        if let Some(backlog) = outbox.backlog.take() {
            self.metrics.unsent_bytes.sub(backlog.bytes as i64);
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

    /// When something was last read from a socket's peer, in milliseconds of [`clock::uptime_ms`].
    pub fn last_heard(&self, slot: Slot) -> u64 {
        self.owner(slot).map_or(0, |owner| owner.heard.get())
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
        self.write(slot, bytes);
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
        let outbox = &mut self.boxes[slot as usize];
        let Some(owner) = &outbox.owner else { return };
        if outbox.cut {
            return;
        }
        if outbox.backlog.is_some() {
            return self.put_back(slot, bytes);
        }
        match owner.wire.try_write(&bytes) {
            Ok(sent) if sent == bytes.len() => {}
            Ok(sent) => self.put_back(slot, bytes.slice(sent..)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.put_back(slot, bytes),
            Err(_) => {
                owner.actor.do_send(Signal::Close(CloseReason::TransportError));
                self.cut(slot);
            }
        }
    }

    /// Keeps what the peer did not take, within the limit.
    fn put_back(&mut self, slot: Slot, rest: Bytes) {
        let outbox = &mut self.boxes[slot as usize];
        let Some(owner) = &outbox.owner else { return };
        let backlog = outbox.backlog.get_or_insert_with(|| {
            owner.actor.do_send(Signal::Drain);
            Box::default()
        });
        if backlog.bytes > 0 && backlog.bytes + rest.len() > self.unsent_limit {
            // nothing is kept from here on: what the peer gets stays an unbroken run
            owner.actor.do_send(Signal::Close(CloseReason::SlowConsumer));
            return self.cut(slot);
        }
        backlog.bytes += rest.len();
        self.metrics.unsent_bytes.add(rest.len() as i64);
        backlog.parts.push_back(rest);
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
        while let Some(part) = backlog.parts.front_mut() {
            let sent = match owner.wire.try_write(part) {
                Ok(sent) => sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            backlog.bytes -= sent;
            self.metrics.unsent_bytes.sub(sent as i64);
            if sent == part.len() {
                backlog.parts.pop_front();
            } else {
                let _ = part.split_to(sent);
            }
        }
        outbox.backlog = None;
        Ok(true)
    }
}
