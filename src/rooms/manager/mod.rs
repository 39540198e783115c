//! The `ConnectionManager` actor: who is connected, and how many connections a user may have.
//!
//! Messages: [`Admit`], [`Renew`] and [`Gone`] from sockets, [`Relieve`] from the outboxes, [`Disconnect`],
//! [`Review`], [`Look`]. Its state is pure: [`Connections`], how often each user came (`rate`), who waits while
//! ghosts are looked for (`ghosts`), and until when what a client has shown is good (`terms`).

mod connections;
mod ghosts;
mod rate;
mod terms;

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::clock::{self, Millis, Standstill};
use crate::close::CloseReason;
use crate::ids::{Sid, Uid};
use crate::metrics::Metrics;
use crate::socket::Signal;
use crate::vital::Vital;

use ghosts::{Looks, Outcome};
use rate::Rates;

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
    pub answer: Answer,
}

/// Tells a socket whether it may stay.
pub type Answer = Box<dyn FnOnce(Result<(), Denied>) + Send>;

/// Why a client is not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Denied {
    /// What it is told.
    pub reason: CloseReason,
    /// When it may come again, in milliseconds from now, where that is known.
    pub retry_after_ms: Option<u64>,
}

impl From<CloseReason> for Denied {
    fn from(reason: CloseReason) -> Denied {
        Denied { reason, retry_after_ms: None }
    }
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

/// Too much waits for all sockets together: those furthest behind have to go.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Relieve;

/// Runs a look at the connections; only for what may wait.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Look(pub Box<dyn FnOnce(&Connections) + Send>);

/// The manager.
pub struct ConnectionManager {
    connections: Connections,
    limits: Limits,
    rates: Rates,
    looks: Looks,
    /// The next look at them is under way.
    looking: bool,
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
            rates: Rates::new(limits.connects_per_minute),
            looks: Looks::default(),
            looking: false,
            metrics,
            standstill: Standstill::new(clock::uptime_ms()),
            _vital: Vital("the connection manager"),
        }
    }

    fn note_gone(&self) {
        self.metrics.disconnected.inc();
        self.metrics.active.dec();
    }

    /// A connection does not count any more; somebody may wait for its place.
    fn forget(&mut self, uid: Uid, ctx: &mut Context<Self>) -> Option<Connection> {
        let connection = self.connections.remove(uid)?;
        self.note_gone();
        let now = clock::uptime_ms();
        let outcome = self.looks.room_at(&connection.user, &mut self.connections, &self.limits, now);
        self.carry_out(outcome, ctx);
        Some(connection)
    }

    /// Does what came of an admission or of a look for ghosts.
    fn carry_out(&mut self, outcome: Outcome, ctx: &mut Context<Self>) {
        for probed in outcome.probed {
            probed.do_send(Signal::Probe);
        }
        for (connection, reason) in outcome.sent_away {
            self.note_gone();
            connection.actor.do_send(Signal::Close(reason));
        }
        for answer in outcome.let_in {
            self.metrics.connected.inc();
            self.metrics.active.inc();
            answer(Ok(()));
        }
        for answer in outcome.refused {
            answer(Err(CloseReason::ConnectionLimit.into()));
        }
        self.metrics.queue_overflow.with_label_values(&["admissions"]).inc_by(outcome.overflowed);
        let waiting = self.looks.waiting();
        self.metrics.queue_depth.with_label_values(&["admissions"]).set(waiting as i64);
        if waiting > 0 && !self.looking {
            self.looking = true;
            ctx.run_later(ghosts::STEP, Self::look_on);
        }
    }

    /// Looks who of those that were pinged has answered, for as long as anyone waits for it.
    fn look_on(&mut self, ctx: &mut Context<Self>) {
        self.looking = false;
        let outcome = self.looks.step(&mut self.connections, &self.limits, clock::uptime_ms());
        self.carry_out(outcome, ctx);
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
        ctx.run_interval(LOOK, |act, _| {
            act.standstill.look(clock::uptime_ms());
            for connection in act.connections.due(clock::now_ms()) {
                connection.actor.do_send(Signal::Review);
            }
        });
    }
}

impl Handler<Admit> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, admit: Admit, ctx: &mut Context<Self>) {
        let now = clock::uptime_ms();
        if let Err(retry_after_ms) = self.rates.take(&admit.connection.user, now) {
            let reason = CloseReason::ConnectRate;
            return (admit.answer)(Err(Denied { reason, retry_after_ms: Some(retry_after_ms) }));
        }
        let outcome = self.looks.ask(admit, &mut self.connections, &self.limits, now);
        self.carry_out(outcome, ctx);
    }
}

impl Handler<Gone> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, Gone(uid): Gone, ctx: &mut Context<Self>) {
        if self.forget(uid, ctx).is_none() {
            self.looks.forget(uid);
        }
    }
}

impl Handler<Relieve> for ConnectionManager {
    type Result = ();

    fn handle(&mut self, _: Relieve, _: &mut Context<Self>) {
        let unsent = usize::try_from(self.metrics.unsent_bytes.get()).unwrap_or(0);
        // so much that it is quiet for a while
        let wanted = self.limits.unsent_bytes_total / 4 * 3;
        for connection in self.connections.furthest_behind(unsent.saturating_sub(wanted)) {
            connection.actor.do_send(Signal::Close(CloseReason::SlowConsumer));
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

    fn handle(&mut self, Disconnect { whose, reason, answer }: Disconnect, ctx: &mut Context<Self>) {
        let meant: Vec<_> =
            self.connections.of(&whose).iter().map(|connection| connection.place.uid).collect();
        // gone at once: who was told that they are disconnected does not find them in a list any more
        for uid in &meant {
            if let Some(connection) = self.forget(*uid, ctx) {
                connection.actor.do_send(Signal::Close(reason));
            }
        }
        answer(meant.len());
    }
}
