//! What several calls answer: sets of statuses, of errors each with its code.

use utoipa::IntoResponses;

use crate::http::error::ErrorBody;
use crate::http::publish::Published;

/// Of a call that publishes one message.
#[derive(IntoResponses)]
#[allow(missing_docs, reason = "the text is the description")]
pub enum Judged {
    /// Taken: it has been read back from the bus, or is a repeat.
    #[response(status = 202)]
    Taken(Published),
    /// Refused, and listed in `/api/v1/rejected`; the result says why.
    #[response(status = 422)]
    Refused(Published),
}

/// Of a call that asks who calls.
#[derive(IntoResponses)]
#[allow(missing_docs, reason = "the text is the description")]
pub enum Unauthorised {
    /// `auth_failed`: no token or key, or none that is accepted; `reason` says why.
    #[response(status = 401)]
    AuthFailed(ErrorBody),
    /// `access_denied` or `admin_required`: the caller may not; or the page's origin may not call.
    #[response(status = 403)]
    Denied(ErrorBody),
}

/// Of a call that has something to get wrong.
#[derive(IntoResponses)]
#[allow(missing_docs, reason = "the text is the description")]
pub enum Invalid {
    /// `invalid_payload`: the message says what was expected.
    #[response(status = 400)]
    Payload(ErrorBody),
}

/// Of a call whose body cannot be taken.
#[derive(IntoResponses)]
#[allow(missing_docs, reason = "the text is the description")]
pub enum BadBody {
    /// `invalid_payload`: the body took longer than `limits.body_timeout_ms`.
    #[response(status = 408)]
    Late(ErrorBody),
    /// `too_large`: over `limits.body_bytes`, or metadata over 16 KiB.
    #[response(status = 413)]
    TooLarge(ErrorBody),
}

/// Of a call that names something.
#[derive(IntoResponses)]
#[allow(missing_docs, reason = "the text is the description")]
pub enum Unknown {
    /// `not_found`: there is none of this name.
    #[response(status = 404)]
    NotFound(ErrorBody),
}

/// Of a call that needs the bus or the database, or that asks a hub which is going down.
#[derive(IntoResponses)]
#[allow(missing_docs, reason = "the text is the description")]
pub enum Down {
    /// `unavailable`: come back after `Retry-After` seconds. What was sent may have been done all the same.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}
