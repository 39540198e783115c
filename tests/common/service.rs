//! A service on the public server API, in this process; it ends with it.

use std::net::TcpListener;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use roomcast::close::CloseReason;
use roomcast::metrics::Metrics;
use roomcast::protocol::frame::Event;
use roomcast::protocol::websocket::MessageLimits;
use roomcast::socket::{Conn, Credentials, Incoming, Kind, Namespace, NoReply, Rate, Reply};
use roomcast::transport::server::{HttpOptions, start};
use roomcast::transport::standalone::Standalone;
use roomcast::transport::worker::Shared;
use roomcast::transport::{Endpoint, Gate, Limits, Options, Origins, TrustedProxies};

/// What its clients may ask it to do; see [`Namespace::event`] below.
struct Asker;

/// What comes to a client later.
enum Later {
    /// `/slow` lets it in.
    LetIn,
    /// An event.
    Event,
}

/// How long `/slow` takes.
const SLOW: Duration = Duration::from_millis(300);
const NONE: [&str; 0] = [];

impl Namespace for Asker {
    type State = ();
    type Message = Later;

    fn serves(&self, nsp: &str) -> bool {
        matches!(nsp, "/" | "/other" | "/slow" | "/closed")
    }

    fn connect(&self, conn: &mut Conn<'_, Self>, _: Credentials<'_>) {
        match conn.nsp() {
            "/slow" => conn.later(SLOW, Later::LetIn),
            "/closed" => conn.refuse("Closed", r#"{"until":"noon"}"#),
            _ => conn.accept(()),
        }
    }

    fn event(&self, conn: &mut Conn<'_, Self>, event: Incoming<'_>) {
        let number = event.data.and_then(|data| data.get().parse().ok()).unwrap_or_default();
        match &*event.name {
            "say" => conn.send("said", &NONE, Vec::new()),
            "volatile" => conn.emit_volatile(&Event::new("volatile", &())),
            "later" => conn.later(Duration::from_millis(number), Later::Event),
            "kick" => conn.close(CloseReason::Kicked),
            "panic" => panic!("the client has asked for it"),
            "ask" => {
                conn.ask("question", &["1", r#""two""#], Vec::new(), Duration::from_millis(number), answered);
            }
            "ask-binary" => {
                let placeholder = r#"{"_placeholder":true,"num":0}"#;
                let attachments = vec![Bytes::from_static(&[9, 8, 7])];
                conn.ask("question", &[placeholder], attachments, Duration::from_secs(5), answered);
            }
            "ask-many" => {
                for _ in 0..number {
                    if !conn.ask("question", &NONE, Vec::new(), Duration::from_secs(60), answered) {
                        conn.send("not asked", &NONE, Vec::new());
                    }
                }
            }
            _ => {}
        }
    }

    fn message(&self, conn: &mut Conn<'_, Self>, message: Later) {
        match message {
            Later::LetIn => conn.accept(()),
            Later::Event => conn.send("later", &NONE, Vec::new()),
        }
    }

    fn farewell(&self, reason: CloseReason) -> Option<String> {
        (reason == CloseReason::Kicked).then(|| r#"{"code":"kicked"}"#.to_owned())
    }
}

/// Tells the client what it has answered, and how many bytes.
fn answered(_: &Asker, conn: &mut Conn<'_, Asker>, reply: Result<Reply<'_>, NoReply>) {
    match reply {
        Ok(reply) => {
            let args: Vec<&str> = reply.args.iter().map(|arg| arg.get()).collect();
            let bytes: usize = reply.attachments.iter().map(Bytes::len).sum();
            conn.send("answered", &[format!("[{}]", args.join(",")), bytes.to_string()], Vec::new());
        }
        Err(NoReply) => conn.send("unanswered", &NONE, Vec::new()),
    }
}

/// The running service: all tests of this process share it.
pub struct Own {
    port: u16,
}

impl Own {
    /// Starts it, unless it runs.
    pub fn start() -> Own {
        static PORT: OnceLock<u16> = OnceLock::new();
        let port = *PORT.get_or_init(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            std::thread::spawn(move || actix::System::new().block_on(serve(listener)));
            port
        });
        Own { port }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

async fn serve(listener: TcpListener) {
    let metrics = Arc::new(Metrics::new());
    let gate = Arc::new(Gate::default());
    gate.open();
    let endpoint = Endpoint {
        path: "/socket.io/".to_owned(),
        kind: Kind::SocketIo,
        limits: MessageLimits::bytes(1_000_000),
    };
    let options = Options {
        endpoints: vec![endpoint],
        allow_eio3: true,
        ping_interval_ms: 25_000,
        ping_timeout_ms: 60_000,
        greet_after: Duration::ZERO,
        limits: Limits { body_timeout: Duration::from_secs(30), ..Limits::default() },
        origins: Origins::new(&["*".to_owned()], false),
        credentials: false,
        trusted_proxies: TrustedProxies::default(),
    };
    let shared = Shared {
        options: Arc::new(options),
        gate,
        metrics: Arc::clone(&metrics),
        unsent_bytes: 1 << 20,
        unsent_bytes_total: usize::MAX,
        rate: Rate { per_second: 0, burst: 0 },
        auth_timeout_ms: 1_000,
        read_patience_ms: 0,
    };
    let http = HttpOptions {
        workers: 2,
        request_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(75),
    };
    let service = Standalone::new(|| Asker, metrics);
    start(listener, http, shared, service).unwrap().0.await.unwrap();
}
