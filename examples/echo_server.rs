//! What the public protocol suites expect of a server: Engine.IO 3 and 4 at `/engine.io/`, Socket.IO 4 and 5
//! at `/socket.io/`, a bare websocket at `/echo`.
//!
//! ```sh
//! PORT=3000 cargo run --example echo_server --no-default-features --features server
//! ```
//!
//! The suites want a pong within 200 ms. `PING_TIMEOUT` (ms) gives clients longer, on a machine that is busy.

use std::net::TcpListener;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use roomcast::metrics::Metrics;
use roomcast::protocol::websocket::MessageLimits;
use roomcast::socket::{Conn, Credentials, Incoming, Kind, Namespace, Rate, Raw};
use roomcast::transport::server::{HttpOptions, start};
use roomcast::transport::standalone::Standalone;
use roomcast::transport::worker::Shared;
use roomcast::transport::{Endpoint, Gate, Limits, Options, Origins, TrustedProxies};

/// Gives back what it is sent.
struct Echo;

impl Namespace for Echo {
    type State = ();
    type Message = ();

    fn serves(&self, nsp: &str) -> bool {
        matches!(nsp, "/" | "/custom")
    }

    fn connect(&self, conn: &mut Conn<'_, Self>, credentials: Credentials<'_>) {
        conn.accept(());
        let auth = credentials.payload.map_or("{}", |payload| payload.get());
        conn.send("auth", &[auth], Vec::new());
    }

    fn event(&self, conn: &mut Conn<'_, Self>, event: Incoming<'_>) {
        let args: Vec<&str> = event.args.iter().map(|arg| arg.get()).collect();
        let attachments = event.attachments.to_vec();
        match (&*event.name, &event.ack) {
            ("message", _) => conn.send("message-back", &args, attachments),
            ("message-with-ack", Some(ack)) => conn.reply(ack, &args, attachments),
            _ => {}
        }
    }

    fn raw(&self, conn: &mut Conn<'_, Self>, message: Raw<'_>) {
        conn.send_raw(message);
    }
}

fn from_env<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

fn options() -> Options {
    let limits = MessageLimits::bytes(1_000_000);
    let endpoint = |path: &str, kind, limits| Endpoint { path: path.to_owned(), kind, limits };
    let echo = MessageLimits { bytes: 32 << 20, fragments: 100_000, patience_ms: 0 };
    Options {
        endpoints: vec![
            endpoint("/engine.io/", Kind::EngineIo, limits),
            endpoint("/socket.io/", Kind::SocketIo, limits),
            endpoint("/echo", Kind::Bare, echo),
        ],
        allow_eio3: true,
        ping_interval_ms: 300,
        ping_timeout_ms: from_env("PING_TIMEOUT").unwrap_or(200),
        // the suite of Engine.IO 3 listens only when it has seen the connection open
        greet_after: Duration::from_millis(5),
        limits: Limits { body_timeout: Duration::from_secs(30), ..Limits::default() },
        origins: Origins::new(&["*".to_owned()], false),
        credentials: false,
        trusted_proxies: TrustedProxies::default(),
    }
}

#[actix::main]
async fn main() -> std::io::Result<()> {
    let port = from_env("PORT").unwrap_or(3000);
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let metrics = Arc::new(Metrics::new());
    let gate = Arc::new(Gate::default());
    gate.open();
    let shared = Shared {
        options: Arc::new(options()),
        gate,
        metrics: Arc::clone(&metrics),
        unsent_bytes: 64 << 20,
        unsent_bytes_total: usize::MAX,
        rate: Rate { per_second: 0, burst: 0 },
        auth_timeout_ms: 45_000,
        read_patience_ms: 0,
    };
    let http = HttpOptions {
        workers: 2,
        request_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(75),
    };
    let service = Standalone::new(|| Echo, metrics);
    let (server, _) = start(listener, http, shared, service)?;
    println!("listening on http://127.0.0.1:{port}");
    server.await
}
