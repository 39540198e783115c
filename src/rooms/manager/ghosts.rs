//! Ghosts: connections that answer no ping. They are looked for where a user would get one connection too many;
//! who wants to come waits for it. Pure: time is an argument, and what is to be done is handed back.
//!
//! All connections of the user are pinged, a moment after the look has begun. Any sign of life since its beginning
//! counts, whatever it is: a pong, a packet, a poll (clients of Engine.IO 3 do not answer pings, and one that polls
//! shows itself by its next poll). The moment is there because times are whole milliseconds: what was heard before
//! the look must not be taken for an answer, nor an answer for what was heard before. The look ends when all have shown themselves, or after two seconds. Then as many ghosts go as there are
//! newcomers, the oldest first; without ghosts the policy decides.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use smallvec::SmallVec;

use super::connections::{Connection, Connections, Limits, OnLimit};
use super::{Admit, Answer};
use crate::close::CloseReason;
use crate::ids::Uid;
use crate::socket::Signal;

/// How long a connection has for a sign of life, in milliseconds.
const PATIENCE_MS: u64 = 2_000;
/// Until the pings, and then between two looks at who has given one.
pub(super) const STEP: Duration = Duration::from_millis(25);
/// Who may wait for the same look; one more is refused at once.
const MAX_WAITING: usize = 32;

/// The looks that are under way, at most one a user.
#[derive(Default)]
pub(super) struct Looks {
    of: HashMap<Arc<str>, Look>,
}

/// While it lasts the user has as many connections as it may have, and somebody waits.
struct Look {
    since: u64,
    /// Those who are looked at.
    looked_at: SmallVec<[Uid; 8]>,
    pinged: bool,
    waiting: VecDeque<Admit>,
}

/// What is to be done.
#[derive(Default)]
pub(super) struct Outcome {
    /// They are in.
    pub let_in: Vec<Answer>,
    /// They are not.
    pub refused: Vec<Answer>,
    /// These had to go for others; they are counted out already.
    pub sent_away: Vec<(Connection, CloseReason)>,
    /// These are to be pinged.
    pub probed: Vec<Recipient<Signal>>,
    /// How many were refused because too many wait.
    pub overflowed: u64,
}

impl Looks {
    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.of.values().map(|look| look.waiting.len()).sum()
    }

    /// Somebody wants to come: counts him in within the limit, in one step, or begins to look for ghosts.
    pub fn ask(&mut self, admit: Admit, all: &mut Connections, limits: &Limits, now: u64) -> Outcome {
        let mut out = Outcome::default();
        let user = &admit.connection.user;
        if let Some(look) = self.of.get_mut(user) {
            if look.waiting.len() < MAX_WAITING {
                look.waiting.push_back(admit);
            } else {
                out.overflowed = 1;
                out.refused.push(admit.answer);
            }
        } else if has_room(all, user, limits) {
            out.let_in(admit, all);
        } else {
            let (user, looked_at) = (Arc::clone(user), all.uids_of(user).into());
            let waiting = VecDeque::from([admit]);
            self.of.insert(user, Look { since: now, looked_at, pinged: false, waiting });
        }
        out
    }

    /// Pings, or looks who has shown himself by now.
    pub fn step(&mut self, all: &mut Connections, limits: &Limits, now: u64) -> Outcome {
        let mut out = Outcome::default();
        self.of.retain(|user, look| {
            look.ping(all, &mut out);
            !look.settle(user, all, limits, now, &mut out)
        });
        out
    }

    /// One of the user's has left.
    pub fn room_at(&mut self, user: &str, all: &mut Connections, limits: &Limits, now: u64) -> Outcome {
        let mut out = Outcome::default();
        if let Some(look) = self.of.get_mut(user)
            && look.settle(user, all, limits, now, &mut out)
        {
            self.of.remove(user);
        }
        out
    }

    /// Somebody is gone who was not in: if he waited, he waits no more.
    pub fn forget(&mut self, uid: Uid) {
        self.of.retain(|_, look| {
            look.waiting.retain(|admit| admit.connection.place.uid != uid);
            !look.waiting.is_empty()
        });
    }
}

impl Look {
    fn ping(&mut self, all: &Connections, out: &mut Outcome) {
        if !std::mem::replace(&mut self.pinged, true) {
            let silent = self.silent(all);
            let actors = silent.iter().filter_map(|uid| Some(all.get(*uid)?.actor.clone()));
            out.probed.extend(actors);
        }
    }

    /// Lets in who finds room, and decides of the others as soon as that can be done. Returns whether nobody
    /// waits any more.
    fn settle(
        &mut self,
        user: &str,
        all: &mut Connections,
        limits: &Limits,
        now: u64,
        out: &mut Outcome,
    ) -> bool {
        while has_room(all, user, limits)
            && let Some(admit) = self.waiting.pop_front()
        {
            out.let_in(admit, all);
        }
        let mut silent = self.silent(all);
        if !silent.is_empty() && now < self.since + PATIENCE_MS {
            return self.waiting.is_empty();
        }
        for admit in self.waiting.drain(..) {
            match choose(&mut silent, user, all, limits) {
                Some((uid, reason)) => {
                    out.sent_away.extend(all.remove(uid).map(|connection| (connection, reason)));
                    out.let_in(admit, all);
                }
                None => out.refused.push(admit.answer),
            }
        }
        true
    }

    /// Those that have given no sign of life since the look began, oldest first.
    fn silent(&self, all: &Connections) -> VecDeque<Uid> {
        let silent = |uid: &Uid| {
            all.get(*uid).is_some_and(|connection| connection.presence.last_heard() <= self.since)
        };
        self.looked_at.iter().copied().filter(silent).collect()
    }
}

/// Who goes for one that comes. A ghost that the user did not want to be rid of may come back, if it can.
fn choose(
    silent: &mut VecDeque<Uid>,
    user: &str,
    all: &Connections,
    limits: &Limits,
) -> Option<(Uid, CloseReason)> {
    let ghost = silent.pop_front();
    match limits.on_limit {
        OnLimit::RejectNew => ghost.map(|uid| (uid, CloseReason::PingTimeout)),
        OnLimit::EvictOldest => {
            let oldest = || all.uids_of(user).first().copied();
            ghost.or_else(oldest).map(|uid| (uid, CloseReason::ConnectionLimit))
        }
    }
}

fn has_room(all: &Connections, user: &str, limits: &Limits) -> bool {
    limits.per_user == 0 || all.count_of(user) < limits.per_user
}

impl Outcome {
    fn let_in(&mut self, admit: Admit, all: &mut Connections) {
        all.add(admit.connection);
        self.let_in.push(admit.answer);
    }
}

#[cfg(test)]
mod tests {
    use super::super::connections::tests::{Nobody, connection};
    use super::*;
    use crate::clock;
    use actix::{Actor, Addr};
    use std::time::Duration;

    /// A user's connections, and who has come so far.
    struct House {
        all: Connections,
        looks: Looks,
        limits: Limits,
        actor: Addr<Nobody>,
        now: u64,
        next: u64,
    }

    impl House {
        fn new(per_user: usize, on_limit: OnLimit) -> House {
            let idle = Duration::ZERO;
            let limits = Limits {
                connects_per_minute: 0,
                per_user,
                on_limit,
                unsent_bytes_total: usize::MAX,
                idle_check: idle,
                idle_timeout: idle,
            };
            let (all, looks) = (Connections::default(), Looks::default());
            // whoever is heard from now on is heard after the ping
            let now = clock::uptime_ms() + 1_000;
            House { all, looks, limits, actor: Nobody.start(), now, next: 1 }
        }

        fn come(&mut self) -> Outcome {
            let connection = connection(self.next, &self.actor);
            self.next += 1;
            let admit = Admit { connection, answer: Box::new(|_| {}) };
            let out = self.looks.ask(admit, &mut self.all, &self.limits, self.now);
            self.check();
            out
        }

        fn wait(&mut self, ms: u64) -> Outcome {
            self.now += ms;
            let out = self.looks.step(&mut self.all, &self.limits, self.now);
            self.check();
            out
        }

        fn leave(&mut self, uid: u64) -> Outcome {
            match self.all.remove(Uid(uid)) {
                Some(_) => self.looks.room_at("u", &mut self.all, &self.limits, self.now),
                None => {
                    self.looks.forget(Uid(uid));
                    Outcome::default()
                }
            }
        }

        /// A sign of life, after the ping.
        fn live(&self, uid: u64) {
            self.all.get(Uid(uid)).unwrap().presence.heard_at(self.now + 1);
        }

        fn check(&self) {
            assert!(self.all.count_of("u") <= self.limits.per_user, "one over the limit");
        }

        fn uids(&self) -> Vec<u64> {
            self.all.uids_of("u").iter().map(|uid| uid.0).collect()
        }
    }

    fn gone(out: &Outcome) -> Vec<(u64, CloseReason)> {
        out.sent_away.iter().map(|(connection, reason)| (connection.place.uid.0, *reason)).collect()
    }

    #[actix::test]
    async fn at_the_limit_the_newcomer_waits_and_is_refused_when_all_are_alive() {
        let mut house = House::new(2, OnLimit::RejectNew);
        assert_eq!((0..2).map(|_| house.come().let_in.len()).sum::<usize>(), 2);
        house.come();
        assert_eq!((house.wait(25).probed.len(), house.looks.waiting()), (2, 1));
        house.live(1);
        let out = house.wait(1_000);
        assert!(out.probed.is_empty(), "they are pinged once");
        assert!(out.refused.is_empty(), "one may still be a ghost");
        house.live(2);
        assert_eq!(house.wait(50).refused.len(), 1, "nothing is left to be waited for");
        assert_eq!((house.uids(), house.looks.waiting()), (vec![1, 2], 0));
    }

    #[actix::test]
    async fn a_ghost_goes_and_the_newcomer_is_let_in() {
        let mut house = House::new(2, OnLimit::RejectNew);
        (0..3).for_each(|_| drop(house.come()));
        house.live(1);
        assert!(house.wait(1_999).let_in.is_empty());
        let out = house.wait(1);
        assert_eq!((gone(&out), out.let_in.len()), (vec![(2, CloseReason::PingTimeout)], 1));
        assert_eq!(house.uids(), [1, 3]);
    }

    #[actix::test]
    async fn where_the_oldest_would_go_a_ghost_goes_first() {
        let mut house = House::new(2, OnLimit::EvictOldest);
        (0..3).for_each(|_| drop(house.come()));
        house.live(1);
        let out = house.wait(2_000);
        assert_eq!(gone(&out), [(2, CloseReason::ConnectionLimit)]);
        (0..2).for_each(|_| drop(house.come()));
        house.live(1);
        house.live(3);
        let out = house.wait(50);
        assert_eq!(gone(&out), [(1, CloseReason::ConnectionLimit), (3, CloseReason::ConnectionLimit)]);
        assert_eq!(house.uids(), [4, 5]);
    }

    #[actix::test]
    async fn as_many_ghosts_go_as_others_come_and_who_comes_beyond_is_refused() {
        let mut house = House::new(3, OnLimit::RejectNew);
        (0..8).for_each(|_| drop(house.come()));
        house.live(2);
        let out = house.wait(2_000);
        assert_eq!((out.let_in.len(), out.refused.len()), (2, 3));
        assert_eq!(house.uids(), [2, 4, 5]);
        (0..2).for_each(|_| drop(house.come()));
        assert_eq!(gone(&house.wait(2_000)).len(), 2, "two are enough, and one more ghost stays");
    }

    #[actix::test]
    async fn who_leaves_meanwhile_makes_room_at_once_and_who_waited_may_leave_too() {
        let mut house = House::new(1, OnLimit::RejectNew);
        (0..4).for_each(|_| drop(house.come()));
        house.leave(2);
        assert_eq!(house.looks.waiting(), 2);
        let out = house.leave(1);
        assert_eq!((out.let_in.len(), out.refused.len()), (1, 1), "nobody is left who could be a ghost");
        assert_eq!((house.uids(), house.looks.of.len()), (vec![3], 0));
        house.come();
        house.leave(5);
        assert_eq!(house.looks.of.len(), 0);
    }

    #[actix::test]
    async fn those_who_wait_are_bounded() {
        let mut house = House::new(1, OnLimit::EvictOldest);
        let outcomes: Vec<Outcome> = (0..MAX_WAITING + 11).map(|_| house.come()).collect();
        assert_eq!(house.looks.waiting(), MAX_WAITING);
        assert_eq!(outcomes.iter().map(|out| out.overflowed).sum::<u64>(), 10);
        let out = house.wait(2_000);
        assert_eq!((out.let_in.len(), out.sent_away.len()), (MAX_WAITING, MAX_WAITING));
    }
}
