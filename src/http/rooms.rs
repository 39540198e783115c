//! `GET /api/v1/rooms`, `GET /api/v1/rooms/{room}`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::connections::number;
use super::error::ApiError;
use super::openapi::answers::{Down, Invalid, Unauthorised, Unknown};
use super::openapi::schemas::PageInQuery;
use super::page::Listed;
use super::page::Page;
use super::path::{Segment, text_in_path};
use super::roster::Seen;
use super::{Api, query, rights};

/// A room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomItem {
    room: String,
    member_count: u32,
}

/// A room with a page of its members.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Room {
    room: String,
    /// Those who are being let in are counted, too.
    member_count: u32,
    members: Vec<Member>,
    /// Where the next page of members begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A socket in a room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    socket_id: String,
    user_id: String,
}

/// Rooms that someone is in. A room that stays is on exactly one page, whichever come and go meanwhile.
///
/// # Errors
/// The caller is no administrator, or the query is wrong.
#[utoipa::path(
    get,
    path = "/api/v1/rooms",
    operation_id = "listRooms",
    tag = "admin",
    params(PageInQuery),
    responses(
        (status = 200, description = "Rooms that someone is in.", body = Listed<RoomItem>),
        Invalid,
        Unauthorised,
        Down,
    ),
    security(("bearer" = [])),
)]
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    rights::may_administrate(&api, &request)?;
    query::check(&request, &[])?;
    let page = Page::of(&request, "rooms")?;
    let after: Option<u32> = page.after(|key| key.parse().ok())?;
    let from = after.map_or(0, |after| after.saturating_add(1));
    let found = api.roster.rooms(from, page.limit + 1).await?;
    let listed = page.answer(found, |(id, ..)| id.0.to_string());
    let listed = listed.map(|(_, room, member_count)| RoomItem { room: room.to_string(), member_count });
    Ok(HttpResponse::Ok().json(listed))
}

/// A room and its members, in pages.
///
/// # Errors
/// The caller is no administrator, the query is wrong, or nobody is in the room.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{room}",
    operation_id = "getRoom",
    tag = "admin",
    params(("room" = String, Path, description = "`campaign:<id>`, `user:<id>` or `system`, percent-encoded."), PageInQuery),
    responses(
        (status = 200, description = "It, with a page of its members.", body = Room),
        Invalid,
        Unauthorised,
        Unknown,
        Down,
    ),
    security(("bearer" = [])),
)]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    rights::may_administrate(&api, &request)?;
    query::check(&request, &[])?;
    let room = text_in_path(&request, Segment::Campaign).ok_or(ApiError::NotFound)?;
    let page = Page::of(&request, "members")?;
    let found = api.roster.members(room.as_str().into(), page.after(number)?, page.limit + 1).await?;
    let (member_count, members) = found.ok_or(ApiError::NotFound)?;
    let listed = page.answer(members, |last| last.uid.0.to_string()).map(Member::of);
    let (members, next_cursor) = (listed.items, listed.next_cursor);
    Ok(HttpResponse::Ok().json(Room { room, member_count, members, next_cursor }))
}

impl Member {
    fn of(seen: Seen) -> Member {
        Member { socket_id: seen.id.to_string(), user_id: seen.user.to_string() }
    }
}
