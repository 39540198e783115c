//! How many connections may be open, in all and from one address.
//!
//! Two things are counted. A *stream* is a descriptor: every accepted TCP connection until it is closed, whether
//! it carries a websocket, a poll, an API call or nothing yet. A *session* is a client: a websocket or a polled
//! session, from its handshake to its end. A websocket is one session on one stream; a polled session is one
//! session, and its streams come and go.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::IntGauge;

use super::Side;
use super::address::network;

/// HTTP connections that an address may have for each session that it may have: a browser opens six to a host.
const STREAMS_PER_SESSION: usize = 6;
/// Streams on the operators' address; they come out of what is kept back.
pub const OPERATORS: usize = 32;

/// What connections are held to. 0 is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Most {
    /// Sessions in all.
    pub sessions: usize,
    /// Sessions from one address.
    pub sessions_per_address: usize,
    /// Streams in all: what the process's descriptors leave.
    pub streams: usize,
}

impl Most {
    /// Streams from which on no handshake is let in: the last eighth is for sessions that are there (their
    /// polls), the API and refusals.
    pub fn busy(self) -> usize {
        self.streams - self.streams / 8
    }
}

/// Why no more are let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// All sessions are taken.
    Sessions,
    /// Those of this address are.
    Address,
    /// Descriptors run short.
    Streams,
}

/// See the module.
#[derive(Debug)]
pub struct Capacity {
    most: Most,
    sessions: AtomicUsize,
    streams: AtomicUsize,
    operators: AtomicUsize,
    /// Streams of both sides, as operators see them.
    open: IntGauge,
    /// Only where addresses are limited; an address without connections has no entry.
    addresses: Mutex<HashMap<IpAddr, Open>>,
}

/// What an address has open.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Open {
    sessions: usize,
    streams: usize,
}

/// A place that is taken; given back when this is dropped.
#[derive(Debug)]
pub struct Place {
    capacity: Arc<Capacity>,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// And one of its address, where addresses are limited.
    Session(Option<IpAddr>),
    Stream(Side),
    StreamOf(IpAddr),
}

impl Capacity {
    /// Nobody is here yet.
    pub fn new(most: Most, open: IntGauge) -> Arc<Capacity> {
        let zero = AtomicUsize::default;
        let (sessions, streams, operators) = (zero(), zero(), zero());
        Arc::new(Capacity { most, sessions, streams, operators, open, addresses: Mutex::default() })
    }

    /// A TCP connection was accepted.
    ///
    /// # Errors
    /// There is no room even to refuse it something.
    pub fn stream(self: &Arc<Self>, side: Side) -> Result<Place, Full> {
        let (count, most) = match side {
            Side::Public => (&self.streams, self.most.streams),
            Side::Operators => (&self.operators, OPERATORS),
        };
        count_in(count, most).map_err(|()| Full::Streams)?;
        self.open.inc();
        Ok(self.place(What::Stream(side)))
    }

    /// The connection comes from this peer, for whom nobody else stands.
    ///
    /// # Errors
    /// It has too many, of which none is a websocket.
    pub fn stream_of(self: &Arc<Self>, peer: IpAddr) -> Result<Option<Place>, Full> {
        if self.most.sessions_per_address == 0 {
            return Ok(None);
        }
        let peer = network(peer);
        let most = self.most.sessions_per_address.saturating_mul(STREAMS_PER_SESSION);
        self.count_address(peer, most, |open| &mut open.streams)?;
        Ok(Some(self.place(What::StreamOf(peer))))
    }

    /// A client of this address wants to begin a session.
    ///
    /// # Errors
    /// It may not.
    pub fn session(self: &Arc<Self>, side: Side, address: IpAddr) -> Result<Option<Place>, Full> {
        if side == Side::Operators {
            return Ok(None); // their streams are counted, each of which may carry one
        }
        if self.is_busy() {
            return Err(Full::Streams);
        }
        count_in(&self.sessions, self.most.sessions).map_err(|()| Full::Sessions)?;
        let mut place = self.place(What::Session(None));
        if self.most.sessions_per_address > 0 {
            let address = network(address);
            self.count_address(address, self.most.sessions_per_address, |open| &mut open.sessions)?;
            place.what = What::Session(Some(address));
        }
        Ok(Some(place))
    }

    /// Whether descriptors run short.
    pub fn is_busy(&self) -> bool {
        self.most.streams > 0 && self.streams.load(Ordering::Relaxed) >= self.most.busy()
    }

    fn place(self: &Arc<Self>, what: What) -> Place {
        Place { capacity: Arc::clone(self), what }
    }

    fn addresses(&self) -> MutexGuard<'_, HashMap<IpAddr, Open>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_address(
        &self,
        address: IpAddr,
        most: usize,
        which: fn(&mut Open) -> &mut usize,
    ) -> Result<(), Full> {
        let mut addresses = self.addresses();
        let count = which(addresses.entry(address).or_default());
        if *count >= most {
            return Err(Full::Address); // who has that many has an entry anyway
        }
        *count += 1;
        Ok(())
    }

    fn give_back_address(&self, address: IpAddr, which: fn(&mut Open) -> &mut usize) {
        let mut addresses = self.addresses();
        let Some(open) = addresses.get_mut(&address) else { return };
        let count = which(open);
        *count = count.saturating_sub(1);
        if *open == Open::default() {
            addresses.remove(&address);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let capacity = &self.capacity;
        let one_less = |count: &AtomicUsize| {
            count.fetch_sub(1, Ordering::Relaxed);
        };
        match self.what {
            What::Session(address) => {
                one_less(&capacity.sessions);
                if let Some(address) = address {
                    capacity.give_back_address(address, |open| &mut open.sessions);
                }
            }
            What::Stream(side) => {
                capacity.open.dec();
                one_less(if side == Side::Public { &capacity.streams } else { &capacity.operators });
            }
            What::StreamOf(peer) => capacity.give_back_address(peer, |open| &mut open.streams),
        }
    }
}

/// One more, unless there are that many; 0 is no limit.
fn count_in(count: &AtomicUsize, most: usize) -> Result<(), ()> {
    let one_more = |now: usize| (most == 0 || now < most).then_some(now + 1);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).map(drop).map_err(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(most: Most) -> Arc<Capacity> {
        Capacity::new(most, IntGauge::new("open", "open").unwrap())
    }

    fn ip(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    fn session(capacity: &Arc<Capacity>, n: u8) -> Result<Option<Place>, Full> {
        capacity.session(Side::Public, ip(n))
    }

    #[test]
    fn sessions_are_counted_in_all_and_a_place_that_is_given_back_is_free() {
        let capacity = capacity(Most { sessions: 2, ..Most::default() });
        let (first, _second) = (session(&capacity, 1).unwrap(), session(&capacity, 2).unwrap());
        assert_eq!(session(&capacity, 3).unwrap_err(), Full::Sessions);
        drop(first);
        assert!(session(&capacity, 3).is_ok());
    }

    #[test]
    fn sessions_of_one_address_are_counted_apart_and_leave_no_entry() {
        let capacity = capacity(Most { sessions_per_address: 2, sessions: 10, ..Most::default() });
        let places = [session(&capacity, 1).unwrap(), session(&capacity, 1).unwrap()];
        assert_eq!(session(&capacity, 1).unwrap_err(), Full::Address);
        assert!(session(&capacity, 2).is_ok());
        // the refused one and the one that is gone hold nothing
        assert_eq!(capacity.sessions.load(Ordering::Relaxed), 2);
        drop(places);
        assert!(capacity.addresses().is_empty());
    }

    #[test]
    fn an_address_has_some_http_connections_for_each_session() {
        let capacity = capacity(Most { sessions_per_address: 1, ..Most::default() });
        let streams: Vec<_> = (0..STREAMS_PER_SESSION).map(|_| capacity.stream_of(ip(1)).unwrap()).collect();
        assert_eq!(capacity.stream_of(ip(1)).unwrap_err(), Full::Address);
        assert!(capacity.stream_of(ip(2)).is_ok());
        drop(streams);
        assert!(capacity.stream_of(ip(1)).is_ok());
        assert!(capacity.addresses().is_empty());
    }

    #[test]
    fn the_last_eighth_of_the_streams_is_not_for_handshakes() {
        let capacity = capacity(Most { streams: 16, ..Most::default() });
        let mut streams: Vec<_> = (0..13).map(|_| capacity.stream(Side::Public).unwrap()).collect();
        assert!(session(&capacity, 1).is_ok());
        streams.push(capacity.stream(Side::Public).unwrap());
        assert_eq!(session(&capacity, 1).unwrap_err(), Full::Streams);
        streams.extend((0..2).map(|_| capacity.stream(Side::Public).unwrap()));
        assert_eq!(capacity.stream(Side::Public).unwrap_err(), Full::Streams);
        // operators have their own
        assert!(capacity.stream(Side::Operators).is_ok() && capacity.session(Side::Operators, ip(1)).is_ok());
        streams.truncate(13);
        assert!(session(&capacity, 1).is_ok());
    }

    #[test]
    fn without_limits_nothing_is_refused() {
        let capacity = capacity(Most::default());
        let all: Vec<_> = (0..1_000).map(|_| session(&capacity, 1).unwrap()).collect();
        assert!(capacity.stream(Side::Public).is_ok() && capacity.stream_of(ip(1)).unwrap().is_none());
        assert!(capacity.addresses().is_empty());
        drop(all);
    }
}
