//! Who is connected, pure: the [`ConnectionManager`](super::ConnectionManager)'s state.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use smallvec::SmallVec;

use super::Whose;
use super::terms::{Looks, Term};
use crate::clock::Millis;
use crate::close::CloseReason;
use crate::ids::{Place, Sid, Uid};
use crate::socket::{Peer, Presence, Signal};

/// What happens where a user would get one connection too many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnLimit {
    /// The oldest goes.
    EvictOldest,
    /// The new one is refused.
    RejectNew,
}

/// The manager's limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections of a user; 0 is no limit.
    pub per_user: usize,
    /// What happens at it.
    pub on_limit: OnLimit,
    /// How often idle sockets are looked for.
    pub idle_check: Duration,
    /// How long a socket may give no sign of life; zero is for ever.
    pub idle_timeout: Duration,
}

/// A socket whose client has proved who it is.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Where it lives.
    pub place: Place,
    /// Its public name.
    pub id: Sid,
    /// Whose it is.
    pub user: Arc<str>,
    /// When it came, milliseconds since 1970.
    pub connected_at: Millis,
    /// How long what it has shown counts.
    pub term: Term,
    /// When it was last heard, and by what it is carried.
    pub presence: Arc<Presence>,
    /// What the handshake said.
    pub peer: Arc<Peer>,
    /// Its actor.
    pub actor: Recipient<Signal>,
}

/// Who is connected, pure.
#[derive(Debug, Default)]
pub struct Connections {
    all: HashMap<Uid, Connection>,
    /// By user, oldest first.
    users: HashMap<Arc<str>, SmallVec<[Uid; 2]>>,
    /// Who has to be looked at when.
    looks: Looks,
}

impl Connections {
    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many users have one.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.all.values()
    }

    /// Those that are meant. For one socket all are looked at: only operators ask.
    pub fn of(&self, whose: &Whose) -> Vec<&Connection> {
        match whose {
            Whose::Socket(id) => self.all.values().filter(|connection| connection.id == *id).collect(),
            Whose::User(user) => {
                let uids = self.users.get(user).map_or(&[][..], |uids| uids);
                uids.iter().filter_map(|uid| self.all.get(uid)).collect()
            }
        }
    }

    /// Adds a connection within the limit, in one step. Returns the one that has to go for it.
    ///
    /// # Errors
    /// The limit is reached and the new one has to go.
    pub fn add(
        &mut self,
        connection: Connection,
        limits: &Limits,
    ) -> Result<Option<Connection>, CloseReason> {
        let of_user = self.users.entry(Arc::clone(&connection.user)).or_default();
        let full = limits.per_user > 0 && of_user.len() >= limits.per_user;
        if full && limits.on_limit == OnLimit::RejectNew {
            return Err(CloseReason::ConnectionLimit);
        }
        let evicted = if full { Some(of_user.remove(0)) } else { None };
        of_user.push(connection.place.uid);
        self.looks.set(connection.place.uid, connection.term.next_look(connection.connected_at));
        self.all.insert(connection.place.uid, connection);
        Ok(evicted.and_then(|uid| self.take(uid)))
    }

    /// Forgets a connection. Returns whether it was known.
    pub fn remove(&mut self, uid: Uid) -> bool {
        let Some(connection) = self.take(uid) else { return false };
        if let Some(of_user) = self.users.get_mut(&connection.user) {
            of_user.retain(|other| *other != uid);
            if of_user.is_empty() {
                self.users.remove(&connection.user);
            }
        }
        true
    }

    fn take(&mut self, uid: Uid) -> Option<Connection> {
        self.looks.remove(uid);
        self.all.remove(&uid)
    }

    /// A connection has shown something new. Times that were set for the old one do not come any more.
    pub fn renew(&mut self, uid: Uid, term: Term, now: Millis) {
        let Some(connection) = self.all.get_mut(&uid) else { return };
        connection.term = term;
        self.looks.set(uid, term.next_look(now));
    }

    /// Connections that have to be looked at: what they have shown runs out soon, or has run out.
    pub fn due(&mut self, now: Millis) -> Vec<Connection> {
        let mut due = Vec::new();
        while let Some(uid) = self.looks.take_due(now) {
            let Some(connection) = self.all.get(&uid) else { continue };
            self.looks.set(uid, connection.term.next_look(now));
            due.push(connection.clone());
        }
        due
    }

    /// Connections that have given no sign of life for `timeout_ms`.
    pub fn idle(&self, now: u64, timeout_ms: u64) -> impl Iterator<Item = &Connection> {
        self.all.values().filter(move |connection| connection.presence.last_heard() + timeout_ms < now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::Dialect;
    use actix::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    struct Nobody;
    impl Actor for Nobody {
        type Context = Context<Self>;
    }
    impl Handler<Signal> for Nobody {
        type Result = ();
        fn handle(&mut self, _: Signal, _: &mut Context<Self>) {}
    }

    fn connection(uid: u64, actor: &Addr<Nobody>) -> Connection {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Connection {
            place: Place { worker: 0, slot: uid as u32, uid: Uid(uid) },
            id: Sid::new(0, 0),
            user: "u".into(),
            connected_at: 0,
            term: Term { issued_at: None, warn_at: Some(50), expires_at: 100 },
            presence: Arc::new(Presence::new(Dialect::Plain)),
            peer: Arc::new(Peer { ip, user_agent: None, version: None, token: None }),
            actor: actor.clone().recipient(),
        }
    }

    fn limits(on_limit: OnLimit) -> Limits {
        Limits { per_user: 2, on_limit, idle_check: Duration::ZERO, idle_timeout: Duration::ZERO }
    }

    #[actix::test]
    async fn at_the_limit_the_oldest_goes_or_the_new_one_is_refused() {
        let actor = Nobody.start();
        let mut connections = Connections::default();
        let evict = limits(OnLimit::EvictOldest);
        for uid in 1..=2 {
            assert!(connections.add(connection(uid, &actor), &evict).unwrap().is_none());
        }
        let evicted = connections.add(connection(3, &actor), &evict).unwrap();
        assert_eq!(evicted.map(|old| old.place.uid), Some(Uid(1)));
        let refused = connections.add(connection(4, &actor), &limits(OnLimit::RejectNew));
        assert_eq!(refused.err(), Some(CloseReason::ConnectionLimit));
        assert_eq!((connections.len(), connections.users()), (2, 1));
        assert!(!connections.remove(Uid(1)), "the evicted one is forgotten already");
        assert!(connections.remove(Uid(2)) && connections.remove(Uid(3)));
        assert_eq!((connections.len(), connections.users()), (0, 0));
    }

    #[actix::test]
    async fn operators_name_one_socket_or_all_of_a_user() {
        let actor = Nobody.start();
        let mut connections = Connections::default();
        for uid in 1..=2 {
            connections.add(connection(uid, &actor), &limits(OnLimit::EvictOldest)).unwrap();
        }
        let named = connections.iter().next().unwrap().id;
        assert_eq!(connections.of(&Whose::Socket(named)).len(), 1);
        assert_eq!(connections.of(&Whose::User("u".into())).len(), 2);
        assert!(connections.of(&Whose::User("nobody".into())).is_empty());
    }

    #[actix::test]
    async fn who_is_due_is_told_of_once_and_after_a_renewal_not_for_the_old_times() {
        let actor = Nobody.start();
        let mut connections = Connections::default();
        for uid in 1..=2 {
            connections.add(connection(uid, &actor), &limits(OnLimit::EvictOldest)).unwrap();
        }
        let due = |connections: &mut Connections, now| -> Vec<u64> {
            connections.due(now).iter().map(|connection| connection.place.uid.0).collect()
        };
        assert!(due(&mut connections, 49).is_empty());
        connections.renew(Uid(1), Term { issued_at: None, warn_at: None, expires_at: 200 }, 49);
        assert_eq!((due(&mut connections, 60), due(&mut connections, 60)), (vec![2], vec![]));
        assert_eq!(due(&mut connections, 150), [2]);
        connections.remove(Uid(2));
        assert_eq!(due(&mut connections, 250), [1]);
        connections.renew(Uid(2), Term::default(), 250); // gone meanwhile
        assert!(due(&mut connections, 1_000).is_empty());
        assert_eq!(due(&mut connections, 1_250), [1], "still there");
    }
}
