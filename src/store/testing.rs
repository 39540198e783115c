//! Databases for the store's tests: files, and one throwaway PostgreSQL a test process.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::connection::{AnyConnection, Manager};
use super::queue::Bounds;
use super::{Confirmed, Store, StoreError, StoreOptions};

/// Which database a test runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// Runs a test on both databases: `on_both! { async fn name(db) { … } }` makes `name::sqlite` and
/// `name::postgres`, each with an empty, migrated database of its own inside an actix `System`.
macro_rules! on_both {
    ($(async fn $name:ident($db:ident) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn body($db: &$crate::store::testing::Db) $body

            #[test]
            fn sqlite() {
                $crate::store::testing::run($crate::store::testing::Kind::Sqlite, async |db| body(db).await);
            }

            #[test]
            fn postgres() {
                $crate::store::testing::run($crate::store::testing::Kind::Postgres, async |db| body(db).await);
            }
        }
    )+};
}
pub(super) use on_both;

/// Runs `body` on a migrated database.
pub(super) fn run(kind: Kind, body: impl AsyncFnOnce(&Db)) {
    let db = Db::empty(kind);
    Store::migrate(&db.options()).unwrap();
    actix_rt::System::new().block_on(body(&db));
}

/// A database of one test.
pub(super) struct Db {
    pub(super) kind: Kind,
    pub(super) url: String,
    _folder: Option<TempDir>,
}

impl Db {
    pub(super) fn empty(kind: Kind) -> Db {
        match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}", folder.path().join("test.db").display());
                Db { kind, url, _folder: Some(folder) }
            }
            Kind::Postgres => Db { kind, url: POSTGRES.database(), _folder: None },
        }
    }

    /// An empty one on this server.
    pub(super) fn of(server: &Postgres) -> Db {
        Db { kind: Kind::Postgres, url: server.database(), _folder: None }
    }

    pub(super) fn options(&self) -> StoreOptions {
        StoreOptions {
            url: self.url.clone(),
            pool_size: 3,
            timeout: Duration::from_secs(5),
            ended_statuses: vec!["COMPLETED".into(), "CANCELLED".into()],
            statements: None,
        }
    }

    /// A connection past the store, as another program would have one.
    pub(super) fn outside(&self) -> AnyConnection {
        Manager::new(&self.url, Duration::from_secs(5)).open().unwrap()
    }

    /// Runs SQL past the store.
    pub(super) fn sql(&self, sql: &str) {
        self.outside().batch_execute(sql).unwrap();
    }

    /// The database's name on the server.
    pub(super) fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap()
    }

    /// Runs SQL from another database of the server.
    pub(super) fn admin_sql(&self, sql: &str) {
        POSTGRES.admin().batch_execute(sql).unwrap();
    }

    /// Ends every connection to this database, as a restart of the server would.
    pub(super) fn end_connections(&self) {
        let pids = self.connections();
        let list = pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let which = format!("pid IN (0{}{list})", if pids.is_empty() { "" } else { "," });
        self.admin_sql(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {which}"));
        // those that were there, and not those that the store opens in their place
        while self.count(&format!("pg_stat_activity WHERE {which}")) > 0 {
            std::thread::yield_now();
        }
    }

    /// The server's processes that serve this database.
    fn connections(&self) -> Vec<i32> {
        #[derive(QueryableByName)]
        struct Pid {
            #[diesel(sql_type = diesel::sql_types::Integer)]
            pid: i32,
        }
        let query = format!("SELECT pid FROM pg_stat_activity WHERE datname = '{}'", self.name());
        let pids: Vec<Pid> = diesel::sql_query(query).load(&mut POSTGRES.admin()).unwrap();
        pids.into_iter().map(|pid| pid.pid).collect()
    }

    /// Counts rows, from another database of the server.
    pub(super) fn count(&self, from: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let count: Count = diesel::sql_query(format!("SELECT count(*) AS n FROM {from}"))
            .get_result(&mut POSTGRES.admin())
            .unwrap();
        count.n
    }

    /// Freezes the server's end of every connection to this database until the answer is dropped.
    pub(super) fn freeze(&self) -> Frozen {
        diesel::table! {
            pg_stat_activity (pid) {
                pid -> Integer,
                datname -> Nullable<Text>,
            }
        }
        let pids: Vec<i32> = pg_stat_activity::table
            .filter(pg_stat_activity::datname.eq(self.name()))
            .select(pg_stat_activity::pid)
            .load(&mut POSTGRES.admin())
            .unwrap();
        // one may have ended meanwhile: that of the migration, say
        let frozen = Frozen(pids.into_iter().filter(|pid| signal("-STOP", *pid)).collect());
        assert!(!frozen.0.is_empty());
        frozen
    }

    /// A store on it, and what it confirms.
    pub(super) fn store(&self) -> (Store, Confirmations) {
        self.store_with(self.options(), Bounds::default())
    }

    pub(super) fn store_with(&self, options: StoreOptions, bounds: Bounds) -> (Store, Confirmations) {
        let heard = Confirmations::default();
        let tell = heard.clone();
        let store = Store::start_bounded(options, move |list| tell.0.lock().unwrap().push(list), bounds);
        (store, heard)
    }
}

/// Processes of the server that are stopped.
pub(super) struct Frozen(Vec<i32>);

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in &self.0 {
            signal("-CONT", *pid);
        }
    }
}

/// Whether there was such a process.
fn signal(signal: &str, pid: i32) -> bool {
    Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status().unwrap().success()
}

/// What a store has confirmed: a list a commit.
#[derive(Clone, Default)]
pub(super) struct Confirmations(pub(super) Arc<Mutex<Vec<Vec<Confirmed>>>>);

impl Confirmations {
    pub(super) fn all(&self) -> Vec<Confirmed> {
        self.0.lock().unwrap().iter().flatten().cloned().collect()
    }
}

/// Asks the store something and waits for the reply.
pub(super) async fn ask<T: Send + 'static>(
    ask: impl FnOnce(Box<dyn FnOnce(Result<T, StoreError>) + Send>),
) -> Result<T, StoreError> {
    let (tell, told) = oneshot::channel();
    ask(Box::new(move |answer| drop(tell.send(answer))));
    tokio::time::timeout(Duration::from_secs(30), told).await.expect("an answer in time").expect("an answer")
}

/// Waits until something holds.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Writes out, off the actix thread.
pub(super) async fn flush(store: &Store) -> bool {
    let store = store.clone();
    tokio::task::spawn_blocking(move || store.flush(Duration::from_secs(20))).await.unwrap()
}

/// Another program that holds a lock on what the writer writes.
pub(super) struct Blocker {
    _conn: AnyConnection,
}

impl Blocker {
    pub(super) fn lock(db: &Db) -> Blocker {
        let mut conn = db.outside();
        let sql = match db.kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            Kind::Postgres => {
                "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE notifications, campaigns, connection_events IN SHARE MODE"
            }
        };
        conn.batch_execute(sql).unwrap();
        Blocker { _conn: conn }
    }
}

static POSTGRES: LazyLock<Postgres> = LazyLock::new(Postgres::start);

/// A PostgreSQL server that ends with this process, however that ends: a small shell holds it, and kills
/// it when the pipe that this process holds is closed.
pub(super) struct Postgres {
    port: u16,
    databases: AtomicUsize,
    /// Its standard input is the pipe.
    _held: Child,
}

/// `$1` binaries, `$2` folder, `$3` port, `$4` options.
const HOLD: &str = r#"
"$1/initdb" -D "$2/data" -U postgres -A trust -E UTF8 --locale=C -N >"$2/log" 2>&1 || { cat "$2/log"; exit 1; }
"$1/postgres" -D "$2/data" -p "$3" -k "$2" -h 127.0.0.1 -c fsync=off -c full_page_writes=off \
    -c max_connections=300 -c shared_buffers=64MB $4 >>"$2/log" 2>&1 <&- &
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

impl Postgres {
    /// Starts one of its own: for a test that stops it.
    pub(super) fn start() -> Postgres {
        Postgres::start_with("")
    }

    /// The same with options of its own, which win over those of the tests.
    pub(super) fn start_with(options: &str) -> Postgres {
        let binaries = binaries();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::Builder::new().prefix("roomcast-pg-").tempdir().unwrap().keep();
        let mut child = hold(&binaries, &folder, port, options);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let ready = lines.inspect(|line| said.push(line.clone())).any(|line| line == "ready");
        assert!(ready, "PostgreSQL did not start: {}", said.join("\n"));
        Postgres { port, databases: AtomicUsize::new(0), _held: child }
    }

    /// Makes an empty database and gives its URL.
    pub(super) fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.admin().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn admin(&self) -> AnyConnection {
        Manager::new(&self.url("postgres"), Duration::from_secs(30)).open().unwrap()
    }
}

fn hold(binaries: &Path, folder: &Path, port: u16, options: &str) -> Child {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = if root {
        // PostgreSQL refuses to run as root
        assert!(Command::new("chown").arg("postgres").arg(folder).status().unwrap().success());
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.args(["-c", HOLD, "hold"]).arg(binaries).arg(folder).arg(port.to_string()).arg(options);
    // of its own group: a signal to the tests' group (Ctrl-C, timeout) must not hit the shell before it cleans up
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
        "the store's tests need PostgreSQL's server programs (initdb, postgres): apt-get install postgresql, \
         or brew install postgresql; elsewhere name their folder in ROOMCAST_TEST_POSTGRES_BIN",
    )
}
