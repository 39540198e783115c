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
use super::stream::{Connection, Stream};
use super::worker::Worker;
use super::{Endpoint, Options, Side, peer_ip};
use crate::ids::Sid;
use crate::protocol::engineio::{Dialog, HandshakeError};
use crate::socket::visit::{Candidate, Errand, Visit};
use crate::socket::{Held, Kind, Namespace, Peer, Token, Wire};

/// The plain protocol's name in `Sec-WebSocket-Protocol`.
const SUBPROTOCOL: &str = "roomcast.json";
/// The longest header or query value that is kept of a handshake, in bytes.
const MAX_KEPT: usize = 512;

/// A websocket that is let in.
struct Accepted<'a> {
    endpoint: &'a Endpoint,
    dialog: Dialog,
    whose: Whose,
}

/// Whose a websocket is.
enum Whose {
    /// That of a session which is polled.
    Session(Sid),
    /// A new client's; what it holds until it ends.
    New(Peer, Held),
}

/// One upgrade request.
struct Judged<'a, N: Namespace> {
    worker: &'a Worker<N>,
    side: Side,
    request: &'a Request,
    /// The other end of the connection.
    address: IpAddr,
}

impl<'a, N: Namespace> Judged<'a, N> {
    /// Lets it in, or says why not; the limits come last, so that only what would be let in counts.
    async fn judge(&self) -> Result<Accepted<'a>, Refusal> {
        let (options, request) = (self.worker.options(), self.request);
        self.worker.admission().head(request.head())?;
        let endpoint = options.endpoint(request.path()).filter(|endpoint| endpoint.is_served_on(self.side));
        let endpoint = endpoint.ok_or(Refusal::NotFound)?;
        check_origin(options, request.headers(), self.address)?;
        let query = endpoint.is_engine().then(|| self.engine_query()).transpose()?;
        let session = query.and_then(|query| query.sid);
        if session.is_none() && !self.worker.gate().lets_in() {
            return Err(Refusal::NotNow);
        }
        self.is_websocket(endpoint)?;
        let dialog = query.map_or(Dialog::V4, |query| query.dialog);
        let whose = match session {
            Some(sid) => self.ask_session(sid, dialog).await?,
            None => self.welcome()?,
        };
        Ok(Accepted { endpoint, dialog, whose })
    }

    fn engine_query(&self) -> Result<EngineQuery, Refusal> {
        let query = self.request.uri().query().unwrap_or_default();
        let query = EngineQuery::parse(query, self.worker.options().allow_eio3)?;
        if query.carrier == Carrier::Websocket { Ok(query) } else { Err(HandshakeError::BadRequest.into()) }
    }

    /// RFC 6455, 4.1: HTTP/1.1 at least.
    fn is_websocket(&self, endpoint: &Endpoint) -> Result<(), Refusal> {
        let head = self.request.head();
        match head.version >= Version::HTTP_11 && ws::verify_handshake(head).is_ok() {
            true => Ok(()),
            false if endpoint.is_engine() => Err(HandshakeError::BadRequest.into()),
            false => Err(Refusal::NotWebsocket),
        }
    }

    /// A new client, within the limits.
    fn welcome(&self) -> Result<Whose, Refusal> {
        let query = self.request.uri().query().unwrap_or_default();
        let peer = peer_of(self.worker.options(), self.request.headers(), query, self.address);
        let held = self.worker.admission().session(self.side, peer.ip)?;
        Ok(Whose::New(peer, held))
    }

    /// Whether the session that a websocket is for is there, and may be upgraded.
    async fn ask_session(&self, sid: Sid, dialog: Dialog) -> Result<Whose, Refusal> {
        let (answer, answered) = oneshot::channel();
        let errand = Errand::MayUpgrade(answer);
        self.worker.desks().send(Visit { sid, version: dialog.version, errand });
        answered.await.unwrap_or(Err(HandshakeError::SessionUnknown))?;
        Ok(Whose::Session(sid))
    }
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
    side: Side,
    request: Request,
    mut framed: Framed<Stream, h1::Codec>,
) -> io::Result<()> {
    let _busy = request.conn_data::<Connection>().map(|connection| connection.line.begin());
    let address = peer_ip(request.peer_addr());
    let judged = Judged { worker: &worker, side, request: &request, address };
    let Accepted { endpoint, dialog, whose } = match judged.judge().await {
        Ok(accepted) => accepted,
        Err(refusal) => {
            worker.admission().refused(refusal);
            return refuse(worker.options(), &request, address, framed, refusal).await;
        }
    };
    let response = accept_response(&request, endpoint.kind);
    framed.send(h1::Message::Item((response, BodySize::None))).await?;
    let parts = framed.into_parts();
    let ((stream, opened), already_read) = (parts.io.into_inner(), parts.read_buf.freeze());
    let open = Held::new(opened);
    match whose {
        Whose::Session(sid) => {
            let candidate = Candidate { stream: stream.into_std()?, already_read, held: open };
            let errand = Errand::Upgrade(candidate);
            worker.desks().send(Visit { sid, version: dialog.version, errand });
        }
        Whose::New(peer, held) => {
            worker.begin(endpoint, dialog, peer, (Wire::new(stream, open), already_read), held);
        }
    }
    Ok(())
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
    response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
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
