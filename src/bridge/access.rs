//! What nodes change in who may what. A revoked token is refused, and its sockets closed, at once on the node that
//! is told and within about a second on all others, which read the store's line of changes; so rights that one
//! node's read model loses leave the others' sockets. Nothing of it is read when a client connects.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use super::journal::ToRegistry;
use super::rights::changed_elsewhere;
use crate::auth::Revocations;
use crate::clock::Millis;
use crate::rooms::manager::Review;
use crate::store::{AccessChange, AccessChanges, Store, StoreError};

/// Between two looks at the line of changes.
const LOOK: Duration = Duration::from_millis(500);
/// Until a store that could not say is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Makes revocations count on this node.
#[derive(Clone)]
pub struct Revoker {
    /// What tokens are checked against.
    pub revocations: Arc<Revocations>,
    /// Knows whose sockets are here.
    pub manager: Recipient<Review>,
}

impl Revoker {
    /// Refuses tokens of `user` that were issued until `before` from now on, and lets the sockets that hold such
    /// go. `answer` is told how many.
    pub fn revoke(&self, user: &str, before: Millis, answer: impl FnOnce(usize) + Send + 'static) {
        // first what new sockets are checked against: one that comes in between is seen by the one or the other
        self.revocations.add(user, before);
        self.manager.do_send(Review { user: user.into(), before, answer: Box::new(answer) });
    }

    /// Heard from the store: what is known already was acted on.
    fn hear(&self, user: &str, before: Millis) {
        if self.revocations.add(user, before) {
            self.manager.do_send(Review { user: user.into(), before, answer: Box::new(drop) });
        }
    }
}

/// Reads what other nodes have changed.
pub struct AccessFeed {
    store: Store,
    revoker: Revoker,
    registry: ToRegistry,
    seen: i64,
    asking: bool,
}

impl AccessFeed {
    /// A feed of what comes behind `seen` in the line.
    pub fn new(store: Store, revoker: Revoker, registry: ToRegistry, seen: i64) -> AccessFeed {
        AccessFeed { store, revoker, registry, seen, asking: false }
    }

    /// Asks for what is new, unless an answer is still to come.
    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.asking || !self.store.is_up() {
            return;
        }
        self.asking = true;
        let feed = ctx.address();
        self.store.access_changes(self.seen, move |changes| feed.do_send(Found(changes)));
    }

    /// Acts on what is new. For what is about campaigns the store is asked once how things stand now.
    fn hear(&self, list: Vec<AccessChange>, ctx: &mut Context<Self>) {
        let (revoked, changes): (Vec<_>, Vec<_>) =
            list.into_iter().partition(|change| matches!(change, AccessChange::Revoked { .. }));
        for change in revoked {
            if let AccessChange::Revoked { user, before } = change {
                self.revoker.hear(&user, before);
            }
        }
        if !changes.is_empty() {
            self.judge(changes, ctx);
        }
    }

    fn judge(&self, changes: Vec<AccessChange>, ctx: &mut Context<Self>) {
        let (registry, feed) = (Arc::clone(&self.registry), ctx.address());
        self.store.access_now(changes.clone(), move |now| match now {
            Ok(now) => {
                let known = changes.iter().zip(now).filter_map(|(change, now)| Some((change, now?)));
                known.for_each(|(change, now)| changed_elsewhere(&registry, change, now));
            }
            Err(_) => feed.do_send(Again(changes)),
        });
    }
}

/// The store could not say how things stand: it is asked again.
#[derive(Message)]
#[rtype(result = "()")]
struct Again(Vec<AccessChange>);

impl Handler<Again> for AccessFeed {
    type Result = ();

    fn handle(&mut self, Again(changes): Again, ctx: &mut Context<Self>) {
        ctx.run_later(AGAIN, |feed, ctx| feed.judge(changes, ctx));
    }
}

impl Actor for AccessFeed {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(LOOK, Self::look);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Found(Result<AccessChanges, StoreError>);

impl Handler<Found> for AccessFeed {
    type Result = ();

    /// What could not be read is found by a later look: the line keeps it.
    fn handle(&mut self, Found(changes): Found, ctx: &mut Context<Self>) {
        self.asking = false;
        let Ok(AccessChanges { list, seen, more }) = changes else { return };
        self.seen = seen;
        self.hear(list, ctx);
        if more {
            self.look(ctx);
        }
    }
}
