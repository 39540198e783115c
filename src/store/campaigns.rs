//! Campaigns: what a subscriber, an owner and a connect ask.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::connection::AnyConnection;
use super::participants;
use super::schema::{campaign_participants, campaigns};
use crate::auth::Participation;
use crate::clock::Millis;

/// How many ids one statement names: databases bound the variables of a statement.
const CHUNK: usize = 500;
/// How many campaigns a connect is told of.
const INITIAL: i64 = 500;

/// What a user is to a campaign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The store names him as owner, or his token does where the store names none.
    Owner,
    /// Anyone else who may see it.
    Participant,
}

/// A campaign as `initial:campaigns` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CampaignRow {
    /// Its id.
    pub id: String,
    /// Its name, where one is known.
    pub name: Option<String>,
    /// Its status, an opaque word.
    pub status: Option<String>,
    /// What the asking user is to it.
    pub role: Role,
    /// JSON text.
    pub metadata: Option<String>,
}

/// The row of a campaign, for a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CampaignState {
    /// Its status, an opaque word.
    pub status: Option<String>,
    /// The publisher's time of the status.
    pub status_at: Option<Millis>,
    /// JSON text.
    pub metadata: Option<String>,
    /// Who owns it, where that is known.
    pub owner_id: Option<String>,
}

/// What one read of a campaign gives: state and right, of one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CampaignRead {
    /// `None` where the store does not know the campaign.
    pub row: Option<CampaignState>,
    /// What the store knows of the asking user.
    pub participant: Participation,
}

#[derive(QueryableByName)]
struct Read {
    #[diesel(sql_type = Nullable<Text>)]
    known: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    status: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    status_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    metadata: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    owner_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    takes_part: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    removed_at: Option<i64>,
}

/// State and right of one moment: one statement, and so one transaction on both databases. SQLite takes
/// PostgreSQL's `$1` for a named parameter, numbered by where it first stands.
const READ: &str = "SELECT c.id AS known, c.status, c.status_at, c.metadata, c.owner_id, \
     p.user_id AS takes_part, p.removed_at \
     FROM (SELECT CAST($1 AS TEXT) AS campaign_id, CAST($2 AS TEXT) AS user_id) AS asked \
     LEFT JOIN campaigns AS c ON c.id = asked.campaign_id \
     LEFT JOIN campaign_participants AS p \
     ON p.campaign_id = asked.campaign_id AND p.user_id = asked.user_id";

pub(super) fn read(conn: &mut AnyConnection, campaign: &str, user: &str) -> QueryResult<CampaignRead> {
    let read: Read =
        diesel::sql_query(READ).bind::<Text, _>(campaign).bind::<Text, _>(user).get_result(conn)?;
    let participant = match (read.takes_part, read.removed_at) {
        (None, _) => Participation::Unknown,
        (Some(_), None) => Participation::Active,
        (Some(_), Some(_)) => Participation::Removed,
    };
    let row = read.known.map(|_| CampaignState {
        status: read.status,
        status_at: read.status_at,
        metadata: read.metadata,
        owner_id: read.owner_id,
    });
    Ok(CampaignRead { row, participant })
}

#[derive(Queryable)]
struct Listed {
    id: String,
    name: Option<String>,
    owner_id: Option<String>,
    status: Option<String>,
    metadata: Option<String>,
    created_at: Millis,
}

/// The active campaigns that a user owns, takes part in, or has in his token; newest first.
pub(super) fn initial(
    conn: &mut AnyConnection,
    user: &str,
    owned: &[String],
    participating: &[String],
    ended: &[String],
) -> QueryResult<Vec<CampaignRow>> {
    // each list is cut where the whole is: what a cut leaves out has 500 newer ones before it
    macro_rules! newest {
        ($which:expr) => {
            campaigns::table
                .filter($which)
                .filter(campaigns::status.is_null().or(campaigns::status.ne_all(ended)))
                .order((campaigns::created_at.desc(), campaigns::id.asc()))
                .limit(INITIAL)
                .select((
                    campaigns::id,
                    campaigns::name,
                    campaigns::owner_id,
                    campaigns::status,
                    campaigns::metadata,
                    campaigns::created_at,
                ))
                .load::<Listed>(conn)?
        };
    }
    let mine = campaign_participants::table
        .filter(campaign_participants::campaign_id.eq(campaigns::id))
        .filter(campaign_participants::user_id.eq(user));
    let takes_part = campaign_participants::table
        .filter(campaign_participants::user_id.eq(user))
        .filter(campaign_participants::removed_at.is_null())
        .select(campaign_participants::campaign_id);
    let mut found: Vec<Listed> = newest!(campaigns::owner_id.eq(user));
    found.extend(newest!(campaigns::id.eq_any(takes_part)));
    let claimed: Vec<&String> = owned.iter().chain(participating).collect();
    for chunk in claimed.chunks(CHUNK) {
        let removed = mine.filter(campaign_participants::removed_at.is_not_null());
        found.extend(newest!(campaigns::id.eq_any(chunk.iter().copied()).and(not(exists(removed)))));
    }
    found.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
    let mut seen = HashSet::new();
    found.retain(|one| seen.insert(one.id.clone()));
    found.truncate(INITIAL as usize);
    let owned: HashSet<&str> = owned.iter().map(String::as_str).collect();
    Ok(found.into_iter().map(|one| listed(one, user, &owned)).collect())
}

fn listed(one: Listed, user: &str, owned: &HashSet<&str>) -> CampaignRow {
    let owns = match &one.owner_id {
        Some(owner) => owner == user,
        None => owned.contains(one.id.as_str()),
    };
    let role = if owns { Role::Owner } else { Role::Participant };
    CampaignRow { id: one.id, name: one.name, status: one.status, role, metadata: one.metadata }
}

/// The campaigns of which `user` gets the owner's copies: those that name him, and of those that he
/// claims the ones that name nobody (or are unknown) and that he was not removed from.
pub(super) fn owned(conn: &mut AnyConnection, user: &str, claimed: &[String]) -> QueryResult<Vec<String>> {
    let mut list: Vec<String> =
        campaigns::table.filter(campaigns::owner_id.eq(user)).select(campaigns::id).load(conn)?;
    let mut seen: HashSet<String> = list.iter().cloned().collect();
    for chunk in claimed.chunks(CHUNK) {
        let others: HashSet<String> = campaigns::table
            .filter(campaigns::id.eq_any(chunk))
            .filter(campaigns::owner_id.is_not_null())
            .select(campaigns::id)
            .load(conn)?
            .into_iter()
            .collect();
        let removed = participants::removed_from(conn, user, chunk)?;
        let mine = chunk.iter().filter(|id| !others.contains(*id) && !removed.contains(*id));
        list.extend(mine.filter(|id| seen.insert((*id).clone())).cloned());
    }
    Ok(list)
}

/// What the store knows of a user's part in a campaign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CampaignPart {
    /// The campaign, known or not.
    pub campaign: String,
    /// Whether it names him as its owner.
    pub owns: bool,
    /// What else it knows of him.
    pub participant: Participation,
}

/// What the store knows of a user's part in each of some campaigns.
pub(super) fn parts(
    conn: &mut AnyConnection,
    user: &str,
    campaigns: &[String],
) -> QueryResult<Vec<CampaignPart>> {
    let mut parts = Vec::with_capacity(campaigns.len());
    for chunk in campaigns.chunks(CHUNK) {
        let owned = campaigns::table.filter(campaigns::id.eq_any(chunk)).filter(campaigns::owner_id.eq(user));
        let owned: HashSet<String> = owned.select(campaigns::id).load(conn)?.into_iter().collect();
        let known = participants::of_each(conn, user, chunk)?;
        parts.extend(chunk.iter().map(|campaign| CampaignPart {
            owns: owned.contains(campaign),
            participant: known.get(campaign).copied().unwrap_or(Participation::Unknown),
            campaign: campaign.clone(),
        }));
    }
    Ok(parts)
}

/// The owners of some campaigns, as far as they are known.
pub(super) fn owners(conn: &mut AnyConnection, ids: &[Arc<str>]) -> QueryResult<HashMap<String, String>> {
    let mut found = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let rows: Vec<(String, Option<String>)> = campaigns::table
            .filter(campaigns::id.eq_any(chunk.iter().map(|id| id.to_string())))
            .select((campaigns::id, campaigns::owner_id))
            .load(conn)?;
        found.extend(rows.into_iter().filter_map(|(id, owner)| Some((id, owner?))));
    }
    Ok(found)
}
