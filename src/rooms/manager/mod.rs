//! The `ConnectionManager` actor: who is connected, and how many connections a user may have.
//!
//! Messages: [`Admit`] and [`Gone`] from sockets, [`Disconnect`], [`Look`]. Its state is [`Connections`], pure.

mod connections;

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::clock::{self, Standstill};
use crate::close::CloseReason;
use crate::ids::{Sid, Uid};
use crate::metrics::Metrics;
use crate::socket::Signal;
use crate::vital::Vital;

pub use connections::{Connection, Connections, Limits, OnLimit};

/// Asks for a connection to be let in.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Admit {
    /// The connection.
    pub connection: Connection,
    /// Is told whether it may stay.
    pub answer: Box<dyn FnOnce(Result<(), CloseReason>) + Send>,
}

/// A socket is gone.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Gone(pub Uid);

/// Whose connections are meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whose {
    /// The one with this public name.
    Socket(Sid),
    /// All of a user.
    User(Arc<str>),
}

/// Sends connections away.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Disconnect {
    /// Which.
    pub whose: Whose,
    /// Why; it also says how.
    pub reason: CloseReason,
    /// Is told how many there were.
    pub answer: Box<dyn FnOnce(usize) + Send>,
}

/// Runs a look at the connections; only for what may wait.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Look(pub Box<dyn FnOnce(&Connections) + Send>);

/// The manager.
pub struct ConnectionManager {
    connections: Connections,
    limits: Limits,
    metrics: Arc<Metrics>,
    standstill: Standstill,
    _vital: Vital,
}

impl ConnectionManager {
    /// Nobody is connected yet.
    pub fn new(limits: Limits, metrics: Arc<Metrics>) -> ConnectionManager {
        ConnectionManager {
            connections: Connections::default(),
            limits,
            metrics,
            standstill: Standstill::new(clock::uptime_ms()),
            _vital: Vital("the connection manager"),
        }
    }

    fn note_gone(&self) {
        self.metrics.disconnected.inc();
        self.metrics.active.dec();
    }

    fn sweep(&mut self) {
        let (timeout, now) = (self.limits.idle_timeout.as_millis() as u64, clock::uptime_ms());
        self.standstill.look(now);
        if !self.standstill.is_over_for(timeout, now) {
            return; // nobody has had the time yet to be heard
        }
        for connection in self.connections.idle(now, timeout) {
            connection.actor.do_send(Signal::Close(CloseReason::Idle));
        }
    }
}

impl Actor for ConnectionManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if !self.limits.idle_check.is_zero() && !self.limits.idle_timeout.is_zero() {
            ctx.run_interval(self.limits.idle_check, |act, _| act.sweep());
        }
        ctx.run_interval(Duration::from_secs(1), |act, _| {
            act.standstill.look(clock::uptime_ms());
            for connection in act.connections.expired(clock::now_ms()) {
                connection.actor.do_send(Signal::Close(CloseReason::TokenExpired));
            }
        });
    }
}

impl Handler<Admit> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, Admit { connection, answer }: Admit, _: &mut Context<Self>) {
        match self.connections.add(connection, &self.limits) {
            Ok(evicted) => {
                self.metrics.connected.inc();
                self.metrics.active.inc();
                if let Some(evicted) = evicted {
                    self.note_gone();
                    evicted.actor.do_send(Signal::Close(CloseReason::ConnectionLimit));
                }
                answer(Ok(()));
            }
            Err(reason) => answer(Err(reason)),
        }
    }
}

impl Handler<Gone> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, Gone(uid): Gone, _: &mut Context<Self>) {
        if self.connections.remove(uid) {
            self.note_gone();
        }
    }
}

impl Handler<Look> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, Look(look): Look, _: &mut Context<Self>) {
        look(&self.connections);
    }
}

impl Handler<Disconnect> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, Disconnect { whose, reason, answer }: Disconnect, _: &mut Context<Self>) {
        let meant = self.connections.of(&whose);
        meant.iter().for_each(|connection| connection.actor.do_send(Signal::Close(reason)));
        answer(meant.len());
    }
}
