//! `POST /api/v1/events`: one message or up to a thousand, each with its own result.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::error::ApiError;
use super::openapi::answers::{BadBody, Down, Invalid, Unauthorised};
use super::openapi::bodies::Messages;
use super::openapi::schemas::Idempotency;
use super::{Api, rights};
use crate::auth::is_long_id;
use crate::bridge::{BusError, Message};
use crate::clock;
use crate::events::Refusal;
use crate::events::event_id::with_event_id;

/// The most messages of one call.
pub(super) const MAX_BATCH: usize = 1_000;
const EXPECTED: &str = "expected {channel, payload} or an array of up to 1000 of them";

/// One message as it is published.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    channel: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// The results, in the order of the messages.
#[derive(Serialize, ToSchema)]
pub struct Published {
    results: Vec<Outcome>,
}

/// The result of one message.
#[derive(Serialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Whether it was taken.
    ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ItemError>,
}

/// Why a message was refused.
#[derive(Serialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct ItemError {
    /// `invalid_payload`.
    code: &'static str,
    /// The reason as in `/api/v1/rejected`, and what was expected.
    message: String,
}

impl Outcome {
    const TAKEN: Outcome = Outcome { ok: true, error: None };

    fn refused(code: &'static str, message: impl Into<String>) -> Outcome {
        Outcome { ok: false, error: Some(ItemError { code, message: message.into() }) }
    }
}

/// Publishes, and answers when every message has been read back from the bus.
///
/// # Errors
/// The caller may not, the body is no list of messages, or the bus cannot be reached.
#[utoipa::path(
    post,
    path = "/api/v1/events",
    operation_id = "publish",
    tag = "publish",
    params(Idempotency),
    request_body = Messages,
    responses(
        (status = 202, description = "At least one was taken: each result says.", body = Published),
        (status = 422, description = "Every one was refused, and is listed in `/api/v1/rejected`.", body = Published),
        Invalid,
        Unauthorised,
        BadBody,
        Down,
    ),
    security(("bearer" = []), ("apiKey" = [])),
)]
pub async fn events(
    api: web::Data<Api>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    rights::may_publish(&api, &request)?;
    let body = read_body(&api, body).await?;
    let items = parse(&body)?;
    let key = idempotency_key(&request)?;
    let single = items.single;
    let sent: Vec<Sent> = items
        .list
        .into_iter()
        .enumerate()
        .map(|(n, item)| {
            let key = key.map(|key| if single { key.to_owned() } else { format!("{key}:{n}") });
            let message = message(item.channel.into_owned(), item.payload.get().as_bytes(), key.as_deref());
            send(&api, message)
        })
        .collect();
    let mut results = Vec::with_capacity(sent.len());
    for sent in sent {
        results.push(sent.outcome().await);
    }
    answer(&results)
}

/// The header that makes a repeat of the call harmless.
pub(super) fn idempotency_key(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    let expected = "expected Idempotency-Key to be 1 to 256 characters without white space, in ASCII";
    let Some(value) = request.headers().get("Idempotency-Key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| is_long_id(key));
    key.map(Some).ok_or_else(|| ApiError::invalid(expected))
}

pub(super) fn answer(results: &[Result<Outcome, ApiError>]) -> Result<HttpResponse, ApiError> {
    if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
        return Err(error.clone());
    }
    let results: Vec<Outcome> = results.iter().flatten().cloned().collect();
    let all_failed = results.iter().all(|outcome| !outcome.ok);
    let status = if all_failed { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::ACCEPTED };
    Ok(HttpResponse::build(status).json(Published { results }))
}

/// The whole body, within the limit.
pub(super) async fn read_body(api: &Api, body: web::Payload) -> Result<Bytes, ApiError> {
    let too_large = ApiError::TooLarge(api.body_bytes);
    let bytes = body.to_bytes_limited(api.body_bytes).await.map_err(|_| too_large)?;
    bytes.map_err(|error| ApiError::invalid(format!("the body could not be read: {error}")))
}

struct Items<'a> {
    list: Vec<Item<'a>>,
    single: bool,
}

fn parse(body: &[u8]) -> Result<Items<'_>, ApiError> {
    let wrong = |_| ApiError::invalid(EXPECTED);
    let single = body.trim_ascii_start().first() != Some(&b'[');
    let list: Vec<Item<'_>> = if single {
        vec![serde_json::from_slice(body).map_err(wrong)?]
    } else {
        serde_json::from_slice(body).map_err(wrong)?
    };
    if list.is_empty() || list.len() > MAX_BATCH {
        return Err(ApiError::invalid(EXPECTED));
    }
    Ok(Items { list, single })
}

/// A message on its way, or refused already.
pub(super) enum Sent {
    Refused(Refusal),
    Waiting(oneshot::Receiver<Result<(), BusError>>),
}

/// A message with the key as its `eventId`, unless it has one.
pub(super) fn message(channel: String, payload: &[u8], key: Option<&str>) -> Message {
    let payload = match key {
        Some(key) => with_event_id(payload, key).into_owned(),
        None => payload.to_vec(),
    };
    Message { channel, payload: payload.into() }
}

/// Refuses a message, which is then counted and listed, or publishes it.
pub(super) fn send(api: &Api, message: Message) -> Sent {
    // what is judged is what is sent: a 2xx promises that it arrives
    if let Err(refusal) = api.intake.check(&message.channel, &message.payload) {
        api.intake.reject("http", &message, refusal.clone(), clock::now_ms());
        return Sent::Refused(refusal);
    }
    let (done, waiting) = oneshot::channel();
    let done = Box::new(move |result| {
        let _ = done.send(result); // a caller that has gone needs no answer
    });
    api.bus.publish(message.channel, message.payload, done);
    Sent::Waiting(waiting)
}

impl Sent {
    pub(super) async fn outcome(self) -> Result<Outcome, ApiError> {
        let waiting = match self {
            Sent::Refused(refusal) => return Ok(Outcome::refused("invalid_payload", refusal.to_string())),
            Sent::Waiting(waiting) => waiting,
        };
        match waiting.await.unwrap_or(Err(BusError::Unavailable)) {
            Ok(()) => Ok(Outcome::TAKEN),
            Err(BusError::Unavailable | BusError::Busy) => Err(ApiError::Unavailable),
            Err(error @ (BusError::UnknownChannel | BusError::Refused(_))) => {
                Ok(Outcome::refused("invalid_payload", error.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_one_message_or_a_list_that_is_not_too_long() {
        let one = br#" {"channel":"campaign:c","payload":{"a":1}}"#;
        let items = parse(one).unwrap_or_else(|_| panic!("one message"));
        assert!(items.single && items.list.len() == 1);
        let item = r#"{"channel":"c","payload":{}}"#;
        let list = |n: usize| format!("[{}]", vec![item; n].join(","));
        assert_eq!(parse(list(1_000).as_bytes()).map(|items| items.list.len()).ok(), Some(1_000));
        assert!(parse(list(1_001).as_bytes()).is_err());
        assert!(parse(b"[]").is_err());
        assert!(parse(b"{}").is_err());
    }

    #[test]
    fn the_status_says_whether_anything_went_through() {
        let ok = Ok(Outcome::TAKEN);
        let bad = Ok(Outcome::refused("invalid_payload", "no"));
        let status = |results: &[_]| answer(results).map(|response| response.status());
        assert_eq!(status(&[ok.clone(), bad.clone()]), Ok(StatusCode::ACCEPTED));
        assert_eq!(status(&[bad.clone(), bad]), Ok(StatusCode::UNPROCESSABLE_ENTITY));
        assert_eq!(status(&[ok, Err(ApiError::Unavailable)]), Err(ApiError::Unavailable));
    }
}
