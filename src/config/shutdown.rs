//! `[shutdown]`: how the hub goes down.

use super::error::Wrong;
use super::setting::{Rules, section};

section! {
    /// How the hub goes down after SIGTERM or SIGINT.
    pub struct Shutdown = "shutdown" {
        /// The hub has ended by then. The default leaves a margin under the 30 s after which Kubernetes kills.
        grace_ms: u64 = 25_000, unit("ms"), range(1, 3_600_000);
        /// How long new connections are still taken while readiness is 503 already: what a load balancer needs to
        /// notice it.
        drain_delay_ms: u64 = 0, unit("ms"), range(0, 3_600_000);
        /// How many sockets are closed in a second (more where the grace time would not do), so that they do not
        /// all come back to another node at once.
        sockets_per_second: u64 = 1_000, range(1, 10_000_000);
    }
}

impl Rules for Shutdown {
    fn rules(&self, wrong: &mut Wrong) {
        if self.drain_delay_ms > 0 && self.drain_delay_ms >= self.grace_ms {
            wrong.at(
                "drain_delay_ms",
                format!(
                    "{} leaves no time to close sockets: it is less than shutdown.grace_ms, which is {}",
                    self.drain_delay_ms, self.grace_ms
                ),
            );
        }
    }
}
