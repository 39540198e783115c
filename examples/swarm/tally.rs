//! What the clients got, and the table that says it.

use std::time::{Duration, Instant};

use super::Options;
use super::common::number;
use super::common::websocket::frame;

/// What the clients have got.
pub struct Tally {
    begun: Instant,
    events: usize,
    /// By client and event: whether it came.
    seen: Vec<Vec<bool>>,
    /// By client: the next number if nothing is lost.
    next: Vec<usize>,
    delivered: usize,
    doubled: usize,
    disordered: usize,
    /// Frames that are no event of ours.
    other: usize,
    closed: usize,
    upgraded: usize,
    /// How many are to upgrade.
    upgrades: usize,
    last_event: Instant,
    /// Deliveries by their delay, in tenths of milliseconds; the last counts all that took longer.
    delays: Vec<u32>,
}

impl Tally {
    /// Nothing yet.
    pub fn new(options: &Options, begun: Instant) -> Tally {
        Tally {
            begun,
            events: options.events,
            seen: vec![vec![false; options.events]; options.all()],
            next: vec![0; options.all()],
            delivered: 0,
            doubled: 0,
            disordered: 0,
            other: 0,
            closed: 0,
            upgraded: 0,
            upgrades: options.upgrade,
            last_event: begun,
            delays: vec![0; 1_000_000],
        }
    }

    /// Counts the whole frames in `bytes`; gives their length and whether a ping was among them.
    pub fn count(&mut self, client: usize, bytes: &[u8]) -> (usize, bool) {
        let now = Instant::now();
        let (mut used, mut ping) = (0, false);
        while let Ok(Some((header, len))) = frame(&bytes[used..]) {
            let body = &bytes[used + header..used + header + len];
            used += header + len;
            ping |= self.packet_at(client, body, now);
        }
        (used, ping)
    }

    /// Counts one packet; says whether it is a ping.
    pub fn packet(&mut self, client: usize, packet: &[u8]) -> bool {
        self.packet_at(client, packet, Instant::now())
    }

    fn packet_at(&mut self, client: usize, packet: &[u8], now: Instant) -> bool {
        if packet == b"2" {
            return true;
        }
        match number(packet, b"\"seq\":").zip(number(packet, b"\"sent\":")) {
            Some((seq, sent)) if packet.starts_with(br#"42["campaign:updated",{"#) => {
                self.event(client, seq, sent, now);
            }
            _ => self.other += 1,
        }
        false
    }

    fn event(&mut self, client: usize, seq: usize, sent: usize, now: Instant) {
        self.last_event = now;
        let Some(seen) = self.seen[client].get_mut(seq) else {
            self.other += 1;
            return;
        };
        if std::mem::replace(seen, true) {
            self.doubled += 1;
            return;
        }
        self.delivered += 1;
        if seq < self.next[client] {
            self.disordered += 1;
        }
        self.next[client] = self.next[client].max(seq + 1);
        let at = usize::try_from((now - self.begun).as_micros()).unwrap_or(usize::MAX);
        let slot = (at.saturating_sub(sent) / 100).min(self.delays.len() - 1);
        self.delays[slot] += 1;
    }

    /// The hub closed a connection; says how many it has closed.
    pub fn lose_connection(&mut self) -> usize {
        self.closed += 1;
        self.closed
    }

    /// A client has changed from polling to a websocket.
    pub fn upgrade(&mut self) {
        self.upgraded += 1;
    }

    /// How far a client has come.
    pub fn seen_by(&self, client: usize) -> usize {
        self.next[client]
    }

    /// Events that came, over all clients, repeats not counted.
    pub fn delivered(&self) -> usize {
        self.delivered
    }

    /// Whether every client has had every event.
    pub fn is_complete(&self) -> bool {
        self.delivered == self.events * self.seen.len()
    }

    /// The table.
    pub fn report(&self, published: Instant, publishing: Duration) -> Report {
        let seconds = self.last_event.saturating_duration_since(published).as_secs_f64();
        Report {
            clients: self.seen.len(),
            events: self.events,
            lost: self.events * self.seen.len() - self.delivered,
            doubled: self.doubled,
            disordered: self.disordered,
            other: self.other,
            closed: self.closed,
            upgraded: self.upgraded,
            upgrades: self.upgrades,
            publishing: publishing.as_secs_f64(),
            seconds,
            rate: self.delivered as f64 / seconds.max(1e-6),
            p50: self.delay(0.50),
            p99: self.delay(0.99),
        }
    }

    /// The delay in milliseconds that this share of the deliveries kept under.
    fn delay(&self, share: f64) -> f64 {
        let mut left = (self.delivered as f64 * share) as u64;
        let slot = self.delays.iter().position(|count| {
            let here = u64::from(*count);
            let found = left < here;
            left = left.saturating_sub(here);
            found
        });
        slot.unwrap_or_default() as f64 / 10.0
    }
}

/// The table at the end.
pub struct Report {
    clients: usize,
    events: usize,
    lost: usize,
    doubled: usize,
    disordered: usize,
    other: usize,
    closed: usize,
    upgraded: usize,
    upgrades: usize,
    publishing: f64,
    seconds: f64,
    rate: f64,
    p50: f64,
    p99: f64,
}

impl Report {
    /// Whether each client got each event exactly once, in order, and is still there; and all upgraded that
    /// were to.
    pub fn sound(&self) -> bool {
        self.lost + self.doubled + self.disordered + self.closed == 0 && self.upgraded == self.upgrades
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "clients            {:>12}", self.clients)?;
        writeln!(f, "upgraded meanwhile {:>12}", self.upgraded)?;
        writeln!(f, "events             {:>12}", self.events)?;
        writeln!(f, "lost               {:>12}", self.lost)?;
        writeln!(f, "doubled            {:>12}", self.doubled)?;
        writeln!(f, "out of order       {:>12}", self.disordered)?;
        writeln!(f, "other frames       {:>12}", self.other)?;
        writeln!(f, "connections lost   {:>12}", self.closed)?;
        writeln!(f, "published in       {:>12.2} s", self.publishing)?;
        writeln!(f, "delivered in       {:>12.2} s", self.seconds)?;
        writeln!(f, "deliveries         {:>12.0} /s", self.rate)?;
        writeln!(f, "delay p50 / p99    {:>12.1} / {:.1} ms", self.p50, self.p99)?;
        if self.closed > 0 {
            writeln!(
                f,
                "who falls limits.unsent_bytes behind is dropped: these readers may have been too slow"
            )?;
        }
        write!(f, "{}", if self.sound() { "each client got each event once and in order" } else { "FAULT" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one client got of three events, as the table says it: lost, doubled, out of order.
    fn faults(got: &[usize]) -> (usize, usize, usize, bool) {
        let options = Options { clients: 1, events: 3, ..Options::default() };
        let mut tally = Tally::new(&options, Instant::now());
        for seq in got {
            let body = format!(r#"42["campaign:updated",{{"campaignId":"swarm","seq":{seq},"sent":5}}]"#);
            let mut bytes = vec![0x81, u8::try_from(body.len()).unwrap()];
            bytes.extend(body.as_bytes());
            // a frame comes in two pieces: the first is no whole one
            assert_eq!(tally.count(0, &bytes[..20]), (0, false));
            assert_eq!(tally.count(0, &bytes), (bytes.len(), false));
        }
        let report = tally.report(Instant::now(), Duration::ZERO);
        (report.lost, report.doubled, report.disordered, report.sound())
    }

    #[test]
    fn each_once_and_in_order_is_sound() {
        assert_eq!(faults(&[0, 1, 2]), (0, 0, 0, true));
    }

    #[test]
    fn lost_doubled_and_disordered_events_are_faults() {
        assert_eq!(faults(&[0, 2]), (1, 0, 0, false));
        assert_eq!(faults(&[0, 1, 2, 2]), (0, 1, 0, false));
        assert_eq!(faults(&[1, 0, 2]), (0, 0, 1, false));
        assert_eq!(faults(&[2, 2, 0]), (1, 1, 1, false));
    }

    #[test]
    fn pings_and_strange_events_are_told_apart() {
        let mut tally = Tally::new(&Options { clients: 1, events: 3, ..Options::default() }, Instant::now());
        assert_eq!(tally.count(0, b"\x81\x012\x81\x0242\x81"), (7, true));
        assert_eq!((tally.other, tally.delivered), (1, 0));
    }
}
