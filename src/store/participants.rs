//! Who takes part in a campaign, and who was removed from one.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::connection::{AnyConnection, on_each};
use super::schema::campaign_participants::{self as table, campaign_id, removed_at, user_id};
use crate::auth::Participation;
use crate::clock::{Millis, now_ms};

/// Adds a participant (again), or notes that he was removed.
pub(super) fn set(conn: &mut AnyConnection, campaign: &str, user: &str, present: bool) -> QueryResult<()> {
    let removed = (!present).then(now_ms);
    let row = (campaign_id.eq(campaign), user_id.eq(user), removed_at.eq(removed));
    on_each!(conn, c => diesel::insert_into(table::table)
        .values(row)
        .on_conflict((campaign_id, user_id))
        .do_update()
        .set(removed_at.eq(removed))
        .execute(c))?;
    Ok(())
}

/// Forgets who takes part in a campaign that is gone.
pub(super) fn forget_active(conn: &mut AnyConnection, campaign: &str) -> QueryResult<()> {
    diesel::delete(table::table.filter(campaign_id.eq(campaign)).filter(removed_at.is_null()))
        .execute(conn)?;
    Ok(())
}

/// Who takes part, in the order of their ids.
pub(super) fn active(conn: &mut AnyConnection, campaign: &str) -> QueryResult<Vec<String>> {
    let these = table::table.filter(campaign_id.eq(campaign)).filter(removed_at.is_null());
    these.order(user_id).select(user_id).load(conn)
}

/// What the store knows of a user's part.
pub(super) fn of(conn: &mut AnyConnection, campaign: &str, user: &str) -> QueryResult<Participation> {
    let removed: Option<Option<Millis>> =
        table::table.find((campaign, user)).select(removed_at).first(conn).optional()?;
    Ok(match removed {
        None => Participation::Unknown,
        Some(None) => Participation::Active,
        Some(Some(_)) => Participation::Removed,
    })
}

/// Those of `campaigns` that a user was removed from.
pub(super) fn removed_from(
    conn: &mut AnyConnection,
    user: &str,
    campaigns: &[String],
) -> QueryResult<HashSet<String>> {
    let rows: Vec<String> = table::table
        .filter(user_id.eq(user))
        .filter(campaign_id.eq_any(campaigns))
        .filter(removed_at.is_not_null())
        .select(campaign_id)
        .load(conn)?;
    Ok(rows.into_iter().collect())
}

/// What the store knows of a user's part in those of `campaigns` where it knows anything.
pub(super) fn of_each(
    conn: &mut AnyConnection,
    user: &str,
    campaigns: &[String],
) -> QueryResult<HashMap<String, Participation>> {
    let rows: Vec<(String, Option<Millis>)> = table::table
        .filter(user_id.eq(user))
        .filter(campaign_id.eq_any(campaigns))
        .select((campaign_id, removed_at))
        .load(conn)?;
    let part = |removed: Option<Millis>| match removed {
        None => Participation::Active,
        Some(_) => Participation::Removed,
    };
    Ok(rows.into_iter().map(|(campaign, removed)| (campaign, part(removed))).collect())
}
