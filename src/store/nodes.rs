//! The hubs on this database. Each says every half minute that it is there; the connections of one that has not
//! for three minutes are closed as `unknown` by the others, and those that it left behind by its own next start.
//! All times are the database's own: the clocks of hosts may differ.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::connection::AnyConnection;
use crate::clock::Millis;

/// Between two signs of life.
pub(super) const BEAT_MS: Millis = 30_000;
/// After how long without one a hub is taken for gone.
const GONE_MS: Millis = 6 * BEAT_MS;

#[derive(QueryableByName)]
struct Times {
    #[diesel(sql_type = BigInt)]
    now: Millis,
    #[diesel(sql_type = diesel::sql_types::Nullable<BigInt>)]
    seen_at: Option<Millis>,
}

/// Closes what a hub of this name left open when it ended without a word. Returns how many there were.
pub(super) fn begin(conn: &mut AnyConnection, name: &str) -> QueryResult<usize> {
    let Times { now, .. } = times(conn, name)?;
    note(conn, name, now)?;
    close(conn, "node = $1", name, now)
}

/// Says that this hub is there, and closes the connections of those that are not. Returns how many there were.
///
/// Where this hub itself could not say so for a while, the database was away for the others too: they are
/// given the time to come back first.
pub(super) fn beat(conn: &mut AnyConnection, name: &str) -> QueryResult<usize> {
    let Times { now, seen_at } = times(conn, name)?;
    note(conn, name, now)?;
    if seen_at.is_none_or(|seen_at| now - seen_at > 3 * BEAT_MS) {
        return Ok(0);
    }
    let gone = now - GONE_MS;
    let others = format!("node <> $1 AND node NOT IN (SELECT name FROM nodes WHERE seen_at > {gone})");
    let closed = close(conn, &others, name, now)?;
    diesel::sql_query(format!("DELETE FROM nodes WHERE seen_at <= {gone}")).execute(conn)?;
    Ok(closed)
}

fn times(conn: &mut AnyConnection, name: &str) -> QueryResult<Times> {
    let now = if conn.is_sqlite() {
        "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)"
    } else {
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    };
    let query = format!("SELECT {now} AS now, (SELECT seen_at FROM nodes WHERE name = $1) AS seen_at");
    diesel::sql_query(query).bind::<Text, _>(name).get_result(conn)
}

fn note(conn: &mut AnyConnection, name: &str, now: Millis) -> QueryResult<()> {
    const NOTE: &str = "INSERT INTO nodes (name, seen_at) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at";
    diesel::sql_query(NOTE).bind::<Text, _>(name).bind::<BigInt, _>(now).execute(conn).map(drop)
}

/// Writes an end for each open connection that `which` picks, with the hub's name as `$1`.
fn close(conn: &mut AnyConnection, which: &str, name: &str, now: Millis) -> QueryResult<usize> {
    let insert = format!(
        "INSERT INTO connection_events (node, socket_id, user_id, event, \"timestamp\", metadata) \
         SELECT node, socket_id, user_id, 'disconnected', {now}, '{{\"reason\":\"unknown\"}}' \
         FROM open_connections WHERE {which}"
    );
    let closed = diesel::sql_query(insert).bind::<Text, _>(name).execute(conn)?;
    let delete = format!("DELETE FROM open_connections WHERE {which}");
    diesel::sql_query(delete).bind::<Text, _>(name).execute(conn)?;
    Ok(closed)
}
