//! Workers on one listener: sockets over the upgraded stream, an actix-web `App` beside them.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use actix::Addr;
use actix_http::{HttpService, Protocol};
use actix_server::{Server, ServerHandle};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::web::ServiceConfig;
use tokio::net::TcpStream;

use super::desks::Desks;
use super::stream::{Connection, Stream};
use super::worker::{Central, Shared, Worker};
use super::{handshake, polling};
use crate::rooms::Lane;
use crate::socket::Namespace;

/// What differs from one service to another. Each method is called once on each worker thread, the first
/// worker first.
pub trait Service: Clone + Send + Sync + 'static {
    /// What its sockets speak to.
    type Namespace: Namespace;

    /// Whom this worker's sockets report to. The first worker's call may start central actors on its
    /// thread: they then run beside its lane.
    fn central(&self, worker: u16) -> Central;
    /// What this worker's sockets speak to.
    fn namespace(&self, worker: u16) -> Self::Namespace;
    /// The worker's lane has started.
    fn lane_up(&self, worker: u16, lane: Addr<Lane>);
    /// The HTTP routes beside the sockets.
    fn routes(&self, config: &mut ServiceConfig);
}

/// How long a client may take for its first request's head.
#[derive(Clone, Copy, Debug)]
pub struct HttpOptions {
    /// Worker threads; 0 is one a core.
    pub workers: usize,
    /// The first request's head has to be here by then.
    pub request_timeout: Duration,
    /// Longer than a load balancer keeps an idle connection (60 s and more).
    pub keep_alive: Duration,
}

/// Starts the workers on a listener. The server runs until its handle stops it; it does not touch
/// signals.
///
/// # Errors
/// The listener cannot be used.
pub fn start<S: Service>(
    listener: TcpListener,
    http: HttpOptions,
    shared: Shared,
    service: S,
) -> io::Result<(Server, ServerHandle)> {
    let workers = match http.workers {
        0 => std::thread::available_parallelism()?.get(),
        n => n,
    };
    let next = Arc::new(AtomicU16::new(0));
    let desks = Arc::new(Desks::new(workers));
    let address = listener.local_addr()?;
    let server = Server::build()
        .workers(workers)
        .backlog(4096)
        .max_concurrent_connections(100_000)
        .disable_signals()
        .shutdown_timeout(1)
        .listen("roomcast", listener, move || {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let (worker, lane) = Worker::start(
                index,
                shared.clone(),
                Arc::clone(&desks),
                service.central(index),
                service.namespace(index),
            );
            service.lane_up(index, lane);
            let polled = Rc::clone(&worker);
            let upgrade = fn_service(move |(request, framed)| {
                let worker = worker.clone();
                async move {
                    if let Err(error) = handshake::upgrade(worker, request, framed).await {
                        log::debug!("a connection broke during its handshake: {error}");
                    }
                    Ok::<(), actix_web::Error>(())
                }
            });
            let routes = service.clone();
            let app = App::new()
                .configure(move |config| polling::routes(config, &polled))
                .configure(move |config| routes.routes(config));
            let http = HttpService::build()
                .client_request_timeout(http.request_timeout)
                .client_disconnect_timeout(Duration::from_secs(1))
                .keep_alive(http.keep_alive)
                .h1_allow_half_closed(false)
                .local_addr(address)
                .on_connect_ext(|stream: &Stream, data| {
                    data.insert(Connection(Arc::clone(stream.cut())));
                })
                .upgrade(upgrade)
                .finish(map_config(app.into_factory(), move |()| AppConfig::default()));
            fn_service(|io: TcpStream| async move {
                let peer = io.peer_addr().ok();
                let _ = io.set_nodelay(true);
                Ok((Stream::new(io), Protocol::Http1, peer))
            })
            .and_then(http)
        })?
        .run();
    let handle = server.handle();
    Ok((server, handle))
}
