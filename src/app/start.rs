//! What has to be there before anybody is let in, and what runs from then on.

use std::sync::Arc;
use std::time::Duration;

use actix::Actor as _;
use actix_web::web;

use super::{AppError, Parts, options};
use crate::bridge::access::AccessFeed;
use crate::bridge::outbox::{Relay, Wires};
use crate::client::Shared as ClientShared;
use crate::store::analytics::Analytics;
use crate::store::retention::Retention;
use crate::store::{AccessChange, AccessChanges, Outbox, Store};

impl Parts {
    /// Brings the schema up to date; waits, with a message, for a database that is not there yet.
    pub(super) async fn migrate(&self) -> Result<(), AppError> {
        let mut last = String::new();
        loop {
            let database = options::store(&self.config);
            let result = web::block(move || Store::migrate(&database)).await;
            match result.map_err(std::io::Error::other)? {
                Ok(_) => return Ok(()),
                Err(error) if error.is_worth_waiting() => {
                    let text = error.to_string();
                    if text != last {
                        log::warn!("waiting: {text}");
                        last = text;
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads which tokens have been revoked, before anybody is let in; waits for the database. Says from where
    /// on the line of changes is to be read.
    pub(super) async fn read_revocations(&self) -> i64 {
        loop {
            let (tell, told) = tokio::sync::oneshot::channel();
            self.clients.store.revocations(move |all| drop(tell.send(all)));
            if let Ok(Ok(all)) = told.await {
                return self.begin_with(all);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    fn begin_with(&self, all: AccessChanges) -> i64 {
        for change in &all.list {
            if let AccessChange::Revoked { user, before } = change {
                self.clients.revocations.add(user, *before);
            }
        }
        self.clients.revocations.know_all();
        all.seen
    }

    /// Reads from now on what other nodes change.
    pub(super) fn start_access_feed(&self, seen: i64) {
        let Some(actors) = self.central.get() else { return };
        let registry = Arc::clone(&self.to_registry);
        AccessFeed::new(self.clients.store.clone(), actors.api.revoker.clone(), registry, seen).start();
    }

    /// Waits for the first subscription.
    pub(super) async fn await_first_link(&self) {
        self.linked.notified().await;
    }

    /// From here on it is written who comes and goes. On this thread, which has little else to do.
    pub(super) fn start_analytics(&self) {
        let ClientShared { connections, store, node, .. } = &*self.clients;
        Analytics::new(connections.clone(), store.clone(), Arc::clone(node)).start();
    }

    /// The threads that work on the store's tables beside the hub.
    pub(super) fn start_store_threads(&self) -> Result<(), AppError> {
        let config = &self.config.store;
        let (database, store) = (options::store(&self.config), self.clients.store.clone());
        let retention = Retention::start(&database, options::keep(&self.config), store.clone())?;
        let _ = self.retention.set(retention);
        // started by the first worker, on its thread
        let Some(actors) = self.central.get() else { return Ok(()) };
        let relay = Relay::start(Wires {
            outbox: Outbox::new(&database),
            store,
            bus: Arc::clone(&actors.api.bus),
            intake: Arc::clone(&actors.api.intake),
            registry: actors.looks.clone(),
            poll: Duration::from_millis(config.outbox_poll_ms),
        })?;
        let _ = self.relay.set(relay);
        Ok(())
    }
}
