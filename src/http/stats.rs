//! `GET /api/v1/stats/connections` and `GET /api/v1/reports/usage`, for operators.

use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::{IntoParams, ToSchema};

use super::ask::stored;
use super::error::ApiError;
use super::openapi::answers::{Down, Invalid, Unauthorised};
use super::{Api, query, rights};
use crate::clock::{self, Millis};
use crate::events::Stamp;
use crate::metrics::Metrics;
use crate::store::{ConnectionStatistics, HOUR_MS};
use crate::transport::query::query_param;

const MINUTE_MS: Millis = 60_000;
const DAY_MS: Millis = 24 * HOUR_MS;
/// The range where none is named.
const USUAL_MS: Millis = DAY_MS;
/// The longest range; it also bounds the hours of an answer.
const LONGEST_MS: Millis = 31 * DAY_MS;
const EXPECTED: &str = "range: <n>m, <n>h or <n>d is expected, 1m to 31d";
/// Rooms of a usage report.
const TOP_ROOMS: usize = 10;

/// Which range of time.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "what the query may hold")]
struct RangeInQuery {
    /// Minutes, hours or days up to now: 1m to 31d.
    #[param(default = "24h", pattern = r"^0*[1-9][0-9]{0,4}[mhd]$")]
    range: Option<String>,
}

/// Connections of a range of time. Durations are those of connections that ended in it, 0 where none did.
#[derive(Serialize, ToSchema, Clone, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStats {
    /// Where the range begins.
    pub from: Stamp,
    /// Where it ends: now.
    pub to: Stamp,
    /// Connections that began in it.
    pub connections: i64,
    /// The users whose they were.
    pub unique_users: i64,
    /// How long connections lasted that ended in it, in milliseconds.
    pub average_duration_ms: i64,
    /// What 95 of 100 of them did not pass, in milliseconds.
    pub p95_duration_ms: i64,
    /// Each hour that the range touches, oldest first.
    pub per_hour: Vec<HourOfConnections>,
}

/// How many connections began in an hour.
#[derive(Serialize, ToSchema, Clone, PartialEq, Debug)]
pub struct HourOfConnections {
    /// The hour's beginning; of the first and the last one a part may lie outside the range.
    pub hour: Stamp,
    /// Connections that began in it, within the range.
    pub connections: i64,
}

/// How the hub is used now.
#[derive(Serialize, ToSchema, Clone, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// When that was.
    pub timestamp: Stamp,
    /// Connections that are open.
    pub total_connections: u64,
    /// Users who have one.
    pub active_users: u64,
    /// The ten rooms with the most members, largest first.
    pub top_rooms: Vec<RoomCount>,
    /// Messages since the hub was started.
    pub message_stats: MessageStats,
}

/// A room and how many are in it.
#[derive(Serialize, ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct RoomCount {
    /// Its name.
    pub room: String,
    /// Sockets in it.
    pub member_count: u32,
}

/// Messages between clients and hub.
#[derive(Serialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageStats {
    /// From clients.
    pub inbound: u64,
    /// To clients, each copy counted.
    pub outbound: u64,
}

/// Statistics of the connections of `?range=`, up to now.
///
/// # Errors
/// The caller is no administrator, the range is none, or the store cannot answer.
#[utoipa::path(
    get,
    path = "/api/v1/stats/connections",
    operation_id = "getConnectionStatistics",
    tag = "admin",
    params(RangeInQuery),
    responses(
        (status = 200, description = "Connections of the range, up to now.", body = ConnectionStats),
        Invalid,
        Unauthorised,
        Down,
    ),
    security(("bearer" = [])),
)]
pub async fn connections(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    rights::may_administrate(&api, &request)?;
    query::only(&request, &["range"])?;
    let range = match query_param(request.query_string(), "range") {
        None => USUAL_MS,
        Some(text) => parse_range(&text).ok_or_else(|| ApiError::invalid(EXPECTED))?,
    };
    let to = clock::now_ms();
    let from = to - range;
    let turn = api.statistics.take(api.shared.store_patience).await?;
    let found = stored(api.shared.store_patience, |reply| {
        api.shared.store.connection_statistics(from, to, move |found| {
            drop(turn); // also where the caller has given up before
            reply(found);
        });
    })
    .await?;
    Ok(HttpResponse::Ok().json(shown(from, to, &found)))
}

fn parse_range(text: &str) -> Option<Millis> {
    let (digits, unit) = text.split_at(text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at))?);
    let unit = match unit {
        "m" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => return None,
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let range = digits.parse::<Millis>().ok().filter(|_| is_number)?.checked_mul(unit)?;
    (MINUTE_MS..=LONGEST_MS).contains(&range).then_some(range)
}

fn shown(from: Millis, to: Millis, found: &ConnectionStatistics) -> ConnectionStats {
    let mut counts = found.per_hour.iter().peekable();
    let hours = from.div_euclid(HOUR_MS)..=to.div_euclid(HOUR_MS);
    let per_hour = hours.map(|hour| HourOfConnections {
        hour: Stamp(hour * HOUR_MS),
        connections: counts.next_if(|(of, _)| *of == hour).map_or(0, |(_, connections)| *connections),
    });
    ConnectionStats {
        from: Stamp(from),
        to: Stamp(to),
        connections: found.connections,
        unique_users: found.unique_users,
        average_duration_ms: found.average_duration_ms.round() as i64,
        p95_duration_ms: found.p95_duration_ms,
        per_hour: per_hour.collect(),
    }
}

/// Statistics of a long range may take the database seconds: one at a time, so that the readers that are left are
/// there for clients.
pub struct Turn(Arc<Semaphore>);

impl Default for Turn {
    fn default() -> Turn {
        Turn(Arc::new(Semaphore::new(1)))
    }
}

impl Turn {
    /// Waits until nobody else's statistics are made.
    async fn take(&self, patience: Duration) -> Result<OwnedSemaphorePermit, ApiError> {
        let turn = timeout(patience, Arc::clone(&self.0).acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or(ApiError::Unavailable)
    }
}

/// How the hub is used now.
///
/// # Errors
/// The caller is no administrator, or the hub goes down.
#[utoipa::path(
    get,
    path = "/api/v1/reports/usage",
    operation_id = "getUsageReport",
    tag = "admin",
    responses((status = 200, description = "How the hub is used now.", body = UsageReport), Unauthorised, Down),
    security(("bearer" = [])),
)]
pub async fn usage(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    rights::may_administrate(&api, &request)?;
    let (connections, users) = api.roster.count().await?;
    let top_rooms = api.roster.largest_rooms(TOP_ROOMS).await?.into_iter();
    Ok(HttpResponse::Ok().json(UsageReport {
        timestamp: Stamp(clock::now_ms()),
        total_connections: connections as u64,
        active_users: users as u64,
        top_rooms: top_rooms
            .map(|(room, member_count)| RoomCount { room: room.to_string(), member_count })
            .collect(),
        message_stats: MessageStats {
            inbound: messages(&api.shared.metrics, "inbound"),
            outbound: messages(&api.shared.metrics, "outbound"),
        },
    }))
}

/// The sum over all types.
fn messages(metrics: &Metrics, direction: &str) -> u64 {
    use prometheus::core::Collector as _;
    let families = metrics.messages.collect();
    let series = families.iter().flat_map(|family| family.get_metric());
    let of_it = series.filter(|one| one.get_label().iter().any(|label| label.value() == direction));
    of_it.map(|one| one.get_counter().get_value() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_number_of_minutes_hours_or_days_up_to_31_days() {
        for (text, ms) in
            [("1m", 60_000), ("90m", 5_400_000), ("24h", DAY_MS), ("31d", LONGEST_MS), ("744h", LONGEST_MS)]
        {
            assert_eq!(parse_range(text), Some(ms), "{text}");
        }
        for text in [
            "",
            "m",
            "0m",
            "24",
            "24H",
            "1w",
            "-1h",
            "+1h",
            "1.5h",
            " 1h",
            "1h ",
            "h1",
            "32d",
            "745h",
            "1ü",
            "ü",
            "9223372036854775807d",
            "99999999999999999999h",
        ] {
            assert_eq!(parse_range(text), None, "{text}");
        }
    }

    #[test]
    fn each_hour_that_the_range_touches_is_there() {
        let per_hour = vec![(10, 3), (12, 1)];
        let found = ConnectionStatistics {
            connections: 4,
            unique_users: 2,
            average_duration_ms: 1.5,
            p95_duration_ms: 2,
            per_hour,
        };
        let stats = shown(10 * HOUR_MS + 1, 13 * HOUR_MS, &found);
        let hours: Vec<_> =
            stats.per_hour.iter().map(|one| (one.hour.0 / HOUR_MS, one.connections)).collect();
        assert_eq!(hours, [(10, 3), (11, 0), (12, 1), (13, 0)]);
        assert_eq!(stats.average_duration_ms, 2);
    }
}
