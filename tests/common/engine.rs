//! A client of Engine.IO 3 or 4, over a websocket, by polling, or by polling with an upgrade.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use tungstenite::{Error, Message, WebSocket};

use super::PATIENCE;
use super::client::Close;
use super::payload::{Packet, text};
use super::polls::{Polled, Polls};
use super::wire::{parse, websocket};

/// A version of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// Clients of Socket.IO 2.
    V3,
    /// Clients of Socket.IO 3 and 4.
    V4,
}

/// How a client is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// By a websocket from the beginning.
    Websocket,
    /// By polling to the end.
    Polling,
    /// By polling, then a websocket takes over.
    Upgraded,
}

/// What a handshake says.
#[derive(Clone)]
pub struct Opening {
    /// The path, without its query.
    pub path: String,
    /// The version.
    pub version: Version,
    /// The way.
    pub way: Way,
    /// More of the query.
    pub query: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The receive buffer of the connection that is read, in bytes, where it matters.
    pub receive_buffer: Option<usize>,
}

/// What comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// A packet that is no heartbeat.
    Packet(Packet),
    /// The session is over.
    Closed(Close),
}

/// A session.
pub struct Engine {
    port: u16,
    opening: Opening,
    carrier: Carrier,
    queue: VecDeque<Packet>,
    closed: Option<Close>,
    /// The open packet.
    pub open: Value,
    /// Whether pings are answered, or, with version 3, sent.
    pub answers_pings: bool,
    /// Pings that came.
    pub pings: usize,
    /// Pongs that came (version 3).
    pub pongs: usize,
    next_ping: Instant,
}

#[allow(clippy::large_enum_variant, reason = "a test has few of them")]
enum Carrier {
    Websocket(WebSocket<TcpStream>),
    Polls(Polls),
}

impl Version {
    /// Both.
    pub const ALL: [Version; 2] = [Version::V3, Version::V4];

    /// What `EIO` says.
    pub fn number(self) -> u8 {
        match self {
            Version::V3 => 3,
            Version::V4 => 4,
        }
    }
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 3] = [Way::Websocket, Way::Polling, Way::Upgraded];
}

impl Opening {
    /// To this path, with nothing more to say.
    pub fn new(path: &str, version: Version, way: Way) -> Opening {
        let (path, query, headers) = (path.to_owned(), String::new(), Vec::new());
        Opening { path, version, way, query, headers, receive_buffer: None }
    }

    /// With this behind the query's own parameters.
    pub fn query(mut self, query: &str) -> Opening {
        self.query = query.to_owned();
        self
    }

    fn target(&self, transport: &str) -> String {
        let (path, version) = (&self.path, self.version.number());
        let more = if self.query.is_empty() { String::new() } else { format!("&{}", self.query) };
        format!("{path}?EIO={version}&transport={transport}{more}")
    }
}

/// Opening.
impl Engine {
    /// Opens a session, or gives the status and body of the refusal.
    pub fn try_open(port: u16, opening: &Opening) -> Result<Engine, (u16, String)> {
        let (carrier, queue) = match opening.way {
            Way::Websocket => {
                let target = opening.target("websocket");
                let ws = websocket(port, &target, &opening.headers, opening.receive_buffer)?;
                (Carrier::Websocket(ws), VecDeque::new())
            }
            Way::Polling | Way::Upgraded => {
                let headers: Vec<(&str, &str)> =
                    opening.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let target = opening.target("polling");
                let (polls, packets) =
                    Polls::open(port, opening.version, target, &headers, opening.receive_buffer)?;
                (Carrier::Polls(polls), packets.into())
            }
        };
        let mut engine = Engine {
            port,
            opening: opening.clone(),
            carrier,
            queue,
            closed: None,
            open: Value::Null,
            answers_pings: true,
            pings: 0,
            pongs: 0,
            next_ping: Instant::now(),
        };
        engine.read_open_packet();
        if opening.way == Way::Upgraded {
            engine.upgrade();
        }
        Ok(engine)
    }

    /// Opens a session.
    pub fn open(port: u16, opening: &Opening) -> Engine {
        Engine::try_open(port, opening)
            .unwrap_or_else(|(status, body)| panic!("the handshake was refused: {status} {body}"))
    }

    fn read_open_packet(&mut self) {
        let Received::Packet(Packet::Text(packet)) = self.next() else { panic!("no open packet") };
        self.open = parse(packet.strip_prefix('0').unwrap_or_else(|| panic!("no open packet: {packet}")));
        self.next_ping = Instant::now() + self.ping_interval();
        let sid = self.sid().to_owned();
        if let Carrier::Polls(polls) = &mut self.carrier {
            polls.name(&sid);
        }
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The session's name.
    pub fn sid(&self) -> &str {
        self.open["sid"].as_str().unwrap()
    }

    fn ping_interval(&self) -> Duration {
        Duration::from_millis(self.open["pingInterval"].as_u64().unwrap())
    }

    /// Opens a websocket for the session, which is not used for it yet.
    pub fn candidate(&self) -> WebSocket<TcpStream> {
        let target = format!("{}&sid={}", self.opening.target("websocket"), self.sid());
        websocket(self.port, &target, &[], None).unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }

    /// A websocket takes the session over, as clients do it: probe, wait for the poll that is outstanding,
    /// change.
    pub fn upgrade(&mut self) {
        self.upgrade_while_posting(&[]);
    }

    /// The same while a POST of these packets is under way.
    pub fn upgrade_while_posting(&mut self, packets: &[Packet]) {
        self.begin_poll();
        if !packets.is_empty() {
            assert!(self.polls().begin_post(packets));
        }
        let mut ws = self.candidate();
        ws.send(Message::text("2probe")).unwrap();
        assert_eq!(ws.read().unwrap(), Message::text("3probe"));
        if !packets.is_empty() {
            assert_eq!(self.polls().finish_post(), Some(200));
        }
        self.finish_upgrade(ws);
    }

    /// A websocket whose probe has been answered takes over once no poll is outstanding.
    pub fn finish_upgrade(&mut self, mut ws: WebSocket<TcpStream>) {
        let Carrier::Polls(polls) = &mut self.carrier else { panic!("upgraded already") };
        while polls.is_polling() {
            match polls.poll(PATIENCE) {
                Polled::Packets(packets) => self.queue.extend(packets),
                other => panic!("the poll was not released: {other:?}"),
            }
        }
        ws.send(Message::text("5")).unwrap();
        self.carrier = Carrier::Websocket(ws);
    }

    /// Sees to it that a poll is outstanding.
    pub fn begin_poll(&mut self) {
        if let Carrier::Polls(polls) = &mut self.carrier {
            polls.begin();
        }
    }

    /// The session's requests, while it is polled.
    pub fn polls(&mut self) -> &mut Polls {
        match &mut self.carrier {
            Carrier::Polls(polls) => polls,
            Carrier::Websocket(_) => panic!("this session is not polled"),
        }
    }

    /// The session's websocket.
    pub fn websocket(&mut self) -> &mut WebSocket<TcpStream> {
        match &mut self.carrier {
            Carrier::Websocket(ws) => ws,
            Carrier::Polls(_) => panic!("this session is polled"),
        }
    }

    /// Whether it is polled.
    pub fn is_polled(&self) -> bool {
        matches!(self.carrier, Carrier::Polls(_))
    }
}

/// Saying something.
impl Engine {
    /// Sends packets: as messages, or in one POST. What a session that is over makes of it shows when it is
    /// read.
    pub fn send_all(&mut self, packets: &[Packet]) {
        match &mut self.carrier {
            Carrier::Polls(polls) => drop(polls.post(packets)),
            Carrier::Websocket(ws) => {
                for packet in packets {
                    let message = match packet {
                        Packet::Text(text) => Message::text(text.as_str()),
                        Packet::Binary(bytes) if self.opening.version == Version::V4 => {
                            Message::binary(bytes.clone())
                        }
                        Packet::Binary(bytes) => Message::binary([&[4], bytes.as_slice()].concat()),
                    };
                    if ws.send(message).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Sends a packet of text, its type in front.
    pub fn send(&mut self, packet: &str) {
        self.send_all(&[text(packet)]);
    }

    /// Closes as a client does that is done.
    pub fn leave(mut self) {
        match &mut self.carrier {
            Carrier::Polls(polls) => drop(polls.post(&[text("1")])),
            Carrier::Websocket(ws) => {
                let _ = ws.close(None); // the server may have been quicker
                let _ = ws.flush();
            }
        }
    }
}

/// Listening.
impl Engine {
    /// The next thing that is no heartbeat; fails after [`PATIENCE`].
    pub fn next(&mut self) -> Received {
        self.next_within(PATIENCE).unwrap_or_else(|| panic!("nothing came within {PATIENCE:?}"))
    }

    /// The next thing that is no heartbeat, within a time.
    pub fn next_within(&mut self, time: Duration) -> Option<Received> {
        let deadline = Instant::now() + time;
        loop {
            while let Some(packet) = self.queue.pop_front() {
                if let Some(received) = self.sort(packet) {
                    return Some(received);
                }
            }
            if let Some(closed) = &self.closed {
                return Some(Received::Closed(closed.clone()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let until_ping = self.ping_if_due();
            self.read(left.min(until_ping));
        }
    }

    /// The next thing is this packet.
    pub fn expect(&mut self, packet: &str) {
        assert_eq!(self.next(), Received::Packet(text(packet)));
    }

    /// The next thing is a packet of text.
    pub fn expect_text(&mut self) -> String {
        match self.next() {
            Received::Packet(Packet::Text(text)) => text,
            other => panic!("no text but {other:?}"),
        }
    }

    /// The next thing is a binary message of these bytes.
    pub fn expect_binary(&mut self, bytes: &[u8]) {
        assert_eq!(self.next(), Received::Packet(Packet::Binary(bytes.to_vec())));
    }

    /// The next thing is the end of the session.
    pub fn expect_close(&mut self) -> Close {
        match self.next() {
            Received::Closed(close) => close,
            other => panic!("expected the end of the session, got {other:?}"),
        }
    }

    /// Nothing but heartbeats comes for a while.
    pub fn expect_silence(&mut self, time: Duration) {
        if let Some(received) = self.next_within(time) {
            panic!("expected silence, got {received:?}");
        }
    }

    /// With version 3 the client pings; gives the time until the next one.
    fn ping_if_due(&mut self) -> Duration {
        if self.opening.version == Version::V4 || !self.answers_pings || self.open.is_null() {
            return Duration::MAX;
        }
        if Instant::now() >= self.next_ping {
            self.send("2");
            self.next_ping = Instant::now() + self.ping_interval();
        }
        self.next_ping.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }

    fn sort(&mut self, packet: Packet) -> Option<Received> {
        let Packet::Text(text) = &packet else { return Some(Received::Packet(packet)) };
        match (text.as_str(), self.opening.version) {
            ("6", _) => None,
            ("2", Version::V4) => {
                self.pings += 1;
                if self.answers_pings {
                    self.send("3");
                }
                None
            }
            ("3", Version::V3) => {
                self.pongs += 1;
                None
            }
            ("1", _) if self.is_polled() => {
                self.closed = Some(Close { code: None, reason: String::new() });
                None
            }
            ("1", _) => None, // the close frame follows
            _ => Some(Received::Packet(packet)),
        }
    }

    fn read(&mut self, time: Duration) {
        match &mut self.carrier {
            Carrier::Polls(polls) => match polls.poll(time) {
                Polled::Packets(packets) => self.queue.extend(packets),
                Polled::Nothing => {}
                Polled::Over => self.closed = Some(Close { code: None, reason: String::new() }),
            },
            Carrier::Websocket(ws) => match read_websocket(ws, time) {
                Some(Ok(Message::Text(text))) => self.queue.push_back(Packet::Text(text.as_str().to_owned())),
                Some(Ok(Message::Binary(bytes))) => self.queue.push_back(self.opening.unwrap_binary(&bytes)),
                Some(Err(close)) => self.closed = Some(close),
                _ => {}
            },
        }
    }
}

impl Opening {
    fn unwrap_binary(&self, bytes: &[u8]) -> Packet {
        Packet::Binary(match self.version {
            Version::V4 => bytes.to_vec(),
            Version::V3 => bytes.strip_prefix(&[4]).expect("the type of a message").to_vec(),
        })
    }
}

/// Reads one message of a websocket, or how it has ended.
pub fn read_websocket(ws: &mut WebSocket<TcpStream>, time: Duration) -> Option<Result<Message, Close>> {
    ws.get_ref().set_read_timeout(Some(time)).unwrap();
    let broken = || Some(Err(Close { code: None, reason: String::new() }));
    match ws.read() {
        Ok(Message::Close(None)) => broken(),
        Ok(Message::Close(Some(f))) => {
            Some(Err(Close { code: Some(f.code.into()), reason: f.reason.to_string() }))
        }
        Ok(message @ (Message::Text(_) | Message::Binary(_))) => Some(Ok(message)),
        Ok(_) => {
            let _ = ws.flush(); // the pong that is due; a broken connection shows at the next read
            None
        }
        Err(Error::Io(e)) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => broken(),
        Err(e) => panic!("{e}"),
    }
}
