//! The orderly end: every socket is told, then what waits is written.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use actix_web::web;
use prometheus::IntGauge;
use tokio::time::{Instant, sleep};

use super::Parts;
use crate::rooms::lane::Drain;

/// Until the answers of the last polls are read.
const LAST_ANSWERS: Duration = Duration::from_millis(250);

impl Parts {
    /// Tells every socket that the hub goes down, within the grace time.
    pub(super) async fn drain(&self) {
        let shutdown = &self.config.shutdown;
        self.shared.gate.leave();
        self.stop_relay().await;
        sleep(Duration::from_millis(shutdown.drain_delay_ms)).await;
        self.shared.gate.drain();
        // two thirds of the grace time are for the sockets, the rest for the store
        let most = Duration::from_millis(shutdown.grace_ms.saturating_sub(shutdown.drain_delay_ms) * 2 / 3);
        let sockets = u64::try_from(self.shared.metrics.active.get()).unwrap_or(0);
        log::info!("going down: {sockets} sockets are told");
        self.send_away(sockets, most);
        let end = Instant::now() + most;
        until_none(&self.shared.metrics.active, end).await;
        if sockets > 0 {
            // a client between two polls comes for its last words; the last answers are on their way
            until_none(&self.shared.metrics.last_words, end).await;
            sleep(LAST_ANSWERS.min(most)).await;
        }
    }

    /// All of them within `most`, by as many a second as that needs or as is configured.
    fn send_away(&self, sockets: u64, most: Duration) {
        let needed = sockets * 1_000 / (most.as_millis() as u64).max(1) + 1;
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let in_all = self.config.shutdown.sockets_per_second.max(needed);
        let per_second = in_all / lanes.len().max(1) as u64 + 1;
        let drain = Drain { per_second: u32::try_from(per_second).unwrap_or(u32::MAX) };
        lanes.iter().for_each(|lane| lane.do_send(drain));
    }

    /// Rows of the outbox that come now wait for another hub, or for the next start.
    async fn stop_relay(&self) {
        const TURN: Duration = Duration::from_millis(500);
        let relay = Arc::clone(&self.relay);
        let _ = web::block(move || relay.get().map(|relay| relay.stop(TURN))).await;
    }

    /// Writes what waits to be written, in all of the grace time that is left but what the end itself takes.
    pub(super) async fn flush_store(&self, spent: Duration) {
        const LAST_STEPS: Duration = Duration::from_millis(1_500);
        let store = self.clients.store.clone();
        self.clients.connections.hand_over(&store);
        let grace = Duration::from_millis(self.config.shutdown.grace_ms);
        let limit = grace.saturating_sub(spent + LAST_STEPS.min(grace / 4));
        let written = web::block(move || store.flush(limit)).await;
        if !matches!(written, Ok(true)) {
            log::error!("{} writes were not written in time", self.clients.store.depth());
        }
    }
}

/// Waits until there are none, or for the end.
async fn until_none(of: &IntGauge, end: Instant) {
    while of.get() > 0 && Instant::now() < end {
        sleep(Duration::from_millis(10)).await;
    }
}
