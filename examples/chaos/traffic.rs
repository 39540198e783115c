//! Publishes numbered events, to Redis and over HTTP, and writes down what became of each.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::client::CAMPAIGN;
use super::common::publishing::{is_whole_answer, item, over_http, to_redis};
use super::judge::Streams;
use super::record::{Clock, HTTP, Micros, Published, REDIS, STREAMS, Taken};

/// Each so-many-th event of Redis sets the status.
const STATUS_EVERY: usize = 10;
/// How long one read waits before it is looked whether all is over.
const LOOK: Duration = Duration::from_millis(50);

/// Where to, and how fast.
#[derive(Clone)]
pub struct Options {
    pub redis: u16,
    pub hub: u16,
    pub token: String,
    pub clock: Clock,
    /// Between two events of Redis; of HTTP it is ten times as long.
    pub every: Duration,
    /// Bytes that each event carries beside its number.
    pub filler: usize,
    /// Whether some of the events set the campaign's status.
    pub statuses: bool,
}

struct Shared {
    options: Options,
    /// Of the hub that is published to over HTTP.
    hub: AtomicU16,
    over: AtomicBool,
    streams: [Mutex<Vec<Published>>; STREAMS],
}

/// Both publishers.
pub struct Traffic {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Traffic {
    pub fn start(options: Options) -> Traffic {
        let (hub, streams) = (AtomicU16::new(options.hub), Default::default());
        let shared = Arc::new(Shared { options, hub, over: AtomicBool::new(false), streams });
        let threads = [REDIS, HTTP].map(|stream| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || Publisher { stream, shared, link: None }.run())
        });
        Traffic { shared, threads: threads.into() }
    }

    /// How many were published so far.
    pub fn published(&self, stream: usize) -> usize {
        self.shared.list(stream, |list| list.len())
    }

    /// When the events of a stream were sent, by their number.
    pub fn sent(&self, stream: usize) -> Vec<Micros> {
        self.shared.list(stream, |list| list.iter().map(|event| event.begin).collect())
    }

    pub fn send_to(&self, hub: u16) {
        self.shared.hub.store(hub, Ordering::SeqCst);
    }

    /// Ends it; gives what was published.
    pub fn finish(mut self) -> Streams {
        self.end();
        [REDIS, HTTP].map(|stream| self.shared.list(stream, std::mem::take))
    }

    fn end(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // its panic has been printed
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn list<T>(&self, stream: usize, look: impl FnOnce(&mut Vec<Published>) -> T) -> T {
        look(&mut self.streams[stream].lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One of the two.
struct Publisher {
    stream: usize,
    shared: Arc<Shared>,
    link: Option<TcpStream>,
}

impl Publisher {
    fn run(mut self) {
        let every = self.shared.options.every * if self.stream == HTTP { 10 } else { 1 };
        let mut seq = 0;
        while !self.is_over() {
            if self.link.is_none() && !self.connect() {
                std::thread::sleep(LOOK / 5); // it is away: between two attempts
                continue;
            }
            let status = self.shared.options.statuses && self.stream == REDIS && seq % STATUS_EVERY == 0;
            let begin = self.shared.options.clock.now();
            let taken = self.publish(seq, status);
            self.note(begin, taken, status);
            seq += 1;
            std::thread::sleep(every); // the pace
        }
    }

    fn is_over(&self) -> bool {
        self.shared.over.load(Ordering::SeqCst)
    }

    fn note(&self, begin: Micros, taken: Taken, status: bool) {
        let end = self.shared.options.clock.now();
        self.shared.list(self.stream, |list| list.push(Published { begin, end, taken, status }));
    }

    fn connect(&mut self) -> bool {
        let port = match self.stream {
            HTTP => self.shared.hub.load(Ordering::SeqCst),
            _ => self.shared.options.redis,
        };
        let open = || {
            let link = TcpStream::connect(("127.0.0.1", port))?;
            link.set_nodelay(true)?;
            link.set_read_timeout(Some(LOOK))?;
            Ok::<_, std::io::Error>(link)
        };
        self.link = open().ok();
        self.link.is_some()
    }

    fn publish(&mut self, seq: usize, status: bool) -> Taken {
        let (channel, payload) = (format!("campaign:{CAMPAIGN}"), self.payload(seq, status));
        let (request, good): (String, fn(&str) -> bool) = match self.stream {
            HTTP => {
                let (token, item) = (&self.shared.options.token, item(&channel, &payload));
                (over_http("127.0.0.1", token, &item), |answer| answer.contains(r#"{"ok":true}"#))
            }
            _ => (to_redis(&channel, &payload), |answer| answer.starts_with(':')),
        };
        let answer = self.ask(request.as_bytes());
        match answer {
            Some(answer) if good(&answer) => Taken::Yes,
            Some(_) => Taken::Unknown,
            None => {
                self.link = None;
                Taken::Unknown
            }
        }
    }

    fn payload(&self, seq: usize, status: bool) -> String {
        let via = if self.stream == HTTP { "http" } else { "redis" };
        let filler = "x".repeat(self.shared.options.filler);
        let of = format!(r#""metadata":{{"seq":{seq},"via":"{via}","filler":"{filler}"}}"#);
        match status {
            true => format!(r#"{{"eventType":"status.changed","toStatus":"S{seq}","trigger":"chaos",{of}}}"#),
            false => format!(r#"{{"eventType":"updated",{of}}}"#),
        }
    }

    /// Sends and waits for the answer, however long it takes: one that came again on another connection could
    /// overtake it.
    fn ask(&mut self, request: &[u8]) -> Option<String> {
        let link = self.link.as_mut()?;
        link.write_all(request).ok()?;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match link.read(&mut buffer) {
                Ok(0) => return None,
                Ok(n) => answer.extend_from_slice(&buffer[..n]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.shared.over.load(Ordering::SeqCst) {
                        return None;
                    }
                }
                Err(_) => return None,
            }
            let text = String::from_utf8_lossy(&answer);
            let whole = if self.stream == HTTP { is_whole_answer(&text) } else { text.ends_with("\r\n") };
            if whole {
                return Some(text.into_owned());
            }
        }
    }
}
