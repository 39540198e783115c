//! Writes the read model, and tells the registry whose rights and owner copies a change moves. It is told on
//! the writer's thread, after the commit and in the order of commits, before whoever asked has his answer.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use smallvec::smallvec;

use super::ask::stored;
use super::error::ApiError;
use crate::auth::Participation;
use crate::bridge::journal::ToRegistry;
use crate::bridge::rights::{self, Previous};
use crate::events::route::campaign_room;
use crate::rooms::registry::Publish;
use crate::rooms::{Permits, Publication, Publications, State};
use crate::store::record::PutReply;
use crate::store::{
    Campaign, CampaignChange, CampaignPut, CampaignWrite, ParticipantChange, Record, Store, StoreError,
};

/// The read model, as the calls see it.
pub struct ReadModel {
    /// Where it is.
    pub store: Store,
    /// Orders a status that is set here among the events.
    pub publisher: actix::Recipient<Publish<Record>>,
    /// Hears whose rights have changed.
    pub registry: ToRegistry,
    /// What may be in flight.
    pub permits: Permits,
    /// How long the database may take.
    pub patience: Duration,
}

impl ReadModel {
    /// A campaign as a whole; none where the store does not know it.
    ///
    /// # Errors
    /// The store cannot answer.
    pub async fn get(&self, id: &str) -> Result<Option<Campaign>, ApiError> {
        stored(self.patience, |reply| self.store.whole_campaign(id, reply)).await
    }

    /// Replaces a campaign, by way of the registry: the status gets its place among the events, so that no
    /// snapshot shows an older one afterwards.
    ///
    /// # Errors
    /// The store cannot answer in time; it may write it later all the same.
    pub async fn put(&self, write: CampaignWrite) -> Result<CampaignChange, ApiError> {
        let (id, registry) = (write.id.clone(), Arc::clone(&self.registry));
        let change = stored(self.patience, |reply| {
            let reply = PutReply::new(move |end: Result<CampaignChange, StoreError>| {
                if let Ok(change) = &end {
                    put_done(&registry, &id, change);
                }
                reply(end);
            });
            let permit = self.permits.take(1, 0);
            self.publisher.do_send(Publish(Publications { list: vec![publication(write, reply)], permit }));
        });
        change.await
    }

    /// Deletes a campaign and who takes part.
    ///
    /// # Errors
    /// As [`ReadModel::put`].
    pub async fn delete(&self, id: &str) -> Result<CampaignChange, ApiError> {
        let (campaign, registry) = (id.to_owned(), Arc::clone(&self.registry));
        let change = stored(self.patience, |reply| {
            self.store.delete_campaign(id, move |end| {
                if let Ok(change) = &end {
                    delete_done(&registry, &campaign, change);
                }
                reply(end);
            });
        });
        change.await
    }

    /// Adds a participant (again), or removes him.
    ///
    /// # Errors
    /// As [`ReadModel::put`].
    pub async fn set_participant(&self, id: &str, user: &str, present: bool) -> Result<(), ApiError> {
        let (campaign, whose, registry) = (id.to_owned(), user.to_owned(), Arc::clone(&self.registry));
        let change = stored(self.patience, |reply| {
            self.store.set_participant(id, user, present, move |end| {
                if let Ok(change) = &end {
                    participant_done(&registry, &campaign, &whose, present, change);
                }
                reply(end);
            });
        });
        change.await.map(drop)
    }
}

/// Nothing for clients: a place in the order, a state and a record.
fn publication(write: CampaignWrite, reply: PutReply) -> Publication<Record> {
    let status = write.status.as_deref().zip(write.status_at);
    Publication {
        event: None,
        rooms: smallvec![campaign_room(&write.id)],
        state: status.map(|(value, time)| State { time, value: value.into() }),
        item: None,
        record: Some(Record::Campaign(Box::new(CampaignPut { write, reply }))),
        except: None,
    }
}

// ── whose rights a change moves ─────────────────────────────────────────────────────────────────────────────

fn put_done(registry: &ToRegistry, campaign: &str, change: &CampaignChange) {
    let previous = previous(change);
    if previous.map(|(owner, _)| owner) != change.owner.as_deref() {
        rights::owner_changed(registry, campaign, previous, change.owner.as_deref());
    }
}

fn delete_done(registry: &ToRegistry, campaign: &str, change: &CampaignChange) {
    let previous = previous(change);
    if previous.is_some() {
        rights::move_copies(registry, campaign, None);
    }
    rights::deleted(registry, campaign, previous, HashSet::new());
}

fn participant_done(
    registry: &ToRegistry,
    campaign: &str,
    user: &str,
    present: bool,
    change: &ParticipantChange,
) {
    let part = if present { Participation::Active } else { Participation::Removed };
    rights::participant_changed(registry, campaign, user, change.owner.as_deref(), part);
}

fn previous(change: &CampaignChange) -> Previous<'_> {
    change.previous_owner.as_ref().map(|(owner, part)| (owner.as_str(), *part))
}
