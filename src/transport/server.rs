//! Workers on one listener: sockets over the upgraded stream, an actix-web `App` beside them.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix::Addr;
use actix_server::{Server, ServerHandle};
use actix_web::web::ServiceConfig;

use super::Side;
use super::site::Site;
use super::worker::{Central, Shared};
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
    /// The HTTP routes beside the sockets, for those who come in on this side. Called once for each side.
    fn routes(&self, config: &mut ServiceConfig, side: Side);
}

/// What differs from one HTTP server to another.
#[derive(Clone, Copy, Debug)]
pub struct HttpOptions {
    /// Worker threads; 0 is one a core.
    pub workers: usize,
    /// The head of a request has to be here by then; zero is no limit.
    pub request_timeout: Duration,
    /// Longer than a load balancer keeps an idle connection (60 s and more).
    pub keep_alive: Duration,
}

/// Where a server listens.
#[derive(Debug)]
pub struct Listeners {
    /// For everyone.
    pub public: TcpListener,
    /// For operators, where they have an address of their own.
    pub operators: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(public: TcpListener) -> Listeners {
        Listeners { public, operators: None }
    }
}

/// Connections that a worker may be busy with beyond its share of those that are let in, while it turns away what
/// is too much.
const TURNED_AWAY: usize = 64;

/// Starts the workers on their listeners. The server runs until its handle stops it; it does not touch
/// signals.
///
/// # Errors
/// A listener cannot be used.
pub fn start<S: Service>(
    listeners: impl Into<Listeners>,
    http: HttpOptions,
    shared: Shared,
    service: S,
) -> io::Result<(Server, ServerHandle)> {
    let Listeners { public, operators } = listeners.into();
    let workers = match http.workers {
        0 => std::thread::available_parallelism()?.get(),
        n => n,
    };
    let at_once = match shared.options.limits.most.streams {
        0 => 1_000_000,
        streams => streams / workers + TURNED_AWAY,
    };
    let site = Site::new(workers, http, shared, service);
    let (of_public, address) = (site.clone(), public.local_addr()?);
    let mut server = Server::build()
        .workers(workers)
        .backlog(4096)
        .max_concurrent_connections(at_once)
        .disable_signals()
        .shutdown_timeout(1)
        .listen("public", public, move || of_public.serve(Side::Public, address))?;
    if let Some(operators) = operators {
        let address = operators.local_addr()?;
        server = server.listen("operators", operators, move || site.serve(Side::Operators, address))?;
    }
    let server = server.run();
    let handle = server.handle();
    Ok((server, handle))
}
