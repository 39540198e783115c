//! `GET /api/v1/users/{id}/notifications` and `POST …/read`: stored notifications.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::ask::stored;
use super::error::ApiError;
use super::openapi::answers::{BadBody, Down, Invalid, Unauthorised};
use super::openapi::bodies::Ids;
use super::openapi::schemas::{IdInPath, NotificationItem, PageInQuery, Unread};
use super::page::{Listed, Page, flag};
use super::path::{Segment, id_in_path};
use super::publish::read_body;
use super::{Api, query, rights};
use crate::client::notifications::told_read;
use crate::client::requests::{self, NotificationsReadRequest};
use crate::client::stored::notification;
use crate::events::Stamp;
use crate::events::user::Notification;
use crate::rooms::Publications;
use crate::rooms::registry::Publish;
use crate::store::{Of, StoredNotification};

/// A stored notification: the event, and when it was read.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct StoredItem<'a> {
    /// What was sent.
    #[serde(flatten)]
    pub notification: Notification<'a>,
    /// When it was marked as read; null where it was not.
    pub read_at: Option<Stamp>,
}

/// Which notifications were marked.
#[derive(Serialize, Deserialize, ToSchema, Debug)]
pub struct MarkedRead {
    /// Those that were the user's and unread.
    pub ids: Vec<String>,
}

/// A user's stored notifications, newest first; `?unread=true` leaves out those that were read.
///
/// # Errors
/// The caller is neither that user nor an administrator, the query is wrong, or the store cannot answer.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}/notifications",
    operation_id = "listNotifications",
    tag = "users",
    params(IdInPath, Unread, PageInQuery),
    responses(
        (status = 200, description = "Stored notifications, newest first.", body = Listed<NotificationItem>),
        Invalid,
        Unauthorised,
        Down,
    ),
    security(("bearer" = [])),
)]
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let user = user_of(&api, &request)?;
    query::check(&request, &["unread"])?;
    let page = Page::of(&request, "notifications")?;
    let before = page.after(|key| key.parse::<i64>().ok())?;
    let of = if flag(&request, "unread")? { Of::Unread } else { Of::All };
    let limit = i64::try_from(page.limit + 1).unwrap_or(i64::MAX);
    let found = stored(api.shared.store_patience, |reply| {
        api.shared.store.notifications(&user, of, before, limit, reply);
    })
    .await?;
    let Listed { items, next_cursor } = page.answer(found, |item| item.seq.to_string());
    Ok(HttpResponse::Ok().json(Listed { items: items.iter().map(shown).collect(), next_cursor }))
}

fn shown(item: &StoredNotification) -> StoredItem<'_> {
    StoredItem { notification: notification(item), read_at: item.read_at.map(Stamp) }
}

/// Marks notifications as read, and tells the user's room, as the event `notifications:read` does.
///
/// # Errors
/// As [`list`]; where the store did not answer in time it may be done all the same.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/notifications/read",
    operation_id = "markNotificationsRead",
    tag = "users",
    params(IdInPath),
    request_body = Ids,
    responses(
        (status = 200, description = "Those that were the user's and unread.", body = MarkedRead),
        Invalid,
        Unauthorised,
        BadBody,
        Down,
    ),
    security(("bearer" = [])),
)]
pub async fn read(
    api: web::Data<Api>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let user = user_of(&api, &request)?;
    let body = read_body(&api, body).await?;
    let data = serde_json::from_slice::<&RawValue>(&body).and_then(|data| requests::read(Some(data)));
    let ids = data.ok().flatten().and_then(NotificationsReadRequest::checked);
    let ids = ids.ok_or_else(|| ApiError::invalid(NotificationsReadRequest::EXPECTED))?;
    let (publisher, permits) = (api.read_model.publisher.clone(), api.shared.permits.clone());
    let whose = user.clone();
    // the room is told of what the store did, also where the caller does not wait for it any more
    let marked = stored(api.shared.store_patience, |reply| {
        api.shared.store.mark_read(&user, ids, move |marked| {
            if let Some(publication) = marked.as_ref().ok().and_then(|ids| told_read(&whose, ids)) {
                let permit = permits.take(1, 0);
                publisher.do_send(Publish(Publications { list: vec![publication], permit }));
            }
            reply(marked);
        });
    });
    Ok(HttpResponse::Ok().json(MarkedRead { ids: marked.await? }))
}

fn user_of(api: &Api, request: &HttpRequest) -> Result<String, ApiError> {
    let user = id_in_path(request, Segment::USER)?;
    rights::may_act_for(api, request, &user)?;
    Ok(user)
}
