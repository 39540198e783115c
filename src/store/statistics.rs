//! Statistics of connections over a time, made by the database: what comes back is a row an hour, however many
//! connections there were.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double};

use super::connection::AnyConnection;
use crate::clock::Millis;

/// An hour, in milliseconds.
pub const HOUR_MS: Millis = 3_600_000;

/// What was in a stretch of time.
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectionStatistics {
    /// Connections that began in it.
    pub connections: i64,
    /// Whose they were, each user once.
    pub unique_users: i64,
    /// How long those lasted that ended in it, in milliseconds; 0 where none did. One whose hub died with it is
    /// left out: nobody knows.
    pub average_duration_ms: f64,
    /// What 95 of 100 of those did not pass (nearest rank).
    pub p95_duration_ms: i64,
    /// Connections that began in each hour since 1970 in which any did, in order.
    pub per_hour: Vec<(i64, i64)>,
}

#[derive(QueryableByName)]
struct Begun {
    #[diesel(sql_type = BigInt)]
    connections: i64,
    #[diesel(sql_type = BigInt)]
    users: i64,
}

#[derive(QueryableByName)]
struct Hour {
    #[diesel(sql_type = BigInt)]
    hour: i64,
    #[diesel(sql_type = BigInt)]
    connections: i64,
}

#[derive(QueryableByName)]
struct Ended {
    #[diesel(sql_type = BigInt)]
    ended: i64,
    #[diesel(sql_type = Double)]
    average: f64,
}

#[derive(QueryableByName)]
struct Duration {
    #[diesel(sql_type = BigInt)]
    duration_ms: i64,
}

/// What each statement reads.
const RANGE: &str = "FROM connection_events WHERE \"timestamp\" >= $1 AND \"timestamp\" <= $2";

/// Makes the statistics of `from` to `to`, both included.
pub(super) fn read(conn: &mut AnyConnection, from: Millis, to: Millis) -> QueryResult<ConnectionStatistics> {
    let ask = |what: &str| {
        diesel::sql_query(what.replace("RANGE", RANGE)).bind::<BigInt, _>(from).bind::<BigInt, _>(to)
    };
    // GROUP BY: COUNT(DISTINCT) sorts on PostgreSQL where this one hashes
    let begun: Begun = ask("SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) AS connections, COUNT(*) AS users \
         FROM (SELECT COUNT(*) AS n RANGE AND event = 'connected' GROUP BY user_id) AS by_user")
    .get_result(conn)?;
    let hours: Vec<Hour> = ask("SELECT \"timestamp\" / 3600000 AS hour, COUNT(*) AS connections \
         RANGE AND event = 'connected' GROUP BY \"timestamp\" / 3600000 ORDER BY 1")
    .load(conn)?;
    let ended: Ended = ask("SELECT COUNT(duration_ms) AS ended, \
         CAST(COALESCE(AVG(duration_ms), 0) AS DOUBLE PRECISION) AS average RANGE AND event = 'disconnected'")
    .get_result(conn)?;
    // from the longest downwards: the database keeps and sorts the longest twentieth alone, not all
    let longer = ended.ended / 20;
    let p95: Option<Duration> = ask(&format!(
        "SELECT duration_ms RANGE AND event = 'disconnected' AND duration_ms IS NOT NULL \
         ORDER BY duration_ms DESC LIMIT 1 OFFSET {longer}"
    ))
    .get_result(conn)
    .optional()?;
    Ok(ConnectionStatistics {
        connections: begun.connections,
        unique_users: begun.users,
        average_duration_ms: ended.average,
        p95_duration_ms: p95.map_or(0, |row| row.duration_ms),
        per_hour: hours.into_iter().map(|row| (row.hour, row.connections)).collect(),
    })
}
