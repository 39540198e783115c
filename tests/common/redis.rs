//! A real Redis on a free port with throwaway data, which can be killed and started again.

use std::process::{Command, Stdio};

use redis::{Client, Connection};
use serde_json::Value;
use tempfile::TempDir;

use super::eventually;
use super::process::{Process, free_port};

const HINT: &str = "Redis is needed: `make setup`, or `apt-get install redis-server`";

/// A Redis server of one test.
pub struct RedisServer {
    port: u16,
    dir: TempDir,
    process: Process,
}

impl RedisServer {
    /// Starts one and waits until it accepts connections.
    pub fn start() -> RedisServer {
        let dir = tempfile::tempdir().unwrap();
        // another program may take the port between the look and the bind: then look again
        let (port, process) = eventually("redis-server starts", || {
            let port = free_port();
            Some((port, launch(port, &dir)?))
        });
        RedisServer { port, dir, process }
    }

    /// `redis://…`, as the hub takes it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it: connections are cut without a word.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port and waits until it accepts connections.
    pub fn start_again(&mut self) {
        self.process = eventually("redis-server starts again", || launch(self.port, &self.dir));
    }

    /// Starts it again with further settings, and does not wait until it is of use.
    pub fn begin_again(&mut self, settings: &[&str]) {
        self.process = Process::start(command(self.port, &self.dir).args(settings), HINT);
    }

    /// One command; its answer, or what Redis says against it.
    pub fn command(&self, words: &[&str]) -> redis::RedisResult<redis::Value> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut Client::open(self.url())?.get_connection()?)
    }

    /// Stops it without ending it: its connections stay open and silent.
    pub fn freeze(&self) {
        self.process.signal("STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.process.signal("CONT");
    }

    /// A connection of one's own.
    pub fn connection(&self) -> Connection {
        Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// Publishes one message; says how many subscriptions took it.
    pub fn publish(&self, channel: &str, payload: &Value) -> usize {
        self.publish_text(channel, payload.to_string().as_bytes())
    }

    /// Publishes bytes that need not be JSON.
    pub fn publish_text(&self, channel: &str, payload: &[u8]) -> usize {
        redis::cmd("PUBLISH").arg(channel).arg(payload).query(&mut self.connection()).unwrap()
    }

    /// Publishes many on one connection, as fast as Redis takes them.
    pub fn publish_all(&self, messages: &[(String, Value)]) {
        let mut connection = self.connection();
        for some in messages.chunks(500) {
            let mut pipe = redis::pipe();
            for (channel, payload) in some {
                pipe.cmd("PUBLISH").arg(channel).arg(payload.to_string());
            }
            let taken: Vec<usize> = pipe.query(&mut connection).unwrap();
            assert!(taken.iter().all(|n| *n > 0), "nobody was subscribed");
        }
    }
}

fn command(port: u16, dir: &TempDir) -> Command {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .arg("--dir")
        .arg(dir.path())
        .stderr(Stdio::inherit());
    command
}

fn launch(port: u16, dir: &TempDir) -> Option<Process> {
    let process = Process::start(&mut command(port, dir), HINT);
    let ready = process
        .wait_for_line(|line| line.to_lowercase().contains("ready to accept connections").then_some(()));
    ready.map(|()| process)
}
