//! A client on a websocket, with no more than it needs.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Fault, STALLED};

/// How much is read in one go.
const READ: usize = 32 * 1024;

/// An open websocket.
pub struct Websocket {
    stream: TcpStream,
    /// Bytes that are no whole frame yet.
    pub pending: Vec<u8>,
}

impl Websocket {
    /// Opens one; an answer other than 101 is the error.
    pub async fn open(hub: &str, target: &str) -> Result<Websocket, Fault> {
        let mut stream = TcpStream::connect(hub).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {hub}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut client = Websocket { stream, pending: Vec::new() };
        let head = loop {
            if let Some(end) = client.pending.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break client.pending.drain(..end + 4).collect::<Vec<u8>>();
            }
            tokio::time::timeout(STALLED, client.more()).await??;
        };
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(String::from_utf8_lossy(&head).into_owned().into());
        }
        Ok(client)
    }

    /// Sends a text.
    pub async fn send(&mut self, text: &str) -> Result<(), Fault> {
        self.send_frame(0x1, text.as_bytes()).await
    }

    /// A masked frame; the mask is zero, so what it carries stands as it is.
    pub async fn send_frame(&mut self, opcode: u8, body: &[u8]) -> Result<(), Fault> {
        let mut frame = vec![0x80 | opcode];
        match u8::try_from(body.len()) {
            Ok(short) if short < 126 => frame.push(0x80 | short),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(body.len())?.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(body);
        Ok(self.stream.write_all(&frame).await?)
    }

    /// Passes over frames up to one that starts like this, and gives it.
    pub async fn wait_for(&mut self, start: &str) -> Result<String, Fault> {
        loop {
            while let Some((_, body)) = self.take_frame()? {
                let text = String::from_utf8_lossy(&body);
                if text.starts_with(start) {
                    return Ok(text.into_owned());
                }
                if text.starts_with("44") || text.starts_with(r#"42["error""#) {
                    return Err(text.into_owned().into());
                }
            }
            tokio::time::timeout(STALLED, self.more()).await??;
        }
    }

    /// The next frame that has come whole: its opcode and what it carries.
    pub fn take_frame(&mut self) -> Result<Option<(u8, Vec<u8>)>, Fault> {
        let Some((header, len)) = frame(&self.pending)? else { return Ok(None) };
        let whole: Vec<u8> = self.pending.drain(..header + len).collect();
        Ok(Some((whole[0] & 0x0f, whole[header..].to_vec())))
    }

    /// Ends the connection without a word.
    pub fn reset(self) {
        // without this the system would say goodbye
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
    }

    /// Waits for bytes and adds them to those that are pending.
    pub async fn more(&mut self) -> Result<(), Fault> {
        self.pending.reserve(READ / 4);
        match self.stream.read_buf(&mut self.pending).await? {
            0 => Err("the hub closed the connection".into()),
            _ => Ok(()),
        }
    }
}

/// The lengths of header and body of the frame at the start of `bytes`, if all of it is there.
pub fn frame(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let [first, second, ..] = bytes else { return Ok(None) };
    let (header, len) = match (second & 0x7f, bytes) {
        (126, [_, _, a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        (126, _) => return Ok(None),
        (127, _) => return Err("a frame of more than 64 KiB".to_owned()),
        (short, _) => (2, usize::from(short)),
    };
    let whole = bytes.len() >= header + len;
    if whole && *first == 0x88 {
        return Err(format!("closed: {}", String::from_utf8_lossy(bytes.get(4..).unwrap_or_default())));
    }
    Ok(whole.then_some((header, len)))
}
