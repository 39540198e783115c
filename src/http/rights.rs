//! Who may call what.

use actix_web::HttpRequest;
use actix_web::http::header;
use subtle::ConstantTimeEq as _;

use super::Api;
use super::error::ApiError;
use crate::auth::{AuthError, User, permissions};
use crate::clock;
use crate::transport::handshake::bearer_token;
use crate::transport::refusal::check_origin;

/// The user whose bearer token this is; nobody as long as it is not known whose tokens have been revoked.
fn user(api: &Api, request: &HttpRequest) -> Result<User, ApiError> {
    if !api.shared.revocations.are_known() {
        return Err(ApiError::Unavailable);
    }
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(bearer_token).ok_or(AuthError::Missing);
    let user = token.and_then(|token| api.shared.verify(token, clock::now_ms()));
    user.map_err(|error| ApiError::AuthFailed(error.reason()))
}

/// Whether the caller has one of the API keys. Each key is compared in full, in constant time.
fn has_api_key(api: &Api, request: &HttpRequest) -> Result<bool, ApiError> {
    let Some(given) = request.headers().get("X-Api-Key") else { return Ok(false) };
    let fits = api
        .api_keys
        .iter()
        .fold(subtle::Choice::from(0), |any, key| any | given.as_bytes().ct_eq(key.as_bytes()));
    if bool::from(fits) { Ok(true) } else { Err(ApiError::AuthFailed("invalid")) }
}

/// Whether the caller may publish: an API key, or a token with `publish` or `admin`.
///
/// # Errors
/// Says why not.
pub fn may_publish(api: &Api, request: &HttpRequest) -> Result<(), ApiError> {
    may_call(api, request)?;
    if has_api_key(api, request)? || permissions::may_publish(&user(api, request)?) {
        Ok(())
    } else {
        Err(ApiError::AccessDenied)
    }
}

/// Whose call it is, by its token.
///
/// # Errors
/// Says why it is refused.
pub fn caller(api: &Api, request: &HttpRequest) -> Result<User, ApiError> {
    may_call(api, request)?;
    user(api, request)
}

/// Whether the caller is an administrator.
///
/// # Errors
/// Says why not.
pub fn may_administrate(api: &Api, request: &HttpRequest) -> Result<(), ApiError> {
    if caller(api, request)?.is_admin { Ok(()) } else { Err(ApiError::AdminRequired) }
}

/// Whether the caller is this user, or an administrator.
///
/// # Errors
/// Says why not.
pub fn may_act_for(api: &Api, request: &HttpRequest, id: &str) -> Result<(), ApiError> {
    let allowed = permissions::may_join_user(&caller(api, request)?, id);
    if allowed { Ok(()) } else { Err(ApiError::AccessDenied) }
}

/// Whether the page that the call comes from may call at all.
fn may_call(api: &Api, request: &HttpRequest) -> Result<(), ApiError> {
    let Some(peer) = request.peer_addr() else { return Ok(()) };
    check_origin(&api.options, request.headers(), peer.ip()).map_err(|_| ApiError::Origin)
}
