//! A websocket that costs little and blocks nobody: thousands of them live on one thread.

use std::io;
use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::common::{Incoming, Protocol, wire};

/// How much is read in one go.
const READ: usize = 16 * 1024;

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// A close frame first.
    Closed,
    /// The connection alone, as when an app is left.
    Dropped,
    /// A reset, as when a machine is gone.
    Reset,
}

/// An open connection.
pub struct Wire {
    stream: TcpStream,
    protocol: Protocol,
    /// Bytes that are no whole frame yet.
    pending: Vec<u8>,
}

impl Wire {
    /// Connects and upgrades.
    pub async fn open(port: u16, protocol: Protocol) -> io::Result<Wire> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            protocol.path()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut wire = Wire { stream, protocol, pending: Vec::with_capacity(READ) };
        loop {
            if let Some(end) = wire.pending.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = wire.pending.drain(..end + 4).collect();
                let text = String::from_utf8_lossy(&head);
                return if text.starts_with("HTTP/1.1 101") { Ok(wire) } else { Err(io::Error::other(text)) };
            }
            wire.read_more().await?;
        }
    }

    /// The token, in the protocol's own way.
    pub fn token(&self, token: &str) -> String {
        match self.protocol {
            Protocol::Plain => format!(r#"{{"event":"auth","data":{{"token":"{token}"}}}}"#),
            _ => format!(r#"40{{"token":"{token}"}}"#),
        }
    }

    /// A request that wants an answer.
    pub fn request(&self, id: u64, name: &str, data: &serde_json::Value) -> String {
        match self.protocol {
            Protocol::Plain => serde_json::json!({"event": name, "data": data, "id": id}).to_string(),
            _ => format!("42{id}{}", serde_json::json!([name, data])),
        }
    }

    /// Sends texts in one go, each in a frame of its own.
    pub async fn send(&mut self, texts: &[String]) -> io::Result<()> {
        let mut bytes = Vec::new();
        texts.iter().for_each(|text| frame(&mut bytes, 0x81, text.as_bytes()));
        self.stream.write_all(&bytes).await
    }

    /// What comes next; `None` for the end of the connection. May be dropped and called again.
    pub async fn next(&mut self) -> io::Result<Option<Incoming>> {
        loop {
            while let Some((opcode, body)) = self.take_frame()? {
                match (opcode, body.as_slice()) {
                    (1, b"2") if self.protocol == Protocol::SocketIo => self.send(&["3".to_owned()]).await?,
                    (1, _) => return Ok(Some(self.decode(&body))),
                    (8, _) => return Ok(None),
                    (9, _) => {
                        let mut pong = Vec::new();
                        frame(&mut pong, 0x8a, &body);
                        self.stream.write_all(&pong).await?;
                    }
                    _ => return Err(io::Error::other(format!("a frame of opcode {opcode}"))),
                }
            }
            if self.read_more().await.is_err() {
                return Ok(None);
            }
        }
    }

    fn decode(&self, body: &[u8]) -> Incoming {
        let text = std::str::from_utf8(body).unwrap();
        match (self.protocol, text.as_bytes().first()) {
            (Protocol::Plain, _) => wire::decode_plain(text),
            (Protocol::SocketIo, Some(b'0')) => Incoming::Open(wire::parse(&text[1..])),
            (Protocol::SocketIo, Some(b'4')) => wire::decode_packet(&text[1..]),
            _ => panic!("an unknown Engine.IO packet: {text}"),
        }
    }

    async fn read_more(&mut self) -> io::Result<()> {
        self.pending.reserve(READ / 4);
        match self.stream.read_buf(&mut self.pending).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The opcode and body of the first frame, if all of it is there.
    fn take_frame(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let [first, second, ..] = self.pending[..] else { return Ok(None) };
        if first & 0x70 != 0 || second & 0x80 != 0 || first & 0x80 == 0 {
            return Err(io::Error::other("a frame with a mask, in parts or with reserved bits"));
        }
        let (header, len) = match (second, &self.pending[..]) {
            (126, [_, _, a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
            (126, _) => return Ok(None),
            (127, _) => return Err(io::Error::other("a frame of more than 64 KiB")),
            (short, _) => (2, usize::from(short)),
        };
        if self.pending.len() < header + len {
            return Ok(None);
        }
        let frame: Vec<u8> = self.pending.drain(..header + len).collect();
        Ok(Some((first & 0x0f, frame[header..].to_vec())))
    }

    /// Ends it in one of three ways.
    pub async fn end(mut self, how: End) {
        match how {
            End::Closed => {
                let mut bytes = Vec::new();
                frame(&mut bytes, 0x88, &1000_u16.to_be_bytes());
                let _ = self.stream.write_all(&bytes).await; // the hub may have been quicker
            }
            End::Dropped => {}
            End::Reset => {
                socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap()
            }
        }
    }
}

/// A masked frame; the mask is zero, so the body stands as it is.
fn frame(bytes: &mut Vec<u8>, first: u8, body: &[u8]) {
    bytes.push(first);
    match u8::try_from(body.len()) {
        Ok(short) if short < 126 => bytes.push(0x80 | short),
        _ => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(body);
}
