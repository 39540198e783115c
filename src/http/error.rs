//! The one form of errors: `{"error":{"code","message"}}` with the right status.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

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
    /// The path has other methods.
    #[error("Method not allowed")]
    MethodNotAllowed,
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

/// The body of every error.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    error: ErrorDetails,
}

/// What is wrong.
#[derive(Serialize, ToSchema)]
pub struct ErrorDetails {
    /// Stable: programs use it.
    code: &'static str,
    /// For people.
    message: String,
    /// Of `auth_failed`: `missing`, `invalid`, `expired` or `revoked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl ApiError {
    /// A call that is wrong, and what was expected of it.
    pub fn invalid(expected: impl Into<String>) -> ApiError {
        ApiError::InvalidPayload(expected.into())
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            ApiError::InvalidPayload(_) => "invalid_payload",
            ApiError::AuthFailed(_) => "auth_failed",
            ApiError::AccessDenied | ApiError::Origin => "access_denied",
            ApiError::AdminRequired => "admin_required",
            ApiError::NotFound => "not_found",
            ApiError::MethodNotAllowed => "method_not_allowed",
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
            ApiError::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ApiError::TooLarge(_) | ApiError::MetadataTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let reason = if let ApiError::AuthFailed(reason) = self { Some(*reason) } else { None };
        let error = ErrorDetails { code: self.code(), message: self.to_string(), reason };
        let mut response = HttpResponse::build(self.status_code());
        if *self == ApiError::Unavailable {
            response.insert_header(("Retry-After", "1"));
        }
        response.json(ErrorBody { error })
    }
}
