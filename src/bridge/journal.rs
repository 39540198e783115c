//! Between the registry and the store: what is to be written, what was, and whose campaigns are whose.

use std::sync::{Arc, OnceLock};

use actix::Recipient;

use crate::auth::permissions::has_campaign_right;
use crate::events::route::{campaign_room, owner_alias, user_room};
use crate::events::server::campaign_status;
use crate::metrics::Metrics;
use crate::rooms::ledger::{AliasLoad, Confirmed, RightsRead, StateRead};
use crate::rooms::registry::{FromStore, Journal};
use crate::rooms::request::{Right, RoomState};
use crate::rooms::{RoomName, State};
use crate::store::{self, CampaignPart, CampaignState, Record, Store};

/// The registry as the store reports to it; set when the registry starts.
pub type ToRegistry = Arc<OnceLock<Recipient<FromStore>>>;

/// Writes what the registry has ordered.
pub struct StoreJournal {
    store: Store,
    registry: ToRegistry,
    metrics: Arc<Metrics>,
}

impl StoreJournal {
    /// A journal in this store.
    pub fn new(store: Store, registry: ToRegistry, metrics: Arc<Metrics>) -> StoreJournal {
        StoreJournal { store, registry, metrics }
    }
}

impl Journal<Record> for StoreJournal {
    fn write(&self, place: u64, record: Record) {
        let forgotten = forgotten(place, &record);
        if !self.store.write(place, record) {
            self.metrics.queue_overflow.with_label_values(&["store_writes"]).inc();
            tell(&self.registry, FromStore::Confirmed(vec![forgotten]));
        }
    }

    /// Campaigns that the store or, where it names nobody, the token gives to a user.
    fn load_aliases(&self, load: AliasLoad) {
        let AliasLoad { room, claims, generation } = load;
        let registry = Arc::clone(&self.registry);
        let Some(user) = room.strip_prefix("user:").map(str::to_owned) else { return };
        let answer = move |names| tell(&registry, FromStore::Aliases { room, generation, names });
        if !self.store.is_up() {
            return answer(None);
        }
        let claimed =
            claims.iter().filter_map(|name| name.strip_prefix("owner:")).map(str::to_owned).collect();
        self.store.owned(&user, claimed, move |owned| {
            answer(owned.ok().map(|campaigns| campaigns.iter().map(|id| owner_alias(id)).collect()));
        });
    }

    fn has_state(&self, room: &str) -> bool {
        room.starts_with("campaign:")
    }

    fn read_state(&self, read: StateRead) {
        let registry = Arc::clone(&self.registry);
        let Some(campaign) = read.room.strip_prefix("campaign:").map(str::to_owned) else { return };
        self.store.campaign(&campaign.clone(), "", move |found| {
            let found = found.ok().map(|found| room_state(campaign, found.row));
            tell(&registry, FromStore::State { read, found });
        });
    }

    /// One read for all the campaigns that a socket is in.
    fn read_rights(&self, read: RightsRead) {
        let RightsRead { uid, number, rights } = read;
        let registry = Arc::clone(&self.registry);
        let answer = move |lost| tell(&registry, FromStore::Rights { uid, number, lost });
        let Some(user) = rights.first().map(|(_, right)| Arc::clone(&right.user)) else { return };
        if !self.store.is_up() {
            return answer(None);
        }
        let id = |(room, _): &(RoomName, Right)| room.strip_prefix("campaign:").unwrap_or(room).to_owned();
        let campaigns = rights.iter().map(id).collect();
        self.store.campaign_parts(&user, campaigns, move |parts| {
            answer(parts.ok().map(|parts| lost(&parts, &rights)));
        });
    }
}

/// The campaigns' rooms that these parts give no right to.
fn lost(parts: &[CampaignPart], rights: &[(RoomName, Right)]) -> Vec<RoomName> {
    let stands =
        |part: &CampaignPart, right: &Right| has_campaign_right(part.owns, part.participant, right.claimed);
    let both = parts.iter().zip(rights);
    both.filter(|(part, (_, right))| !stands(part, right)).map(|(_, (room, _))| Arc::clone(room)).collect()
}

/// What the registry is told of a record that the full queue did not take: what will never be written must not be
/// waited for, and who asked for a change of a campaign has been told that it is not done.
fn forgotten(place: u64, record: &Record) -> Confirmed {
    match record {
        Record::Status { campaign_id, time, .. } => {
            Confirmed::State { room: campaign_room(campaign_id), time: *time, place }
        }
        Record::Notification(_) => Confirmed::Item { place, room: None, mark: None },
        Record::Campaign(_) => Confirmed::Dropped { place },
    }
}

/// What the store holds of a campaign, for all its members.
pub fn room_state(campaign: String, row: Option<CampaignState>) -> RoomState {
    let metadata = row.as_ref().and_then(|row| row.metadata.clone());
    let state = row.and_then(|row| Some(State { time: row.status_at?, value: row.status?.into() }));
    let snapshot = move |state: Option<&State>| campaign_status(&campaign, metadata.as_deref(), state);
    RoomState { state, snapshot: Arc::new(snapshot) }
}

pub(super) fn tell(registry: &ToRegistry, what: FromStore) {
    if let Some(registry) = registry.get() {
        registry.do_send(what);
    }
}

/// Tells the registry what the writer has committed.
pub fn confirm(registry: &ToRegistry, committed: Vec<store::Confirmed>) {
    let confirmed: Vec<Confirmed> = committed.into_iter().map(translate).collect();
    tell(registry, FromStore::Confirmed(confirmed));
}

fn translate(committed: store::Confirmed) -> Confirmed {
    match committed {
        store::Confirmed::Status { campaign_id, time, ticket } => {
            Confirmed::State { room: campaign_room(&campaign_id), time, place: ticket }
        }
        store::Confirmed::Notification { ticket, user, seq, .. } => {
            Confirmed::Item { place: ticket, room: Some(user_room(&user)), mark: Some(seq) }
        }
        store::Confirmed::NotificationWithoutRecipient { ticket } => {
            Confirmed::Item { place: ticket, room: None, mark: None }
        }
        store::Confirmed::Dropped { ticket } => Confirmed::Dropped { place: ticket },
    }
}
