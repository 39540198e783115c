//! Counts kept plain on one thread, and added to the shared counters now and then: the hot path neither
//! looks a label up nor touches another core's memory.

use super::Metrics;

/// Names that are told apart; what comes beyond is `other`, so that labels stay bounded.
const MAX_NAMES: usize = 64;

/// Messages sent by a worker, by name, since they were last added up.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Vec<(Box<str>, u64)>,
    other: u64,
}

impl Tally {
    /// Counts `n` messages of this name.
    pub fn add(&mut self, name: &str, n: u64) {
        match self.counts.iter().position(|(known, _)| **known == *name) {
            Some(at) => self.counts[at].1 += n,
            None if self.counts.len() < MAX_NAMES => self.counts.push((name.into(), n)),
            None => self.other += n,
        }
    }

    /// Adds everything to the shared counters and starts anew.
    pub fn publish(&mut self, metrics: &Metrics) {
        let add = |name: &str, count: &mut u64| {
            if *count > 0 {
                metrics.messages.with_label_values(&[name, "outbound"]).inc_by(std::mem::take(count));
            }
        };
        self.counts.iter_mut().for_each(|(name, count)| add(name, count));
        add("other", &mut self.other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_by_name_and_the_names_are_bounded() {
        let (mut tally, metrics) = (Tally::default(), Metrics::new());
        tally.add("pong", 2);
        tally.add("pong", 3);
        (0..1_000).for_each(|n| tally.add(&format!("name-{n}"), 1));
        tally.publish(&metrics);
        tally.publish(&metrics);
        let count = |name: &str| metrics.messages.with_label_values(&[name, "outbound"]).get();
        assert_eq!(count("pong"), 5);
        assert_eq!(count("other"), 1_000 - (MAX_NAMES as u64 - 1));
    }
}
