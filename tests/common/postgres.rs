//! A real PostgreSQL, one a test process, with a database for each hub.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::process::free_port;

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// An empty database on the server of this test process.
pub struct PostgresDatabase {
    url: String,
}

impl PostgresDatabase {
    /// Makes one.
    pub fn create() -> PostgresDatabase {
        let name = format!("test_{}", SERVER.databases.fetch_add(1, Ordering::Relaxed));
        connect(&SERVER.url("postgres")).batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        PostgresDatabase { url: SERVER.url(&name) }
    }

    /// `postgres://…`, as the hub takes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection of one's own.
    pub fn connection(&self) -> PgConnection {
        connect(&self.url)
    }
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap()
}

/// It ends with this process, however that ends: a small shell holds it, and kills it when the pipe that
/// this process holds is closed.
struct Server {
    port: u16,
    databases: AtomicUsize,
    _held: Child,
}

/// `$1` binaries, `$2` folder, `$3` port.
const HOLD: &str = r#"
"$1/initdb" -D "$2/data" -U postgres -A trust -E UTF8 --locale=C -N >"$2/log" 2>&1 || { cat "$2/log"; exit 1; }
"$1/postgres" -D "$2/data" -p "$3" -k "$2" -h 127.0.0.1 -c fsync=off -c full_page_writes=off \
    -c max_connections=300 -c shared_buffers=64MB >>"$2/log" 2>&1 <&- &
server=$!
until "$1/pg_isready" -q -h 127.0.0.1 -p "$3"; do
    kill -0 $server 2>/dev/null || { cat "$2/log"; exit 1; }
    sleep 0.1
done
echo ready
exec >&- 2>&-
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$2"
"#;

impl Server {
    fn start() -> Server {
        let port = free_port();
        let folder = tempfile::Builder::new().prefix("roomcast-pg-").tempdir().unwrap().keep();
        let mut child = hold(&binaries(), &folder, port);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let ready = lines.inspect(|line| said.push(line.clone())).any(|line| line == "ready");
        assert!(ready, "PostgreSQL did not start: {}", said.join("\n"));
        Server { port, databases: AtomicUsize::new(0), _held: child }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

fn hold(binaries: &Path, folder: &Path, port: u16) -> Child {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = Command::new(if root { "runuser" } else { "sh" });
    if root {
        // PostgreSQL refuses to run as root
        assert!(Command::new("chown").arg("postgres").arg(folder).status().unwrap().success());
        command.args(["-u", "postgres", "--", "sh"]);
    }
    command.args(["-c", HOLD, "hold"]).arg(binaries).arg(folder).arg(port.to_string());
    // of its own group: a signal to the tests' group must not hit the shell before it cleans up
    command.process_group(0);
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn binaries() -> PathBuf {
    let given = std::env::var_os("ROOMCAST_TEST_POSTGRES_BIN").map(PathBuf::from);
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = debian.filter_map(|version| Some(version.ok()?.path().join("bin")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = given.into_iter().chain(debian).chain(std::env::split_paths(&path));
    folders
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .expect("PostgreSQL's server programs are needed: `make setup`, or `apt-get install postgresql`")
}
