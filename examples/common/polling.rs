//! A client that polls, and may change to a websocket in the middle of it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Fault, Websocket};

/// Between two packets of a payload.
const SEPARATOR: u8 = 0x1e;

/// A session that is polled.
pub struct Polling {
    hub: String,
    /// Path and query of its requests.
    target: String,
    get: Http,
    post: Http,
}

impl Polling {
    /// Opens a session.
    pub async fn open(hub: &str) -> Result<Polling, Fault> {
        let (get, post) = (Http::connect(hub).await?, Http::connect(hub).await?);
        let target = "/socket.io/?EIO=4&transport=polling".to_owned();
        let mut client = Polling { hub: hub.to_owned(), target, get, post };
        let open = client.poll().await?;
        let sid = memchr::memmem::find(&open, b"\"sid\":\"").ok_or("no session id")? + 7;
        let sid = open[sid..].split(|byte| *byte == b'"').next().unwrap_or_default();
        client.target = format!("{}&sid={}", client.target, std::str::from_utf8(sid)?);
        Ok(client)
    }

    /// Sends a poll; [`Polling::end_poll`] has its answer.
    pub async fn begin_poll(&mut self) -> Result<(), Fault> {
        let head = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", self.target, self.hub);
        self.get.send(&self.hub, head.as_bytes()).await
    }

    /// The body of the answer to the poll that is outstanding.
    pub async fn end_poll(&mut self) -> Result<Vec<u8>, Fault> {
        self.get.answer().await
    }

    /// Polls once.
    pub async fn poll(&mut self) -> Result<Vec<u8>, Fault> {
        self.begin_poll().await?;
        self.end_poll().await
    }

    /// Posts a packet.
    pub async fn say(&mut self, packet: &str) -> Result<(), Fault> {
        let (target, hub, length) = (&self.target, &self.hub, packet.len());
        let request =
            format!("POST {target} HTTP/1.1\r\nHost: {hub}\r\nContent-Length: {length}\r\n\r\n{packet}");
        self.post.send(hub, request.as_bytes()).await?;
        self.post.answer().await.map(drop)
    }

    /// A websocket of this session, which has not said anything yet.
    pub async fn second_transport(&self) -> Result<Websocket, Fault> {
        Websocket::open(&self.hub, &self.target.replace("polling", "websocket")).await
    }

    /// As clients do it: probes with a websocket while a poll is outstanding. Gives the websocket, which
    /// carries the session from now on, and what that poll brought.
    pub async fn upgrade(&mut self) -> Result<(Websocket, Vec<u8>), Fault> {
        self.begin_poll().await?;
        let mut websocket = self.second_transport().await?;
        websocket.send("2probe").await?;
        websocket.wait_for("3probe").await?;
        let last = self.end_poll().await?;
        websocket.send("5").await?;
        Ok((websocket, last))
    }
}

/// The packets of a poll's answer; an error where the hub says that the session is over.
pub fn packets(body: &[u8]) -> Result<impl Iterator<Item = &[u8]>, Fault> {
    let all = move || body.split(|byte| *byte == SEPARATOR);
    if all().any(|packet| packet == b"1") {
        return Err("the hub closed the session".into());
    }
    Ok(all().filter(|packet| *packet != b"6"))
}

/// One connection, kept alive.
struct Http {
    stream: TcpStream,
    /// Bytes that are no whole answer yet.
    pending: Vec<u8>,
    /// It has carried a request already: the other side may have closed it meanwhile, as kept ones are.
    used: bool,
}

impl Http {
    async fn connect(hub: &str) -> Result<Http, Fault> {
        let stream = TcpStream::connect(hub).await?;
        stream.set_nodelay(true)?;
        Ok(Http { stream, pending: Vec::new(), used: false })
    }

    /// Sends a request; on a new connection where the old one has been closed, as browsers do.
    async fn send(&mut self, hub: &str, request: &[u8]) -> Result<(), Fault> {
        let mut end = [0];
        if self.used && matches!(self.stream.try_read(&mut end), Ok(0)) {
            *self = Http::connect(hub).await?;
        }
        self.used = true;
        Ok(self.stream.write_all(request).await?)
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
