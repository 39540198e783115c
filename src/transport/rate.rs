//! How many handshakes an address may make in a minute, in one table for all workers.
//!
//! The table is bounded: where it is full, addresses that are not in it share a few buckets, so that whoever has
//! many addresses can neither fill the memory nor get past the limit.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};

use super::address::network;

/// Addresses that have a bucket of their own: some megabytes.
const MAX_KNOWN: usize = 65_536;
/// Buckets for all the others, when there are more.
const SHARED: usize = 1_024;

/// See the module.
pub struct HandshakeRate<C: Clock = DefaultClock> {
    /// Without one nothing is limited.
    limiter: Option<RateLimiter<IpAddr, Table, C, NoOpMiddleware<C::Instant>>>,
    clock: C,
}

impl<C: Clock + Clone + Default> HandshakeRate<C> {
    /// So many a minute from one address, all at once if it likes; 0 is no limit.
    pub fn new(per_minute: u32) -> HandshakeRate<C> {
        let clock = C::default();
        let limiter = NonZeroU32::new(per_minute)
            .map(|n| RateLimiter::new(Quota::per_minute(n), Table::default(), clock.clone()));
        HandshakeRate { limiter, clock }
    }

    /// Counts a handshake of this address in.
    ///
    /// # Errors
    /// It is one too many; the time until the next is allowed.
    pub fn check(&self, address: IpAddr) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check_key(&network(address)).map_err(|denied| denied.wait_time_from(self.clock.now()))
    }

    /// Forgets addresses that have not been here for so long that it makes no difference.
    pub fn shrink(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
        }
    }

    #[cfg(test)]
    fn known(&self) -> usize {
        self.limiter.as_ref().map_or(0, RateLimiter::len)
    }
}

/// When each address may come again, as governor counts it.
struct Table(Mutex<Buckets>);

struct Buckets {
    known: HashMap<IpAddr, Nanos>,
    shared: Box<[Option<Nanos>]>,
    hasher: RandomState,
}

impl Default for Table {
    fn default() -> Table {
        let shared = vec![None; SHARED].into_boxed_slice();
        Table(Mutex::new(Buckets { known: HashMap::new(), shared, hasher: RandomState::new() }))
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Table {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, address: &IpAddr, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut buckets = self.lock();
        if let Some(known) = buckets.known.get_mut(address) {
            let (outcome, next) = decide(Some(*known))?;
            *known = next;
            return Ok(outcome);
        }
        if buckets.known.len() < MAX_KNOWN {
            let (outcome, next) = decide(None)?;
            buckets.known.insert(*address, next);
            return Ok(outcome);
        }
        let at = buckets.hasher.hash_one(address) as usize % SHARED;
        let (outcome, next) = decide(buckets.shared[at])?;
        buckets.shared[at] = Some(next);
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<IpAddr> for Table {
    fn retain_recent(&self, drop_below: Nanos) {
        let known = &mut self.lock().known;
        known.retain(|_, next| *next > drop_below);
        if known.len() < known.capacity() / 4 {
            known.shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        self.lock().known.len()
    }

    fn is_empty(&self) -> bool {
        self.lock().known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn rate(per_minute: u32) -> HandshakeRate<FakeRelativeClock> {
        HandshakeRate::new(per_minute)
    }

    fn v4(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(n))
    }

    fn allowed(rate: &HandshakeRate<FakeRelativeClock>, address: IpAddr, tries: usize) -> usize {
        (0..tries).filter(|_| rate.check(address).is_ok()).count()
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back_with_time() {
        let rate = rate(60);
        assert_eq!(allowed(&rate, v4(1), 100), 60);
        assert_eq!(rate.check(v4(1)), Err(Duration::from_secs(1)));
        assert_eq!(allowed(&rate, v4(2), 100), 60);
        rate.clock.advance(Duration::from_secs(5));
        assert_eq!(allowed(&rate, v4(1), 100), 5);
        assert_eq!(allowed(&self::rate(0), v4(1), 1_000), 1_000);
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_and_those_of_another_do_not() {
        let rate = rate(10);
        let v6 = |text: &str| IpAddr::V6(text.parse::<Ipv6Addr>().unwrap());
        assert_eq!(allowed(&rate, v6("2001:db8:0:1::1"), 6), 6);
        assert_eq!(allowed(&rate, v6("2001:db8:0:1:ffff::2"), 6), 4);
        assert_eq!(allowed(&rate, v6("2001:db8:0:2::1"), 6), 6);
    }

    #[test]
    fn those_that_are_gone_are_forgotten_and_those_that_are_not_are_not() {
        let rate = rate(60);
        (0..1_000).for_each(|n| assert_eq!(allowed(&rate, v4(n), 1), 1));
        assert_eq!(allowed(&rate, v4(5_000), 100), 60);
        rate.clock.advance(Duration::from_secs(3));
        rate.shrink();
        assert_eq!(rate.known(), 1);
        assert_eq!(allowed(&rate, v4(5_000), 100), 3);
        rate.clock.advance(Duration::from_secs(100));
        rate.shrink();
        assert_eq!(rate.known(), 0);
    }

    #[test]
    fn more_addresses_than_the_table_holds_are_limited_together() {
        let rate = rate(2);
        let many = MAX_KNOWN as u32 * 2;
        let passed: usize = (0..many).map(|n| allowed(&rate, v4(n), 1)).sum();
        assert_eq!(rate.known(), MAX_KNOWN);
        assert_eq!(passed, MAX_KNOWN + 2 * SHARED);
        // whoever has a bucket of its own still has it
        assert_eq!(allowed(&rate, v4(7), 3), 1);
        rate.clock.advance(Duration::from_secs(120));
        rate.shrink();
        assert_eq!(rate.known(), 0);
    }
}
