//! `POST /api/v1/auth/refresh` and `POST /api/v1/users/{id}/revoke`.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::ask::{asked, stored};
use super::connections::Disconnected;
use super::error::ApiError;
use super::openapi::answers::{Down, Invalid, Unauthorised, Unknown};
use super::openapi::schemas::IdInPath;
use super::path::{Segment, id_in_path};
use super::{Api, rights};
use crate::auth::{AuthError, NewToken, Since, User};
use crate::clock::{self, Millis};
use crate::events::Stamp;

// ── refresh ─────────────────────────────────────────────────────────────────────────────────────────────────

/// The answer to a refresh.
#[derive(Serialize, ToSchema, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Refreshed {
    /// A new token of the same subject, permissions and campaigns.
    pub token: String,
    /// When it runs out: RFC 3339 in UTC.
    pub expires_at: Stamp,
}

/// Gives a new token for one that is still valid, until the session is over.
///
/// # Errors
/// It is switched off or the hub has nothing to sign with (404), the token is refused, or its session is over.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    operation_id = "refreshToken",
    tag = "users",
    responses(
        (status = 200, description = "A token of the same subject, permissions and campaigns.", body = Refreshed),
        Unauthorised,
        Unknown,
        Down,
    ),
    security(("bearer" = [])),
)]
pub async fn refresh(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let keys = api.shared.keys();
    let max_session = api.refresh.filter(|_| keys.can_sign()).ok_or(ApiError::NotFound)?;
    let user = rights::caller(&api, &request)?;
    let now = clock::now_ms();
    let failed = |error: AuthError| ApiError::AuthFailed(error.reason());
    let next = next_token(&user, max_session, now).map_err(failed)?;
    let token = keys.sign_again(&next.claims, next.since, now).map_err(failed)?;
    let expires_at = Stamp(next.expires_at);
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(response.json(Refreshed { token, expires_at }))
}

/// What takes the place of a token.
#[derive(Debug)]
struct Next {
    claims: NewToken,
    since: Since,
    expires_at: Millis,
}

/// The same for as long as before, but not beyond the end of the session: `max_session` milliseconds after its
/// first token was issued.
fn next_token(user: &User, max_session: Millis, now: Millis) -> Result<Next, AuthError> {
    let began = user.auth_time.or(user.issued_at);
    let began = began.ok_or(AuthError::Invalid("neither auth_time nor iat: its session has no beginning"))?;
    // one that is to begin in the future would begin anew at each refresh
    let began = began.min(now);
    let lifetime = user.expires_at.saturating_sub(user.issued_at.unwrap_or(began));
    let session_ends = began.saturating_add(max_session);
    // tokens count in seconds: the new one begins with this one
    let issued = now.div_euclid(1_000);
    let ttl = (lifetime / 1_000).min(session_ends.div_euclid(1_000) - issued);
    let ttl_seconds = u64::try_from(ttl).ok().filter(|ttl| *ttl > 0).ok_or(AuthError::Expired)?;
    let text = |ids: &[std::sync::Arc<str>]| ids.iter().map(|id| id.to_string()).collect();
    let claims = NewToken {
        sub: user.id.to_string(),
        permissions: user.permissions.clone(),
        owned_campaigns: text(&user.owned),
        participating_campaigns: text(&user.participating),
        ttl_seconds,
    };
    // one that does not say when it was issued is older than any revocation, and so is what comes of it
    let since = Since { auth_time: began, first_issued_at: user.first_issued_at.unwrap_or(0) };
    Ok(Next { claims, since, expires_at: (issued + ttl) * 1_000 })
}

// ── revoke ──────────────────────────────────────────────────────────────────────────────────────────────────

/// Refuses all tokens of a user that were issued until now. On this node that holds at once, whatever becomes of
/// the call; it is answered when it is in the store, where the other nodes find it.
///
/// # Errors
/// The caller is no administrator, the id is none, or the store cannot answer: then it may hold on this node
/// alone, and the call should be repeated.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/revoke",
    operation_id = "revokeUser",
    tag = "admin",
    params(IdInPath),
    responses(
        (status = 200, description = "Tokens issued until now are refused, on every node; sockets of this node with one were closed.", body = Disconnected),
        Invalid,
        Unauthorised,
        Down,
    ),
    security(("bearer" = [])),
)]
pub async fn revoke(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    rights::may_administrate(&api, &request)?;
    let user = id_in_path(&request, Segment::USER)?;
    let before = clock::now_ms();
    let disconnected = asked(|reply| api.revoker.revoke(&user, before, reply));
    stored(api.shared.store_patience, |reply| api.shared.store.revoke(&user, before, reply)).await?;
    Ok(HttpResponse::Ok().json(Disconnected { disconnected: disconnected.await? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_700;
    const DAY: Millis = 86_400_000;

    fn user(issued_at: Option<Millis>, auth_time: Option<Millis>, expires_at: Millis) -> User {
        User {
            id: "u|1".into(),
            permissions: vec!["publish".into()],
            is_admin: false,
            owned: vec!["c1".into()],
            participating: vec!["c2".into()],
            issued_at,
            first_issued_at: issued_at,
            auth_time,
            expires_at,
        }
    }

    #[test]
    fn the_new_token_says_what_the_old_one_said_and_lives_as_long() {
        let old = user(Some(NOW - 100_700), None, NOW + 499_300);
        let next = next_token(&old, DAY, NOW).unwrap();
        assert_eq!((next.claims.ttl_seconds, next.expires_at), (600, NOW - 700 + 600_000));
        assert_eq!(next.since.auth_time, NOW - 100_700, "the session began with it");
        assert_eq!(
            (next.claims.sub.as_str(), next.claims.permissions.as_slice()),
            ("u|1", &["publish".to_owned()][..])
        );
        assert_eq!(next.claims.owned_campaigns, ["c1"]);
        assert_eq!(next.claims.participating_campaigns, ["c2"]);
    }

    #[test]
    fn the_session_is_counted_from_its_first_token() {
        let old = user(Some(NOW - 700), Some(NOW - DAY + 60_000), NOW + 3_600_000);
        let next = next_token(&old, DAY, NOW).unwrap();
        assert_eq!(
            (next.claims.ttl_seconds, next.since.auth_time),
            (60, NOW - DAY + 60_000),
            "cut at its end"
        );
        assert!(next.expires_at <= NOW - DAY + 60_000 + DAY);
        let over = user(Some(NOW), Some(NOW - DAY), NOW + 3_600_000);
        assert_eq!(next_token(&over, DAY, NOW).unwrap_err(), AuthError::Expired);
        let almost = user(Some(NOW), Some(NOW - DAY + 200), NOW + 3_600_000);
        assert_eq!(
            next_token(&almost, DAY, NOW).unwrap_err(),
            AuthError::Expired,
            "less than a second is left"
        );
    }

    #[test]
    fn a_token_that_does_not_say_when_its_session_began_is_refused() {
        assert!(matches!(next_token(&user(None, None, NOW + 1), DAY, NOW), Err(AuthError::Invalid(_))));
        assert!(next_token(&user(None, Some(NOW - 5_000), NOW + 60_000), DAY, NOW).is_ok());
    }

    #[test]
    fn a_session_that_begins_in_the_future_begins_now() {
        let ahead = user(Some(NOW), Some(NOW + 10 * DAY), NOW + 2 * DAY);
        let next = next_token(&ahead, DAY, NOW).unwrap();
        assert_eq!((next.claims.ttl_seconds, next.since.auth_time), (86_400, NOW));
    }
}
