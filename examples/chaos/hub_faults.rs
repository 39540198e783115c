//! What happens to the hub itself.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::client::CAMPAIGN;
use super::crowd::Size;
use super::record::{Log, Micros};
use super::rig::{Builder, Protocol, RedisServer, TestServer, eventually_true, json, tokens};
use super::stage::{Scale, Setting, Stage, descriptors_of_a_warm, hub_on, memory_kib, token, wait};
use super::table::Row;

/// Of a hub that is told to go.
const GRACE: Duration = Duration::from_secs(25);

/// Everyone goes over to a second hub, no faster than the first one sends them away.
pub fn is_terminated(scale: &Scale) -> Row {
    // a process may have 20 000 descriptors, and this one has those of the second hub's clients already while
    // those of the first are not closed yet
    let (sockets, per_second) = if scale.minutes.is_some() { (9_500, 1_000) } else { (60, 40) };
    let setting =
        Setting { size: Size::mostly_websockets(sockets), pause_ms: 400, filler: 0, statuses: true };
    let slower = Scale { every: scale.every * if scale.minutes.is_some() { 100 } else { 1 }, ..*scale };
    let paced = move |hub: Builder| {
        // so many clients in one thread are slow
        let patient = hub.set("socketio.ping_interval_ms", 10_000).set("socketio.ping_timeout_ms", 20_000);
        patient.set("shutdown.sockets_per_second", per_second)
    };
    let mut stage =
        Stage::set_with("SIGTERM, all go to a second hub", &slower, RedisServer::start(), setting, paced);
    let second = paced(hub_on(&stage.redis, scale)).start();
    let before = descriptors_of_a_warm(&second);
    stage.crowd.send_to(second.port());
    stage.traffic.send_to(second.port());
    stage.hub.signal("TERM");
    stage.heal();
    let begun = Instant::now();
    let mut first = stage.go_on_with(second, before);
    let code = first.wait().code();
    let took = begun.elapsed();
    stage.row.require(code == Some(0) && took < GRACE, || format!("exit {code:?} after {took:?}"));
    wait(scale.patience, || stage.crowd.is_in());
    let untold = stage.crowd.count(|log| told_first(log) != Some("shutting_down"));
    stage.row.require(untold == 0, || format!("{untold} were not told of the shutdown"));
    // at once after its end each knocks at the next hub
    let ends = stage.crowd.all(|log| log.sessions.first()?.ended);
    let most = most_in_a_second(&ends);
    let lasted = ends.iter().max().zip(ends.iter().min()).map_or(0, |(last, first)| last - first);
    stage.row.remarks.push(format!(
        "{} sockets were sent away and came within {:.1} s, at most {most} in a second (set: {per_second})",
        stage.crowd.len(),
        lasted as f64 / 1e6
    ));
    // twice: a machine that is busy sees some seconds' in one
    stage.row.require(most <= 2 * per_second, || format!("{most} came in one second"));
    stage.finish()
}

fn told_first(log: &Log) -> Option<&str> {
    log.sessions.first()?.told.as_deref()
}

/// The most times within any second.
fn most_in_a_second(times: &[Micros]) -> usize {
    let mut times = times.to_vec();
    times.sort_unstable();
    let within = |at: &Micros| times.partition_point(|other| *other < at + 1_000_000);
    times.iter().enumerate().map(|(n, at)| within(at) - n).max().unwrap_or(0)
}

pub fn is_terminated_twice(scale: &Scale) -> Row {
    let mut stage = Stage::set("a second SIGTERM", scale, |hub| hub.set("shutdown.drain_delay_ms", 10_000));
    stage.hub.signal("TERM");
    let leaving = wait(scale.patience, || stage.hub.get("/health/ready").status == 503);
    stage.row.require(leaving, || "it did not begin to go".to_owned());
    let begun = Instant::now();
    stage.hub.signal("TERM");
    let code = stage.hub.wait().code();
    let took = begun.elapsed();
    stage.row.require(code == Some(130), || format!("exit {code:?}"));
    stage.row.require(took < Duration::from_secs(1), || format!("it took {took:?}"));
    all_come_back(stage)
}

/// The hub is started again, and everyone finds it.
fn all_come_back(mut stage: Stage) -> Row {
    stage.hub.kill_and_start_again();
    stage.heal();
    let again = |log: &Log| log.is_in() && log.sessions.len() > 1;
    wait(stage.scale.patience, || stage.crowd.count(again) == stage.crowd.len());
    let missing = stage.crowd.len() - stage.crowd.count(again);
    stage.row.require(missing == 0, || format!("{missing} did not come again"));
    stage.finish()
}

pub fn is_terminated_at_the_start(scale: &Scale) -> Row {
    let mut row = Row::of("SIGTERM while it waits for Redis");
    for hangs in [false, true] {
        let mut redis = RedisServer::start();
        let hub = hub_on(&redis, scale);
        if hangs {
            redis.freeze()
        } else {
            redis.kill()
        }
        let dir = tempfile::tempdir().expect("a folder");
        let mut process = hub.begin_in(&dir);
        let log = || std::fs::read_to_string(dir.path().join("hub.log")).unwrap_or_default();
        eventually_true("it waits for Redis", || log().contains("waiting for it"));
        process.signal("TERM");
        let begun = Instant::now();
        let code = process.wait().code();
        row.require(code == Some(0) && begun.elapsed() < GRACE, || format!("exit {code:?}:\n{}", log()));
    }
    row
}

pub fn is_terminated_while_redis_hangs(scale: &Scale) -> Row {
    let mut stage = Stage::set("SIGTERM while Redis hangs", scale, |hub| hub);
    stage.redis.freeze();
    stage.hub.signal("TERM");
    let begun = Instant::now();
    let code = stage.hub.wait().code();
    let took = begun.elapsed();
    stage.row.require(code == Some(0) && took < GRACE, || format!("exit {code:?} after {took:?}"));
    wait(scale.patience, || stage.crowd.count(|log| told_first(log).is_some()) == stage.crowd.len());
    let untold = stage.crowd.count(|log| told_first(log) != Some("shutting_down"));
    stage.row.require(untold == 0, || format!("{untold} were not told of the shutdown"));
    stage.redis.thaw();
    all_come_back(stage)
}

pub fn is_killed(scale: &Scale) -> Row {
    let mut stage = Stage::set("SIGKILL", scale, |hub| hub);
    stage.hub.signal("KILL");
    stage.hub.wait();
    stage.hub.store().assert_sound();
    all_come_back(stage)
}

/// Longer than a ping and its answer may take: who answers as soon as he is asked has to stay.
pub fn is_stopped(scale: &Scale) -> Row {
    let (name, stopped, interval, timeout) = match scale.minutes {
        None => ("SIGSTOP for 4 s, pings after 1 s", 4, 1_000, 1_500),
        Some(_) => ("SIGSTOP for 100 s", 100, 25_000, 60_000),
    };
    // what comes in 100 s comes at once then, and must not make anyone too slow
    let slower = Scale { every: scale.every * if scale.minutes.is_some() { 20 } else { 1 }, ..*scale };
    let mut stage = Stage::set(name, &slower, |hub| {
        let hub = hub.set("socketio.ping_interval_ms", interval).set("socketio.ping_timeout_ms", timeout);
        // and who was heard before it is not idle after it
        hub.set("limits.idle_check_ms", 500).set("limits.idle_timeout_ms", timeout + interval)
    });
    stage.hub.signal("STOP");
    std::thread::sleep(Duration::from_secs(stopped)); // what the fault is
    stage.hub.signal("CONT");
    stage.heal();
    // everyone has been pinged and judged
    std::thread::sleep(Duration::from_millis(if scale.minutes.is_some() {
        5_000
    } else {
        interval + timeout
    }));
    stage.everyone_stayed();
    stage.finish()
}

/// Where Debian has the library that shows a process another time.
fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let library = |folder: std::fs::DirEntry| folder.path().join("faketime/libfaketimeMT.so.1");
    let found = folders.map(library).find(|path| path.exists());
    found.expect("libfaketime is needed: `make setup`, or `apt-get install libfaketime`")
}

pub fn clock_goes_forward(scale: &Scale) -> Row {
    clock_jumps("the wall clock goes 12 h forward", "+12h", 12 * 3_600, scale)
}

pub fn clock_goes_back(scale: &Scale) -> Row {
    clock_jumps("the wall clock goes 12 h back", "-12h", -12 * 3_600, scale)
}

/// Pings, idle times, repeats and the memory of a gap are spans: no jump of the wall clock touches them.
fn clock_jumps(fault: &'static str, by: &str, seconds: i64, scale: &Scale) -> Row {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("clock");
    std::fs::write(&file, "+0").expect("a file");
    // its statuses would have times of a clock that jumps
    let setting = Setting { statuses: false, ..Setting::of(scale) };
    let mut stage = Stage::set_with(fault, scale, RedisServer::start(), setting, |hub| {
        hub.env("LD_PRELOAD", &faketime().to_string_lossy())
            .env("FAKETIME_TIMESTAMP_FILE", &file.to_string_lossy())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .set("socketio.ping_interval_ms", 1_000)
            .set("socketio.ping_timeout_ms", 1_500)
            .set("limits.idle_check_ms", 200)
    });
    publish_once(&stage.hub);
    std::fs::write(&file, by).expect("a file");
    let off = seconds_off(&stage.hub);
    stage.row.require((off - seconds).abs() < 60, || format!("the hub's clock is {off} s off"));
    publish_once(&stage.hub);
    let repeats = stage.hub.metric("roomcast_refused_messages_total", "duplicate");
    stage.row.require(repeats == 1.0, || "a repeat was taken for a new event".to_owned());
    stage.heal();
    std::thread::sleep(Duration::from_millis(3_000)); // a ping and its answer
    std::fs::write(&file, "+0").expect("a file");
    let off = seconds_off(&stage.hub);
    stage.row.require(off.abs() < 60, || format!("the hub's clock is still {off} s off"));
    stage.everyone_stayed();
    stage.nobody_heard_of_a_gap();
    stage.finish()
}

/// The same event each time: only the first may be taken for one.
fn publish_once(hub: &TestServer) {
    let payload = json!({"eventType": "updated", "eventId": "once"});
    let body = json!({"channel": format!("campaign:{CAMPAIGN}"), "payload": payload});
    let answer = hub.post("/api/v1/events", &token(), &body);
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// How far the hub's wall clock is ahead of ours.
fn seconds_off(hub: &TestServer) -> i64 {
    let mut client = hub.connect(Protocol::Plain, &token());
    client.emit_bare("ping");
    let at = client.wait_for("pong")["timestamp"].as_i64().unwrap_or(0);
    client.close();
    at / 1_000 - i64::try_from(tokens::now()).unwrap_or(0)
}

pub fn log_is_full(scale: &Scale) -> Row {
    // opened for reading as well, and never read: once it holds 64 KiB a write would wait for ever
    log_is("nobody reads the log pipe", "mkfifo pipe; exec 2<>pipe", scale)
}

pub fn log_is_closed(scale: &Scale) -> Row {
    log_is("the log pipe is closed", "mkfifo pipe; : <pipe & exec 2>pipe; wait", scale)
}

fn log_is(fault: &'static str, shell: &str, scale: &Scale) -> Row {
    let mut stage =
        Stage::set(fault, scale, |hub| hub.env("RUST_LOG", "roomcast=trace,actix=trace").after(shell));
    stage.heal();
    stage.everyone_stayed();
    stage.nobody_heard_of_a_gap();
    let log = std::fs::read_link(format!("/proc/{}/fd/2", stage.hub.id()));
    let is_pipe = log.as_ref().is_ok_and(|file| file.ends_with("pipe"));
    stage.row.require(is_pipe, || format!("its log is {log:?}"));
    stage.row.remarks.push(format!("memory {} MiB", memory_kib(stage.hub.id()) / 1_024));
    stage.finish()
}
