//! `POST /api/v1/events`: one message or up to a thousand, each with its own result.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::error::ApiError;
use super::{Api, rights};
use crate::auth::is_long_id;
use crate::bridge::{BusError, Message};
use crate::clock;
use crate::events::event_id::with_event_id;

/// The most messages of one call.
const MAX_BATCH: usize = 1_000;
const EXPECTED: &str = "expected {channel, payload} or an array of up to 1000 of them";

/// One message as it is published.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    channel: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// The result of one message.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
#[serde(untagged)]
enum Outcome {
    Ok { ok: bool },
    Err { ok: bool, error: ItemError },
}

#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
struct ItemError {
    code: &'static str,
    message: String,
}

impl Outcome {
    fn refused(code: &'static str, message: impl Into<String>) -> Outcome {
        Outcome::Err { ok: false, error: ItemError { code, message: message.into() } }
    }

    fn is_ok(&self) -> bool {
        matches!(self, Outcome::Ok { .. })
    }
}

/// Publishes, and answers when every message has been read back from the bus.
///
/// # Errors
/// The caller may not, the body is no list of messages, or the bus cannot be reached.
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
            send(&api, &item, key.map(|key| if single { key.to_owned() } else { format!("{key}:{n}") }))
        })
        .collect();
    let mut results = Vec::with_capacity(sent.len());
    for sent in sent {
        results.push(sent.outcome().await);
    }
    answer(&results)
}

/// The header that makes a repeat of the call harmless.
fn idempotency_key(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    let expected = "expected Idempotency-Key to be 1 to 256 characters without white space, in ASCII";
    let Some(value) = request.headers().get("Idempotency-Key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| is_long_id(key));
    key.map(Some).ok_or_else(|| ApiError::InvalidPayload(expected.to_owned()))
}

fn answer(results: &[Result<Outcome, ApiError>]) -> Result<HttpResponse, ApiError> {
    if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
        return Err(error.clone());
    }
    let results: Vec<&Outcome> = results.iter().flatten().collect();
    let all_failed = results.iter().all(|outcome| !outcome.is_ok());
    let status = if all_failed { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::ACCEPTED };
    Ok(HttpResponse::build(status).json(serde_json::json!({ "results": results })))
}

/// The whole body, within the limit.
pub(super) async fn read_body(api: &Api, body: web::Payload) -> Result<Bytes, ApiError> {
    let too_large = ApiError::TooLarge(api.body_bytes);
    let bytes = body.to_bytes_limited(api.body_bytes).await.map_err(|_| too_large)?;
    bytes.map_err(|error| ApiError::InvalidPayload(format!("the body could not be read: {error}")))
}

struct Items<'a> {
    list: Vec<Item<'a>>,
    single: bool,
}

fn parse(body: &[u8]) -> Result<Items<'_>, ApiError> {
    let wrong = |_| ApiError::InvalidPayload(EXPECTED.to_owned());
    let single = body.trim_ascii_start().first() != Some(&b'[');
    let list: Vec<Item<'_>> = if single {
        vec![serde_json::from_slice(body).map_err(wrong)?]
    } else {
        serde_json::from_slice(body).map_err(wrong)?
    };
    if list.is_empty() || list.len() > MAX_BATCH {
        return Err(ApiError::InvalidPayload(EXPECTED.to_owned()));
    }
    Ok(Items { list, single })
}

/// A message on its way, or refused already.
enum Sent {
    Refused(Outcome),
    Waiting(oneshot::Receiver<Result<(), BusError>>),
}

fn send(api: &Api, item: &Item<'_>, key: Option<String>) -> Sent {
    let payload = item.payload.get().as_bytes();
    let payload = Bytes::from(match &key {
        Some(key) => with_event_id(payload, key).into_owned(),
        None => payload.to_vec(),
    });
    let message = Message { channel: item.channel.to_string(), payload };
    // what is judged is what is sent: a 2xx promises that it arrives
    if let Err(refusal) = api.intake.check(&message.channel, &message.payload) {
        let why = format!("{}: {}", refusal.reason.as_str(), refusal.message);
        api.intake.reject("http", &message, refusal, clock::now_ms());
        return Sent::Refused(Outcome::refused("invalid_payload", why));
    }
    let (done, waiting) = oneshot::channel();
    let done = Box::new(move |result| {
        let _ = done.send(result); // a caller that has gone needs no answer
    });
    api.bus.publish(message.channel, message.payload, done);
    Sent::Waiting(waiting)
}

impl Sent {
    async fn outcome(self) -> Result<Outcome, ApiError> {
        let waiting = match self {
            Sent::Refused(outcome) => return Ok(outcome),
            Sent::Waiting(waiting) => waiting,
        };
        match waiting.await.unwrap_or(Err(BusError::Unavailable)) {
            Ok(()) => Ok(Outcome::Ok { ok: true }),
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
        let ok = Ok(Outcome::Ok { ok: true });
        let bad = Ok(Outcome::refused("invalid_payload", "no"));
        let status = |results: &[_]| answer(results).map(|response| response.status());
        assert_eq!(status(&[ok.clone(), bad.clone()]), Ok(StatusCode::ACCEPTED));
        assert_eq!(status(&[bad.clone(), bad]), Ok(StatusCode::UNPROCESSABLE_ENTITY));
        assert_eq!(status(&[ok, Err(ApiError::Unavailable)]), Err(ApiError::Unavailable));
    }
}
