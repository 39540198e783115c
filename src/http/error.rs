//! The one form of errors: `{"error":{"code","message"}}` with the right status.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;
use thiserror::Error;

/// What can be wrong with a call.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ApiError {
    /// What was expected.
    #[error("{0}")]
    InvalidPayload(String),
    /// No token, no key, or one that is not accepted; with the reason.
    #[error("Authentication failed")]
    AuthFailed(&'static str),
    /// The token does not give this right.
    #[error("Access denied")]
    AccessDenied,
    /// Only administrators may.
    #[error("Admin access required")]
    AdminRequired,
    /// The page's origin may not call.
    #[error("Origin not allowed")]
    Origin,
    /// Nothing has this name.
    #[error("Not found")]
    NotFound,
    /// The body is larger than allowed.
    #[error("Body too large: at most {0} bytes")]
    TooLarge(usize),
    /// The metadata of a campaign are.
    #[error("metadata: at most {0} bytes of JSON are expected")]
    MetadataTooLarge(usize),
    /// A part that is needed cannot be reached.
    #[error("Temporarily unavailable")]
    Unavailable,
}

impl ApiError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            ApiError::InvalidPayload(_) => "invalid_payload",
            ApiError::AuthFailed(_) => "auth_failed",
            ApiError::AccessDenied | ApiError::Origin => "access_denied",
            ApiError::AdminRequired => "admin_required",
            ApiError::NotFound => "not_found",
            ApiError::TooLarge(_) | ApiError::MetadataTooLarge(_) => "too_large",
            ApiError::Unavailable => "unavailable",
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            ApiError::InvalidPayload(_) => StatusCode::BAD_REQUEST,
            ApiError::AuthFailed(_) => StatusCode::UNAUTHORIZED,
            ApiError::AccessDenied | ApiError::AdminRequired | ApiError::Origin => StatusCode::FORBIDDEN,
            ApiError::NotFound => StatusCode::NOT_FOUND,
            ApiError::TooLarge(_) | ApiError::MetadataTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut error = json!({ "code": self.code(), "message": self.to_string() });
        if let ApiError::AuthFailed(reason) = self {
            error["reason"] = json!(reason);
        }
        let mut response = HttpResponse::build(self.status_code());
        if *self == ApiError::Unavailable {
            response.insert_header(("Retry-After", "1"));
        }
        response.json(json!({ "error": error }))
    }
}
