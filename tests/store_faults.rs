//! A database that is slow, hangs, is full or is not there, under the running hub: what CONTRACT 9 promises.
#![cfg(feature = "hub")]

mod common;

use std::process::Command;
use std::time::Duration;

use common::*;
use diesel::prelude::*;

/// How far a fault reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    /// Nothing is answered.
    Everything,
    /// Rows can be read.
    Writes,
}

/// A hub that gives up on its database after a second.
fn impatient() -> Builder {
    TestServer::builder().set("database.timeout_ms", 1_000)
}

fn status(n: u64) -> Value {
    json!({"eventType": "status.changed", "toStatus": format!("S{n}"), "trigger": "t"})
}

fn notice(id: &str) -> Value {
    json!({"id": id, "type": "info", "title": "t", "message": "m"})
}

fn database_is_up(server: &TestServer) -> bool {
    server.metric("roomcast_dependency_up", "database") == 1.0
}

/// Breaks the database under a hub with sockets in rooms, looks at everything that is promised, repairs it,
/// and looks whether all that was taken meanwhile is in the store.
fn play(server: &TestServer, reach: Reach, break_it: impl FnOnce(), repair: impl FnOnce()) {
    let mut member = server.connect(Protocol::SocketIo, &admin("a"));
    member.emit("subscribe:campaign", json!({"campaignId": "c1"}));
    member.wait_for("subscribed");
    let mut reader = server.connect(Protocol::Plain, &user("u1"));
    reader.emit_bare("subscribe:user");
    reader.wait_for("subscribed");
    server.publish("user:u1", &notice("before"));
    assert_eq!(reader.expect_event("notification")["id"], "before");
    eventually_true("it is stored", || server.store().count("notifications WHERE id = 'before'") == 1);

    break_it();
    eventually_true("the hub knows", || !database_is_up(server));
    live_events_go_on(server, &mut member, &mut reader);
    what_needs_the_database_is_answered(server, reach, &mut member);
    newcomers_are_let_in(server, reach);
    assert!(server.metric("roomcast_queue_depth", "store_writes") >= 3.0, "writes wait");
    assert_eq!(server.get("/health/live").status, 200);
    assert_eq!(server.get("/health/ready").json()["status"], "degraded");

    repair();
    eventually_true("the hub has found it again", || database_is_up(server));
    eventually_true("nothing waits", || server.metric("roomcast_queue_depth", "store_writes") == 0.0);
    all_is_written(server, &mut member);
}

fn live_events_go_on(server: &TestServer, member: &mut TestClient, reader: &mut TestClient) {
    for n in 0..50 {
        server.publish("campaign:c1", &status(n));
        assert_eq!(member.expect_event("campaign:status_changed")["status"], format!("S{n}"));
    }
    for id in ["during-1", "during-2"] {
        server.publish("user:u1", &notice(id));
        assert_eq!(reader.expect_event("notification")["id"], id);
    }
}

fn what_needs_the_database_is_answered(server: &TestServer, reach: Reach, member: &mut TestClient) {
    let mut other = server.connect(Protocol::Plain, &admin("b"));
    let answer = other.request("subscribe:campaign", json!({"campaignId": "c1"}));
    if reach == Reach::Writes {
        assert_eq!(answer["ok"], true, "{answer}");
    } else {
        assert_eq!(
            (&answer["ok"], &answer["error"]["code"]),
            (&json!(false), &json!("unavailable")),
            "{answer}"
        );
        let error = other.wait_for("error");
        assert!(error["code"] == "unavailable" && error["retryAfterMs"].is_u64(), "{error}");
    }
    for (event, data) in [("subscribe:user", json!({"userId": "b"})), ("subscribe:system", json!({}))] {
        let answer = other.request(event, data);
        assert_eq!(answer["ok"], true, "{event}: {answer}");
    }
    server.publish("system:alerts", &json!({"level": "info", "title": "t", "message": "m"}));
    other.wait_for("system:alert");
    // where it joined nothing it hears nothing
    server.publish("campaign:c1", &json!({"eventType": "updated"}));
    member.expect_event("campaign:updated");
    server.publish("system:alerts", &json!({"level": "info", "title": "t", "message": "m"}));
    let mut heard = false;
    loop {
        match other.next_event().0.as_str() {
            "campaign:updated" => heard = true,
            "system:alert" => break,
            _ => {}
        }
    }
    assert_eq!(heard, reach == Reach::Writes);
}

fn newcomers_are_let_in(server: &TestServer, reach: Reach) {
    let mut client = TestClient::connected(server, Protocol::SocketIo, &user("u1"));
    let campaigns = client.expect_event("initial:campaigns");
    let notifications = client.expect_event("initial:notifications");
    if reach == Reach::Everything {
        assert_eq!((campaigns, notifications), (json!([]), json!([])));
    } else {
        assert!(!notifications.as_array().unwrap().is_empty(), "what can be read is shown");
    }
    assert_eq!(client.expect_event("initial:system_status")["status"], "degraded");
}

fn all_is_written(server: &TestServer, member: &mut TestClient) {
    let mut store = server.store();
    assert_eq!(store.status_of("c1").as_deref(), Some("S49"));
    assert_eq!(store.count("notifications WHERE user_id = 'u1'"), 3);
    assert_eq!(server.metric("roomcast_queue_overflow_total", ""), 0.0);
    let answer = member.request("subscribe:campaign", json!({"campaignId": "c2"}));
    assert_eq!(answer["ok"], true, "{answer}");
    server.publish("campaign:c1", &status(50));
    member.wait_for("campaign:status_changed");
    eventually_true("writing goes on", || store.status_of("c1").as_deref() == Some("S50"));
    store.assert_sound();
}

// ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────────────────────

fn on_postgres(connections: u32) -> (PostgresServer, TestServer) {
    let postgres = PostgresServer::start(connections);
    let server = impatient().database(&postgres.database()).start();
    (postgres, server)
}

#[test]
fn postgres_is_restarted() {
    let (postgres, server) = on_postgres(50);
    play(&server, Reach::Everything, || postgres.stop(), || postgres.go_on());
}

#[test]
fn postgres_hangs() {
    let (postgres, server) = on_postgres(50);
    play(&server, Reach::Everything, || postgres.freeze(), || postgres.thaw());
}

#[test]
fn postgres_has_no_free_slot() {
    let (postgres, server) = on_postgres(20);
    let mut filler = Vec::new();
    let url = server.database_url().replace("hub@", "filler@");
    postgres.execute("CREATE USER filler");
    let fill = || {
        // the hub's own have to go first, and must not come back in between
        eventually_true("all slots are taken by others", || {
            postgres.end_connections_of("hub");
            while let Ok(connection) = PgConnection::establish(&url) {
                filler.push(connection);
            }
            postgres.connections_of("hub") == 0
        });
    };
    play(&server, Reach::Everything, fill, || postgres.end_connections_of("filler"));
}

#[test]
fn connections_that_postgres_has_ended_are_seen_by_no_client() {
    let (postgres, server) = on_postgres(50);
    let mut client = server.connect(Protocol::Plain, &admin("a"));
    for round in 0..5 {
        // every reader has a connection
        for n in 0..10 {
            let answer = client.request("subscribe:campaign", json!({"campaignId": format!("c{n}")}));
            assert_eq!(answer["ok"], true, "{answer}");
        }
        postgres.end_connections_of("hub");
        for n in 10..20 {
            let answer = client.request("subscribe:campaign", json!({"campaignId": format!("c{round}-{n}")}));
            assert_eq!(answer["ok"], true, "round {round}: {answer}");
        }
        let mut newcomer = TestClient::connected(&server, Protocol::Plain, &user("u1"));
        newcomer.skip_initial();
        server.publish("user:u1", &notice(&format!("n{round}")));
    }
    eventually_true("all are stored", || server.store().count("notifications") == 5);
    assert_eq!(server.metric("roomcast_queue_overflow_total", ""), 0.0);
}

// ── SQLite ──────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn the_file_is_locked_by_another_program() {
    let server = impatient().start();
    let lock = std::cell::RefCell::new(server.store());
    let begin = || lock.borrow_mut().execute("BEGIN EXCLUSIVE");
    play(&server, Reach::Writes, begin, || lock.borrow_mut().execute("COMMIT"));
}

/// Publishes what fills the file up, until the database takes no more.
fn write_until_it_is_full(server: &TestServer) {
    let mut n = 0;
    eventually_true("the database takes no more", || {
        let mut filler = notice(&format!("filler-{n}"));
        filler["message"] = json!("x".repeat(50_000));
        server.publish("user:filler", &filler);
        n += 1;
        !database_is_up(server)
    });
}

#[test]
fn the_disk_is_full_as_far_as_the_hub_may_write() {
    // what a quota does; the signal that comes with it is ignored, as where the file system says so
    let server = impatient().after("trap '' XFSZ; ulimit -S -f 2048").start();
    let repair = || {
        let pid = server.id().to_string();
        let status = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
        assert!(status.success());
    };
    play(&server, Reach::Writes, || write_until_it_is_full(&server), repair);
}

#[test]
fn the_disk_is_full() {
    if !is_root() {
        return println!("skipped: mounting a small disk needs root");
    }
    let disk = SmallDisk::mount();
    let url = format!("sqlite://{}", disk.0.path().join("hub.db").display());
    let server = impatient().database(&url).start();
    let fill = || {
        let filler = disk.0.path().join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        let full = std::io::copy(&mut std::io::repeat(0), &mut file).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        write_until_it_is_full(&server);
    };
    play(&server, Reach::Writes, fill, || std::fs::remove_file(disk.0.path().join("filler")).unwrap());
}

/// A disk of a few megabytes, taken away again when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> SmallDisk {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        let status =
            mount.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(folder.path()).status().unwrap();
        assert!(status.success(), "mounting a small disk");
        SmallDisk(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status(); // the hub may still be there
    }
}

/// A folder that the hub's user may not write to, and the hub as somebody who has to ask.
fn unwritable(mode: &str) -> (tempfile::TempDir, Builder) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    for args in [vec!["chown", "nobody"], vec!["chmod", mode]] {
        if is_root() || args[0] == "chmod" {
            assert!(Command::new(args[0]).args(&args[1..]).arg(&path).status().unwrap().success());
        }
    }
    (folder, if is_root() { impatient().after(DROP_RIGHTS) } else { impatient() })
}

const DROP_RIGHTS: &str = r#"cp "$1" hub-binary; shift; exec setpriv --reuid=nobody --regid=nogroup --clear-groups ./hub-binary "$@""#;

#[test]
fn a_folder_that_is_not_writable_ends_the_start_and_is_named() {
    let (folder, builder) = unwritable("555");
    let (code, log) = builder.run_in(&folder);
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("database.url") && log.contains("writable"), "{log}");
    let _ = Command::new("chmod").arg("755").arg(folder.path()).status();
}

#[test]
fn a_folder_that_is_no_longer_writable_stops_nobody() {
    let (folder, builder) = unwritable("755");
    let server = builder.start_in(folder);
    let mut member = server.connect(Protocol::Plain, &admin("a"));
    member.emit("subscribe:campaign", json!({"campaignId": "c1"}));
    member.wait_for("subscribed");
    let mode = |mode: &str| {
        assert!(Command::new("chmod").arg(mode).arg(server.folder()).status().unwrap().success())
    };
    mode("555");
    for n in 0..50 {
        server.publish("campaign:c1", &status(n));
        assert_eq!(member.expect_event("campaign:status_changed")["status"], format!("S{n}"));
    }
    // its files are there: it needs the folder for new ones alone
    eventually_true("it is written", || server.store().status_of("c1").as_deref() == Some("S49"));
    let answer = member.request("subscribe:campaign", json!({"campaignId": "c2"}));
    assert_eq!(answer["ok"], true, "{answer}");
    mode("755");
}

// ── starting ────────────────────────────────────────────────────────────────────────────────────────────────

fn five_hubs_on(url: &str) {
    let barrier = std::sync::Barrier::new(5);
    let hubs: Vec<TestServer> = std::thread::scope(|scope| {
        let start = || {
            barrier.wait();
            TestServer::builder().database(url).start()
        };
        let threads: Vec<_> = (0..5).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for hub in &hubs {
        let mut client = hub.connect(Protocol::Plain, &user("u1"));
        client.emit_bare("subscribe:user");
        client.wait_for("subscribed");
        hub.publish("user:u1", &notice(&hub.id().to_string()));
        client.expect_event("notification");
    }
    eventually_true("each has written", || hubs[0].store().count("notifications") == 5);
}

#[test]
fn five_hubs_that_start_in_the_same_instant_on_an_empty_database_all_come_up() {
    for _ in 0..3 {
        five_hubs_on(&postgres::SHARED.database());
        let folder = tempfile::tempdir().unwrap();
        five_hubs_on(&format!("sqlite://{}", folder.path().join("hub.db").display()));
    }
}

fn migrate(url: &str) -> Command {
    let mut command = server::roomcast();
    command.arg("migrate").env("DATABASE_URL", url);
    command
}

#[test]
fn one_that_is_killed_in_the_middle_of_a_migration_leaves_nothing_stuck() {
    let url = postgres::SHARED.database();
    assert!(migrate(&url).status().unwrap().success());
    let mut store = store::Store::open_url(&url);
    // all but the first are taken back, the last one first
    let mut all: Vec<_> =
        std::fs::read_dir("migrations/postgres").unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    for migration in all[1..].iter().rev() {
        store.execute(&std::fs::read_to_string(migration.join("down.sql")).unwrap());
    }
    store.execute(
        "DELETE FROM __diesel_schema_migrations
         WHERE version > (SELECT min(version) FROM __diesel_schema_migrations)",
    );
    // it comes to the first table that it wants to change, and no further
    store.execute("BEGIN; LOCK TABLE notifications, event_outbox, campaigns, connection_events IN ACCESS EXCLUSIVE MODE");
    let mut killed = migrate(&url).spawn().unwrap();
    let mut second = store::Store::open_url(&url);
    eventually_true("it is in the middle", || {
        second.count("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 1
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    store.execute("ROLLBACK");
    let next = migrate(&url).output().unwrap();
    assert!(next.status.success(), "{next:?}");
    TestServer::builder().database(&url).start();
}

#[test]
fn however_early_or_late_one_is_killed_that_migrates_a_file_the_next_makes_it_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut half = 0;
    for round in 0..40 {
        let file = folder.path().join(format!("{round}.db"));
        let url = format!("sqlite://{}", file.display());
        let mut killed = migrate(&url).stdout(std::process::Stdio::null()).spawn().unwrap();
        // from when the file is there, a little later each time
        eventually_true("it has begun", || file.exists());
        std::thread::sleep(Duration::from_micros(round * 250));
        half += u32::from(killed.try_wait().unwrap().is_none());
        killed.kill().unwrap();
        killed.wait().unwrap();
        let next = migrate(&url).output().unwrap();
        assert!(next.status.success(), "{next:?}");
        let mut store = store::Store::open(&file);
        assert_eq!(store.count("event_outbox"), 0);
        store.assert_sound();
    }
    assert!(half > 5, "{half} were killed before they had ended: the test shows nothing");
}

#[test]
fn a_binary_older_than_the_schema_says_so_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for url in [postgres::SHARED.database(), format!("sqlite://{}", folder.path().join("hub.db").display())] {
        assert!(migrate(&url).status().unwrap().success());
        let mut store = store::Store::open_url(&url);
        store.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')");
        for command in [vec!["migrate"], vec!["serve", "--port", "0"]] {
            let output = server::roomcast().args(command).env("DATABASE_URL", &url).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains("newer than this roomcast") && said.contains("99990101000000"), "{said}");
        }
    }
}
