//! How the hub and its parts are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::{self, Millis};
use crate::config::health::Part;
use crate::events::server::HubStatus;
use crate::rooms::Permits;
use crate::store::Store;
use crate::transport::Gate;
use crate::transport::gate::Phase;

/// How long after a gap the hub calls itself degraded, in milliseconds.
const GAP_SHOWN_MS: Millis = 60_000;
/// How far events may be behind before the hub calls itself degraded, in milliseconds.
const BEHIND_MS: u64 = 1_000;
/// How long a required part may be missing before the hub is not ready, in milliseconds.
const MISSING_MS: u64 = 5_000;

/// How the hub and its parts are.
pub struct Health {
    gate: Arc<Gate>,
    store: Store,
    /// None where no Redis is configured.
    redis: Option<Link>,
    required: Vec<Part>,
    /// In milliseconds of the uptime.
    last_gap: AtomicI64,
    permits: Permits,
}

/// The link to Redis.
#[derive(Debug, Default)]
struct Link {
    up: AtomicBool,
    lost_at: AtomicI64,
}

impl Health {
    /// A hub whose parts have not been seen yet.
    pub fn new(
        gate: Arc<Gate>,
        store: Store,
        with_redis: bool,
        required: Vec<Part>,
        permits: Permits,
    ) -> Health {
        let redis = with_redis.then(Link::default);
        Health { gate, store, redis, required, last_gap: AtomicI64::new(i64::MIN), permits }
    }

    /// The link to Redis stands.
    pub fn note_redis_up(&self) {
        if let Some(link) = &self.redis {
            link.up.store(true, Ordering::Release);
        }
    }

    /// The link to Redis is lost; nothing has come by it for `silent`.
    pub fn note_redis_lost(&self, silent: Duration) {
        if let Some(link) = &self.redis {
            let lost_at = clock::uptime_ms().saturating_sub(silent.as_millis() as u64);
            link.lost_at.store(lost_at as i64, Ordering::Release);
            link.up.store(false, Ordering::Release);
        }
    }

    /// Events may have been missed.
    pub fn note_gap(&self) {
        self.last_gap.store(clock::uptime_ms() as i64, Ordering::Release);
    }

    /// Where the hub is between start and end.
    pub fn phase(&self) -> Phase {
        self.gate.phase()
    }

    fn redis_up(&self) -> bool {
        self.redis.as_ref().is_none_or(|link| link.up.load(Ordering::Acquire))
    }

    /// The hub's status, as clients are told.
    pub fn status(&self) -> HubStatus {
        // the uptime, since a wall clock that is set back would make a gap last for hours
        let shown_until = self.last_gap.load(Ordering::Acquire).saturating_add(GAP_SHOWN_MS);
        let gap = shown_until > clock::uptime_ms() as i64;
        match self.gate.phase() {
            Phase::Leaving | Phase::Draining => HubStatus::Draining,
            _ if gap || self.is_behind() || !self.redis_up() || !self.store.is_up() => HubStatus::Degraded,
            _ => HubStatus::Operational,
        }
    }

    /// Whether events take longer than a second from their source to the sockets.
    fn is_behind(&self) -> bool {
        self.permits.delay_ms() > BEHIND_MS
    }

    /// `up`, `down`, or `off` where none is configured.
    pub fn redis_word(&self) -> &'static str {
        match &self.redis {
            None => "off",
            Some(_) if self.redis_up() => "up",
            Some(_) => "down",
        }
    }

    /// `up` or `down`.
    pub fn database_word(&self) -> &'static str {
        if self.store.is_up() { "up" } else { "down" }
    }

    /// Whether a part that the hub may not be without has been missing for too long.
    fn misses_a_part(&self) -> bool {
        let long_ago = |at: i64| at.saturating_add(MISSING_MS as i64) <= clock::uptime_ms() as i64;
        self.required.iter().any(|part| match part {
            Part::Database => self.store.missing_ms() >= MISSING_MS,
            Part::Redis => {
                let lost = self.redis.as_ref().map_or(0, |link| link.lost_at.load(Ordering::Acquire));
                !self.redis_up() && long_ago(lost)
            }
        })
    }

    /// Whether connections should be sent here.
    pub fn is_ready(&self) -> bool {
        self.gate.phase() == Phase::Open && !self.misses_a_part()
    }
}
