//! A client's life: it comes, subscribes, writes down what it gets, and comes again when it is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use super::common::polling::packets;
use super::common::{Fault, Polling, Websocket, number};
use super::record::{Clock, Got, HTTP, REDIS, Session, SharedLog};

/// The campaign that everything is about.
pub const CAMPAIGN: &str = "chaos";
/// A client that is not in the room after this long tries again.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a client is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Websocket,
    Polling,
    /// It polls, and changes to a websocket in the middle of the events.
    Upgrade,
    Plain,
}

/// What all clients know.
pub struct World {
    /// Of the hub that they come to.
    pub port: AtomicU16,
    pub token: String,
    pub clock: Clock,
    /// It is over.
    pub over: AtomicBool,
    pub wake: Notify,
    /// So that not all come in the same moment at the beginning; later nothing holds them back.
    pub door: Semaphore,
    /// Before the second attempt and each further one, in milliseconds.
    pub pause_ms: u64,
}

impl World {
    fn hub(&self) -> String {
        format!("127.0.0.1:{}", self.port.load(Ordering::SeqCst))
    }
}

/// An open connection.
enum Link {
    Websocket(Websocket),
    Plain(Websocket),
    Polling(Box<Polling>),
}

/// Lives until it is over.
pub async fn live(number: usize, kind: Kind, world: Arc<World>, log: SharedLog) {
    let mut attempts = 0_u64;
    while !world.over.load(Ordering::SeqCst) {
        let stay = Stay { number, kind, world: &world, log: &log, upgrade: kind == Kind::Upgrade };
        let end = tokio::select! {
            end = stay.run(attempts == 0) => end,
            () = world.wake.notified() => return,
        };
        let was_in = log.with(|log| {
            let was_in = log.is_in();
            log.last_end = end.to_string();
            log.refused += usize::from(!was_in);
            was_in
        });
        let now = world.clock.now();
        log.in_session(|session| session.ended = Some(now));
        // at once after a connection that stood; then with a pause of its own, as clients do
        attempts = if was_in { 1 } else { attempts + 1 };
        if attempts > 1 {
            let spread = (number as u64).wrapping_mul(2_654_435_761) % world.pause_ms.max(1);
            tokio::time::sleep(Duration::from_millis(world.pause_ms / 2 + spread)).await;
        }
    }
}

/// One connection.
struct Stay<'a> {
    number: usize,
    kind: Kind,
    world: &'a World,
    log: &'a SharedLog,
    /// It is to upgrade yet.
    upgrade: bool,
}

impl Stay<'_> {
    /// Gives why it ended.
    async fn run(mut self, first: bool) -> Fault {
        let door = match first {
            true => self.world.door.acquire().await.ok(),
            false => None,
        };
        let entered = tokio::time::timeout(PATIENCE, self.enter()).await;
        drop(door);
        let link = match entered {
            Ok(Ok(link)) => link,
            Ok(Err(fault)) => return fault,
            Err(_) => return "not in the room in time".into(),
        };
        match self.listen(link).await {
            Ok(never) => match never {},
            Err(fault) => fault,
        }
    }

    /// Up to `subscribed`.
    async fn enter(&mut self) -> Result<Link, Fault> {
        let mut link = Link::open(self.kind, &self.world.hub()).await?;
        if self.kind == Kind::Plain {
            link.say(&format!(r#"{{"event":"auth","data":{{"token":"{}"}}}}"#, self.world.token)).await?;
        } else if self.kind != Kind::Websocket {
            link.say(&self.connect()).await?; // the open packet has been read
        }
        while !self.log.with(|log| log.is_in()) {
            self.hear(&mut link).await?;
        }
        Ok(link)
    }

    async fn listen(&mut self, mut link: Link) -> Result<std::convert::Infallible, Fault> {
        // spread over the first second or two, by the number alone
        let after = 20 + self.number.wrapping_mul(2_654_435_761) % 100;
        loop {
            self.hear(&mut link).await?;
            if self.upgrade && self.log.with(|log| log.last_of(REDIS).is_some_and(|got| got.seq >= after)) {
                self.upgrade = false;
                link = self.change(link).await?;
            }
        }
    }

    async fn change(&mut self, link: Link) -> Result<Link, Fault> {
        let Link::Polling(mut session) = link else { return Ok(link) };
        let (websocket, last) = session.upgrade().await?;
        let mut link = Link::Websocket(websocket);
        for packet in packets(&last)? {
            self.take(packet, &mut link).await?;
        }
        self.log.with(|log| log.upgraded = true);
        Ok(link)
    }

    /// Waits for what comes next, and answers what has to be answered.
    async fn hear(&mut self, link: &mut Link) -> Result<(), Fault> {
        for text in link.next().await? {
            self.take(&text, link).await?;
        }
        Ok(())
    }

    fn connect(&self) -> String {
        format!(r#"40{{"token":"{}"}}"#, self.world.token)
    }

    async fn take(&mut self, text: &[u8], link: &mut Link) -> Result<(), Fault> {
        match text {
            b"2" => link.say("3").await,
            [b'0', b'{', ..] => link.say(&self.connect()).await,
            [b'4', b'0', ..] => {
                link.say(&format!(r#"42["subscribe:campaign",{{"campaignId":"{CAMPAIGN}"}}]"#)).await
            }
            [b'4', b'4', ..] => Err(String::from_utf8_lossy(text).into_owned().into()),
            _ => match name_of(text) {
                Some("connected") => {
                    let subscribe =
                        format!(r#"{{"event":"subscribe:campaign","data":{{"campaignId":"{CAMPAIGN}"}}}}"#);
                    link.say(&subscribe).await
                }
                Some(name) => self.note(name, text),
                None => Ok(()),
            },
        }
    }

    fn note(&mut self, name: &str, text: &[u8]) -> Result<(), Fault> {
        let now = self.world.clock.now();
        match name {
            "subscribed" => {
                self.log.with(|log| log.sessions.push(Session { up: now, ..Session::default() }));
            }
            "campaign:updated" | "campaign:status_changed" => {
                let stream =
                    if memchr::memmem::find(text, br#""via":"http""#).is_some() { HTTP } else { REDIS };
                if let Some(seq) = number(text, b"\"seq\":") {
                    self.log.in_session(|session| session.got.push(Got { stream, seq, at: now }));
                }
                self.show(text);
            }
            "campaign:status" => self.show(text),
            "gap" => {
                let at = |key| word(text, key).and_then(wall_ms).map(|ms| self.world.clock.of_wall(ms));
                if let (Some(since), Some(until)) = (at("since"), at("until")) {
                    self.log.in_session(|session| session.gaps.push((since, until)));
                }
            }
            "error" => {
                let code = word(text, "code").unwrap_or_default().to_owned();
                let in_room = self.log.with(|log| log.is_in());
                self.log.in_session(|session| session.told = Some(code.clone()));
                if !in_room {
                    return Err(code.into()); // the subscribe was refused: come again
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn show(&self, text: &[u8]) {
        if let (Some(status), Some(at)) = (word(text, "status"), word(text, "timestamp")) {
            self.log.with(|log| log.show(status, at));
        }
    }
}

impl Link {
    async fn open(kind: Kind, hub: &str) -> Result<Link, Fault> {
        Ok(match kind {
            Kind::Websocket => {
                Link::Websocket(Websocket::open(hub, "/socket.io/?EIO=4&transport=websocket").await?)
            }
            Kind::Plain => Link::Plain(Websocket::open(hub, "/ws").await?),
            Kind::Polling | Kind::Upgrade => Link::Polling(Box::new(Polling::open(hub).await?)),
        })
    }

    async fn say(&mut self, text: &str) -> Result<(), Fault> {
        match self {
            Link::Websocket(socket) | Link::Plain(socket) => socket.send(text).await,
            Link::Polling(session) => session.say(text).await,
        }
    }

    /// The texts that come next; pings of the websocket are answered here.
    async fn next(&mut self) -> Result<Vec<Vec<u8>>, Fault> {
        let socket = match self {
            Link::Polling(session) => {
                let body = session.poll().await?;
                return Ok(packets(&body)?.map(<[u8]>::to_vec).collect());
            }
            Link::Websocket(socket) | Link::Plain(socket) => socket,
        };
        let mut texts = Vec::new();
        loop {
            match socket.take_frame() {
                Ok(Some((0x9, body))) => socket.send_frame(0xa, &body).await?,
                Ok(Some((_, body))) => texts.push(body),
                // the end stands where it is until what came before it has been heard
                Ok(None) | Err(_) if !texts.is_empty() => return Ok(texts),
                Ok(None) => socket.more().await?,
                Err(end) => return Err(end),
            }
        }
    }
}

/// The name of an event, in either protocol.
fn name_of(text: &[u8]) -> Option<&str> {
    let rest = text.strip_prefix(br#"42[""#).or_else(|| text.strip_prefix(br#"{"event":""#))?;
    let end = memchr::memchr(b'"', rest)?;
    std::str::from_utf8(&rest[..end]).ok()
}

/// The text behind a key.
fn word<'a>(text: &'a [u8], key: &str) -> Option<&'a str> {
    let key = format!(r#""{key}":""#);
    let rest = &text[memchr::memmem::find(text, key.as_bytes())? + key.len()..];
    std::str::from_utf8(&rest[..memchr::memchr(b'"', rest)?]).ok()
}

fn wall_ms(text: &str) -> Option<i64> {
    roomcast::clock::parse_rfc3339(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_both_protocols_are_read() {
        let socketio = br#"42["campaign:status_changed",{"status":"S5","metadata":{"seq":5,"via":"redis"},"timestamp":"t"}]"#;
        let plain = br#"{"event":"gap","data":{"source":"redis","since":"2026-05-04T10:20:30.123Z"}}"#;
        assert_eq!((name_of(socketio), name_of(plain)), (Some("campaign:status_changed"), Some("gap")));
        assert_eq!((number(socketio, b"\"seq\":"), word(socketio, "status")), (Some(5), Some("S5")));
        assert_eq!(word(plain, "since").and_then(wall_ms), Some(1_777_890_030_123));
        assert_eq!(name_of(b"3"), None);
    }
}
