//! The read model as backends write and read it: campaigns as a whole, and who takes part.
//!
//! Every change says what has to be known to judge the rights that it may have taken away.

use diesel::prelude::*;

use super::Confirmed;
use super::connection::{AnyConnection, on_each};
use super::participants;
use super::schema::campaigns;
use crate::auth::Participation;
use crate::clock::{Millis, now_ms};

/// A campaign as a PUT gives it: replaces all but participants.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CampaignWrite {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its status, or that it has none: written where `status_at` is not older than what the row holds.
    pub status: Option<String>,
    /// The time of the status; now where it is left out.
    pub status_at: Option<Millis>,
    /// Who owns it.
    pub owner_id: Option<String>,
    /// JSON text.
    pub metadata: Option<String>,
}

impl CampaignWrite {
    /// About how much memory its texts take.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.name, &self.status, &self.owner_id, &self.metadata];
        self.id.len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }

    /// What its commit confirms to whoever gave it this ticket.
    pub(super) fn confirmation(&self, ticket: u64) -> Option<Confirmed> {
        self.status.as_ref()?;
        Some(Confirmed::Status { campaign_id: self.id.as_str().into(), time: self.status_at?, ticket })
    }
}

/// A campaign as it stands in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the fields of CONTRACT 7's campaign")]
pub struct Campaign {
    pub id: String,
    pub name: Option<String>,
    pub status: Option<String>,
    pub status_at: Option<Millis>,
    pub owner_id: Option<String>,
    /// JSON text.
    pub metadata: Option<String>,
    /// Who takes part, in the order of their ids.
    pub participants: Vec<String>,
}

/// What a PUT or DELETE of a campaign changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CampaignChange {
    /// Whether there was a row before.
    pub existed: bool,
    /// The owner before, and what else the store knows of him.
    pub previous_owner: Option<(String, Participation)>,
    /// The owner from now on.
    pub owner: Option<String>,
    /// The campaign from now on; none where it was deleted.
    pub now: Option<Campaign>,
}

/// What the addition or removal of a participant leaves him.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParticipantChange {
    /// Who owns the campaign, as far as the store knows.
    pub owner: Option<String>,
}

/// A campaign and who takes part, of one moment on SQLite; none where there is no such row.
pub(super) fn get(conn: &mut AnyConnection, id: &str) -> QueryResult<Option<Campaign>> {
    type Row = (Option<String>, Option<String>, Option<Millis>, Option<String>, Option<String>);
    let row: Option<Row> = campaigns::table
        .find(id)
        .select((
            campaigns::name,
            campaigns::status,
            campaigns::status_at,
            campaigns::owner_id,
            campaigns::metadata,
        ))
        .first(conn)
        .optional()?;
    let Some((name, status, status_at, owner_id, metadata)) = row else { return Ok(None) };
    let participants = participants::active(conn, id)?;
    Ok(Some(Campaign { id: id.to_owned(), name, status, status_at, owner_id, metadata, participants }))
}

/// Writes all that a PUT gives; an older status stays out.
pub(super) fn put(conn: &mut AnyConnection, campaign: &CampaignWrite) -> QueryResult<CampaignChange> {
    let before = owner_and_time(conn, &campaign.id)?;
    let now = now_ms();
    let asked_at = campaign.status_at.unwrap_or(now);
    // a status that is none has no time: the next one is newer, whenever it is of
    let status_at = campaign.status.as_ref().map(|_| asked_at);
    let all = (
        campaigns::name.eq(&campaign.name),
        campaigns::owner_id.eq(&campaign.owner_id),
        campaigns::metadata.eq(&campaign.metadata),
        campaigns::updated_at.eq(now),
    );
    let status = (campaigns::status.eq(&campaign.status), campaigns::status_at.eq(status_at));
    match &before {
        None => {
            let row = (campaigns::id.eq(&campaign.id), campaigns::created_at.eq(now), all, status);
            on_each!(conn, c => diesel::insert_into(campaigns::table).values(row).execute(c))?;
        }
        Some((_, held)) => {
            diesel::update(campaigns::table.find(&campaign.id)).set(all).execute(conn)?;
            if held.is_none_or(|held| held <= asked_at) {
                diesel::update(campaigns::table.find(&campaign.id)).set(status).execute(conn)?;
            }
        }
    }
    Ok(CampaignChange {
        existed: before.is_some(),
        previous_owner: owner_of(conn, &campaign.id, before)?,
        owner: campaign.owner_id.clone(),
        now: get(conn, &campaign.id)?,
    })
}

/// Deletes a campaign and who takes part; who was removed stays removed.
pub(super) fn delete(conn: &mut AnyConnection, id: &str) -> QueryResult<CampaignChange> {
    let before = owner_and_time(conn, id)?;
    diesel::delete(campaigns::table.find(id)).execute(conn)?;
    participants::forget_active(conn, id)?;
    Ok(CampaignChange {
        existed: before.is_some(),
        previous_owner: owner_of(conn, id, before)?,
        owner: None,
        now: None,
    })
}

/// Adds a participant (again), or removes him for good.
pub(super) fn set_participant(
    conn: &mut AnyConnection,
    id: &str,
    user: &str,
    present: bool,
) -> QueryResult<ParticipantChange> {
    participants::set(conn, id, user, present)?;
    Ok(ParticipantChange { owner: owner_and_time(conn, id)?.and_then(|(owner, _)| owner) })
}

type OwnerAndTime = (Option<String>, Option<Millis>);

fn owner_and_time(conn: &mut AnyConnection, id: &str) -> QueryResult<Option<OwnerAndTime>> {
    campaigns::table.find(id).select((campaigns::owner_id, campaigns::status_at)).first(conn).optional()
}

/// The owner before a change, and what the store says of his part after it.
fn owner_of(
    conn: &mut AnyConnection,
    id: &str,
    before: Option<OwnerAndTime>,
) -> QueryResult<Option<(String, Participation)>> {
    let Some(owner) = before.and_then(|(owner, _)| owner) else { return Ok(None) };
    let part = participants::of(conn, id, &owner)?;
    Ok(Some((owner, part)))
}
