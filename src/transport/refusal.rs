//! Why a request is refused, and the headers by which a page may read that.

use std::net::IpAddr;

use actix_http::StatusCode;
use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::Options;
use crate::protocol::engineio::HandshakeError;

/// Why a handshake is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Engine.IO's own reasons.
    Engine(HandshakeError),
    /// The page may not connect.
    Origin,
    /// The hub is starting or going down.
    NotNow,
    /// No such path.
    NotFound,
    /// No websocket handshake.
    NotWebsocket,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Refusal::Engine(error) => StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
            Refusal::NotWebsocket => StatusCode::BAD_REQUEST,
            Refusal::Origin => StatusCode::FORBIDDEN,
            Refusal::NotNow => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::NotFound => StatusCode::NOT_FOUND,
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Refusal::Engine(_) => ("invalid_payload", "Bad handshake"),
            Refusal::Origin => ("access_denied", "Origin not allowed"),
            Refusal::NotNow => ("unavailable", "Temporarily unavailable"),
            Refusal::NotFound => ("not_found", "Not found"),
            Refusal::NotWebsocket => {
                ("invalid_payload", "Expected a websocket handshake (RFC 6455, version 13)")
            }
        }
    }

    /// When to come again, where that is known.
    pub fn retry_after(self) -> Option<(HeaderName, HeaderValue)> {
        (self == Refusal::NotNow).then_some((header::RETRY_AFTER, HeaderValue::from_static("5")))
    }

    /// The body that a client of this path understands: Engine.IO's own form, or the API's.
    pub fn body(self, engine: bool) -> String {
        let (code, message) = self.words();
        match self {
            Refusal::Engine(error) => error.body(),
            Refusal::Origin if engine => HandshakeError::Forbidden.body(),
            Refusal::NotNow if engine => HandshakeError::Unavailable.body(),
            _ => json!({ "error": { "code": code, "message": message } }).to_string(),
        }
    }
}

impl From<HandshakeError> for Refusal {
    fn from(error: HandshakeError) -> Refusal {
        Refusal::Engine(error)
    }
}

/// The origin rule for any request.
///
/// # Errors
/// The page may not talk to this hub.
pub fn check_origin(options: &Options, headers: &HeaderMap, peer: IpAddr) -> Result<(), Refusal> {
    let host = options.trusted_proxies.host(peer, headers);
    let allowed =
        |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| options.origins.allows(origin, host));
    // a page sends one; of several, none may be foreign
    if headers.get_all(header::ORIGIN).all(allowed) { Ok(()) } else { Err(Refusal::Origin) }
}

/// The CORS headers that let an allowed page read an answer, also one that refuses it something.
pub fn cors_headers(options: &Options, headers: &HeaderMap, peer: IpAddr) -> Vec<(HeaderName, HeaderValue)> {
    let mut list = vec![(header::VARY, HeaderValue::from_static("Origin"))];
    let allowed = |_: &&HeaderValue| check_origin(options, headers, peer).is_ok();
    if let Some(origin) = headers.get(header::ORIGIN).filter(allowed) {
        list.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
        if options.credentials {
            list.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
    }
    list
}

/// What a preflight is answered besides: the methods of long-polling, and the headers that were asked for
/// (`extraHeaders` of a client may have any name).
pub fn preflight_headers(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    /// How long a page may rely on it, in seconds.
    const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
    let mut list = vec![
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ];
    if let Some(asked) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        list.push((header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone()));
    }
    list
}
