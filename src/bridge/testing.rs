//! A real Redis on a free port with throwaway data, and ears for what a bridge says.

use std::future::Future;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::{Bus, BusError, BusHandle, LinkEvent, Message, OnLink, Sink};
use crate::rooms::Permit;

/// Anything that should happen happens within this time, or the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of one test's own; ended, by its process id, when dropped.
pub(super) struct Redis {
    port: u16,
    dir: TempDir,
    child: Child,
}

impl Redis {
    pub(super) fn start() -> Redis {
        let port = free_port();
        let dir = TempDir::new().unwrap();
        let child = spawn(port, &dir);
        Redis { port, dir, child }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts the server again on the same port, after [`Redis::kill`].
    pub(super) fn restart(&mut self) {
        self.child = spawn(self.port, &self.dir);
    }

    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends the server's process a signal (`STOP`, `CONT`).
    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    pub(super) fn connection(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    pub(super) fn command(&self, words: &[&str]) -> redis::Value {
        let mut command = redis::Cmd::new();
        words.iter().for_each(|word| {
            command.arg(word);
        });
        command.query(&mut self.connection()).unwrap()
    }

    /// Waits until the server answers.
    pub(super) async fn ready(&self) {
        until(|| redis::Client::open(self.url()).unwrap().get_connection().is_ok()).await;
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(port: u16, dir: &TempDir) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

/// What a bridge says.
pub(super) struct Ears {
    pub(super) batches: UnboundedReceiver<(Vec<Message>, Permit)>,
    pub(super) link: UnboundedReceiver<LinkEvent>,
}

/// A sink, a link listener, and what they hear.
pub(super) fn ears() -> (Sink, OnLink, Ears) {
    let (heard, batches) = unbounded_channel();
    let (told, link) = unbounded_channel();
    let sink: Sink = Arc::new(move |list, permit| drop(heard.send((list, permit))));
    let on_link: OnLink = Arc::new(move |event| drop(told.send(event)));
    (sink, on_link, Ears { batches, link })
}

impl Ears {
    pub(super) async fn next_batch(&mut self) -> (Vec<Message>, Permit) {
        soon(self.batches.recv()).await.unwrap()
    }

    /// The payloads of the next `n` messages; their permits are given back.
    pub(super) async fn payloads(&mut self, n: usize) -> Vec<String> {
        let mut payloads = Vec::new();
        while payloads.len() < n {
            let (list, _permit) = self.next_batch().await;
            payloads.extend(list.iter().map(|m| String::from_utf8_lossy(&m.payload).into_owned()));
        }
        payloads
    }

    pub(super) async fn next_link_event(&mut self) -> LinkEvent {
        soon(self.link.recv()).await.unwrap()
    }
}

/// Publishes and waits for the answer.
pub(super) async fn publish(bus: &BusHandle, channel: &str, payload: &str) -> Result<(), BusError> {
    let (done, answer) = oneshot::channel();
    let done = Box::new(move |result| drop(done.send(result)));
    bus.publish(channel.to_owned(), Bytes::copy_from_slice(payload.as_bytes()), done);
    soon(answer).await.unwrap()
}

pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it should have happened by now")
}

/// Waits until `holds` does.
pub(super) async fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it should hold by now");
        sleep(Duration::from_millis(5)).await;
    }
}
