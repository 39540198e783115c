//! The `ConnectionManager` actor: who is connected, and how many connections a user may have.
//!
//! Messages: [`Admit`], [`Renew`] and [`Gone`] from sockets, [`Disconnect`], [`Review`], [`Look`]. Its state is [`Connections`], pure.

mod connections;
mod terms;

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::clock::{self, Millis};
use crate::close::CloseReason;
use crate::ids::{Sid, Uid};
use crate::metrics::Metrics;
use crate::socket::Signal;
use crate::vital::Vital;

pub use connections::{Connection, Connections, Limits, OnLimit};
pub use terms::Term;

/// How often it is looked for sockets whose time has come.
const LOOK: Duration = Duration::from_millis(250);

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

/// A socket has shown something new.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Renew {
    /// The socket.
    pub uid: Uid,
    /// How long that counts.
    pub term: Term,
}

/// All sockets of a user look at what they have shown: something of it may not count any more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Review {
    /// The user.
    pub user: Arc<str>,
    /// What was issued until then does not.
    pub before: Millis,
    /// Is told how many sockets hold such.
    pub answer: Box<dyn FnOnce(usize) + Send>,
}

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
    _vital: Vital,
}

impl ConnectionManager {
    /// Nobody is connected yet.
    pub fn new(limits: Limits, metrics: Arc<Metrics>) -> ConnectionManager {
        ConnectionManager {
            connections: Connections::default(),
            limits,
            metrics,
            _vital: Vital("the connection manager"),
        }
    }

    fn note_gone(&self) {
        self.metrics.disconnected.inc();
        self.metrics.active.dec();
    }

    fn sweep(&self) {
        let timeout = self.limits.idle_timeout.as_millis() as u64;
        for connection in self.connections.idle(clock::uptime_ms(), timeout) {
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
        ctx.run_interval(LOOK, |act, _| {
            for connection in act.connections.due(clock::now_ms()) {
                connection.actor.do_send(Signal::Review);
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

impl Handler<Renew> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, Renew { uid, term }: Renew, _: &mut Context<Self>) {
        self.connections.renew(uid, term, clock::now_ms());
    }
}

impl Handler<Review> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, Review { user, before, answer }: Review, _: &mut Context<Self>) {
        let all = self.connections.of(&Whose::User(user));
        all.iter().for_each(|connection| connection.actor.do_send(Signal::Review));
        answer(all.iter().filter(|connection| connection.term.is_from_before(before)).count());
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
