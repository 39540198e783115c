//! `GET /api/v1/connections`, `DELETE /api/v1/connections/{socketId}`, `DELETE /api/v1/users/{id}/connections`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use super::openapi::answers::{Down, Invalid, Unauthorised, Unknown};
use super::openapi::schemas::{IdInPath, PageInQuery};
use super::page::Listed;
use super::page::Page;
use super::path::{Segment, id_in_path, text_in_path};
use super::roster::{Seen, Wanted};
use super::{Api, query, rights};
use crate::clock;
use crate::events::Stamp;
use crate::ids::{Sid, Uid};
use crate::rooms::manager::Whose;

/// A connection.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionItem {
    socket_id: String,
    user_id: String,
    connected_at: Stamp,
    /// Any byte of the client counts, pongs among them.
    last_activity: Stamp,
    rooms: Vec<String>,
    /// `websocket`, `polling`, or `plain` for the plain protocol.
    transport: &'static str,
    metadata: Metadata,
}

/// What its handshake said.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    user_agent: Option<String>,
    /// Of the connection, or what a trusted proxy says.
    ip: String,
    /// The `version` query parameter.
    version: Option<String>,
}

/// How many connections were sent away.
#[derive(Serialize, ToSchema)]
pub struct Disconnected {
    /// Sockets of this node.
    pub disconnected: usize,
}

/// Which connections.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code, reason = "what the query may hold")]
struct Filters {
    /// Those of this user.
    #[param(min_length = 1, max_length = 128, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$")]
    user_id: Option<String>,
    /// Those in this room: `campaign:<id>`, `user:<id>` or `system`.
    #[param(pattern = r"^(system|(campaign|user):[^\s\x00-\x1f\x7f-\x9f]{1,128})$")]
    room: Option<String>,
}

/// Who is connected.
///
/// # Errors
/// The caller is no administrator, or the query is wrong.
#[utoipa::path(
    get,
    path = "/api/v1/connections",
    operation_id = "listConnections",
    tag = "admin",
    params(Filters, PageInQuery),
    responses(
        (status = 200, description = "A connection that is here all the time is on exactly one page, whoever comes and goes.", body = Listed<ConnectionItem>),
        Invalid,
        Unauthorised,
        Down,
    ),
    security(("bearer" = [])),
)]
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    rights::may_administrate(&api, &request)?;
    query::check(&request, &["userId", "room"])?;
    let page = Page::of(&request, "connections")?;
    let wanted = Wanted {
        user: query::id(&request, "userId")?,
        room: query::room(&request, "room")?.map(Into::into),
        after: page.after(number)?,
        most: page.limit + 1,
    };
    let found = api.roster.connections(wanted).await?;
    let listed = page.answer(found, |last| last.uid.0.to_string());
    let now = Now::read();
    Ok(HttpResponse::Ok().json(listed.map(|seen| ConnectionItem::of(seen, now))))
}

/// The number of a socket in a cursor.
pub(super) fn number(key: &str) -> Option<Uid> {
    key.parse().ok().map(Uid)
}

/// Disconnects one.
///
/// # Errors
/// The caller is no administrator, or nobody has this id.
#[utoipa::path(
    delete,
    path = "/api/v1/connections/{socketId}",
    operation_id = "disconnectSocket",
    tag = "admin",
    params(("socketId" = String, Path, description = "As the list says.")),
    responses(
        (status = 200, description = "It is told `kicked`, and closed.", body = Disconnected),
        Unauthorised,
        Unknown,
        Down,
    ),
    security(("bearer" = [])),
)]
pub async fn disconnect(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    rights::may_administrate(&api, &request)?;
    let id = text_in_path(&request, Segment::Campaign).and_then(|id| Sid::parse(&id));
    match api.roster.kick(Whose::Socket(id.ok_or(ApiError::NotFound)?)).await? {
        0 => Err(ApiError::NotFound),
        disconnected => Ok(HttpResponse::Ok().json(Disconnected { disconnected })),
    }
}

/// Disconnects all of a user's; there may be none.
///
/// # Errors
/// The caller is no administrator, or the id is none.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}/connections",
    operation_id = "disconnectUser",
    tag = "admin",
    params(IdInPath),
    responses(
        (status = 200, description = "They are told `kicked`, and closed; there may be none.", body = Disconnected),
        Invalid,
        Unauthorised,
        Down,
    ),
    security(("bearer" = [])),
)]
pub async fn disconnect_user(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    rights::may_administrate(&api, &request)?;
    let user = id_in_path(&request, Segment::USER)?;
    let disconnected = api.roster.kick(Whose::User(user.into())).await?;
    Ok(HttpResponse::Ok().json(Disconnected { disconnected }))
}

/// One moment on both clocks.
#[derive(Clone, Copy)]
struct Now {
    at: i64,
    uptime: u64,
}

impl Now {
    fn read() -> Now {
        Now { at: clock::now_ms(), uptime: clock::uptime_ms() }
    }

    fn when(self, uptime: u64) -> Stamp {
        Stamp(self.at - self.uptime.saturating_sub(uptime) as i64)
    }
}

impl ConnectionItem {
    fn of(seen: Seen, now: Now) -> ConnectionItem {
        ConnectionItem {
            socket_id: seen.id.to_string(),
            user_id: seen.user.to_string(),
            connected_at: Stamp(seen.connected_at),
            last_activity: now.when(seen.presence.last_heard()),
            rooms: seen.rooms.iter().map(|room| room.to_string()).collect(),
            transport: seen.presence.transport(),
            metadata: Metadata {
                user_agent: seen.peer.user_agent.as_deref().map(String::from),
                ip: seen.peer.ip.to_string(),
                version: seen.peer.version.as_deref().map(String::from),
            },
        }
    }
}
