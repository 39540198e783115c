//! An upgrade request → a socket, or the answer that says why not.
//!
//! The upgrade service sees every request with `Upgrade: websocket`, whatever its path and method, and
//! every CONNECT; so it routes by path itself. It answers 101, takes the stream, starts the actor and
//! returns, so that the HTTP connection's buffers are freed.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use actix_codec::Framed;
use actix_http::body::BodySize;
use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_http::{HttpMessage as _, Request, Response, StatusCode, Version, h1, ws};
use futures_util::SinkExt as _;
use serde_json::json;
use tokio::net::TcpStream;

use super::worker::Worker;
use super::{Gate, Options, peer_ip};
use crate::ids::Sid;
use crate::protocol::engineio::{self, HandshakeError};
use crate::protocol::frame::Dialect;
use crate::socket::{Namespace, Peer, Token, Wire};

/// The plain protocol's name in `Sec-WebSocket-Protocol`.
const SUBPROTOCOL: &str = "roomcast.json";
/// The longest header or query value that is kept of a handshake, in bytes.
const MAX_KEPT: usize = 512;

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
            Refusal::Engine(_) | Refusal::NotWebsocket => StatusCode::BAD_REQUEST,
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

    /// The body that a client of this path understands.
    pub fn body(self, socketio: bool) -> String {
        let (code, message) = self.words();
        match self {
            Refusal::Engine(error) => error.body(),
            Refusal::Origin if socketio => HandshakeError::Forbidden.body(),
            Refusal::NotNow if socketio => HandshakeError::Unavailable.body(),
            _ => json!({ "error": { "code": code, "message": message } }).to_string(),
        }
    }
}

/// What a handshake asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Route {
    SocketIo,
    Plain,
}

/// A request's path, with or without its last slash.
fn same_path(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

/// Whether this is Socket.IO's path.
pub fn is_socketio_path(options: &Options, path: &str) -> bool {
    same_path(path, &options.socketio_path)
}

/// The first value of a query parameter, decoded.
pub fn query_param(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })?;
    let value = value.replace('+', " ");
    Some(percent_encoding::percent_decode_str(&value).decode_utf8_lossy().into_owned())
}

/// What Engine.IO asks of a handshake without a session: the version first, then the transport.
///
/// # Errors
/// Engine.IO's reasons. Long-polling is not served, so only `websocket` is a transport.
pub fn check_engine_query(query: &str) -> Result<(), HandshakeError> {
    if query_param(query, "EIO").as_deref() != Some("4") {
        return Err(HandshakeError::UnsupportedVersion);
    }
    if query_param(query, "transport").as_deref() != Some("websocket") {
        return Err(HandshakeError::TransportUnknown);
    }
    match query_param(query, "sid") {
        Some(_) => Err(HandshakeError::SessionUnknown),
        None => Ok(()),
    }
}

fn judge(options: &Options, gate: &Gate, request: &Request, peer: IpAddr) -> Result<Route, Refusal> {
    let route = if is_socketio_path(options, request.path()) {
        Route::SocketIo
    } else if same_path(request.path(), &options.plain_path) {
        Route::Plain
    } else {
        return Err(Refusal::NotFound);
    };
    check_origin(options, request.headers(), peer)?;
    if !gate.lets_in() {
        return Err(Refusal::NotNow);
    }
    if route == Route::SocketIo {
        check_engine_query(request.uri().query().unwrap_or_default()).map_err(Refusal::Engine)?;
    }
    // RFC 6455, 4.1: HTTP/1.1 at least
    if request.head().version < Version::HTTP_11 || ws::verify_handshake(request.head()).is_err() {
        return Err(match route {
            Route::SocketIo => Refusal::Engine(HandshakeError::BadRequest),
            Route::Plain => Refusal::NotWebsocket,
        });
    }
    Ok(route)
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

/// Who the client is, as far as the handshake tells.
fn peer_of(options: &Options, request: &Request, address: IpAddr) -> Peer {
    let headers = request.headers();
    let query = request.uri().query().unwrap_or_default();
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let cut = |text: &str| text[..text.floor_char_boundary(MAX_KEPT)].into();
    let bearer = text(header::AUTHORIZATION).and_then(bearer_token).map(str::to_owned);
    let token = bearer.or_else(|| query_param(query, "token")).filter(|token| !token.is_empty());
    Peer {
        ip: options.trusted_proxies.client(address, headers),
        user_agent: text(header::USER_AGENT).map(cut),
        version: query_param(query, "version").as_deref().map(cut),
        token: token.map(|token| Token(token.into_boxed_str())),
    }
}

/// The token of an `Authorization: Bearer …` header.
pub fn bearer_token(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Handles one upgrade request.
///
/// # Errors
/// The connection broke while it was answered.
pub async fn upgrade<N: Namespace>(
    worker: Rc<Worker<N>>,
    request: Request,
    mut framed: Framed<TcpStream, h1::Codec>,
) -> io::Result<()> {
    let options = &worker.shared.options;
    let address = peer_ip(request.peer_addr());
    let route = match judge(options, &worker.shared.gate, &request, address) {
        Ok(route) => route,
        Err(refusal) => return refuse(options, &request, address, framed, refusal).await,
    };
    let response = accept_response(&request, route);
    framed.send(h1::Message::Item((response, BodySize::None))).await?;
    let peer = peer_of(options, &request, address);
    let parts = framed.into_parts();
    let (dialect, greeting) = match route {
        Route::Plain => (Dialect::Plain, None),
        Route::SocketIo => (Dialect::SocketIo, Some(open_frame(options))),
    };
    worker.begin(Wire::new(parts.io), parts.read_buf.freeze(), dialect, peer, greeting);
    Ok(())
}

fn open_frame(options: &Options) -> bytes::Bytes {
    // Engine.IO's id is a secret of this connection, and not the socket's public name
    let sid = Sid::new(0, 0);
    engineio::open_frame(
        sid.as_str(),
        &[],
        options.ping_interval_ms,
        options.ping_timeout_ms,
        options.max_payload,
    )
}

fn accept_response(request: &Request, route: Route) -> Response<()> {
    let mut response = ws::handshake_response(request.head());
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut names = offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if route == Route::Plain && names.any(|name| name.trim() == SUBPROTOCOL) {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL));
    }
    response.finish().drop_body()
}

async fn refuse(
    options: &Options,
    request: &Request,
    address: IpAddr,
    mut framed: Framed<TcpStream, h1::Codec>,
    refusal: Refusal,
) -> io::Result<()> {
    let body = refusal.body(is_socketio_path(options, request.path()));
    let mut response = Response::build(refusal.status());
    response.content_type("application/json").force_close();
    for pair in cors_headers(options, request.headers(), address) {
        response.insert_header(pair);
    }
    if refusal == Refusal::NotNow {
        response.insert_header((header::RETRY_AFTER, "5"));
    }
    let head = response.finish().drop_body();
    framed.feed(h1::Message::Item((head, BodySize::Sized(body.len() as u64)))).await?;
    framed.feed(h1::Message::Chunk(Some(body.into()))).await?;
    framed.send(h1::Message::Chunk(None)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters_are_decoded_and_the_first_counts() {
        let query = "EIO=4&token=a%2Bb+c&token=other&flag";
        assert_eq!(query_param(query, "token").as_deref(), Some("a+b c"));
        assert_eq!(query_param(query, "flag").as_deref(), Some(""));
        assert_eq!(query_param(query, "tok"), None);
    }

    #[test]
    fn engine_io_asks_for_its_version_before_its_transport() {
        assert_eq!(check_engine_query("transport=nonsense"), Err(HandshakeError::UnsupportedVersion));
        assert_eq!(check_engine_query("EIO=4&transport=nonsense"), Err(HandshakeError::TransportUnknown));
        assert_eq!(
            check_engine_query("EIO=4&transport=websocket&sid=x"),
            Err(HandshakeError::SessionUnknown)
        );
        assert_eq!(check_engine_query("transport=websocket&EIO=4"), Ok(()));
    }

    #[test]
    fn a_bearer_header_gives_its_token() {
        assert_eq!(bearer_token("Bearer abc"), Some("abc"));
        assert_eq!(bearer_token("bearer  abc "), Some("abc"));
        assert_eq!(bearer_token("Basic abc"), None);
    }
}
