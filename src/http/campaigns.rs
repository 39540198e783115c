//! `GET`, `PUT`, `DELETE /api/v1/campaigns/{id}` and `PUT`, `DELETE …/participants/{userId}`: the read model.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::error::ApiError;
use super::openapi::answers::{BadBody, Down, Invalid, Unauthorised, Unknown};
use super::openapi::bodies;
use super::openapi::schemas::{IdInPath, ParticipantInPath};
use super::path::{Segment, id_in_path};
use super::publish::read_body;
use super::{Api, rights};
use crate::clock::{self, Millis};
use crate::events::bus::MAX_AHEAD_MS;
use crate::events::fields::Fields;
use crate::events::{Refusal, Stamp};
use crate::store::{Campaign, CampaignWrite};

/// The most bytes of a campaign's metadata, as JSON text.
const MAX_METADATA: usize = 16 * 1024;

/// A campaign.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Campaign)]
pub struct Shown<'a> {
    campaign_id: &'a str,
    name: Option<&'a str>,
    status: Option<&'a str>,
    /// Since when it has its status.
    status_at: Option<Stamp>,
    owner_id: Option<&'a str>,
    #[schema(value_type = serde_json::Value)]
    metadata: Option<&'a RawValue>,
    participants: &'a [String],
}

impl<'a> From<&'a Campaign> for Shown<'a> {
    fn from(campaign: &'a Campaign) -> Shown<'a> {
        let metadata = campaign.metadata.as_deref();
        Shown {
            campaign_id: &campaign.id,
            name: campaign.name.as_deref(),
            status: campaign.status.as_deref(),
            status_at: campaign.status_at.map(Stamp),
            owner_id: campaign.owner_id.as_deref(),
            metadata: metadata.and_then(|text| serde_json::from_str(text).ok()),
            participants: &campaign.participants,
        }
    }
}

/// The campaign as the store holds it.
///
/// # Errors
/// The caller may not, the id is none, the store does not know it or cannot answer.
#[utoipa::path(
    get,
    path = "/api/v1/campaigns/{id}",
    operation_id = "getCampaign",
    tag = "read model",
    params(IdInPath),
    responses(
        (status = 200, description = "It.", body = Shown),
        Invalid,
        Unauthorised,
        Unknown,
        Down,
    ),
    security(("bearer" = []), ("apiKey" = [])),
)]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    rights::may_publish(&api, &request)?;
    let id = id_in_path(&request, Segment::Campaign)?;
    let found = api.read_model.get(&id).await?;
    let campaign = found.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(Shown::from(&campaign)))
}

/// Replaces all but the participants, or makes the campaign: 201.
///
/// # Errors
/// The caller may not, the body is no campaign, or the store cannot answer: it may be done all the same.
#[utoipa::path(
    put,
    path = "/api/v1/campaigns/{id}",
    operation_id = "putCampaign",
    tag = "read model",
    params(IdInPath),
    request_body = bodies::Campaign,
    responses(
        (status = 200, description = "Replaced.", body = Shown),
        (status = 201, description = "Made.", body = Shown),
        Invalid,
        Unauthorised,
        BadBody,
        Down,
    ),
    security(("bearer" = []), ("apiKey" = [])),
)]
pub async fn put(
    api: web::Data<Api>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    rights::may_publish(&api, &request)?;
    let id = id_in_path(&request, Segment::Campaign)?;
    let body = read_body(&api, body).await?;
    let change = api.read_model.put(parse(id, &body, clock::now_ms())?).await?;
    let status = if change.existed { StatusCode::OK } else { StatusCode::CREATED };
    let campaign = change.now.as_ref().ok_or(ApiError::Unavailable)?;
    Ok(HttpResponse::build(status).json(Shown::from(campaign)))
}

/// Deletes it, also where there is none.
///
/// # Errors
/// As [`put`].
#[utoipa::path(
    delete,
    path = "/api/v1/campaigns/{id}",
    operation_id = "deleteCampaign",
    tag = "read model",
    params(IdInPath),
    responses(
        (status = 204, description = "There is none of this id now."),
        Invalid,
        Unauthorised,
        Down,
    ),
    security(("bearer" = []), ("apiKey" = [])),
)]
pub async fn delete(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    rights::may_publish(&api, &request)?;
    let id = id_in_path(&request, Segment::Campaign)?;
    api.read_model.delete(&id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lets a user take part (again).
///
/// # Errors
/// As [`put`].
#[utoipa::path(
    put,
    path = "/api/v1/campaigns/{id}/participants/{user}",
    operation_id = "addParticipant",
    tag = "read model",
    params(ParticipantInPath),
    responses(
        (status = 204, description = "The user takes part."),
        Invalid,
        Unauthorised,
        Down,
    ),
    security(("bearer" = []), ("apiKey" = [])),
)]
pub async fn add_participant(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    set_participant(&api, &request, true).await
}

/// Removes a user: he stays out whatever his token claims.
///
/// # Errors
/// As [`put`].
#[utoipa::path(
    delete,
    path = "/api/v1/campaigns/{id}/participants/{user}",
    operation_id = "removeParticipant",
    tag = "read model",
    params(ParticipantInPath),
    responses(
        (status = 204, description = "The user stays out whatever his token claims."),
        Invalid,
        Unauthorised,
        Down,
    ),
    security(("bearer" = []), ("apiKey" = [])),
)]
pub async fn remove_participant(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    set_participant(&api, &request, false).await
}

async fn set_participant(api: &Api, request: &HttpRequest, present: bool) -> Result<HttpResponse, ApiError> {
    rights::may_publish(api, request)?;
    let campaign = id_in_path(request, Segment::Campaign)?;
    let user = id_in_path(request, Segment::Participant)?;
    api.read_model.set_participant(&campaign, &user, present).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A campaign as a PUT gives it. What [`get`] answered may be sent back: its participants are passed over.
fn parse(id: String, body: &[u8], now: Millis) -> Result<CampaignWrite, ApiError> {
    let fields = Fields::parse(body)?;
    if fields.opt_text("campaignId")?.is_some_and(|named| named != id) {
        return Err(ApiError::invalid("campaignId: the id of the path is expected, or none"));
    }
    let text = |name: &str| Ok::<_, ApiError>(fields.opt_text(name)?.map(String::from));
    Ok(CampaignWrite {
        name: text("name")?,
        status: text("status")?,
        status_at: Some(status_at(&fields, now)?),
        owner_id: owner(text("ownerId")?)?,
        metadata: metadata(&fields)?,
        id,
    })
}

fn owner(id: Option<String>) -> Result<Option<String>, ApiError> {
    if id.as_deref().is_some_and(|id| !crate::auth::is_id(id)) {
        return Err(ApiError::invalid("ownerId: 1 to 128 characters without white space are expected"));
    }
    Ok(id)
}

fn status_at(fields: &Fields<'_>, now: Millis) -> Result<Millis, ApiError> {
    let at = fields.opt_time("statusAt")?.map_or(now, |at| at.0);
    if at > now.saturating_add(MAX_AHEAD_MS) {
        return Err(ApiError::invalid(
            "statusAt: at most five minutes ahead of the hub's clock are expected",
        ));
    }
    Ok(at)
}

fn metadata(fields: &Fields<'_>) -> Result<Option<String>, ApiError> {
    let Some(raw) = fields.raw("metadata") else { return Ok(None) };
    if raw.get().len() > MAX_METADATA {
        return Err(ApiError::MetadataTooLarge(MAX_METADATA));
    }
    Ok(Some(raw.get().to_owned()))
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        ApiError::invalid(refusal.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn read(body: &str) -> Result<CampaignWrite, ApiError> {
        parse("c|1".into(), body.as_bytes(), NOW)
    }

    #[test]
    fn what_is_left_out_or_null_is_not_there_and_the_time_is_now() {
        let nothing = CampaignWrite { id: "c|1".into(), status_at: Some(NOW), ..CampaignWrite::default() };
        assert_eq!(read("{}"), Ok(nothing.clone()));
        let nulls =
            r#"{"campaignId":null,"name":null,"status":null,"statusAt":null,"ownerId":null,"metadata":null}"#;
        assert_eq!(read(nulls), Ok(nothing));
    }

    #[test]
    fn what_was_answered_may_be_sent_back() {
        let body = r#"{"campaignId":"c|1","name":"N","status":"A","statusAt":"2026-05-04T12:20:30.1239+02:00",
            "ownerId":"auth0|7","metadata":{"a":[1e999, "ü"]},"participants":["x"]}"#;
        let expected = CampaignWrite {
            id: "c|1".into(),
            name: Some("N".into()),
            status: Some("A".into()),
            status_at: clock::parse_rfc3339("2026-05-04T10:20:30.123Z"),
            owner_id: Some("auth0|7".into()),
            metadata: Some(r#"{"a":[1e999, "ü"]}"#.into()),
        };
        assert_eq!(read(body), Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_refused_and_says_what_was_expected() {
        for (body, says) in [
            ("", "JSON is expected"),
            ("[]", "one JSON object"),
            (r#"{"campaignId":"c2"}"#, "campaignId"),
            (r#"{"name":1}"#, "name: a string"),
            (r#"{"name":"a\u0000b"}"#, "U+0000"),
            (r#"{"metadata":{"deep":"\u0000"}}"#, "U+0000"),
            (r#"{"name":"\ud800"}"#, "surrogate"),
            (r#"{"status":["A"]}"#, "status: a string"),
            (r#"{"ownerId":"a b"}"#, "ownerId"),
            (r#"{"ownerId":""}"#, "ownerId"),
            (r#"{"statusAt":"yesterday"}"#, "statusAt: RFC 3339"),
            (r#"{"statusAt":1800000300001}"#, "five minutes"),
            (r#"{"name":"a","name":"b"}"#, "each field once"),
        ] {
            let Err(ApiError::InvalidPayload(message)) = read(body) else { panic!("{body} is taken") };
            assert!(message.contains(says), "{body}: {message}");
        }
    }

    #[test]
    fn metadata_of_over_16_kib_is_too_large() {
        let of = |bytes: usize| format!(r#"{{"metadata":"{}"}}"#, "x".repeat(bytes - 2));
        assert!(read(&of(MAX_METADATA)).is_ok());
        assert_eq!(read(&of(MAX_METADATA + 1)), Err(ApiError::MetadataTooLarge(MAX_METADATA)));
    }
}
