//! Who may what, as all nodes have to know it: tokens that were revoked, and the line of changes that each node
//! reads behind the last that it has seen.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::connection::{AnyConnection, on_each};
use super::participants;
use super::read_model::CampaignChange;
use super::schema::{access_changes, campaigns, token_revocations};
use crate::auth::Participation;
use crate::clock::{Millis, now_ms};

/// How many changes one look takes.
const LOOK: usize = 500;

const REVOKED: &str = "revoked";
const PARTICIPANT: &str = "participant";
const OWNER: &str = "owner";
const DELETED: &str = "deleted";

/// Something that every node has to hear of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccessChange {
    /// Tokens of this user that were issued until then do not count any more.
    Revoked {
        /// The user.
        user: String,
        /// Until when, inclusively.
        before: Millis,
    },
    /// A user was added to a campaign, or removed from it.
    Participant {
        /// The campaign.
        campaign: String,
        /// The user.
        user: String,
    },
    /// A campaign belongs to somebody else.
    Owner {
        /// The campaign.
        campaign: String,
        /// Who owned it before.
        previous: Option<String>,
    },
    /// A campaign was deleted, with who took part in it.
    Deleted {
        /// The campaign.
        campaign: String,
        /// Who owned it before.
        previous: Option<String>,
    },
}

impl AccessChange {
    /// The campaign and the user that it is about; none where it is about no campaign.
    fn about(&self) -> Option<(&str, Option<&str>)> {
        match self {
            AccessChange::Revoked { .. } => None,
            AccessChange::Participant { campaign, user } => Some((campaign, Some(user))),
            AccessChange::Owner { campaign, previous } | AccessChange::Deleted { campaign, previous } => {
                Some((campaign, previous.as_deref()))
            }
        }
    }
}

/// Changes behind a place in the line, in order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AccessChanges {
    /// What others have changed.
    pub list: Vec<AccessChange>,
    /// Where the line was read up to.
    pub seen: i64,
    /// Whether more may wait behind it.
    pub more: bool,
}

/// What the store says of a campaign that a change was about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessNow {
    /// Who owns it.
    pub owner: Option<String>,
    /// What it knows of the user that the change named.
    pub part: Participation,
    /// Who takes part; of a deleted one only, it may have been made again.
    pub participants: Vec<String>,
}

// ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────

/// Refuses tokens of a user that were issued until `before`, for good.
pub(super) fn revoke(conn: &mut AnyConnection, origin: i64, user: &str, before: Millis) -> QueryResult<()> {
    let row = (token_revocations::user_id.eq(user), token_revocations::before.eq(before));
    on_each!(conn, c => diesel::insert_into(token_revocations::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    let older = token_revocations::table.find(user).filter(token_revocations::before.lt(before));
    diesel::update(older).set(token_revocations::before.eq(before)).execute(conn)?;
    note(conn, origin, REVOKED, Some(user), None)
}

/// Lets the other nodes know of a PUT that has moved a campaign to another owner.
pub(super) fn note_put(
    conn: &mut AnyConnection,
    origin: i64,
    campaign: &str,
    change: &CampaignChange,
) -> QueryResult<()> {
    let before = change.previous_owner.as_ref().map(|(owner, _)| owner.as_str());
    if before == change.owner.as_deref() {
        return Ok(());
    }
    note(conn, origin, OWNER, before, Some(campaign))
}

pub(super) fn note_deleted(
    conn: &mut AnyConnection,
    origin: i64,
    campaign: &str,
    change: &CampaignChange,
) -> QueryResult<()> {
    let before = change.previous_owner.as_ref().map(|(owner, _)| owner.as_str());
    note(conn, origin, DELETED, before, Some(campaign))
}

pub(super) fn note_participant(
    conn: &mut AnyConnection,
    origin: i64,
    campaign: &str,
    user: &str,
) -> QueryResult<()> {
    note(conn, origin, PARTICIPANT, Some(user), Some(campaign))
}

fn note(
    conn: &mut AnyConnection,
    origin: i64,
    kind: &str,
    user: Option<&str>,
    campaign: Option<&str>,
) -> QueryResult<()> {
    let row = (
        access_changes::kind.eq(kind),
        access_changes::user_id.eq(user),
        access_changes::campaign_id.eq(campaign),
        access_changes::origin.eq(origin),
        access_changes::changed_at.eq(now_ms()),
    );
    on_each!(conn, c => diesel::insert_into(access_changes::table).values(row).execute(c))?;
    Ok(())
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

/// All revocations, and the place in the line that they stand for: what comes behind it is found there.
pub(super) fn revocations(conn: &mut AnyConnection) -> QueryResult<AccessChanges> {
    let seen: Option<i64> =
        access_changes::table.select(diesel::dsl::max(access_changes::seq)).first(conn)?;
    let rows: Vec<(String, Millis)> = token_revocations::table.load(conn)?;
    let list = rows.into_iter().map(|(user, before)| AccessChange::Revoked { user, before }).collect();
    Ok(AccessChanges { list, seen: seen.unwrap_or(0), more: false })
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    campaign_id: Option<String>,
    #[diesel(sql_type = BigInt)]
    origin: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    before: Option<i64>,
}

const BEHIND: &str = "SELECT c.seq, c.kind, c.user_id, c.campaign_id, c.origin, r.\"before\" \
     FROM access_changes AS c LEFT JOIN token_revocations AS r ON r.user_id = c.user_id AND c.kind = 'revoked' \
     WHERE c.seq > $1 ORDER BY c.seq LIMIT 500";

/// What others than `origin` have changed behind this place in the line.
pub(super) fn changes(conn: &mut AnyConnection, origin: i64, seen: i64) -> QueryResult<AccessChanges> {
    let lines: Vec<Line> = diesel::sql_query(BEHIND).bind::<BigInt, _>(seen).load(conn)?;
    let (seen, more) = (lines.last().map_or(seen, |line| line.seq), lines.len() == LOOK);
    let others = lines.into_iter().filter(|line| line.origin != origin);
    Ok(AccessChanges { list: others.filter_map(change).collect(), seen, more })
}

/// Lines of a later version say nothing to this one.
fn change(line: Line) -> Option<AccessChange> {
    let Line { user_id, campaign_id, before, .. } = line;
    Some(match line.kind.as_str() {
        REVOKED => AccessChange::Revoked { user: user_id?, before: before? },
        PARTICIPANT => AccessChange::Participant { campaign: campaign_id?, user: user_id? },
        OWNER => AccessChange::Owner { campaign: campaign_id?, previous: user_id },
        DELETED => AccessChange::Deleted { campaign: campaign_id?, previous: user_id },
        _ => return None,
    })
}

/// What the store says now of each of these changes; none of those that are about no campaign.
pub(super) fn now(conn: &mut AnyConnection, changes: &[AccessChange]) -> QueryResult<Vec<Option<AccessNow>>> {
    changes.iter().map(|change| now_of(conn, change)).collect()
}

fn now_of(conn: &mut AnyConnection, change: &AccessChange) -> QueryResult<Option<AccessNow>> {
    let Some((campaign, user)) = change.about() else { return Ok(None) };
    let owner: Option<Option<String>> =
        campaigns::table.find(campaign).select(campaigns::owner_id).first(conn).optional()?;
    let part = user.map(|user| participants::of(conn, campaign, user)).transpose()?;
    let participants = match change {
        AccessChange::Deleted { .. } => participants::active(conn, campaign)?,
        _ => Vec::new(),
    };
    Ok(Some(AccessNow { owner: owner.flatten(), part: part.unwrap_or(Participation::Unknown), participants }))
}
