//! What a fresh token means for the rooms that its socket is in.

use std::sync::Arc;

use super::answers::Target;
use super::campaign::{CampaignSnapshot, right};
use crate::auth::{User, permissions};
use crate::events::route::{SYSTEM_ROOM, owner_alias};
use crate::events::server::{Room, lost_right};
use crate::protocol::frame::Event;
use crate::rooms::RoomName;
use crate::rooms::identity::{Identity, Standing};
use crate::rooms::request::Read;
use crate::store::Store;

/// A client with a fresh token.
pub(super) struct Renewed {
    pub(super) user: Arc<User>,
    pub(super) store: Store,
}

/// The room of this name.
fn target(room: &str) -> Option<Target> {
    match room.split_once(':') {
        Some(("campaign", id)) => Some(Target::Campaign(id.into())),
        Some(("user", id)) => Some(Target::User(id.into())),
        None if room == SYSTEM_ROOM => Some(Target::System),
        _ => None,
    }
}

impl Identity for Renewed {
    fn standing(&self, room: &str) -> Standing {
        let stays = match target(room) {
            Some(Target::Campaign(id)) => {
                return right(&self.user, &id).map_or(Standing::Stays, Standing::Unsure);
            }
            Some(Target::User(id)) => permissions::may_join_user(&self.user, &id),
            Some(Target::System) => permissions::may_join_system(&self.user),
            None => false,
        };
        if stays { Standing::Stays } else { Standing::Lost }
    }

    fn claims(&self, room: &str) -> Option<Vec<RoomName>> {
        let own = room.strip_prefix("user:").is_some_and(|id| *id == *self.user.id);
        own.then(|| self.user.owned.iter().map(|campaign| owner_alias(campaign)).collect())
    }

    fn read(&self, room: &str) -> Option<Box<dyn Read>> {
        let campaign = room.strip_prefix("campaign:")?.into();
        let (store, user) = (self.store.clone(), Arc::clone(&self.user));
        Some(Box::new(CampaignSnapshot { store, campaign, user }))
    }

    fn lost(&self, room: &str) -> Event {
        lost_right(target(room).as_ref().map_or(Room::System, Target::room))
    }
}
