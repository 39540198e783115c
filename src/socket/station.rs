//! What the sockets of a worker share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::bucket::Rate;
use super::conn::Leave;
use super::heartbeat::Heartbeat;
use super::namespace::Namespace;
use super::outbox::{Beat, SharedOutboxes, Slot};
use crate::clock;
use crate::ids::{Place, Uid};

/// Bytes that one read takes at most.
const READ_BUFFER: usize = 64 * 1024;

/// See the module.
pub struct Station<N: Namespace> {
    /// Index of the worker.
    pub worker: u16,
    /// What its sockets speak to.
    pub namespace: N,
    /// What waits for them.
    pub outboxes: SharedOutboxes,
    /// Keeps them alive.
    pub heartbeat: Rc<RefCell<Heartbeat>>,
    /// How much each may say.
    pub rate: Rate,
    /// What all of them read into.
    pub(super) read_buffer: RefCell<Box<[u8]>>,
    /// Gives what leaves everything that a socket may have joined.
    leave: Box<dyn Fn(Place) -> Leave>,
    next: Cell<u64>,
}

impl<N: Namespace> Station<N> {
    /// A worker without sockets. `leave` is told the place of each one, and gives what leaves its rooms.
    pub fn new(
        worker: u16,
        namespace: N,
        outboxes: SharedOutboxes,
        heartbeat: Rc<RefCell<Heartbeat>>,
        rate: Rate,
        leave: impl Fn(Place) -> Leave + 'static,
    ) -> Station<N> {
        let read_buffer = RefCell::new(vec![0; READ_BUFFER].into_boxed_slice());
        let leave = Box::new(leave);
        let next = Cell::new(0);
        Station { worker, namespace, outboxes, heartbeat, rate, read_buffer, leave, next }
    }

    /// A number that no socket has had. Numbers of different workers never meet.
    pub(super) fn next_uid(&self) -> Uid {
        let n = self.next.get() + 1;
        self.next.set(n);
        Uid((u64::from(self.worker) << 48) | n)
    }

    /// Begins to keep a socket alive, and gives what leaves everything that it will have joined.
    pub(super) fn seat(&self, slot: Slot, uid: Uid, beat: Beat) -> (Place, Leave) {
        let place = Place { worker: self.worker, slot, uid };
        self.heartbeat.borrow_mut().welcome(slot, uid, beat, clock::uptime_ms());
        (place, (self.leave)(place))
    }

    /// Begins to wait until a client has been let in.
    pub(super) fn await_admission(&self, place: Place) {
        self.heartbeat.borrow_mut().await_admission(place.slot, place.uid, clock::uptime_ms());
    }
}
