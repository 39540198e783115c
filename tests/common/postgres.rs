//! A real PostgreSQL on a free port with throwaway data, which can be stopped, restarted and filled up.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{LazyLock, Mutex};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::process::free_port;
use super::{PATIENCE, eventually, eventually_true};

/// For tests that want a database and leave the server alone.
pub static SHARED: LazyLock<PostgresServer> = LazyLock::new(|| PostgresServer::start(300));

/// An empty database on the server of this test process.
pub struct PostgresDatabase(String);

impl PostgresDatabase {
    /// Makes one.
    pub fn create() -> PostgresDatabase {
        PostgresDatabase(SHARED.database())
    }

    /// `postgres://…`, as the hub takes it.
    pub fn url(&self) -> &str {
        &self.0
    }

    /// A connection of one's own.
    pub fn connection(&self) -> PgConnection {
        PgConnection::establish(&self.0).unwrap()
    }
}

/// A server; it ends with this process, however that ends: a shell holds it, and kills it when the pipe
/// that this process holds is closed.
pub struct PostgresServer {
    port: u16,
    databases: AtomicUsize,
    shell: Mutex<Shell>,
    _child: Child,
}

struct Shell {
    tell: ChildStdin,
    lines: Receiver<String>,
    /// The server's first process.
    pid: u32,
}

/// `$1` binaries, `$2` folder, `$3` port, `$4` connections.
const HOLD: &str = r#"
"$1/initdb" -D "$2/data" -U postgres -A trust -E UTF8 --locale=C -N >"$2/log" 2>&1 || { cat "$2/log"; exit 1; }
begin() {
    "$1/postgres" -D "$2/data" -p "$3" -k "$2" -h 127.0.0.1 -c fsync=off -c full_page_writes=off \
        -c max_connections="$4" -c superuser_reserved_connections=1 -c shared_buffers=64MB >>"$2/log" 2>&1 <&- &
    server=$!
    until "$1/pg_isready" -q -h 127.0.0.1 -p "$3"; do
        kill -0 $server 2>/dev/null || { cat "$2/log"; exit 1; }
        sleep 0.05
    done
    echo "ready $server"
}
begin "$@"
while read -r word; do
    kill -INT $server
    wait $server
    echo stopped
    read -r word || break
    begin "$@"
done
kill -QUIT $server
wait $server
rm -rf "$2"
"#;

impl PostgresServer {
    /// Starts one that takes so many connections, one of them for the superuser alone.
    pub fn start(connections: u32) -> PostgresServer {
        let port = free_port();
        let folder = tempfile::Builder::new().prefix("roomcast-pg-").tempdir().unwrap().keep();
        let mut child = hold(&binaries(), &folder, port, connections);
        let (send, lines) = channel();
        let output = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).for_each(|line| drop(send.send(line)));
        });
        let mut shell = Shell { tell: child.stdin.take().unwrap(), lines, pid: 0 };
        shell.await_ready();
        PostgresServer { port, databases: AtomicUsize::new(0), shell: Mutex::new(shell), _child: child }
    }

    /// Makes an empty database, owned by a user who is no superuser, and gives its URL.
    pub fn database(&self) -> String {
        let name = format!("hub_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut admin = self.connect("postgres");
        let _ = admin.batch_execute("CREATE USER hub"); // the second time it is there
        admin.batch_execute(&format!("CREATE DATABASE {name} OWNER hub")).unwrap();
        format!("postgres://hub@127.0.0.1:{}/{name}", self.port)
    }

    /// A connection of the superuser's.
    pub fn connect(&self, database: &str) -> PgConnection {
        let url = format!("postgres://postgres@127.0.0.1:{}/{database}", self.port);
        // the one slot that is kept for him is free again a moment after his last connection
        eventually("the superuser is let in", || PgConnection::establish(&url).ok())
    }

    /// Runs statements as the superuser.
    pub fn execute(&self, statements: &str) {
        self.connect("postgres").batch_execute(statements).unwrap();
    }

    /// Ends every connection of a user and waits until those are gone; new ones may be there by then.
    pub fn end_connections_of(&self, user: &str) {
        // those of a moment, with their start: a number may be given again
        let which = self.backends(user);
        let list = which.iter().map(|(pid, _)| format!(",{pid}")).collect::<String>();
        self.execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN (0{list}) AND usename = '{user}'"
        ));
        eventually_true("they are gone", || {
            let left = self.backends(user);
            !which.iter().any(|one| left.contains(one))
        });
    }

    /// Connections of a user.
    pub fn connections_of(&self, user: &str) -> usize {
        self.backends(user).len()
    }

    /// Process and start of each connection of a user.
    fn backends(&self, user: &str) -> Vec<(i32, String)> {
        #[derive(QueryableByName)]
        struct Backend {
            #[diesel(sql_type = diesel::sql_types::Integer)]
            pid: i32,
            #[diesel(sql_type = diesel::sql_types::Text)]
            since: String,
        }
        let query = diesel::sql_query(format!(
            "SELECT pid, CAST(backend_start AS text) AS since FROM pg_stat_activity WHERE usename = '{user}'"
        ));
        let backends: Vec<Backend> = query.load(&mut self.connect("postgres")).unwrap();
        backends.into_iter().map(|backend| (backend.pid, backend.since)).collect()
    }

    /// Stops the server in an orderly way; it is not there until [`PostgresServer::go_on`].
    pub fn stop(&self) {
        let mut shell = self.shell.lock().unwrap();
        shell.say("stop");
        assert_eq!(shell.lines.recv_timeout(PATIENCE).unwrap(), "stopped");
    }

    /// Starts it again.
    pub fn go_on(&self) {
        let mut shell = self.shell.lock().unwrap();
        shell.say("start");
        shell.await_ready();
    }

    /// Stops every process of the server without ending it: connections stay open and silent.
    pub fn freeze(&self) {
        let first = self.shell.lock().unwrap().pid;
        signal("STOP", first); // so that it starts no other
        eventually_true("all are stopped", || {
            let running: Vec<u32> = processes(first).into_iter().filter(|pid| !is_stopped(*pid)).collect();
            running.iter().for_each(|pid| signal("STOP", *pid));
            running.is_empty()
        });
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        let first = self.shell.lock().unwrap().pid;
        processes(first).into_iter().for_each(|pid| signal("CONT", pid));
        signal("CONT", first);
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.thaw(); // a stopped one could not end
    }
}

impl Shell {
    fn say(&mut self, word: &str) {
        writeln!(self.tell, "{word}").unwrap();
    }

    fn await_ready(&mut self) {
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            if let Some(pid) = line.strip_prefix("ready ") {
                self.pid = pid.parse().unwrap();
                return;
            }
            said.push(line);
        }
        panic!("PostgreSQL did not start: {}", said.join("\n"));
    }
}

fn signal(name: &str, pid: u32) {
    let kill = Command::new("kill").args(["-s", name, &pid.to_string()]).stderr(Stdio::null()).status();
    let _ = kill.unwrap(); // it may have ended by itself
}

/// The fields of `/proc/<pid>/stat` from the state on: state, parent, …
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

fn is_stopped(pid: u32) -> bool {
    stat(pid).is_none_or(|fields| fields[0] == "T" || fields[0] == "Z")
}

/// The children of the server's first process.
fn processes(first: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|fields| fields[1] == first.to_string())).collect()
}

fn hold(binaries: &Path, folder: &Path, port: u16, connections: u32) -> Child {
    let mut command = if super::is_root() {
        // PostgreSQL refuses to run as root
        assert!(Command::new("chown").arg("postgres").arg(folder).status().unwrap().success());
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.args(["-c", HOLD, "hold"]).arg(binaries).arg(folder);
    command.args([port.to_string(), connections.to_string()]);
    // of its own group: Ctrl-C must not hit the shell before it cleans up
    command.process_group(0);
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Where Debian, Homebrew and others put the server's programs.
fn binaries() -> PathBuf {
    let given = std::env::var_os("ROOMCAST_TEST_POSTGRES_BIN").map(PathBuf::from);
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = debian.filter_map(|version| Some(version.ok()?.path().join("bin")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = given.into_iter().chain(debian).chain(std::env::split_paths(&path));
    folders.find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file()).expect(
        "PostgreSQL's server programs are needed: `make setup`, or name their folder in ROOMCAST_TEST_POSTGRES_BIN",
    )
}
