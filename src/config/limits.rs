//! `[limits]`: how much anyone may ask of the hub.

use super::error::Wrong;
use super::setting::{Rules, section};
use super::value::choice;

choice! {
    /// What happens when a user opens one connection too many.
    pub enum OnConnectionLimit {
        /// The oldest connection is closed.
        EvictOldest = "evict_oldest",
        /// The new connection is refused.
        RejectNew = "reject_new",
    }
}

/// What 0 means for a limit.
const OFF: &str = "switches the limit off";

section! {
    /// How much anyone may ask of the hub. 0 switches a limit off.
    pub struct Limits = "limits" {
        /// Connects of one user in a minute; the next is told when to come back. Well above what a person with
        /// many tabs does, well below a client that loops.
        connects_per_user_per_minute: u64 = 100, range(1, 1_000_000), zero(OFF);
        /// Handshakes from one address (IPv6: one /64) in a minute, at once or spread; the next gets 429. High, since
        /// an office or a mobile network can be one address.
        handshakes_per_address_per_minute: u64 = 3_000, range(1, 10_000_000), zero(OFF);
        /// Open connections from one address (IPv6: one /64); the next gets 503. A polled session counts as one. Of
        /// TCP connections that are no websocket an address may have six for each. Off, since a proxy in front that
        /// is not trusted is one address.
        connections_per_address: u64 = 0, range(1, 10_000_000), zero(OFF);
        /// Open connections in all; the next gets 503. Whatever it says, none is let in when descriptors run short:
        /// some are kept back for Redis, the database and files, and of the rest an eighth for polls, API calls and
        /// refusals.
        connections: u64 = 0, range(1, 10_000_000), zero("is as many as the descriptor limit leaves room for");
        /// Messages of one socket in a second, over time; every packet but heartbeats counts. Dropped beyond, and
        /// the socket is disconnected after ten such seconds on end.
        messages_per_second: u64 = 50, range(1, 1_000_000), zero(OFF);
        /// Messages of one socket that may come at once: what a page sends while it loads.
        messages_burst: u64 = 100, range(1, 1_000_000), zero("is only right where messages_per_second is 0 too");
        /// Open connections of one user, in the whole cluster.
        connections_per_user: u64 = 10, range(1, 1_000_000), zero(OFF);
        /// Which one goes when a user has too many connections: the oldest (`evict_oldest`) or the new one
        /// (`reject_new`). Before that all are pinged, and one that gives no sign of life within 2 s goes first.
        on_connection_limit: OnConnectionLimit = OnConnectionLimit::EvictOldest;
        /// Members of one room; the next gets `room_full`.
        room_size: u64 = 50_000, range(1, 100_000_000), zero(OFF);
        /// Rooms that one socket is in; the next gets `room_limit`.
        rooms_per_socket: u64 = 128, range(1, 1_000_000), zero(OFF);
        /// Bytes that one socket has not read yet (one message always fits); beyond, it is closed as too slow.
        unsent_bytes: u64 = 1_048_576, unit("bytes"), range(1_024, 1_099_511_627_776), zero(OFF);
        /// Bytes that all sockets together have not read yet; beyond, those furthest behind are closed first. It
        /// bounds the memory of the process whatever clients do.
        unsent_bytes_total: u64 = 1_073_741_824, unit("bytes"), range(1_024, 1_099_511_627_776), zero(OFF);
        /// How often idle sockets are looked for.
        idle_check_ms: u64 = 300_000, unit("ms"), range(1, 86_400_000), zero(OFF);
        /// How long a socket may give no sign of life (packets, pongs, polls) until it is closed.
        idle_timeout_ms: u64 = 600_000, unit("ms"), range(1, 86_400_000), zero(OFF);
        /// How long the head of a request may take: 408 on a connection's first, a later one is cut off. Against
        /// clients that send a byte now and then, or nothing.
        handshake_timeout_ms: u64 = 10_000, unit("ms"), range(1, 3_600_000), zero(OFF);
        /// Largest head of a request; a larger one gets 431. The HTTP parser itself takes 128 KiB at most.
        header_bytes: u64 = 16_384, unit("bytes"), range(1_024, 131_072), zero(OFF);
        /// How long the body of a request may take; a slower one gets 408. A websocket message that is not whole by
        /// then ends its socket, whatever else it says meanwhile.
        body_timeout_ms: u64 = 30_000, unit("ms"), range(1, 3_600_000), zero(OFF);
        /// Largest body of a request; a larger one gets 413.
        body_bytes: u64 = 1_000_000, unit("bytes"), range(1_024, 1_073_741_824), zero(OFF);
    }
}

impl Rules for Limits {
    fn rules(&self, wrong: &mut Wrong) {
        if self.messages_per_second > 0 && self.messages_burst == 0 {
            wrong.at(
                "messages_burst",
                "is 0, so that no message would ever pass; set it to 1 or more, or \
                 limits.messages_per_second = 0",
            );
        }
        if self.unsent_bytes_total > 0 && self.unsent_bytes > self.unsent_bytes_total {
            wrong.at(
                "unsent_bytes",
                format!(
                    "{} is more than limits.unsent_bytes_total, which is {}",
                    self.unsent_bytes, self.unsent_bytes_total
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(limits: Limits) -> Vec<&'static str> {
        let mut wrong = Wrong::default();
        limits.rules(&mut wrong);
        wrong.0.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        let burst = Limits { messages_burst: 0, ..Limits::default() };
        assert_eq!(wrong(burst.clone()), ["messages_burst"]);
        assert!(wrong(Limits { messages_per_second: 0, ..burst }).is_empty());
        let unsent = Limits { unsent_bytes_total: 2_000, ..Limits::default() };
        assert_eq!(wrong(unsent.clone()), ["unsent_bytes"]);
        assert!(wrong(Limits { unsent_bytes_total: 0, ..unsent }).is_empty());
    }
}
