//! The true hub: the built binary as a child on a port of its own, with a throwaway SQLite file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::client::{Protocol, TestClient};
use super::http::{self, Response};
use super::process::Process;
use super::redis::RedisServer;
use super::store::Store;
use super::tokens::{self, SECRET};
use super::{Database, PATIENCE, PostgresDatabase, eventually, eventually_true};

/// The hub's settings before it starts.
#[derive(Clone)]
pub struct Builder {
    settings: Vec<(String, String)>,
    port: u16,
    /// What a shell does before it becomes the hub.
    before: Option<String>,
}

/// A running hub.
pub struct TestServer {
    process: Process,
    port: u16,
    dir: TempDir,
    builder: Builder,
}

impl Builder {
    /// Sets a key as the configuration names it: `set("limits.room_size", 2)`.
    pub fn set(self, key: &str, value: impl ToString) -> Builder {
        self.env(&variable(key), &value.to_string())
    }

    /// Sets a variable of its environment as it stands.
    pub fn env(mut self, name: &str, value: &str) -> Builder {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes its events from this Redis; otherwise the bus is in the process.
    pub fn redis(self, redis: &RedisServer) -> Builder {
        self.env("REDIS_URL", &redis.url())
    }

    /// Keeps its rows in the database of this URL, and not in a file of its own.
    pub fn database(self, url: &str) -> Builder {
        self.env("DATABASE_URL", url)
    }

    /// Lets a shell in the hub's folder run `commands` first; it then becomes the hub, so that what it has
    /// set (limits, ignored signals, its user by `exec setpriv … "$@"`) holds for that.
    pub fn after(mut self, commands: &str) -> Builder {
        self.before = Some(commands.to_owned());
        self
    }

    /// Keeps its data in a throwaway database of this kind.
    pub fn on(self, database: Database) -> Builder {
        match database {
            Database::Sqlite => self,
            Database::Postgres => self.env("DATABASE_URL", PostgresDatabase::create().url()),
        }
    }

    /// Listens on this port and not on one that the system chooses.
    pub fn port(mut self, port: u16) -> Builder {
        self.port = port;
        self
    }

    /// Starts it and waits until it is ready.
    pub fn start(self) -> TestServer {
        self.start_in(tempfile::tempdir().unwrap())
    }

    /// The same in a folder that is there already.
    pub fn start_in(self, dir: TempDir) -> TestServer {
        let (process, port) = self.launch(&dir);
        let server = TestServer { process, port, dir, builder: self };
        eventually_true("the hub is ready", || server.get("/health/ready").status == 200);
        server
    }

    /// Starts it and waits for nothing; its log is `hub.log` in the folder.
    pub fn begin_in(&self, dir: &TempDir) -> Process {
        Process::start(&mut self.command(dir), "")
    }

    /// Lets one that cannot start run to its end; gives its exit code and its log.
    pub fn run_in(&self, dir: &TempDir) -> (Option<i32>, String) {
        let mut process = Process::start(&mut self.command(dir), "");
        (process.wait().code(), read_log(dir))
    }

    fn launch(&self, dir: &TempDir) -> (Process, u16) {
        let process = Process::start(&mut self.command(dir), "");
        let port = process.wait_for_line(port_in).unwrap_or_else(|| {
            panic!("the hub did not say where it listens; its log:\n{}", read_log(dir));
        });
        (process, port)
    }

    fn command(&self, dir: &TempDir) -> Command {
        let mut command = roomcast();
        if let Some(before) = &self.before {
            let hub = std::mem::replace(&mut command, Command::new("sh"));
            command.args(["-c", &format!("{before}\nexec \"$@\""), "hub"]).arg(hub.get_program()).env_clear();
            command.envs(hub.get_envs().filter_map(|(name, value)| Some((name, value?))));
        }
        command
            .args(["serve", "--host", "127.0.0.1", "--port", &self.port.to_string()])
            .env("DATABASE_URL", file_in(dir))
            .env("RUST_LOG", "info")
            // what a test stores is dated as it likes: the first round of retention must not take it
            .env("ROOMCAST_STORE__NOTIFICATIONS_DAYS", "36500")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(dir.path())
            .stderr(Stdio::from(File::create(dir.path().join("hub.log")).unwrap()));
        command
    }
}

impl TestServer {
    /// Settings to be changed before the start.
    pub fn builder() -> Builder {
        Builder { settings: Vec::new(), port: 0, before: None }
    }

    /// A hub with the defaults and the bus in its process.
    pub fn start() -> TestServer {
        TestServer::builder().start()
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://…` of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A connected client that has read its `initial:*`.
    pub fn connect(&self, protocol: Protocol, token: &str) -> TestClient {
        let mut client = TestClient::connected(self, protocol, token);
        client.skip_initial();
        client
    }

    /// `GET` without a token.
    pub fn get(&self, path: &str) -> Response {
        http::get(&self.url(path), &[])
    }

    /// `POST` of JSON with a bearer token.
    pub fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        http::post(&self.url(path), &[("Authorization", &format!("Bearer {token}"))], &body.to_string())
    }

    /// Any other call, with a bearer token; no body where it is empty.
    pub fn call(&self, method: &str, path: &str, token: &str, body: &str) -> Response {
        http::call(method, &self.url(path), &[("Authorization", &format!("Bearer {token}"))], body)
    }

    /// A connection of one's own to its PostgreSQL.
    pub fn postgres(&self) -> diesel::PgConnection {
        use diesel::Connection as _;
        let url = self.builder.settings.iter().rfind(|(name, _)| name == "DATABASE_URL").unwrap();
        diesel::PgConnection::establish(&url.1).unwrap()
    }

    /// Publishes one event over HTTP; fails unless it is taken.
    pub fn publish(&self, channel: &str, payload: &Value) {
        let body = serde_json::json!({"channel": channel, "payload": payload});
        let answer = self.post("/api/v1/events", &tokens::publisher(), &body);
        assert_eq!((answer.status, answer.json()), (202, serde_json::json!({"results": [{"ok": true}]})));
    }

    /// The sum of a metric's samples whose labels contain `labels` (empty: all).
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let body = self.get("/metrics").body;
        let samples = body.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (of, have) = series.split_once('{').unwrap_or((series, ""));
            (of == name && have.contains(labels)).then(|| value.parse::<f64>().unwrap())
        });
        samples.sum()
    }

    /// Sockets that are open now.
    pub fn connections(&self) -> usize {
        self.metric("websocket_connections_active", "") as usize
    }

    /// Where its database is.
    pub fn database_url(&self) -> String {
        let given = self.builder.settings.iter().find(|(name, _)| name == "DATABASE_URL");
        given.map_or_else(|| file_in(&self.dir), |(_, url)| url.clone())
    }

    /// Its database.
    pub fn store(&self) -> Store {
        Store::open_url(&self.database_url())
    }

    /// The folder with its file and its log.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it without a word and starts it again on the same port and data, as soon as it has ended.
    pub fn kill_and_start_again(&mut self) {
        self.process.kill();
        self.builder.port = self.port;
        (self.process, self.port) = self.builder.launch(&self.dir);
        eventually_true("the hub is ready", || self.get("/health/ready").status == 200);
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        read_log(&self.dir)
    }

    /// Runs another command of the binary with the settings of this hub.
    pub fn run(&self, args: &[&str]) -> Output {
        roomcast()
            .args(args)
            .env("DATABASE_URL", file_in(&self.dir))
            .env("ROOMCAST_SERVER__PORT", self.port.to_string())
            .envs(self.builder.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir.path())
            .output()
            .unwrap()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }

    /// Whether the process is alive.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Lines on its standard output after the one with its address.
    pub fn further_output(&self) -> Vec<String> {
        self.process.lines_so_far()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!(
                "the last lines of the hub's log:\n{}",
                lines[lines.len().saturating_sub(40)..].join("\n")
            );
        }
    }
}

/// The binary with a clean environment and the secret of the tests.
pub fn roomcast() -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("ROOMCAST_AUTH__SECRET", SECRET).env("RUST_BACKTRACE", "1");
    command
}

/// What cargo has built for this test; for an example, which cargo does not tell, what lies beside it.
fn binary() -> PathBuf {
    option_env!("CARGO_BIN_EXE_roomcast").map_or_else(
        || std::env::current_exe().unwrap().parent().unwrap().with_file_name("roomcast"),
        PathBuf::from,
    )
}

/// `limits.room_size` → `ROOMCAST_LIMITS__ROOM_SIZE`.
pub fn variable(key: &str) -> String {
    format!("ROOMCAST_{}", key.replace('.', "__").to_uppercase())
}

fn file_in(dir: &TempDir) -> String {
    format!("sqlite://{}", dir.path().join("hub.db").display())
}

fn port_in(line: &str) -> Option<u16> {
    line.strip_prefix("listening on http://127.0.0.1:")?.parse().ok()
}

fn read_log(dir: &TempDir) -> String {
    let bytes = std::fs::read(dir.path().join("hub.log")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
