//! Why a request is refused, and the headers by which a page may read that.

use std::net::IpAddr;
use std::time::Duration;

use actix_http::StatusCode;
use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::HttpResponse;
use serde_json::json;

use super::Options;
use super::capacity::Full;
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
    /// Too many handshakes from this address; the next may come after so many seconds.
    RateLimited(u64),
    /// Too many connections.
    Full(Full),
    /// The head of the request is too large.
    HeadTooLarge,
    /// Its body is: at most so many bytes.
    BodyTooLarge(usize),
    /// Its body did not come in time.
    BodyTooSlow,
}

impl Refusal {
    /// Too many handshakes, the next allowed after `wait`.
    pub fn rate_limited(wait: Duration) -> Refusal {
        Refusal::RateLimited(wait.as_millis().div_ceil(1_000).max(1) as u64)
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Refusal::Engine(error) => StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
            Refusal::NotWebsocket => StatusCode::BAD_REQUEST,
            Refusal::Origin => StatusCode::FORBIDDEN,
            Refusal::NotNow | Refusal::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Refusal::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Refusal::NotFound => StatusCode::NOT_FOUND,
        }
    }

    /// Code and message in the API's form.
    fn words(self) -> (&'static str, String) {
        let (code, message) = match self {
            Refusal::Engine(_) => ("invalid_payload", "Bad handshake"),
            Refusal::Origin => ("access_denied", "Origin not allowed"),
            Refusal::NotNow => ("unavailable", "Temporarily unavailable"),
            Refusal::NotFound => ("not_found", "Not found"),
            Refusal::NotWebsocket => {
                ("invalid_payload", "Expected a websocket handshake (RFC 6455, version 13)")
            }
            Refusal::RateLimited(_) => ("rate_limited", "Rate limit exceeded"),
            Refusal::Full(_) => ("unavailable", "Connection limit exceeded"),
            Refusal::HeadTooLarge => ("too_large", "Request head too large"),
            Refusal::BodyTooLarge(most) => {
                return ("too_large", format!("Body too large: at most {most} bytes"));
            }
            Refusal::BodyTooSlow => ("invalid_payload", "Request timeout"),
        };
        (code, message.to_owned())
    }

    /// The same in Engine.IO's form, where it has one.
    fn in_engine_io(self) -> Option<HandshakeError> {
        Some(match self {
            Refusal::Engine(error) => error,
            Refusal::Origin => HandshakeError::Forbidden,
            Refusal::NotNow => HandshakeError::Unavailable,
            Refusal::RateLimited(_) => HandshakeError::RateLimited,
            Refusal::Full(_) => HandshakeError::ConnectionLimit,
            Refusal::HeadTooLarge => HandshakeError::BadRequest,
            Refusal::BodyTooLarge(_) => HandshakeError::TooLarge,
            Refusal::BodyTooSlow => HandshakeError::Timeout,
            Refusal::NotFound | Refusal::NotWebsocket => return None,
        })
    }

    /// All labels that [`Refusal::reason`] gives.
    pub const REASONS: [&str; 9] = [
        "origin",
        "not_ready",
        "handshake_rate",
        "connections",
        "connections_per_address",
        "descriptors",
        "header_bytes",
        "body_bytes",
        "body_timeout",
    ];

    /// Its label in `roomcast_refused_requests_total`; none for what is wrong with the request alone.
    pub fn reason(self) -> Option<&'static str> {
        Some(match self {
            Refusal::Origin => "origin",
            Refusal::NotNow => "not_ready",
            Refusal::RateLimited(_) => "handshake_rate",
            Refusal::Full(Full::Sessions) => "connections",
            Refusal::Full(Full::Address) => "connections_per_address",
            Refusal::Full(Full::Streams) => "descriptors",
            Refusal::HeadTooLarge => "header_bytes",
            Refusal::BodyTooLarge(_) | Refusal::Engine(HandshakeError::TooLarge) => "body_bytes",
            Refusal::BodyTooSlow | Refusal::Engine(HandshakeError::Timeout) => "body_timeout",
            Refusal::Engine(_) | Refusal::NotFound | Refusal::NotWebsocket => return None,
        })
    }

    /// Whether the rest of what the client sends is not waited for.
    pub fn ends_connection(self) -> bool {
        self == Refusal::NotNow || matches!(self.status().as_u16(), 408 | 413 | 431)
    }

    /// When to come again, where that is known.
    pub fn retry_after(self) -> Option<(HeaderName, HeaderValue)> {
        let seconds = match self {
            Refusal::NotNow | Refusal::Full(_) => 5,
            Refusal::RateLimited(seconds) => seconds,
            _ => return None,
        };
        Some((header::RETRY_AFTER, HeaderValue::from(seconds)))
    }

    /// The body that a client of this path understands: Engine.IO's own form, or the API's.
    pub fn body(self, engine: bool) -> String {
        if let Some(error) = self.in_engine_io().filter(|_| engine) {
            return error.body();
        }
        let (code, message) = self.words();
        json!({ "error": { "code": code, "message": message } }).to_string()
    }
}

impl From<HandshakeError> for Refusal {
    fn from(error: HandshakeError) -> Refusal {
        Refusal::Engine(error)
    }
}

/// The whole answer of a request that is refused over HTTP.
pub fn answer(
    options: &Options,
    headers: &HeaderMap,
    peer: IpAddr,
    refusal: Refusal,
    engine: bool,
) -> HttpResponse {
    let mut response = HttpResponse::build(refusal.status());
    for header in cors_headers(options, headers, peer).into_iter().chain(refusal.retry_after()) {
        response.append_header(header);
    }
    response.append_header((header::CACHE_CONTROL, "no-store"));
    response.append_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if refusal.ends_connection() {
        response.force_close();
    }
    response.content_type("application/json").body(refusal.body(engine))
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
