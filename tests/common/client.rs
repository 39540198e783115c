//! A client of either protocol: one set of calls, so that one test holds for both.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Error, Message, WebSocket};

use super::PATIENCE;
use super::server::TestServer;
use super::wire::{decode_packet, decode_plain, parse, upgrade};

/// Which protocol a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Socket.IO 5 over Engine.IO 4 on a websocket.
    SocketIo,
    /// One JSON object a text frame.
    Plain,
}

/// What goes out with the upgrade request.
#[derive(Clone, Default)]
pub struct Handshake {
    /// Path and query; the protocol's own if empty.
    pub path: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The socket's receive buffer in bytes, where it matters.
    pub receive_buffer: Option<usize>,
}

/// How a connection ended; no code where it broke without a close frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Close {
    /// The close frame's code.
    pub code: Option<u16>,
    /// The close frame's text.
    pub reason: String,
}

/// What a client can be sent.
#[derive(Clone, PartialEq, Debug)]
pub enum Incoming {
    /// Engine.IO's open packet.
    Open(Value),
    /// Socket.IO's CONNECT of the namespace.
    Connected(Value),
    /// CONNECT_ERROR: all that follows `44`.
    Refused(String),
    /// An event and its data.
    Event(String, Value),
    /// The answer to the request of that id: `{ok, data}` or `{ok, error}`.
    Answer(Value, Value),
    /// Socket.IO's DISCONNECT.
    Disconnected,
    /// The connection is over.
    Closed(Close),
}

/// A client on one connection.
pub struct TestClient {
    ws: WebSocket<TcpStream>,
    protocol: Protocol,
    /// Read already, looked at by nobody yet.
    inbox: VecDeque<Incoming>,
    closed: Option<Close>,
    next_id: u64,
    /// Engine.IO's open packet (Socket.IO only).
    pub open_packet: Value,
    /// Whether Engine.IO pings are answered.
    pub answers_pings: bool,
    /// Engine.IO pings seen.
    pub pings: usize,
}

impl Handshake {
    /// With a query string behind the protocol's path.
    pub fn query(protocol: Protocol, query: &str) -> Handshake {
        let path = match protocol {
            Protocol::SocketIo => format!("{}&{query}", protocol.path()),
            Protocol::Plain => format!("{}?{query}", protocol.path()),
        };
        Handshake { path, ..Handshake::default() }
    }

    /// To a path of one's own.
    pub fn path(path: &str) -> Handshake {
        Handshake { path: path.to_owned(), ..Handshake::default() }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Handshake {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Protocol {
    /// Path and query of its handshake.
    pub fn path(self) -> &'static str {
        match self {
            Protocol::SocketIo => "/socket.io/?EIO=4&transport=websocket",
            Protocol::Plain => "/ws",
        }
    }
}

/// Opening and authenticating.
impl TestClient {
    /// Opens a websocket; nobody is authenticated yet.
    pub fn open(server: &TestServer, protocol: Protocol) -> TestClient {
        TestClient::open_with(server, protocol, &Handshake::default())
            .unwrap_or_else(|(status, body)| panic!("the upgrade was refused: {status} {body}"))
    }

    /// Opens one with a handshake of one's own, or gives the status and body of the refusal.
    pub fn open_with(
        server: &TestServer,
        protocol: Protocol,
        handshake: &Handshake,
    ) -> Result<TestClient, (u16, String)> {
        let ws = upgrade(server.port(), protocol, handshake)?;
        let mut client = TestClient {
            ws,
            protocol,
            inbox: VecDeque::new(),
            closed: None,
            next_id: 0,
            open_packet: Value::Null,
            answers_pings: true,
            pings: 0,
        };
        if protocol == Protocol::SocketIo {
            match client.next() {
                Incoming::Open(packet) => client.open_packet = packet,
                other => panic!("no open packet but {other:?}"),
            }
        }
        Ok(client)
    }

    /// Opens and authenticates; the `initial:*` events come next.
    pub fn connected(server: &TestServer, protocol: Protocol, token: &str) -> TestClient {
        let mut client = TestClient::open(server, protocol);
        client.connect_with(token);
        client
    }

    /// Sends the token (CONNECT, or the event `auth`) and nothing more.
    pub fn send_token(&mut self, token: &str) {
        match self.protocol {
            Protocol::SocketIo => self.send_text(&format!("40{}", json!({"token": token}))),
            Protocol::Plain => self.emit("auth", json!({"token": token})),
        }
    }

    /// Sends the token and waits until it is taken; gives CONNECT's or `connected`'s data.
    pub fn connect_with(&mut self, token: &str) -> Value {
        self.send_token(token);
        self.expect_connected()
    }

    /// The next thing is that the hub has accepted this client.
    pub fn expect_connected(&mut self) -> Value {
        match self.next() {
            Incoming::Connected(data) => data,
            Incoming::Event(name, data) if name == "connected" && self.protocol == Protocol::Plain => data,
            other => panic!("not connected but {other:?}"),
        }
    }

    /// Reads the three `initial:*` events in their order.
    pub fn skip_initial(&mut self) {
        for name in ["initial:campaigns", "initial:notifications", "initial:system_status"] {
            self.expect_event(name);
        }
    }
}

/// Saying something.
impl TestClient {
    /// Emits an event.
    pub fn emit(&mut self, name: &str, data: Value) {
        match self.protocol {
            Protocol::SocketIo => self.send_text(&format!("42{}", json!([name, data]))),
            Protocol::Plain => self.send_text(&json!({"event": name, "data": data}).to_string()),
        }
    }

    /// Emits an event without any data.
    pub fn emit_bare(&mut self, name: &str) {
        match self.protocol {
            Protocol::SocketIo => self.send_text(&format!("42{}", json!([name]))),
            Protocol::Plain => self.send_text(&json!({"event": name}).to_string()),
        }
    }

    /// Emits an event that wants an answer; gives the id to wait for.
    pub fn emit_ack(&mut self, name: &str, data: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        match self.protocol {
            Protocol::SocketIo => self.send_text(&format!("42{id}{}", json!([name, data]))),
            Protocol::Plain => self.send_text(&json!({"event": name, "data": data, "id": id}).to_string()),
        }
        json!(id)
    }

    /// Emits an event and gives its answer; events that come before it are kept in order.
    pub fn request(&mut self, name: &str, data: Value) -> Value {
        let id = self.emit_ack(name, data);
        let mut before = VecDeque::new();
        loop {
            match self.next() {
                Incoming::Answer(of, answer) if of == id => {
                    before.append(&mut self.inbox);
                    self.inbox = before;
                    return answer;
                }
                closed @ Incoming::Closed(_) => panic!("{name} was not answered: {closed:?}"),
                other => before.push_back(other),
            }
        }
    }

    /// Sends a text frame as it stands.
    pub fn send_text(&mut self, text: &str) {
        self.ws.send(Message::text(text)).unwrap();
    }

    /// Sends a frame, which may be refused while it is under way.
    pub fn try_send(&mut self, message: Message) -> Result<(), Error> {
        self.ws.send(message)
    }

    /// The stream below, for bytes that no websocket library would send.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.ws.get_mut()
    }

    /// Closes as a client does that is done.
    pub fn close(mut self) {
        let _ = self.ws.close(None); // the hub may have been quicker
        let _ = self.ws.flush();
    }
}

/// Listening.
impl TestClient {
    /// The next thing that comes; fails after [`PATIENCE`].
    pub fn next(&mut self) -> Incoming {
        self.next_within(PATIENCE).unwrap_or_else(|| panic!("nothing came within {PATIENCE:?}"))
    }

    /// The next thing that comes within a time.
    pub fn next_within(&mut self, time: Duration) -> Option<Incoming> {
        if let Some(read) = self.inbox.pop_front() {
            return Some(read);
        }
        let deadline = Instant::now() + time;
        while self.closed.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            if let Some(incoming) = self.read(left) {
                return Some(incoming);
            }
        }
        self.closed.clone().map(Incoming::Closed)
    }

    /// The next thing is an event; gives its name and data.
    pub fn next_event(&mut self) -> (String, Value) {
        match self.next() {
            Incoming::Event(name, data) => (name, data),
            other => panic!("no event but {other:?}"),
        }
    }

    /// The next thing is this event; gives its data.
    pub fn expect_event(&mut self, name: &str) -> Value {
        match self.next() {
            Incoming::Event(got, data) if got == name => data,
            other => panic!("expected the event {name}, got {other:?}"),
        }
    }

    /// The next thing is an `error` of this code and message; gives all of it.
    pub fn expect_error(&mut self, code: &str, message: &str) -> Value {
        let error = self.expect_event("error");
        assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(message)), "{error}");
        error
    }

    /// Passes over everything up to this event; gives its data.
    pub fn wait_for(&mut self, name: &str) -> Value {
        loop {
            match self.next() {
                Incoming::Event(got, data) if got == name => return data,
                closed @ Incoming::Closed(_) => panic!("waited for {name}, got {closed:?}"),
                _ => {}
            }
        }
    }

    /// The next thing is the answer to this request.
    pub fn expect_answer(&mut self, id: &Value) -> Value {
        match self.next() {
            Incoming::Answer(of, answer) if of == *id => answer,
            other => panic!("expected the answer to {id}, got {other:?}"),
        }
    }

    /// Nothing comes for a while.
    pub fn expect_silence(&mut self, time: Duration) {
        if let Some(incoming) = self.next_within(time) {
            panic!("expected silence, got {incoming:?}");
        }
    }

    /// Nothing waits before a `pong`, and the connection is alive.
    pub fn expect_nothing_but_pong(&mut self) {
        self.emit_bare("ping");
        self.expect_event("pong");
    }

    /// The next thing is the end of the connection.
    pub fn expect_close(&mut self) -> Close {
        match self.next() {
            Incoming::Closed(close) => close,
            other => panic!("expected the connection to end, got {other:?}"),
        }
    }

    /// Passes over everything up to the end of the connection; gives what came before it, too.
    pub fn read_to_end(&mut self) -> (Vec<Incoming>, Close) {
        let mut before = Vec::new();
        loop {
            match self.next() {
                Incoming::Closed(close) => return (before, close),
                other => before.push(other),
            }
        }
    }
}

/// Reading and decoding.
impl TestClient {
    fn read(&mut self, time: Duration) -> Option<Incoming> {
        self.ws.get_ref().set_read_timeout(Some(time)).unwrap();
        match self.ws.read() {
            Ok(Message::Text(text)) => self.decode(text.as_str()),
            Ok(Message::Binary(bytes)) => panic!("a binary frame of {} bytes", bytes.len()),
            Ok(Message::Close(frame)) => {
                let close = frame.map(|f| Close { code: Some(f.code.into()), reason: f.reason.to_string() });
                self.end(close)
            }
            Ok(_) => {
                let _ = self.ws.flush(); // the pong that is due; a broken connection shows at the next read
                None
            }
            Err(Error::Io(e)) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => {
                self.end(None)
            }
            Err(e) => panic!("{e}"),
        }
    }

    fn end(&mut self, close: Option<Close>) -> Option<Incoming> {
        let close = close.unwrap_or(Close { code: None, reason: String::new() });
        self.closed = Some(close.clone());
        Some(Incoming::Closed(close))
    }

    fn decode(&mut self, text: &str) -> Option<Incoming> {
        match self.protocol {
            Protocol::SocketIo => self.decode_socketio(text),
            Protocol::Plain => Some(decode_plain(text)),
        }
    }

    fn decode_socketio(&mut self, text: &str) -> Option<Incoming> {
        let (kind, rest) = text.split_at_checked(1).unwrap_or_else(|| panic!("an empty packet"));
        match kind {
            "0" => Some(Incoming::Open(parse(rest))),
            "1" => None, // the close frame follows
            "2" => {
                self.pings += 1;
                if self.answers_pings {
                    self.send_text("3");
                }
                None
            }
            "4" => Some(decode_packet(rest)),
            _ => panic!("an unknown Engine.IO packet: {text}"),
        }
    }
}
