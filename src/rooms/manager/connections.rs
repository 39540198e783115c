//! Who is connected, pure: the [`ConnectionManager`](super::ConnectionManager)'s state.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use smallvec::SmallVec;

use super::Whose;
use super::terms::{Reviews, Term};
use crate::clock::Millis;
use crate::ids::{Place, Sid, Uid};
use crate::rooms::roll::lowest;
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
    /// Connects of a user in a minute; 0 is no limit.
    pub connects_per_minute: u64,
    /// Connections of a user; 0 is no limit.
    pub per_user: usize,
    /// What happens at it.
    pub on_limit: OnLimit,
    /// Bytes that may wait for all sockets together.
    pub unsent_bytes_total: usize,
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
    /// In the order of their numbers, so that a list can be read in parts while they come and go.
    all: BTreeMap<Uid, Connection>,
    /// By user, oldest first.
    users: HashMap<Arc<str>, SmallVec<[Uid; 2]>>,
    /// Who has to look at what it has shown, and when.
    reviews: Reviews,
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

    /// Numbers of connections greater than `after`: the `most` smallest, in order.
    pub fn some(&self, after: Option<Uid>, most: usize) -> Vec<Uid> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.all.range((from, Bound::Unbounded)).take(most).map(|(uid, _)| *uid).collect()
    }

    /// The same of one user.
    pub fn some_of(&self, user: &str, after: Option<Uid>, most: usize) -> Vec<Uid> {
        lowest(self.uids_of(user).iter().copied(), after, most)
    }

    /// Those that are meant. For one socket all are looked at: only operators ask.
    pub fn of(&self, whose: &Whose) -> Vec<&Connection> {
        match whose {
            Whose::Socket(id) => self.all.values().filter(|connection| connection.id == *id).collect(),
            Whose::User(user) => self.uids_of(user).iter().filter_map(|uid| self.all.get(uid)).collect(),
        }
    }

    /// How many a user has.
    pub fn count_of(&self, user: &str) -> usize {
        self.users.get(user).map_or(0, SmallVec::len)
    }

    /// The numbers of a user's, oldest first.
    pub fn uids_of(&self, user: &str) -> &[Uid] {
        self.users.get(user).map_or(&[], |uids| uids)
    }

    /// One of them.
    pub fn get(&self, uid: Uid) -> Option<&Connection> {
        self.all.get(&uid)
    }

    /// Adds a connection; whether there is room for it was asked in the same step.
    pub fn add(&mut self, connection: Connection) {
        let uid = connection.place.uid;
        self.users.entry(Arc::clone(&connection.user)).or_default().push(uid);
        self.reviews.set(uid, connection.term.next_review(connection.connected_at));
        self.all.insert(uid, connection);
    }

    /// Forgets a connection, and gives it where it was known.
    pub fn remove(&mut self, uid: Uid) -> Option<Connection> {
        let connection = self.take(uid)?;
        if let Some(of_user) = self.users.get_mut(&connection.user) {
            of_user.retain(|other| *other != uid);
            if of_user.is_empty() {
                self.users.remove(&connection.user);
            }
        }
        Some(connection)
    }

    fn take(&mut self, uid: Uid) -> Option<Connection> {
        self.reviews.remove(uid);
        self.all.remove(&uid)
    }

    /// A connection has shown something new. Times that were set for the old one do not come any more.
    pub fn renew(&mut self, uid: Uid, term: Term, now: Millis) {
        let Some(connection) = self.all.get_mut(&uid) else { return };
        connection.term = term;
        self.reviews.set(uid, term.next_review(now));
    }

    /// Connections that have to be looked at: what they have shown runs out soon, or has run out.
    pub fn due(&mut self, now: Millis) -> Vec<Connection> {
        let mut due = Vec::new();
        while let Some(uid) = self.reviews.take_due(now) {
            let Some(connection) = self.all.get(&uid) else { continue };
            self.reviews.set(uid, connection.term.next_review(now));
            due.push(connection.clone());
        }
        due
    }

    /// Those furthest behind, until what waits for them is `bytes` or all have been named.
    pub fn furthest_behind(&self, bytes: usize) -> Vec<&Connection> {
        let behind = |connection: &&Connection| connection.presence.unsent() > 0;
        let mut all: Vec<_> = self.all.values().filter(behind).collect();
        all.sort_by_cached_key(|connection| Reverse(connection.presence.unsent()));
        let mut named = 0;
        let goes = |connection: &&Connection| {
            let goes = named < bytes;
            named += connection.presence.unsent();
            goes
        };
        all.into_iter().take_while(goes).collect()
    }

    /// Connections that have given no sign of life for `timeout_ms`.
    pub fn idle(&self, now: u64, timeout_ms: u64) -> impl Iterator<Item = &Connection> {
        self.all.values().filter(move |connection| connection.presence.last_heard() + timeout_ms < now)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::protocol::frame::Dialect;
    use actix::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    /// An actor of a socket that does nothing.
    pub struct Nobody;
    impl Actor for Nobody {
        type Context = Context<Self>;
    }
    impl Handler<Signal> for Nobody {
        type Result = ();
        fn handle(&mut self, _: Signal, _: &mut Context<Self>) {}
    }

    pub fn connection(uid: u64, actor: &Addr<Nobody>) -> Connection {
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

    #[actix::test]
    async fn connections_are_counted_by_user_oldest_first_until_they_are_gone() {
        let actor = Nobody.start();
        let mut connections = Connections::default();
        (1..=3).for_each(|uid| connections.add(connection(uid, &actor)));
        assert!(connections.remove(Uid(1)).is_some());
        assert!(connections.remove(Uid(1)).is_none(), "it is forgotten already");
        assert_eq!(connections.uids_of("u"), [Uid(2), Uid(3)]);
        assert_eq!((connections.len(), connections.users(), connections.count_of("u")), (2, 1, 2));
        assert!(connections.remove(Uid(2)).is_some() && connections.remove(Uid(3)).is_some());
        assert_eq!((connections.len(), connections.users(), connections.count_of("u")), (0, 0, 0));
    }

    #[actix::test]
    async fn those_furthest_behind_are_named_first_and_no_more_than_needed() {
        let (actor, metrics) = (Nobody.start(), crate::metrics::Metrics::new());
        let mut connections = Connections::default();
        for (uid, unsent) in [(1, 10), (2, 0), (3, 500), (4, 30)] {
            let connection = connection(uid, &actor);
            connection.presence.waits(unsent, &metrics);
            connections.add(connection);
        }
        let named = |bytes| -> Vec<u64> {
            let behind = connections.furthest_behind(bytes);
            behind.iter().map(|connection| connection.place.uid.0).collect()
        };
        assert_eq!(named(0), [0_u64; 0]);
        assert_eq!(named(400), [3]);
        assert_eq!(named(501), [3, 4]);
        assert_eq!(named(10_000), [3, 4, 1], "who is not behind stays");
    }

    #[actix::test]
    async fn operators_name_one_socket_or_all_of_a_user() {
        let actor = Nobody.start();
        let mut connections = Connections::default();
        (1..=2).for_each(|uid| connections.add(connection(uid, &actor)));
        let named = connections.iter().next().unwrap().id;
        assert_eq!(connections.of(&Whose::Socket(named)).len(), 1);
        assert_eq!(connections.of(&Whose::User("u".into())).len(), 2);
        assert!(connections.of(&Whose::User("nobody".into())).is_empty());
    }

    #[actix::test]
    async fn who_is_due_is_told_of_once_and_after_a_renewal_not_for_the_old_times() {
        let actor = Nobody.start();
        let mut connections = Connections::default();
        (1..=2).for_each(|uid| connections.add(connection(uid, &actor)));
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

    #[actix::test]
    async fn connections_are_read_in_parts_by_their_numbers_all_of_them_and_a_users() {
        let actor = Nobody.start();
        let mut connections = Connections::default();
        for uid in [5, 1, 4, 2, 3] {
            let user = if uid % 2 == 0 { "even" } else { "odd" };
            connections.add(Connection { user: user.into(), ..connection(uid, &actor) });
        }
        let numbers = |uids: Vec<Uid>| uids.into_iter().map(|uid| uid.0).collect::<Vec<_>>();
        assert_eq!(numbers(connections.some(None, 2)), [1, 2]);
        connections.remove(Uid(2)); // the last of the page before may have gone
        assert_eq!(numbers(connections.some(Some(Uid(2)), 2)), [3, 4]);
        assert_eq!(numbers(connections.some(Some(Uid(4)), 2)), [5]);
        assert_eq!(numbers(connections.some_of("odd", None, 2)), [1, 3]);
        assert_eq!(numbers(connections.some_of("odd", Some(Uid(3)), 2)), [5]);
        assert!(connections.some_of("nobody", None, 2).is_empty());
    }
}
