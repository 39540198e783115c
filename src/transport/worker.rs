//! What a worker thread has: its station, its lane, and the list of its polled sessions.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;

use super::admission::Admission;
use super::desks::{Desks, Sessions};
use super::{Endpoint, Gate, Options};
use crate::clock;
use crate::ids::{Place, Sid};
use crate::metrics::Metrics;
use crate::protocol::engineio::{self, Dialog};
use crate::protocol::websocket;
use crate::rooms::lane::SharedMembers;
use crate::rooms::manager;
use crate::rooms::members::Members;
use crate::rooms::registry::{FromLane, FromSocket};
use crate::rooms::{ConnectionManager, Lane};
use crate::socket::actor::{Entry, Start};
use crate::socket::heartbeat::{Heartbeat, HeartbeatOptions};
use crate::socket::poll::Poll;
use crate::socket::{Held, Leave, Namespace, Outboxes, Peer, Rate, Socket, Station, Unsent, Wire};

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
    /// Bytes that may wait for all of them.
    pub unsent_bytes_total: usize,
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
    shared: Shared,
    admission: Arc<Admission>,
    desks: Arc<Desks>,
    sessions: Sessions<N>,
    station: Rc<Station<N>>,
}

impl<N: Namespace> Worker<N> {
    /// Sets this thread up as the worker with this index and starts its lane.
    pub(super) fn start(
        index: u16,
        shared: Shared,
        admission: Arc<Admission>,
        desks: Arc<Desks>,
        central: Central,
        namespace: N,
    ) -> (Rc<Worker<N>>, Addr<Lane>) {
        let manager = central.manager.clone();
        let relief = move || manager.do_send(manager::Relieve);
        let unsent = Unsent::new(shared.unsent_bytes, shared.unsent_bytes_total, relief);
        let outboxes = Rc::new(RefCell::new(Outboxes::new(unsent, Arc::clone(&shared.metrics))));
        let members = Members::new(index, Rc::clone(&outboxes), shared.read_patience_ms);
        let members = Rc::new(RefCell::new(members));
        let options = HeartbeatOptions {
            interval_ms: shared.options.ping_interval_ms,
            timeout_ms: shared.options.ping_timeout_ms,
            auth_timeout_ms: shared.auth_timeout_ms,
        };
        let plain = websocket::frame(websocket::Opcode::Ping, b"");
        let pings = [engineio::PING_FRAME.clone(), plain, engineio::PING_RECORD.clone()];
        let heartbeat = Rc::new(RefCell::new(Heartbeat::new(options, pings, clock::uptime_ms())));
        let lane = Lane::new(
            Rc::clone(&members),
            Rc::clone(&outboxes),
            Rc::clone(&heartbeat),
            Duration::from_millis(options.tick_ms()),
            central.from_lanes.clone(),
        )
        .start();
        let leave = move |place| leave(&members, &central, place);
        let station = Rc::new(Station::new(index, namespace, outboxes, heartbeat, shared.rate, leave));
        let sessions = Sessions::open(&desks, index);
        (Rc::new(Worker { shared, admission, desks, sessions, station }), lane)
    }

    /// What handshakes are judged by.
    pub(super) fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Whether handshakes are let in.
    pub(super) fn gate(&self) -> &Gate {
        &self.shared.gate
    }

    /// Whether one more is let in.
    pub(super) fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Where requests find sessions.
    pub(super) fn desks(&self) -> &Arc<Desks> {
        &self.desks
    }

    /// A new socket of this worker begins, by a websocket. What is `held` is held until it ends.
    pub(super) fn begin(
        &self,
        endpoint: &Endpoint,
        dialog: Dialog,
        peer: Peer,
        entry: (Wire, Bytes),
        held: Held,
    ) {
        let entry = Entry::Websocket(entry.0, entry.1);
        self.begin_by(self.new_sid(), entry, endpoint, dialog, peer, held);
    }

    /// A new socket of this worker begins, by a poll. Returns the session's name.
    pub(super) fn begin_polled(
        &self,
        endpoint: &Endpoint,
        dialog: Dialog,
        peer: Peer,
        poll: Poll,
        held: Held,
    ) -> Sid {
        let sid = self.new_sid();
        let entry = Entry::Polling(poll, self.sessions.delist(sid));
        let session = self.begin_by(sid, entry, endpoint, dialog, peer, held);
        self.sessions.add(sid, session);
        sid
    }

    /// A session's name is a secret of its client; the socket's public name is drawn separately.
    fn new_sid(&self) -> Sid {
        Sid::new(0, self.station.worker)
    }

    fn begin_by(
        &self,
        sid: Sid,
        entry: Entry,
        endpoint: &Endpoint,
        dialog: Dialog,
        peer: Peer,
        held: Held,
    ) -> Addr<Socket<N>> {
        let upgrades: &[&str] = if matches!(entry, Entry::Polling(..)) { &["websocket"] } else { &[] };
        let options = self.options();
        let greeting = endpoint.is_engine().then(|| {
            engineio::open(
                sid.as_str(),
                upgrades,
                options.ping_interval_ms,
                options.ping_timeout_ms,
                endpoint.limits.bytes,
            )
        });
        let (limits, greet_after) = (endpoint.limits, options.greet_after);
        let kind = endpoint.kind;
        let start = Start { sid, kind, dialog, entry, peer, limits, greeting, greet_after, held };
        Socket::begin(start, Rc::clone(&self.station))
    }
}

/// What leaves everything that a socket may have joined.
fn leave(members: &SharedMembers, central: &Central, place: Place) -> Leave {
    let members = Rc::clone(members);
    let central = central.clone();
    Leave::new(move || {
        members.borrow_mut().forget(place.slot);
        central.registry.do_send(FromSocket::Gone(place.uid));
        central.manager.do_send(manager::Gone(place.uid));
    })
}
