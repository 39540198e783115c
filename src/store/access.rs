//! Who may what, as all nodes have to know it: tokens that were revoked, and the line of changes that each node
//! reads behind the last that it has seen.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::connection::{AnyConnection, on_each};
use super::schema::{access_changes, token_revocations};
use crate::clock::{Millis, now_ms};

/// How many changes one look takes.
const LOOK: i64 = 500;

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
}

/// Changes behind a place in the line, in order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AccessChanges {
    /// What has changed.
    pub list: Vec<AccessChange>,
    /// Where the line was read up to.
    pub seen: i64,
    /// Whether more may wait behind it.
    pub more: bool,
}

/// Refuses tokens of a user that were issued until `before`, for good.
pub(super) fn revoke(conn: &mut AnyConnection, user: &str, before: Millis) -> QueryResult<()> {
    let row = (token_revocations::user_id.eq(user), token_revocations::before.eq(before));
    on_each!(conn, c => diesel::insert_into(token_revocations::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    let older = token_revocations::table.find(user).filter(token_revocations::before.lt(before));
    diesel::update(older).set(token_revocations::before.eq(before)).execute(conn)?;
    note(conn, Some(user), None)
}

/// Lets the other nodes know of a change.
fn note(conn: &mut AnyConnection, user: Option<&str>, campaign: Option<&str>) -> QueryResult<()> {
    let row = (
        access_changes::user_id.eq(user),
        access_changes::campaign_id.eq(campaign),
        access_changes::changed_at.eq(now_ms()),
    );
    on_each!(conn, c => diesel::insert_into(access_changes::table).values(row).execute(c))?;
    Ok(())
}

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
    #[diesel(sql_type = Nullable<Text>)]
    user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    campaign_id: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    before: Option<i64>,
}

const BEHIND: &str = "SELECT c.seq, c.user_id, c.campaign_id, r.\"before\" FROM access_changes AS c \
     LEFT JOIN token_revocations AS r ON r.user_id = c.user_id AND c.campaign_id IS NULL \
     WHERE c.seq > $1 ORDER BY c.seq LIMIT 500";

/// What has changed behind this place in the line.
pub(super) fn changes(conn: &mut AnyConnection, seen: i64) -> QueryResult<AccessChanges> {
    let lines: Vec<Line> = diesel::sql_query(BEHIND).bind::<BigInt, _>(seen).load(conn)?;
    let (seen, more) = (lines.last().map_or(seen, |line| line.seq), lines.len() as i64 == LOOK);
    Ok(AccessChanges { list: lines.into_iter().filter_map(change).collect(), seen, more })
}

/// Lines of a later version say nothing to this one.
fn change(line: Line) -> Option<AccessChange> {
    match (line.user_id, line.campaign_id, line.before) {
        (Some(user), None, Some(before)) => Some(AccessChange::Revoked { user, before }),
        _ => None,
    }
}
