//! `[delivery]`: what may be left out for a slow reader.

use super::error::Wrong;
use super::setting::{Rules, section};
use super::suggest;
use super::value::{list, quoted};

/// The events that go to rooms, from which `latest` chooses.
pub const EVENTS: &[&str] = &[
    "campaign:status",
    "campaign:status_changed",
    "campaign:timer_scheduled",
    "campaign:metrics_updated",
    "campaign:updated",
    "timer:executed",
    "timer:failed",
    "timer:event",
    "system:alert",
    "system:service_status",
    "notification",
];

section! {
    /// What may be left out for a slow reader.
    pub struct Delivery = "delivery" {
        /// Names of events of which only the newest counts: an unsent older one may be replaced by a newer. None by
        /// default: every event reaches every reader, in order.
        latest: Vec<String> = list([]), example("[\"campaign:metrics_updated\"]");
    }
}

impl Rules for Delivery {
    fn rules(&self, wrong: &mut Wrong) {
        for name in self.latest.iter().filter(|name| !EVENTS.contains(&name.as_str())) {
            let advice = match suggest::nearest(name, EVENTS.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known are {}", EVENTS.join(", ")),
            };
            wrong.at("latest", format!("{} is no event that goes to rooms; {advice}", quoted(name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_events_can_be_latest() {
        let mut wrong = Wrong::default();
        Delivery { latest: list(["campaign:metrics_updated", "campaign:metric_updated", "gap"]) }
            .rules(&mut wrong);
        assert_eq!(wrong.0.len(), 2);
        assert!(wrong.0[0].1.ends_with("did you mean \"campaign:metrics_updated\"?"), "{}", wrong.0[0].1);
        assert!(wrong.0[1].1.contains("known are campaign:status,"), "{}", wrong.0[1].1);
    }
}
