//! What holds for every request that is answered over HTTP, whatever it asks for: its head is not too large,
//! its body comes in time, and its connection has a clock.

use std::cell::Cell;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::ConnectionType;
use actix_http::error::PayloadError;
use actix_http::header::{self, HeaderValue};
use actix_web::HttpRequest;
use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Sleep, sleep};

use super::refusal::{Refusal, answer};
use super::stream::Connection;
use super::worker::Worker;
use super::{Endpoint, peer_ip};
use crate::socket::Namespace;

/// Lets a request through to the routes, or refuses it.
///
/// # Errors
/// Those of the routes.
pub(super) async fn attend<N: Namespace>(
    worker: Rc<Worker<N>>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, actix_web::Error> {
    let _busy = request.conn_data::<Connection>().map(|connection| connection.line.begin());
    let engine = worker.options().endpoint(request.path()).is_some_and(Endpoint::is_engine);
    let fits = worker.admission().head(request.head()).and_then(|()| body_fits(&worker, &request, engine));
    if let Err(refusal) = fits {
        let response = refuse(&worker, request.request(), refusal, engine);
        return Ok(request.into_response(response));
    }
    // posts of a session have the same time, and an answer of their own
    let late = if engine { Rc::default() } else { limit_body(&worker, &mut request) };
    let mut response = next.call(request).await?;
    if late.get() {
        let refused = refuse(&worker, response.request(), Refusal::BodyTooSlow, engine);
        response = response.into_response(refused);
    }
    let head = response.response_mut().head_mut();
    head.headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if worker.admission().is_busy() {
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

/// A body that says that it is too large is not even read. Of an endpoint's posts the largest message decides.
fn body_fits<N: Namespace>(
    worker: &Worker<N>,
    request: &ServiceRequest,
    engine: bool,
) -> Result<(), Refusal> {
    let most = worker.admission().limits().body_bytes;
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    if engine || most == 0 || announced <= most { Ok(()) } else { Err(Refusal::BodyTooLarge(most)) }
}

fn refuse<N: Namespace>(
    worker: &Worker<N>,
    request: &HttpRequest,
    refusal: Refusal,
    engine: bool,
) -> actix_web::HttpResponse {
    worker.admission().refused(refusal);
    answer(worker.options(), request.headers(), peer_ip(request.peer_addr()), refusal, engine)
}

/// Gives the body its time. What it returns says, afterwards, whether that was not enough.
fn limit_body<N: Namespace>(worker: &Worker<N>, request: &mut ServiceRequest) -> Rc<Cell<bool>> {
    let late = Rc::new(Cell::new(false));
    let time = worker.options().limits.body_timeout;
    let (_, payload) = request.parts_mut();
    if !time.is_zero() && !matches!(payload, Payload::None) {
        let body = payload.take();
        let timed = TimedBody { body, time: Box::pin(sleep(time)), late: Rc::clone(&late) };
        *payload = Payload::Stream { payload: Box::pin(timed) };
    }
    late
}

/// A body that has to be whole by then.
struct TimedBody {
    body: Payload,
    time: Pin<Box<Sleep>>,
    late: Rc<Cell<bool>>,
}

impl Stream for TimedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = Pin::new(&mut self.body).poll_next(cx);
        if piece.is_pending() && self.time.as_mut().poll(cx).is_ready() {
            self.late.set(true);
            return Poll::Ready(Some(Err(PayloadError::Io(ErrorKind::TimedOut.into()))));
        }
        piece
    }
}
