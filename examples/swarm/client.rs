//! A Socket.IO client on a websocket, with no more than it needs.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::tally::Tally;
use super::{Fault, Options, STALLED};

/// How much is read in one go.
const READ: usize = 32 * 1024;

/// A subscribed Socket.IO client.
pub struct Client {
    stream: TcpStream,
    /// Bytes that are no whole frame yet.
    pending: Vec<u8>,
}

impl Client {
    pub async fn subscribed(options: &Options) -> Result<Client, Fault> {
        let target = "/socket.io/?EIO=4&transport=websocket";
        let mut client = Client::upgraded(&options.hub, target).await?;
        client.wait_for("0{").await?;
        client.send(&format!(r#"40{{"token":"{}"}}"#, options.token)).await?;
        client.wait_for("40{").await?;
        client.send(&format!(r#"42["subscribe:campaign",{{"campaignId":"{}"}}]"#, options.campaign)).await?;
        client.wait_for(r#"42["subscribed""#).await?;
        Ok(client)
    }

    /// Opens a websocket.
    pub async fn upgraded(hub: &str, target: &str) -> Result<Client, Fault> {
        let mut stream = TcpStream::connect(hub).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {hub}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut client = Client { stream, pending: Vec::with_capacity(READ) };
        let head = loop {
            if let Some(end) = client.pending.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break client.pending.drain(..end + 4).collect::<Vec<u8>>();
            }
            client.read_more().await?;
        };
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(String::from_utf8_lossy(&head).into_owned().into());
        }
        Ok(client)
    }

    /// A masked text frame; the mask is zero, so the text stands as it is.
    pub async fn send(&mut self, text: &str) -> Result<(), Fault> {
        let mut frame = vec![0x81];
        match u8::try_from(text.len()) {
            Ok(short) if short < 126 => frame.push(0x80 | short),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(text.len())?.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        Ok(self.stream.write_all(&frame).await?)
    }

    /// Passes over frames up to one that starts like this.
    pub async fn wait_for(&mut self, start: &str) -> Result<(), Fault> {
        loop {
            while let Some((header, len)) = frame(&self.pending)? {
                let whole: Vec<u8> = self.pending.drain(..header + len).collect();
                let text = String::from_utf8_lossy(&whole[header..]);
                if text.starts_with(start) {
                    return Ok(());
                }
                if text.starts_with("44") || text.starts_with(r#"42["error""#) {
                    return Err(text.into_owned().into());
                }
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<(), Fault> {
        match tokio::time::timeout(STALLED, self.stream.read_buf(&mut self.pending)).await?? {
            0 => Err("the hub closed the connection".into()),
            _ => Ok(()),
        }
    }

    /// Counts what comes until the connection ends.
    pub async fn read(mut self, number: usize, tally: Rc<RefCell<Tally>>) {
        loop {
            let read = {
                self.pending.reserve(READ / 4);
                self.stream.read_buf(&mut self.pending).await
            };
            if !matches!(read, Ok(n) if n > 0) {
                tally.borrow_mut().lose_connection();
                return;
            }
            let (used, ping) = tally.borrow_mut().count(number, &self.pending);
            self.pending.drain(..used);
            if ping && self.send("3").await.is_err() {
                tally.borrow_mut().lose_connection();
                return;
            }
        }
    }
}

/// The lengths of header and body of the frame at the start of `bytes`, if all of it is there.
pub fn frame(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let [first, second, ..] = bytes else { return Ok(None) };
    if *first == 0x88 {
        return Err(format!("closed: {}", String::from_utf8_lossy(bytes.get(4..).unwrap_or_default())));
    }
    let (header, len) = match (second & 0x7f, bytes) {
        (126, [_, _, a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        (126, _) => return Ok(None),
        (127, _) => return Err("a frame of more than 64 KiB".to_owned()),
        (short, _) => (2, usize::from(short)),
    };
    Ok((bytes.len() >= header + len).then_some((header, len)))
}
