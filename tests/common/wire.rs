//! Bytes of either protocol: the upgrade, and what comes as a text frame.

use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::{Error, WebSocket};

use super::PATIENCE;
use super::client::Incoming;

/// Opens a websocket, or gives the status and body of the refusal.
pub fn websocket(
    port: u16,
    target: &str,
    headers: &[(String, String)],
    receive_buffer: Option<usize>,
) -> Result<WebSocket<TcpStream>, (u16, String)> {
    let mut request = format!("ws://127.0.0.1:{port}{target}").into_client_request().unwrap();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
    let stream = dial(port, receive_buffer);
    match tungstenite::client(request, stream) {
        Ok((ws, _)) => Ok(ws),
        Err(HandshakeError::Failure(Error::Http(answer))) => {
            let body = answer.body().as_deref().unwrap_or_default();
            Err((answer.status().as_u16(), String::from_utf8_lossy(body).into_owned()))
        }
        Err(e) => panic!("the handshake failed: {e}"),
    }
}

/// Opens a connection on which nothing waits for ever.
pub fn dial(port: u16, receive_buffer: Option<usize>) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A Socket.IO packet.
pub fn decode_packet(packet: &str) -> Incoming {
    let (kind, rest) = packet.split_at_checked(1).unwrap_or_else(|| panic!("an empty Socket.IO packet"));
    match kind {
        "0" if rest.is_empty() => Incoming::Connected(Value::Null), // clients of Socket.IO 2 are told no more
        "0" => Incoming::Connected(parse(rest)),
        "1" => Incoming::Disconnected,
        "2" => decode_event(rest),
        "3" => decode_ack(rest),
        "4" => Incoming::Refused(rest.to_owned()),
        _ => panic!("an unexpected Socket.IO packet: {packet}"),
    }
}

fn decode_event(args: &str) -> Incoming {
    let Value::Array(mut args) = parse(args) else { panic!("an event that is no array: {args}") };
    assert!((1..=2).contains(&args.len()), "an event of {} arguments: {args:?}", args.len());
    let data = if args.len() == 2 { args.remove(1) } else { Value::Null };
    Incoming::Event(args[0].as_str().unwrap().to_owned(), data)
}

fn decode_ack(text: &str) -> Incoming {
    let digits = text.find('[').unwrap_or_else(|| panic!("an ack without arguments: {text}"));
    let Value::Array(mut args) = parse(&text[digits..]) else { panic!("an ack that is no array: {text}") };
    assert_eq!(args.len(), 1, "an ack has one argument: {text}");
    Incoming::Answer(parse(&text[..digits]), args.remove(0))
}

/// An object of the plain protocol.
pub fn decode_plain(text: &str) -> Incoming {
    let Value::Object(mut object) = parse(text) else { panic!("no object: {text}") };
    if let Some(id) = object.remove("reply") {
        return Incoming::Answer(id, Value::Object(object));
    }
    let name = object.remove("event").unwrap_or_else(|| panic!("neither event nor reply: {text}"));
    let data = object.remove("data").unwrap_or(Value::Null);
    assert!(object.is_empty(), "further fields in an event: {text}");
    Incoming::Event(name.as_str().unwrap().to_owned(), data)
}

/// JSON, or the test fails.
pub fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("no JSON ({e}): {text}"))
}
