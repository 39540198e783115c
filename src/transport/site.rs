//! What each worker thread is given to serve: its worker, and an HTTP service for each address.

use std::any::Any;
use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_service::{
    IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::admission::Admission;
use super::desks::Desks;
use super::line::{Line, Times};
use super::server::{HttpOptions, Service};
use super::stream::Stream;
use super::worker::{Shared, Worker};
use super::{Side, door, handshake, polling};

/// How long a connection may take for its first request when descriptors run short.
const HURRY: Duration = Duration::from_secs(1);
/// All that is said to a connection which there is no room for.
const NO_ROOM: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

thread_local! {
    /// The worker of this thread, for the services of its further addresses.
    static HERE: RefCell<Option<Weak<dyn Any>>> = const { RefCell::new(None) };
}

/// What all workers are made from.
#[derive(Clone)]
pub(super) struct Site<S: Service> {
    http: HttpOptions,
    shared: Shared,
    admission: Arc<Admission>,
    desks: Arc<Desks>,
    next: Arc<AtomicU16>,
    service: S,
}

impl<S: Service> Site<S> {
    pub(super) fn new(workers: usize, http: HttpOptions, shared: Shared, service: S) -> Site<S> {
        let admission = Admission::new(&shared.options, Arc::clone(&shared.metrics));
        let (desks, next) = (Arc::new(Desks::new(workers)), Arc::default());
        Site { http, shared, admission, desks, next, service }
    }

    /// The worker of this thread, started if it has none.
    fn worker(&self) -> Rc<Worker<S::Namespace>> {
        let here = HERE.with_borrow(|here| here.as_ref().and_then(Weak::upgrade));
        if let Some(worker) = here.and_then(|worker| worker.downcast().ok()) {
            return worker;
        }
        let worker = self.start_worker();
        let any: Rc<dyn Any> = Rc::<Worker<S::Namespace>>::clone(&worker);
        HERE.set(Some(Rc::downgrade(&any)));
        worker
    }

    fn start_worker(&self) -> Rc<Worker<S::Namespace>> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index == 0 {
            actix_rt::spawn(Arc::clone(&self.admission).keep_small());
        }
        let (worker, lane) = Worker::start(
            index,
            self.shared.clone(),
            Arc::clone(&self.admission),
            Arc::clone(&self.desks),
            self.service.central(index),
            self.service.namespace(index),
        );
        self.service.lane_up(index, lane);
        worker
    }

    /// What serves the connections of one address on this thread.
    pub(super) fn serve(
        &self,
        side: Side,
        address: SocketAddr,
    ) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<S>
    {
        let worker = self.worker();
        let upgrading = Rc::clone(&worker);
        let upgrade = fn_service(move |(request, framed)| {
            let worker = Rc::clone(&upgrading);
            async move {
                if let Err(error) = handshake::upgrade(worker, side, request, framed).await {
                    log::debug!("a connection broke during its handshake: {error}");
                }
                Ok::<(), actix_web::Error>(())
            }
        });
        let (polled, attended, routes) = (Rc::clone(&worker), Rc::clone(&worker), self.service.clone());
        let app = App::new()
            .wrap(from_fn(move |request, next| door::attend(Rc::clone(&attended), request, next)))
            .configure(move |config| polling::routes(config, &polled, side))
            .configure(move |config| routes.routes(config, side));
        let http = HttpService::build()
            .client_request_timeout(first_head(self.http.request_timeout))
            .client_disconnect_timeout(Duration::from_secs(1))
            .keep_alive(self.http.keep_alive)
            .h1_allow_half_closed(false)
            .local_addr(address)
            .on_connect_ext(|stream: &Stream, data| {
                data.insert(stream.connection().clone());
            })
            .upgrade(upgrade)
            .finish(map_config(app.into_factory(), move |()| AppConfig::default()));
        let times = Times { head: self.http.request_timeout, rest: self.http.keep_alive };
        fn_service(move |io: TcpStream| {
            let opened = open(&worker, side, times, io);
            async move { opened }
        })
        .and_then(http)
    }
}

/// What the dispatcher is told of the time for the first head: its clock is up to half a second behind, and
/// nobody is to be cut off before time.
fn first_head(time: Duration) -> Duration {
    const BEHIND: Duration = Duration::from_millis(500);
    if time.is_zero() { time } else { time + BEHIND }
}

/// Takes an accepted connection in; where there is no room it is told so, with what fits into one packet.
fn open<N: crate::socket::Namespace>(
    worker: &Worker<N>,
    side: Side,
    times: Times,
    io: TcpStream,
) -> Result<(Stream, Protocol, Option<SocketAddr>), DispatchError> {
    let peer = io.peer_addr().ok();
    let admission = worker.admission();
    let proxies = &worker.options().trusted_proxies;
    let alone = |address: SocketAddr| Some(address.ip()).filter(|ip: &IpAddr| !proxies.trusts(*ip));
    let Ok(places) = admission.stream(side, peer.and_then(alone)) else {
        turn_away(&io);
        return Err(DispatchError::Io(io::Error::from(ErrorKind::ConnectionAborted)));
    };
    let _ = io.set_nodelay(true);
    let hurry = (side == Side::Public && admission.is_busy()).then_some(HURRY);
    let line = Line::new(times, hurry, admission.slow_heads());
    Ok((Stream::new(io, line, places), Protocol::Http1, peer))
}

/// Past the runtime, which does not know yet whether the connection is ready for anything.
fn turn_away(io: &TcpStream) {
    let socket = SockRef::from(io);
    let mut asked = [MaybeUninit::<u8>::uninit(); 1_024];
    let _ = socket.recv(&mut asked); // what is left unread makes the system reset the connection
    let _ = socket.send(NO_ROOM);
}
