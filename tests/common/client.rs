//! A client of either protocol: one set of calls, so that one test holds for both.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Error, Message, WebSocket};

use super::PATIENCE;
use super::engine::{Engine, Opening, Received, Version, Way, read_websocket};
use super::payload::Packet;
use super::server::TestServer;
use super::wire::{decode_packet, decode_plain, parse, websocket};

/// Which protocol a client speaks, and over which transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Socket.IO 5 over Engine.IO 4 on a websocket.
    SocketIo,
    /// The same by long-polling.
    Polling,
    /// The same by long-polling at first, then on a websocket.
    Upgraded,
    /// Socket.IO 4 over Engine.IO 3 by long-polling.
    OldPolling,
    /// The same by long-polling at first, then on a websocket.
    OldUpgraded,
    /// One JSON object a text frame.
    Plain,
}

/// What goes out with the handshake.
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

/// A client.
pub struct TestClient {
    link: Link,
    protocol: Protocol,
    /// Read already, looked at by nobody yet.
    inbox: VecDeque<Incoming>,
    closed: Option<Close>,
    next_id: u64,
    /// Engine.IO's open packet (Socket.IO only).
    pub open_packet: Value,
}

#[allow(clippy::large_enum_variant, reason = "a test has few of them")]
enum Link {
    Engine(Engine),
    Plain(WebSocket<TcpStream>),
}

impl Handshake {
    /// With a query string behind the protocol's path.
    pub fn query(protocol: Protocol, query: &str) -> Handshake {
        let path = match protocol {
            Protocol::Plain => format!("{}?{query}", protocol.path()),
            _ => format!("{}&{query}", protocol.path()),
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

    /// As Engine.IO's clients say it.
    fn opening(&self, protocol: Protocol) -> Opening {
        let path = if self.path.is_empty() { protocol.path() } else { self.path.as_str() };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        // the client writes these itself
        let own = |pair: &&str| !pair.starts_with("EIO=") && !pair.starts_with("transport=");
        let query: Vec<&str> = query.split('&').filter(own).filter(|pair| !pair.is_empty()).collect();
        Opening {
            headers: self.headers.clone(),
            receive_buffer: self.receive_buffer,
            ..Opening::new(path, protocol.version(), protocol.way()).query(&query.join("&"))
        }
    }
}

impl Protocol {
    /// Path and query of its handshake.
    pub fn path(self) -> &'static str {
        match self {
            Protocol::SocketIo => "/socket.io/?EIO=4&transport=websocket",
            Protocol::Polling | Protocol::Upgraded => "/socket.io/?EIO=4&transport=polling",
            Protocol::OldPolling | Protocol::OldUpgraded => "/socket.io/?EIO=3&transport=polling",
            Protocol::Plain => "/ws",
        }
    }

    /// Engine.IO's version.
    pub fn version(self) -> Version {
        if self.is_old() { Version::V3 } else { Version::V4 }
    }

    /// Whether its client is one of Socket.IO 2, which is connected without asking.
    pub fn is_old(self) -> bool {
        matches!(self, Protocol::OldPolling | Protocol::OldUpgraded)
    }

    fn way(self) -> Way {
        match self {
            Protocol::Polling | Protocol::OldPolling => Way::Polling,
            Protocol::Upgraded | Protocol::OldUpgraded => Way::Upgraded,
            Protocol::SocketIo | Protocol::Plain => Way::Websocket,
        }
    }

    /// What a client that is to come back sees of its end; `code` is that of the plain protocol. For
    /// Socket.IO's clients the stream ends, or the next poll finds no session.
    pub fn close(self, code: u16, reason: &str) -> Close {
        match self {
            Protocol::Plain => Close { code: Some(code), reason: reason.to_owned() },
            _ => Close { code: None, reason: String::new() },
        }
    }
}

/// Opening and authenticating.
impl TestClient {
    /// Opens a connection; nobody is authenticated yet.
    pub fn open(server: &TestServer, protocol: Protocol) -> TestClient {
        let mut client = TestClient::open_with(server, protocol, &Handshake::default())
            .unwrap_or_else(|(status, body)| panic!("the handshake was refused: {status} {body}"));
        client.skip_first_refusal();
        client
    }

    /// Old clients are connected without asking: without a token they are refused first.
    pub fn skip_first_refusal(&mut self) {
        if self.protocol.is_old() {
            assert_eq!(self.next(), Incoming::Refused(r#""Authentication failed""#.to_owned()));
        }
    }

    /// Opens one with a handshake of one's own, or gives the status and body of the refusal.
    pub fn open_with(
        server: &TestServer,
        protocol: Protocol,
        handshake: &Handshake,
    ) -> Result<TestClient, (u16, String)> {
        TestClient::open_at(server.port(), protocol, handshake)
    }

    /// The same at a port.
    pub fn open_at(
        port: u16,
        protocol: Protocol,
        handshake: &Handshake,
    ) -> Result<TestClient, (u16, String)> {
        let mut open_packet = Value::Null;
        let link = if protocol == Protocol::Plain {
            let path = if handshake.path.is_empty() { protocol.path() } else { &handshake.path };
            Link::Plain(websocket(port, path, &handshake.headers, handshake.receive_buffer)?)
        } else {
            let engine = Engine::try_open(port, &handshake.opening(protocol))?;
            open_packet = engine.open.clone();
            Link::Engine(engine)
        };
        Ok(TestClient { link, protocol, inbox: VecDeque::new(), closed: None, next_id: 0, open_packet })
    }

    /// Opens and authenticates; the `initial:*` events come next.
    pub fn connected(server: &TestServer, protocol: Protocol, token: &str) -> TestClient {
        if protocol.is_old() {
            let handshake = Handshake::query(protocol, &format!("token={token}"));
            let mut client = TestClient::open_with(server, protocol, &handshake).unwrap();
            client.expect_connected();
            return client;
        }
        let mut client = TestClient::open(server, protocol);
        client.connect_with(token);
        client
    }

    /// Sends the token (CONNECT, or the event `auth`) and nothing more.
    pub fn send_token(&mut self, token: &str) {
        match self.protocol {
            Protocol::Plain => self.emit("auth", json!({"token": token})),
            Protocol::OldPolling | Protocol::OldUpgraded => self.send_text(&format!("40/?token={token}")),
            _ => self.send_text(&format!("40{}", json!({"token": token}))),
        }
    }

    /// Sends the token and waits until it is taken; gives CONNECT's or `connected`'s data.
    pub fn connect_with(&mut self, token: &str) -> Value {
        self.send_token(token);
        self.expect_connected()
    }

    /// The next thing is that the hub has accepted this client. Gives what it is told of itself; old clients
    /// take the session's name for the socket's.
    pub fn expect_connected(&mut self) -> Value {
        match self.next() {
            Incoming::Connected(Value::Null) if self.protocol.is_old() => {
                json!({"sid": self.open_packet["sid"]})
            }
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
            Protocol::Plain => self.send_text(&json!({"event": name, "data": data}).to_string()),
            _ => self.send_text(&format!("42{}", json!([name, data]))),
        }
    }

    /// Emits an event without any data.
    pub fn emit_bare(&mut self, name: &str) {
        match self.protocol {
            Protocol::Plain => self.send_text(&json!({"event": name}).to_string()),
            _ => self.send_text(&format!("42{}", json!([name]))),
        }
    }

    /// Emits an event that wants an answer; gives the id to wait for.
    pub fn emit_ack(&mut self, name: &str, data: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        match self.protocol {
            Protocol::Plain => self.send_text(&json!({"event": name, "data": data, "id": id}).to_string()),
            _ => self.send_text(&format!("42{id}{}", json!([name, data]))),
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

    /// Sends a packet of text, or an object, as it stands.
    pub fn send_text(&mut self, text: &str) {
        match &mut self.link {
            Link::Engine(engine) => engine.send(text),
            Link::Plain(ws) => ws.send(Message::text(text)).unwrap(),
        }
    }

    /// Sends a frame, which may be refused while it is under way.
    pub fn try_send(&mut self, message: Message) -> Result<(), Error> {
        self.websocket().send(message)
    }

    /// The websocket that carries this client.
    fn websocket(&mut self) -> &mut WebSocket<TcpStream> {
        match &mut self.link {
            Link::Engine(engine) => engine.websocket(),
            Link::Plain(ws) => ws,
        }
    }

    /// The stream below, for bytes that no websocket library would send.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.websocket().get_mut()
    }

    /// Engine.IO's side of this client.
    pub fn engine(&mut self) -> &mut Engine {
        match &mut self.link {
            Link::Engine(engine) => engine,
            Link::Plain(_) => panic!("the plain protocol has none"),
        }
    }

    /// Is gone without a word: a client that polls has a poll outstanding.
    pub fn vanish(mut self) {
        if let Link::Engine(engine) = &mut self.link {
            engine.begin_poll();
        }
    }

    /// Closes as a client does that is done.
    pub fn close(self) {
        match self.link {
            Link::Engine(engine) => engine.leave(),
            Link::Plain(mut ws) => {
                let _ = ws.close(None); // the hub may have been quicker
                let _ = ws.flush();
            }
        }
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
        let read = match &mut self.link {
            Link::Engine(engine) => engine.next_within(time),
            Link::Plain(ws) => read_websocket(ws, time).map(|read| match read {
                Ok(Message::Text(text)) => Received::Packet(Packet::Text(text.as_str().to_owned())),
                Ok(other) => panic!("no text: {other:?}"),
                Err(close) => Received::Closed(close),
            }),
        };
        match read? {
            Received::Packet(Packet::Text(text)) => Some(self.decode(&text)),
            Received::Packet(Packet::Binary(bytes)) => panic!("a binary message of {} bytes", bytes.len()),
            Received::Closed(close) => {
                self.closed = Some(close.clone());
                Some(Incoming::Closed(close))
            }
        }
    }

    fn decode(&self, text: &str) -> Incoming {
        if self.protocol == Protocol::Plain {
            return decode_plain(text);
        }
        match text.split_at_checked(1) {
            Some(("0", rest)) => Incoming::Open(parse(rest)),
            Some(("4", packet)) => decode_packet(packet),
            _ => panic!("an unexpected Engine.IO packet: {text}"),
        }
    }
}
