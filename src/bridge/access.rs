//! Revoked tokens: refused and closed at once on the node that is told, within about a second on all others,
//! which read the store's line of changes. Nothing of it is read when a client connects.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::auth::Revocations;
use crate::clock::Millis;
use crate::rooms::manager::Review;
use crate::store::{AccessChange, AccessChanges, Store, StoreError};

/// Between two looks at the line of changes.
const LOOK: Duration = Duration::from_millis(500);

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
    seen: i64,
    asking: bool,
}

impl AccessFeed {
    /// A feed of what comes behind `seen` in the line.
    pub fn new(store: Store, revoker: Revoker, seen: i64) -> AccessFeed {
        AccessFeed { store, revoker, seen, asking: false }
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

    fn hear(&self, change: &AccessChange) {
        match change {
            AccessChange::Revoked { user, before } => self.revoker.hear(user, *before),
        }
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
        list.iter().for_each(|change| self.hear(change));
        self.seen = seen;
        if more {
            self.look(ctx);
        }
    }
}
