//! Long-polling: GET takes packets, POST brings them.
//!
//! A request may come in on any worker; its session lives on one and is found by its id.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpMessage as _;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::body::{AnswerBody, PollGuard};
use super::handshake::peer_of;
use super::query::{Carrier, EngineQuery};
use super::refusal::{Refusal, answer, check_origin, cors_headers, preflight_headers};
use super::stream::Connection;
use super::worker::Worker;
use super::{Endpoint, Side, peer_ip};
use crate::ids::Sid;
use crate::protocol::engineio::{HandshakeError, Version};
use crate::socket::Namespace;
use crate::socket::poll::{Answer, Poll};
use crate::socket::visit::{Errand, Post, Visit};

/// Every path that takes websockets, for requests that are none.
pub(super) fn routes<N: Namespace>(config: &mut ServiceConfig, worker: &Rc<Worker<N>>, side: Side) {
    for (at, endpoint) in worker.options().endpoints.iter().enumerate() {
        if !endpoint.is_served_on(side) {
            continue;
        }
        let path = endpoint.path.trim_end_matches('/').to_owned();
        let worker = Rc::clone(worker);
        let serve = move |request: HttpRequest, body: web::Payload| {
            let worker = Rc::clone(&worker);
            async move { serve(&worker, at, &request, body).await }
        };
        config.service(web::resource([path.clone(), format!("{path}/")]).to(serve));
    }
}

/// One request.
struct Request<'a, N: Namespace> {
    worker: &'a Rc<Worker<N>>,
    endpoint: &'a Endpoint,
    request: &'a HttpRequest,
    peer: IpAddr,
}

async fn serve<N: Namespace>(
    worker: &Rc<Worker<N>>,
    at: usize,
    request: &HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let endpoint = &worker.options().endpoints[at];
    let peer = peer_ip(request.peer_addr());
    let this = Request { worker, endpoint, request, peer };
    match this.serve(body).await {
        Ok(response) => response,
        Err(refusal) => this.refuse(refusal),
    }
}

impl<N: Namespace> Request<'_, N> {
    async fn serve(&self, body: web::Payload) -> Result<HttpResponse, Refusal> {
        let options = self.worker.options();
        check_origin(options, self.request.headers(), self.peer)?;
        if !self.endpoint.is_engine() {
            return Err(Refusal::NotWebsocket);
        }
        if self.request.method() == Method::OPTIONS {
            return Ok(self.preflight());
        }
        let query = EngineQuery::parse(self.request.query_string(), options.allow_eio3)?;
        match (query.carrier, self.request.method(), query.sid) {
            // a proxy in between strips the upgrade
            (Carrier::Websocket, ..) => Err(HandshakeError::BadRequest.into()),
            (_, &Method::GET, None) => self.begin(query).await,
            (_, _, None) => Err(HandshakeError::BadMethod.into()),
            (_, &Method::GET, Some(sid)) => self.poll(sid, query.dialog.version).await,
            (_, &Method::POST, Some(sid)) => self.post(sid, query.dialog.version, body).await,
            _ => Err(HandshakeError::BadRequest.into()),
        }
    }

    /// A handshake: its answer is the open packet.
    async fn begin(&self, query: EngineQuery) -> Result<HttpResponse, Refusal> {
        if !self.worker.gate().lets_in() {
            return Err(Refusal::NotNow);
        }
        let options = self.worker.options();
        let peer = peer_of(options, self.request.headers(), self.request.query_string(), self.peer);
        let held = self.worker.admission().session(Side::Public, peer.ip)?;
        let (poll, answer) = self.new_poll();
        let ticket = poll.ticket;
        let sid = self.worker.begin_polled(self.endpoint, query.dialog, peer, poll, held);
        self.answer(sid, query.dialog.version, ticket, answer).await
    }

    async fn poll(&self, sid: Sid, version: Version) -> Result<HttpResponse, Refusal> {
        let (poll, answer) = self.new_poll();
        let ticket = poll.ticket;
        self.worker.desks().send(Visit { sid, version, errand: Errand::Poll(poll) });
        self.answer(sid, version, ticket, answer).await
    }

    fn new_poll(&self) -> (Poll, oneshot::Receiver<Result<Answer, HandshakeError>>) {
        let (answer, receiver) = oneshot::channel();
        let cut = self.request.conn_data::<Connection>().map(|connection| Arc::clone(&connection.cut));
        (Poll { ticket: self.worker.desks().ticket(), answer, cut: cut.unwrap_or_default() }, receiver)
    }

    /// Waits for the packets. Where the client goes away meanwhile this is dropped, and its guard says so.
    async fn answer(
        &self,
        sid: Sid,
        version: Version,
        ticket: u64,
        answer: oneshot::Receiver<Result<Answer, HandshakeError>>,
    ) -> Result<HttpResponse, Refusal> {
        let mut guard = PollGuard::new(self.worker.desks(), sid, version, ticket);
        let answer = answer.await;
        let Ok(Ok(Answer { payload, way })) = answer else {
            guard.settle();
            let error = answer.ok().and_then(Result::err).unwrap_or(HandshakeError::SessionUnknown);
            return Err(error.into());
        };
        let kind = if payload.binary { "application/octet-stream" } else { "text/plain; charset=UTF-8" };
        let body = AnswerBody::new(payload.body, way, guard);
        Ok(self.response(StatusCode::OK).content_type(kind).body(body))
    }

    async fn post(&self, sid: Sid, version: Version, body: web::Payload) -> Result<HttpResponse, Refusal> {
        let binary = self.request.content_type().eq_ignore_ascii_case("application/octet-stream");
        let body = match self.worker.options().limits.body_timeout {
            Duration::ZERO => self.collect(body).await,
            time => timeout(time, self.collect(body)).await.unwrap_or(Err(HandshakeError::Timeout)),
        }?;
        let (answer, heard) = oneshot::channel();
        let errand = Errand::Post(Post { body, binary, answer });
        self.worker.desks().send(Visit { sid, version, errand });
        heard.await.unwrap_or(Err(HandshakeError::SessionUnknown))?;
        Ok(self.response(StatusCode::OK).content_type("text/plain; charset=UTF-8").body("ok"))
    }

    /// The whole body, its size counted as it comes.
    async fn collect(&self, mut body: web::Payload) -> Result<Bytes, HandshakeError> {
        let most = self.endpoint.limits.bytes;
        let announced = self.request.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > most) {
            return Err(HandshakeError::TooLarge);
        }
        let mut whole = BytesMut::with_capacity(announced.unwrap_or(0).min(most).min(64 * 1024));
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|_| HandshakeError::BadRequest)?;
            if whole.len() + piece.len() > most {
                return Err(HandshakeError::TooLarge);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    fn response(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(status);
        for header in cors_headers(self.worker.options(), self.request.headers(), self.peer) {
            response.append_header(header);
        }
        response.append_header((header::CACHE_CONTROL, "no-store"));
        response
    }

    fn preflight(&self) -> HttpResponse {
        let mut response = self.response(StatusCode::NO_CONTENT);
        for header in preflight_headers(self.request.headers()) {
            response.append_header(header);
        }
        response.finish()
    }

    fn refuse(&self, refusal: Refusal) -> HttpResponse {
        let options = self.worker.options();
        self.worker.admission().refused(refusal);
        answer(options, self.request.headers(), self.peer, refusal, self.endpoint.is_engine())
    }
}
