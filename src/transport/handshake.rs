//! An upgrade request → a socket, or the answer that says why not.
//!
//! The upgrade service sees every request with `Upgrade: websocket`, whatever its path and method, and
//! every CONNECT; so it routes by path itself. It answers 101, takes the stream, starts the actor and
//! returns, so that the HTTP connection's buffers are freed. A websocket for a session that is polled goes
//! to that session, on whatever worker it lives.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use actix_codec::Framed;
use actix_http::body::BodySize;
use actix_http::header::{self, HeaderMap, HeaderValue};
use actix_http::{HttpMessage as _, Request, Response, Version, h1, ws};
use futures_util::SinkExt as _;
use tokio::sync::oneshot;

use super::query::{Carrier, EngineQuery, query_param};
use super::refusal::{Refusal, check_origin, cors_headers};
use super::stream::Stream;
use super::worker::Worker;
use super::{Endpoint, Options, peer_ip};
use crate::ids::Sid;
use crate::protocol::engineio::{Dialog, HandshakeError};
use crate::socket::visit::{Candidate, Errand, Visit};
use crate::socket::{Kind, Namespace, Peer, Token, Wire};

/// The plain protocol's name in `Sec-WebSocket-Protocol`.
const SUBPROTOCOL: &str = "roomcast.json";
/// The longest header or query value that is kept of a handshake, in bytes.
const MAX_KEPT: usize = 512;

/// A websocket that is let in.
struct Accepted<'a> {
    endpoint: &'a Endpoint,
    dialog: Dialog,
    /// The polled session that it is for.
    session: Option<Sid>,
}

fn judge<'a, N: Namespace>(
    worker: &'a Worker<N>,
    request: &Request,
    peer: IpAddr,
) -> Result<Accepted<'a>, Refusal> {
    let options = worker.options();
    let endpoint = options.endpoint(request.path()).ok_or(Refusal::NotFound)?;
    check_origin(options, request.headers(), peer)?;
    let mut accepted = Accepted { endpoint, dialog: Dialog::V4, session: None };
    if endpoint.is_engine() {
        let query = EngineQuery::parse(request.uri().query().unwrap_or_default(), options.allow_eio3)?;
        if query.carrier != Carrier::Websocket {
            return Err(HandshakeError::BadRequest.into());
        }
        (accepted.dialog, accepted.session) = (query.dialog, query.sid);
    }
    if accepted.session.is_none() && !worker.gate().lets_in() {
        return Err(Refusal::NotNow);
    }
    // RFC 6455, 4.1: HTTP/1.1 at least
    if request.head().version < Version::HTTP_11 || ws::verify_handshake(request.head()).is_err() {
        return Err(if endpoint.is_engine() {
            HandshakeError::BadRequest.into()
        } else {
            Refusal::NotWebsocket
        });
    }
    Ok(accepted)
}

/// Who the client is, as far as the handshake tells.
pub(super) fn peer_of(options: &Options, headers: &HeaderMap, query: &str, address: IpAddr) -> Peer {
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
pub(super) async fn upgrade<N: Namespace>(
    worker: Rc<Worker<N>>,
    request: Request,
    mut framed: Framed<Stream, h1::Codec>,
) -> io::Result<()> {
    let address = peer_ip(request.peer_addr());
    let accepted = match judge(&worker, &request, address) {
        Ok(accepted) => ask_session(&worker, accepted).await,
        Err(refusal) => Err(refusal),
    };
    let accepted = match accepted {
        Ok(accepted) => accepted,
        Err(refusal) => return refuse(worker.options(), &request, address, framed, refusal).await,
    };
    let response = accept_response(&request, accepted.endpoint.kind);
    framed.send(h1::Message::Item((response, BodySize::None))).await?;
    let parts = framed.into_parts();
    let Accepted { endpoint, dialog, session } = accepted;
    let (stream, already_read) = (parts.io.into_inner(), parts.read_buf.freeze());
    if let Some(sid) = session {
        let candidate = Candidate { stream: stream.into_std()?, already_read };
        let errand = Errand::Upgrade(candidate);
        worker.desks().send(Visit { sid, version: dialog.version, errand });
    } else {
        let query = request.uri().query().unwrap_or_default();
        let peer = peer_of(worker.options(), request.headers(), query, address);
        worker.begin(endpoint, dialog, peer, Wire::new(stream), already_read);
    }
    Ok(())
}

/// Whether the session that a websocket is for is there, and may be upgraded.
async fn ask_session<'a, N: Namespace>(
    worker: &Worker<N>,
    accepted: Accepted<'a>,
) -> Result<Accepted<'a>, Refusal> {
    if let Some(sid) = accepted.session {
        let (answer, answered) = oneshot::channel();
        let errand = Errand::MayUpgrade(answer);
        worker.desks().send(Visit { sid, version: accepted.dialog.version, errand });
        answered.await.unwrap_or(Err(HandshakeError::SessionUnknown))?;
    }
    Ok(accepted)
}

fn accept_response(request: &Request, kind: Kind) -> Response<()> {
    let mut response = ws::handshake_response(request.head());
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut names = offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if kind == Kind::Plain && names.any(|name| name.trim() == SUBPROTOCOL) {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL));
    }
    response.finish().drop_body()
}

async fn refuse(
    options: &Options,
    request: &Request,
    address: IpAddr,
    mut framed: Framed<Stream, h1::Codec>,
    refusal: Refusal,
) -> io::Result<()> {
    let engine = options.endpoint(request.path()).is_some_and(Endpoint::is_engine);
    let body = refusal.body(engine);
    let mut response = Response::build(refusal.status());
    response.content_type("application/json").force_close();
    for pair in cors_headers(options, request.headers(), address).into_iter().chain(refusal.retry_after()) {
        response.insert_header(pair);
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
    fn a_bearer_header_gives_its_token() {
        assert_eq!(bearer_token("Bearer abc"), Some("abc"));
        assert_eq!(bearer_token("bearer  abc "), Some("abc"));
        assert_eq!(bearer_token("Basic abc"), None);
    }
}
