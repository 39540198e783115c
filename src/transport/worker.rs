//! What a worker thread has: its sockets' outboxes, its lane, its namespace.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;

use super::{Gate, Options};
use crate::clock;
use crate::ids::{Place, Uid};
use crate::metrics::Metrics;
use crate::protocol::frame::Dialect;
use crate::protocol::{engineio, websocket};
use crate::rooms::lane::SharedMembers;
use crate::rooms::manager;
use crate::rooms::members::Members;
use crate::rooms::registry::{FromLane, FromSocket};
use crate::rooms::{ConnectionManager, Lane};
use crate::socket::actor::{ReadBuffer, Start};
use crate::socket::heartbeat::{Heartbeat, HeartbeatOptions};
use crate::socket::{Leave, Namespace, Outboxes, Peer, Rate, SharedOutboxes, Socket, Wire};

/// Bytes that one read takes at most; all sockets of a worker share this buffer.
const READ_BUFFER: usize = 64 * 1024;

/// What every worker of a hub is given.
#[derive(Clone)]
pub struct Shared {
    /// What handshakes are judged by.
    pub options: Arc<Options>,
    /// Whether handshakes are let in.
    pub gate: Arc<Gate>,
    /// The hub's counters.
    pub metrics: Arc<Metrics>,
    /// Bytes that may wait for one socket.
    pub unsent_bytes: usize,
    /// How much a socket may say.
    pub rate: Rate,
    /// How long a client may take to prove who it is, in milliseconds.
    pub auth_timeout_ms: u64,
    /// How long a snapshot may take, in milliseconds.
    pub read_patience_ms: u64,
}

/// Whom a worker's sockets report to.
#[derive(Clone)]
pub struct Central {
    /// The registry, as sockets see it.
    pub registry: Recipient<FromSocket>,
    /// The registry, as lanes see it.
    pub from_lanes: Recipient<FromLane>,
    /// The connection manager.
    pub manager: Addr<ConnectionManager>,
}

/// One worker thread.
pub struct Worker<N: Namespace> {
    pub(super) shared: Shared,
    index: u16,
    namespace: Rc<N>,
    outboxes: SharedOutboxes,
    members: SharedMembers,
    heartbeat: Rc<RefCell<Heartbeat>>,
    read_buffer: ReadBuffer,
    central: Central,
    next: Cell<u64>,
}

impl<N: Namespace> Worker<N> {
    /// Sets this thread up as the worker with this index and starts its lane.
    pub fn start(index: u16, shared: Shared, central: Central, namespace: N) -> (Rc<Worker<N>>, Addr<Lane>) {
        let outboxes = Rc::new(RefCell::new(Outboxes::new(shared.unsent_bytes, Arc::clone(&shared.metrics))));
        let members = Members::new(index, Rc::clone(&outboxes), shared.read_patience_ms);
        let members = Rc::new(RefCell::new(members));
        let options = HeartbeatOptions {
            interval_ms: shared.options.ping_interval_ms,
            timeout_ms: shared.options.ping_timeout_ms,
            auth_timeout_ms: shared.auth_timeout_ms,
        };
        let pings = [engineio::PING_FRAME.clone(), websocket::frame(websocket::Opcode::Ping, b"")];
        let heartbeat = Rc::new(RefCell::new(Heartbeat::new(options, pings, clock::uptime_ms())));
        let lane = Lane::new(
            Rc::clone(&members),
            Rc::clone(&outboxes),
            Rc::clone(&heartbeat),
            Duration::from_millis(options.tick_ms()),
            central.from_lanes.clone(),
        )
        .start();
        let read_buffer = Rc::new(RefCell::new(vec![0; READ_BUFFER].into_boxed_slice()));
        let namespace = Rc::new(namespace);
        let next = Cell::new(0);
        let worker =
            Worker { shared, index, namespace, outboxes, members, heartbeat, read_buffer, central, next };
        (Rc::new(worker), lane)
    }

    /// A new socket of this worker begins.
    pub(super) fn begin(
        &self,
        wire: Wire,
        already_read: Bytes,
        dialect: Dialect,
        peer: Peer,
        greeting: Option<Bytes>,
    ) {
        let start = Start {
            wire,
            already_read,
            dialect,
            peer,
            max_payload: self.shared.options.max_payload,
            rate: self.shared.rate,
            worker: self.index,
            uid: self.next_uid(),
            greeting,
        };
        Socket::begin(
            start,
            Rc::clone(&self.namespace),
            Rc::clone(&self.outboxes),
            Rc::clone(&self.read_buffer),
            |place| self.seat(place),
        );
    }

    /// Numbers of different workers never meet.
    fn next_uid(&self) -> Uid {
        let n = self.next.get() + 1;
        self.next.set(n);
        Uid((u64::from(self.index) << 48) | n)
    }

    /// What leaves everything that a socket may have joined.
    fn seat(&self, place: Place) -> Leave {
        self.heartbeat.borrow_mut().welcome(place.slot, place.uid, clock::uptime_ms());
        let (members, outboxes) = (Rc::clone(&self.members), Rc::clone(&self.outboxes));
        let central = self.central.clone();
        Leave::new(move || {
            members.borrow_mut().forget(place.slot);
            outboxes.borrow_mut().close(place.slot);
            central.registry.do_send(FromSocket::Gone(place.uid));
            central.manager.do_send(manager::Gone(place.uid));
        })
    }
}
