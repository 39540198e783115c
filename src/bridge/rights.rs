//! Whose rights and owner copies a change of the read model moves, on the node that made it and on the others.

use std::collections::HashSet;
use std::sync::Arc;

use super::journal::{ToRegistry, tell};
use crate::auth::Participation;
use crate::events::route::{campaign_room, owner_alias, user_room};
use crate::events::server::{Room, lost_right};
use crate::rooms::ledger::{Claim, Withdrawn};
use crate::rooms::registry::FromStore;
use crate::store::{AccessChange, AccessNow};

/// Who owned a campaign before a change, and what else the store knows of him now.
pub type Previous<'a> = Option<(&'a str, Participation)>;

/// A campaign belongs to somebody else, or to nobody.
pub fn owner_changed(registry: &ToRegistry, campaign: &str, previous: Previous<'_>, owner: Option<&str>) {
    move_copies(registry, campaign, owner);
    let Some((user, part)) = previous.filter(|(user, _)| owner != Some(user)) else { return };
    if part != Participation::Active {
        withdraw(registry, campaign, user, part == Participation::Unknown);
    }
}

/// A campaign is gone, and with it what the store gave to anybody but these.
pub fn deleted(registry: &ToRegistry, campaign: &str, previous: Previous<'_>, but: HashSet<Arc<str>>) {
    tell(registry, FromStore::Withdrawn(lost(campaign, None, but, true)));
    if let Some((user, Participation::Removed)) = previous {
        withdraw(registry, campaign, user, false);
    }
}

/// A user takes part, or was removed.
pub fn participant_changed(
    registry: &ToRegistry,
    campaign: &str,
    user: &str,
    owner: Option<&str>,
    part: Participation,
) {
    if owner.is_none() {
        let (alias, room) = (owner_alias(campaign), user_room(user));
        let counts = part != Participation::Removed;
        tell(registry, FromStore::Claim(Claim { alias, room, counts }));
    }
    if owner != Some(user) && part != Participation::Active {
        withdraw(registry, campaign, user, part == Participation::Unknown);
    }
}

/// The owner's copies go to somebody else, or to nobody.
pub fn move_copies(registry: &ToRegistry, campaign: &str, to: Option<&str>) {
    tell(registry, FromStore::AliasMoved { alias: owner_alias(campaign), to: to.map(user_room) });
}

/// Another node has changed something; `now` is what the store has said since.
pub fn changed_elsewhere(registry: &ToRegistry, change: &AccessChange, now: AccessNow) {
    let AccessNow { owner, part, participants } = now;
    let owner = owner.as_deref();
    match change {
        AccessChange::Revoked { .. } => {}
        AccessChange::Participant { campaign, user } => {
            participant_changed(registry, campaign, user, owner, part);
        }
        AccessChange::Owner { campaign, previous } => {
            owner_changed(registry, campaign, previous.as_deref().map(|user| (user, part)), owner);
        }
        AccessChange::Deleted { campaign, previous } => {
            move_copies(registry, campaign, owner);
            let but = participants.iter().map(String::as_str).chain(owner).map(Arc::from).collect();
            let previous = previous.as_deref().filter(|user| owner != Some(user)).map(|user| (user, part));
            deleted(registry, campaign, previous, but);
        }
    }
}

fn withdraw(registry: &ToRegistry, campaign: &str, from: &str, claims_stand: bool) {
    let lost = lost(campaign, Some(from), HashSet::new(), claims_stand);
    tell(registry, FromStore::Withdrawn(lost));
}

fn lost(campaign: &str, from: Option<&str>, but: HashSet<Arc<str>>, claims_stand: bool) -> Withdrawn {
    let told = Arc::new(lost_right(Room::Campaign { campaign_id: campaign }));
    Withdrawn { room: campaign_room(campaign), from: from.map(Into::into), but, claims_stand, told }
}
