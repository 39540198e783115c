//! A client that polls, and may change to a websocket in the middle of it.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::Client;
use super::tally::Tally;
use super::{Fault, Options, STALLED};

/// Between two packets of a payload.
const SEPARATOR: u8 = 0x1e;

/// A subscribed client that polls.
pub struct Polled {
    hub: String,
    /// Path and query of its requests.
    target: String,
    get: Http,
    post: Http,
    /// After how many events a websocket takes over; none is never.
    upgrade_after: Option<usize>,
}

impl Polled {
    pub async fn subscribed(options: &Options, upgrade_after: Option<usize>) -> Result<Polled, Fault> {
        let (get, post) = (Http::connect(&options.hub).await?, Http::connect(&options.hub).await?);
        let target = "/socket.io/?EIO=4&transport=polling".to_owned();
        let mut client = Polled { hub: options.hub.clone(), target, get, post, upgrade_after };
        let open = client.poll().await?;
        let sid = memchr::memmem::find(&open, b"\"sid\":\"").ok_or("no session id")? + 7;
        let sid = open[sid..].split(|byte| *byte == b'"').next().unwrap_or_default();
        client.target = format!("{}&sid={}", client.target, std::str::from_utf8(sid)?);
        client.say(&format!(r#"40{{"token":"{}"}}"#, options.token)).await?;
        client.wait_for("40{").await?;
        client.say(&format!(r#"42["subscribe:campaign",{{"campaignId":"{}"}}]"#, options.campaign)).await?;
        client.wait_for(r#"42["subscribed""#).await?;
        Ok(client)
    }

    async fn begin_poll(&mut self) -> Result<(), Fault> {
        let head = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", self.target, self.hub);
        Ok(self.get.stream.write_all(head.as_bytes()).await?)
    }

    async fn poll(&mut self) -> Result<Vec<u8>, Fault> {
        self.begin_poll().await?;
        self.get.answer().await
    }

    async fn say(&mut self, packet: &str) -> Result<(), Fault> {
        let (target, hub, length) = (&self.target, &self.hub, packet.len());
        let request =
            format!("POST {target} HTTP/1.1\r\nHost: {hub}\r\nContent-Length: {length}\r\n\r\n{packet}");
        self.post.stream.write_all(request.as_bytes()).await?;
        self.post.answer().await.map(drop)
    }

    /// Passes over packets up to one that starts like this.
    async fn wait_for(&mut self, start: &str) -> Result<(), Fault> {
        loop {
            let body = tokio::time::timeout(STALLED, self.poll()).await??;
            for packet in body.split(|byte| *byte == SEPARATOR) {
                if packet.starts_with(start.as_bytes()) {
                    return Ok(());
                }
                if packet.starts_with(b"44") || packet.starts_with(br#"42["error""#) {
                    return Err(String::from_utf8_lossy(packet).into_owned().into());
                }
            }
        }
    }

    /// Counts what comes until the session ends.
    pub async fn read(mut self, number: usize, tally: Rc<RefCell<Tally>>) {
        let ended = match self.read_polls(number, &tally).await {
            Ok(websocket) => return websocket.read(number, tally).await,
            Err(ended) => ended,
        };
        if tally.borrow_mut().lose_connection() == 1 {
            eprintln!("client {number}: {ended}");
        }
    }

    /// Polls; gives the websocket that takes over, if one does.
    async fn read_polls(&mut self, number: usize, tally: &RefCell<Tally>) -> Result<Client, Fault> {
        loop {
            let body = self.poll().await?;
            let pinged = count(&body, number, tally)?;
            if pinged {
                self.say("3").await?;
            }
            let seen = tally.borrow().seen_by(number);
            if self.upgrade_after.is_some_and(|after| seen >= after) {
                return self.upgrade(number, tally).await;
            }
        }
    }

    /// As clients do it: probe, wait for the poll that is outstanding, change.
    async fn upgrade(&mut self, number: usize, tally: &RefCell<Tally>) -> Result<Client, Fault> {
        self.begin_poll().await?;
        let target = self.target.replace("polling", "websocket");
        let mut websocket = Client::upgraded(&self.hub, &target).await?;
        websocket.send("2probe").await?;
        websocket.wait_for("3probe").await?;
        let pinged = count(&self.get.answer().await?, number, tally)?;
        websocket.send("5").await?;
        if pinged {
            websocket.send("3").await?;
        }
        tally.borrow_mut().upgrade();
        Ok(websocket)
    }
}

/// Counts the packets of a poll's answer; says whether a ping was among them.
fn count(body: &[u8], number: usize, tally: &RefCell<Tally>) -> Result<bool, Fault> {
    let mut tally = tally.borrow_mut();
    let mut pinged = false;
    for packet in body.split(|byte| *byte == SEPARATOR) {
        match packet {
            b"6" => {}
            b"1" => return Err("the hub closed the session".into()),
            _ => pinged |= tally.packet(number, packet),
        }
    }
    Ok(pinged)
}

/// One connection, kept alive.
struct Http {
    stream: TcpStream,
    /// Bytes that are no whole answer yet.
    pending: Vec<u8>,
}

impl Http {
    async fn connect(hub: &str) -> Result<Http, Fault> {
        let stream = TcpStream::connect(hub).await?;
        stream.set_nodelay(true)?;
        Ok(Http { stream, pending: Vec::new() })
    }

    /// The body of an answer, which has to be a good one.
    async fn answer(&mut self) -> Result<Vec<u8>, Fault> {
        loop {
            if let Some((head, length)) = self.head()?
                && self.pending.len() >= head + length
            {
                let whole: Vec<u8> = self.pending.drain(..head + length).collect();
                if !whole.starts_with(b"HTTP/1.1 200") {
                    return Err(String::from_utf8_lossy(&whole).into_owned().into());
                }
                return Ok(whole[head..].to_vec());
            }
            if self.stream.read_buf(&mut self.pending).await? == 0 {
                return Err("the hub closed the connection".into());
            }
        }
    }

    /// The lengths of the head and the body of the answer, once its head is there.
    fn head(&self) -> Result<Option<(usize, usize)>, Fault> {
        let Some(end) = memchr::memmem::find(&self.pending, b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&self.pending[..end])?.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.ok_or("an answer without a length")?.trim().parse()?;
        Ok(Some((end + 4, length)))
    }
}
