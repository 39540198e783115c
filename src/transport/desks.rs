//! Where requests find the session that they are meant for, whichever worker they came in on.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::*;

use crate::ids::Sid;
use crate::protocol::engineio::HandshakeError;
use crate::socket::visit::Visit;
use crate::socket::{Leave, Namespace, Socket};

/// One desk a worker: a session's id says to which one its requests go.
#[derive(Debug)]
pub struct Desks {
    desks: Box<[OnceLock<Recipient<Visit>>]>,
    tickets: AtomicU64,
}

impl Desks {
    /// Desks of this many workers, none open yet.
    pub fn new(workers: usize) -> Desks {
        Desks { desks: (0..workers).map(|_| OnceLock::new()).collect(), tickets: AtomicU64::new(0) }
    }

    /// Sends a visit to its session's worker.
    pub fn send(&self, visit: Visit) {
        match self.desks.get(usize::from(visit.sid.worker())).and_then(OnceLock::get) {
            Some(desk) => desk.do_send(visit),
            None => visit.errand.refuse(HandshakeError::SessionUnknown),
        }
    }

    /// A number for a poll.
    pub fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }
}

/// The polled sessions of a worker.
pub struct Sessions<N: Namespace>(Rc<RefCell<HashMap<Sid, Addr<Socket<N>>>>>);

impl<N: Namespace> Clone for Sessions<N> {
    fn clone(&self) -> Self {
        Sessions(Rc::clone(&self.0))
    }
}

impl<N: Namespace> Sessions<N> {
    /// Opens a worker's desk.
    pub fn open(desks: &Desks, worker: u16) -> Sessions<N> {
        let sessions = Sessions(Rc::default());
        let desk = Desk(sessions.clone()).start().recipient();
        if let Some(place) = desks.desks.get(usize::from(worker)) {
            let _ = place.set(desk);
        }
        sessions
    }

    /// Lists a session.
    pub fn add(&self, sid: Sid, session: Addr<Socket<N>>) {
        self.0.borrow_mut().insert(sid, session);
    }

    /// Takes a session off the list when it is dropped.
    pub fn delist(&self, sid: Sid) -> Leave {
        let sessions = Rc::clone(&self.0);
        Leave::new(move || drop(sessions.borrow_mut().remove(&sid)))
    }
}

/// Hands visits on.
struct Desk<N: Namespace>(Sessions<N>);

impl<N: Namespace> Actor for Desk<N> {
    type Context = Context<Self>;
}

impl<N: Namespace> Handler<Visit> for Desk<N> {
    type Result = ();

    fn handle(&mut self, visit: Visit, _: &mut Context<Self>) {
        let sessions = self.0.0.borrow();
        match sessions.get(&visit.sid) {
            Some(session) => session.do_send(visit),
            None => visit.errand.refuse(HandshakeError::SessionUnknown),
        }
    }
}
