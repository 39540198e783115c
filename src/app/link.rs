//! What happens when the link to the source of messages comes and goes.

use std::sync::Arc;

use super::Parts;
use crate::bridge::{LinkEvent, OnLink};
use crate::events::{Stamp, names, server};
use crate::protocol::frame::Event;
use crate::rooms::registry::Gap;

impl Parts {
    /// What happens when the link to the source comes and goes.
    pub(super) fn on_link(&self) -> OnLink {
        let (health, metrics) = (Arc::clone(&self.health), Arc::clone(&self.shared.metrics));
        let (linked, gap_listener) = (Arc::clone(&self.linked), Arc::clone(&self.gap_listener));
        Arc::new(move |event| match event {
            LinkEvent::Up { first } => {
                health.note_redis_up();
                if first {
                    linked.notify_one();
                }
            }
            LinkEvent::Gap { since, until } => {
                health.note_gap();
                metrics.gaps.with_label_values(&["redis"]).inc();
                log::warn!("events may be missing: the link to Redis was away for {} ms", until - since);
                if let Some(listener) = gap_listener.get() {
                    let gap = server::Gap { source: "redis", since: Stamp(since), until: Stamp(until) };
                    listener.do_send(Gap(Arc::new(Event::new(names::GAP, &gap))));
                }
            }
            LinkEvent::Down { reason, silent } => {
                health.note_redis_lost(silent);
                log::warn!("the link to Redis is down: {reason}");
            }
        })
    }
}
