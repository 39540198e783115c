//! `roomcast serve`: runs the hub until it is told to stop.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::time::Duration;

use actix_rt::signal::unix::{SignalKind, signal};
use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};

use super::demo;
use super::{Failure, ServeArgs, logging};
use crate::app::{self, AppError, Running};
use crate::config::Config;
use crate::store::StoreError;
use crate::transport::server::Listeners;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;

pub(super) fn run(config: Config, args: &ServeArgs) -> Result<(), Failure> {
    config.require_keys()?;
    config.require_files()?;
    config.require_served()?;
    config.ignored_settings().iter().for_each(|line| log::warn!("{line}"));
    take_all_descriptors();
    let listeners = listen(&config)?;
    let address = listeners.public.local_addr().context("the listener has no address")?;
    let operators = listeners.operators.as_ref().and_then(|listener| listener.local_addr().ok());
    let demo = args.demo.then(|| demo::Plan::for_hub(&config, address));
    let system = actix::System::new();
    let outcome = system.block_on(async move {
        let shutdown = shutdown_signal().context("signals cannot be heard")?;
        let ready = move |running: &Running| {
            announce(address, operators);
            reload_on_hangup(running.share());
            if let Some(plan) = demo {
                plan.begin(running.store());
            }
        };
        Ok::<_, anyhow::Error>(app::run(config, listeners, ready, shutdown).await)
    });
    // dropping it would wait for threads that wait for a database that may never answer; the process ends now
    std::mem::forget(system);
    outcome?.map_err(failure)
}

/// A socket is a descriptor, and many shells start programs with 1024 of them: takes what the system allows.
fn take_all_descriptors() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        log::warn!("the limit on file descriptors stays as it is: {error}");
    }
}

fn failure(error: AppError) -> Failure {
    match error {
        AppError::Key(_)
        | AppError::Setting(_)
        | AppError::Store(StoreError::Wrong(_) | StoreError::NewerSchema(_)) => {
            Failure::Setting(error.to_string())
        }
        other => Failure::Other(other.into()),
    }
}

fn listen(config: &Config) -> Result<Listeners, Failure> {
    let main = (config.server.host.as_str(), config.server.port);
    let hint = "choose another with --host and --port (server.host, server.port; 0 is any free port)";
    let public = listen_on(main, hint)?;
    let operators = config.server.admin_host_and_port();
    let operators = operators.map(|address| listen_on(address, "choose another for server.admin_address"));
    Ok(Listeners { public, operators: operators.transpose()? })
}

fn listen_on(address: (&str, u16), hint: &str) -> Result<TcpListener, Failure> {
    let (host, port) = address;
    let wrong =
        |why: String| Failure::Other(anyhow::anyhow!("cannot listen on {host}:{port}: {why}; {hint}"));
    let mut addresses = address.to_socket_addrs().map_err(|error| wrong(error.to_string()))?;
    let address = addresses.next().ok_or_else(|| wrong("the name has no address".to_owned()))?;
    bind(address).map_err(|error| wrong(error.to_string()))
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The one line on the standard output, and one more for an address of operators: the hub takes connections.
fn announce(address: SocketAddr, operators: Option<SocketAddr>) {
    let mut lines = format!("listening on http://{address}\n");
    if let Some(operators) = operators {
        lines.push_str(&format!("operators on http://{operators}\n"));
    }
    let mut out = std::io::stdout().lock();
    // nobody may be reading
    let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
}

/// Resolves at the first SIGTERM or SIGINT; the second ends the process.
fn shutdown_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        actix_rt::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            log::warn!("a second signal: ending at once");
            logging::flush(Duration::from_millis(200));
            std::process::exit(130);
        });
    })
}

/// SIGHUP reads keys anew, and never ends the process.
fn reload_on_hangup(running: Running) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    actix_rt::spawn(async move {
        while hangup.recv().await.is_some() {
            match running.reload_keys().await {
                Ok(()) => log::info!("keys were read anew"),
                Err(error) => log::error!("keys stay as they are: {error}"),
            }
        }
    });
}
