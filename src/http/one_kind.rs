//! Calls that publish one message of one kind, which is the body: `POST /api/v1/campaigns/{id}/updates`,
//! `…/timers/{id}/events`, `…/system/alerts`, `…/users/{id}/notifications`.

use std::borrow::Cow;

use actix_web::{HttpRequest, HttpResponse, web};

use super::error::ApiError;
use super::openapi::answers::{BadBody, Down, Invalid, Judged, Unauthorised};
use super::openapi::bodies::{Alert, Notification, TimerEvent, Update};
use super::openapi::schemas::{IdInPath, Idempotency};
use super::path::{Segment, id_in_path};
use super::publish::{Sent, answer, idempotency_key, message, read_body, send};
use super::{Api, rights};
use crate::events::Reason;
use crate::events::event_id::with_event_type;

/// An update of a campaign.
///
/// # Errors
/// The caller may not, the id is none, the body is no JSON, or the bus cannot be reached.
#[utoipa::path(
    post,
    path = "/api/v1/campaigns/{id}/updates",
    operation_id = "publishUpdate",
    tag = "publish",
    params(IdInPath, Idempotency),
    request_body = Update,
    responses(Judged, Invalid, Unauthorised, BadBody, Down),
    security(("bearer" = []), ("apiKey" = [])),
)]
pub async fn update(
    api: web::Data<Api>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let channel = channel(&api, &request, "campaign")?;
    publish(&api, &request, body, channel, Some("updated")).await
}

/// An event of a timer.
///
/// # Errors
/// As [`update`].
#[utoipa::path(
    post,
    path = "/api/v1/timers/{id}/events",
    operation_id = "publishTimerEvent",
    tag = "publish",
    params(IdInPath, Idempotency),
    request_body = TimerEvent,
    responses(Judged, Invalid, Unauthorised, BadBody, Down),
    security(("bearer" = []), ("apiKey" = [])),
)]
pub async fn timer_event(
    api: web::Data<Api>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let channel = channel(&api, &request, "timer")?;
    publish(&api, &request, body, channel, None).await
}

/// An alert for operators.
///
/// # Errors
/// As [`update`].
#[utoipa::path(
    post,
    path = "/api/v1/system/alerts",
    operation_id = "publishAlert",
    tag = "publish",
    params(Idempotency),
    request_body = Alert,
    responses(Judged, Invalid, Unauthorised, BadBody, Down),
    security(("bearer" = []), ("apiKey" = [])),
)]
pub async fn alert(
    api: web::Data<Api>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    rights::may_publish(&api, &request)?;
    publish(&api, &request, body, "system:alerts".to_owned(), None).await
}

/// A notification for a user.
///
/// # Errors
/// As [`update`].
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/notifications",
    operation_id = "publishNotification",
    tag = "publish",
    params(IdInPath, Idempotency),
    request_body = Notification,
    responses(Judged, Invalid, Unauthorised, BadBody, Down),
    security(("bearer" = []), ("apiKey" = [])),
)]
pub async fn notification(
    api: web::Data<Api>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let channel = channel(&api, &request, "user")?;
    publish(&api, &request, body, channel, None).await
}

/// The channel of the id in the path, for whoever may publish. The word of a shared channel is no id: the message
/// would go to whatever its payload names.
fn channel(api: &Api, request: &HttpRequest, kind: &str) -> Result<String, ApiError> {
    rights::may_publish(api, request)?;
    let id = id_in_path(request, Segment::Campaign)?;
    if api.intake.catalogue().rules.is_shared(&id) {
        let why = "expected an id in the path, not the suffix of a shared channel (redis.shared_suffixes)";
        return Err(ApiError::invalid(why));
    }
    Ok(format!("{kind}:{id}"))
}

async fn publish(
    api: &Api,
    request: &HttpRequest,
    body: web::Payload,
    channel: String,
    event_type: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(request)?;
    let body = read_body(api, body).await?;
    let payload =
        event_type.map_or(Cow::Borrowed(&body[..]), |event_type| with_event_type(&body, event_type));
    match send(api, message(channel, &payload, key)) {
        Sent::Refused(refusal) if refusal.reason == Reason::NotJson => Err(refusal.into()),
        sent => answer(&[sent.outcome().await]),
    }
}
