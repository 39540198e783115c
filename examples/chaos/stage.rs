//! What one fault is played on: a Redis, a hub, its clients and its publishers; afterwards it is looked whether
//! everything was given back.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::crowd::{Crowd, Size};
use super::judge::{Streams, judge};
use super::record::{Clock, HTTP, Log, REDIS, Taken};
use super::rig::{Builder, Claims, PostgresServer, RedisServer, TestServer, eventually_true, json};
use super::table::Row;
use super::traffic::{self, Traffic};

/// How much of everything.
#[derive(Clone, Copy)]
pub struct Scale {
    /// Clients of each kind.
    pub each: usize,
    /// Between two events of Redis.
    pub every: Duration,
    /// How long traffic runs before a fault, and again after it.
    pub around: Duration,
    /// How long it may take until all is as before.
    pub patience: Duration,
    pub postgres: bool,
    /// The long run: its minutes.
    pub minutes: Option<u64>,
    /// How many faults are played at the same time.
    pub at_once: usize,
    pub begun: Instant,
}

/// See the module.
pub struct Stage {
    pub row: Row,
    pub scale: Scale,
    pub redis: RedisServer,
    pub hub: TestServer,
    pub crowd: Crowd,
    pub traffic: Traffic,
    /// Descriptors of the hub before anyone came.
    pub descriptors: usize,
    /// When the fault was over, and how many events had been published to Redis then.
    healed: Option<(Instant, usize)>,
}

/// What a row wants beside its fault.
pub struct Setting {
    pub size: Size,
    /// Between two attempts of a client to come back, in milliseconds.
    pub pause_ms: u64,
    pub filler: usize,
    pub statuses: bool,
}

impl Setting {
    pub fn of(scale: &Scale) -> Setting {
        Setting { size: Size::each(scale.each), pause_ms: 400, filler: 0, statuses: true }
    }
}

/// An administrator for a week: a clock that jumps by half a day does not end that.
pub fn token() -> String {
    let week = super::rig::tokens::now() + 7 * 24 * 3_600;
    Claims::of("chaos").with("permissions", json!(["admin"])).with("exp", json!(week)).token()
}

/// A hub for many clients of one user at one address, which soon sees that one is gone.
pub fn hub_on(redis: &RedisServer, scale: &Scale) -> Builder {
    static POSTGRES: LazyLock<PostgresServer> = LazyLock::new(|| PostgresServer::start(100));
    let builder = TestServer::builder()
        .redis(redis)
        .set("limits.connections_per_user", 0)
        .set("limits.connects_per_user_per_minute", 0)
        .set("limits.handshakes_per_address_per_minute", 0)
        .set("socketio.ping_interval_ms", 3_000)
        .set("socketio.ping_timeout_ms", 5_000);
    if scale.postgres { builder.database(&POSTGRES.database()) } else { builder }
}

impl Stage {
    /// Everyone is in the room, and events arrive.
    pub fn set(fault: &'static str, scale: &Scale, also: impl FnOnce(Builder) -> Builder) -> Stage {
        Stage::set_with(fault, scale, RedisServer::start(), Setting::of(scale), also)
    }

    pub fn set_with(
        fault: &'static str,
        scale: &Scale,
        redis: RedisServer,
        setting: Setting,
        also: impl FnOnce(Builder) -> Builder,
    ) -> Stage {
        let hub = also(hub_on(&redis, scale)).start();
        let (clock, token) = (Clock::start(), token());
        let descriptors = descriptors_of_a_warm(&hub);
        let crowd = Crowd::start(setting.size, hub.port(), token.clone(), clock, setting.pause_ms);
        wait(scale.patience, || crowd.is_in());
        let traffic = Traffic::start(traffic::Options {
            redis: redis.port(),
            hub: hub.port(),
            token,
            clock,
            every: scale.every,
            filler: setting.filler,
            statuses: setting.statuses,
        });
        let row = Row::of(fault);
        let mut stage = Stage { row, scale: *scale, redis, hub, crowd, traffic, descriptors, healed: None };
        let missing = stage.crowd.len() - stage.crowd.count(Log::is_in);
        stage.row.require(missing == 0, || format!("{missing} clients did not come in"));
        std::thread::sleep(scale.around);
        eventually_true("events arrive", || stage.crowd.count(|log| log.last_of(HTTP).is_some()) > 0);
        stage
    }

    /// The fault is over.
    pub fn heal(&mut self) {
        self.healed = Some((Instant::now(), self.traffic.published(REDIS)));
    }

    /// Another hub takes the place of this one.
    pub fn go_on_with(&mut self, hub: TestServer, descriptors: usize) -> TestServer {
        self.descriptors = descriptors;
        std::mem::replace(&mut self.hub, hub)
    }

    /// Every client was told of a gap, and none had to come again.
    pub fn everyone_stayed_and_heard_of_a_gap(&mut self) {
        let told = |log: &Log| log.sessions.last().is_some_and(|session| !session.gaps.is_empty());
        let heard = || self.crowd.count(told) == self.crowd.len();
        let all = wait(self.scale.patience, heard);
        self.row
            .require(all, || format!("{} were told of no gap", self.crowd.len() - self.crowd.count(told)));
        self.everyone_stayed();
    }

    /// No client had to come again.
    pub fn everyone_stayed(&mut self) {
        let has_gone = |log: &Log| log.sessions.len() > 1 || !log.is_in();
        let gone = self.crowd.count(has_gone);
        let why = self.crowd.first(|log| has_gone(log).then(|| log.last_end.clone()));
        self.row.require(gone == 0, || format!("{gone} lost their connection: {}", why.unwrap_or_default()));
    }

    /// No client was told of a gap.
    pub fn nobody_heard_of_a_gap(&mut self) {
        let told = self.crowd.count(|log| log.sessions.iter().any(|session| !session.gaps.is_empty()));
        self.row.require(told == 0, || format!("{told} were told of a gap that was none"));
    }

    /// The hub listens once to each of its patterns.
    pub fn subscriptions_are_single(&mut self) {
        let links = || match self.redis.command(&["CLIENT", "LIST", "TYPE", "PUBSUB"]) {
            Ok(redis::Value::BulkString(list)) => String::from_utf8_lossy(&list).lines().count(),
            Ok(redis::Value::VerbatimString { text, .. }) => text.lines().count(),
            _ => 0,
        };
        let patterns = || self.redis.command(&["PUBSUB", "NUMPAT"]).ok();
        let single = wait(self.scale.patience, || links() == 1 && patterns() == Some(redis::Value::Int(4)));
        self.row.require(single, || {
            format!("{} links subscribe to {:?} patterns; it should be 1 to 4", links(), patterns())
        });
    }

    /// Lets traffic run on, ends it, and judges.
    pub fn finish(mut self) -> Row {
        self.wait_for_recovery();
        std::thread::sleep(self.scale.around);
        let streams = self.traffic.finish();
        let behind = || self.crowd.len() - self.crowd.count(|log| has_all(log, &streams));
        let all = wait(self.scale.patience, || behind() == 0);
        self.row.require(all, || format!("{} have not come to the last event", behind()));
        let out = self.crowd.count(|log| !log.is_in());
        let why = self.crowd.first(|log| (!log.is_in()).then(|| log.last_end.clone()));
        self.row.require(out == 0, || format!("{out} clients are not back: {}", why.unwrap_or_default()));
        let logs = self.crowd.finish();
        self.row.counts = judge(&streams, &logs);
        judge_counts(&mut self.row);
        look_for_leaks(&mut self.row, &self.hub, self.descriptors, self.scale.patience);
        self.row
    }

    fn wait_for_recovery(&mut self) {
        let Some((since, mark)) = self.healed else { return };
        let back = |log: &Log| log.last_of(REDIS).is_some_and(|got| got.seq > mark);
        let all = wait(self.scale.patience, || self.crowd.count(back) == self.crowd.len());
        self.row.recovered_ms = all.then(|| since.elapsed().as_millis() as u64);
        let missing = self.crowd.len() - self.crowd.count(back);
        self.row.require(all, || format!("{missing} clients got nothing after the fault"));
    }
}

/// What a hub has open when nobody is there and all is open that is opened once.
pub fn descriptors_of_a_warm(hub: &TestServer) -> usize {
    let few = Crowd::start(Size::mostly_websockets(4), hub.port(), token(), Clock::start(), 100);
    eventually_true("the first clients are in", || few.is_in());
    few.finish();
    eventually_true("the first clients are gone", || hub.connections() == 0);
    descriptors(hub.id())
}

/// Whether a client has the last of each stream that was surely published.
fn has_all(log: &Log, streams: &Streams) -> bool {
    let last = |stream: usize| streams[stream].iter().rposition(|event| event.taken == Taken::Yes);
    [REDIS, HTTP]
        .iter()
        .all(|&stream| last(stream).is_none_or(|last| log.last_of(stream).is_some_and(|got| got.seq >= last)))
}

fn judge_counts(row: &mut Row) {
    let counts = row.counts;
    row.require(counts.lost == 0, || format!("{} events lost that no gap covers", counts.lost));
    row.require(counts.doubled == 0, || format!("{} events doubled", counts.doubled));
    row.require(counts.disordered == 0, || format!("{} events out of order", counts.disordered));
    row.require(counts.stale == 0, || format!("{} clients show an old status", counts.stale));
    row.require(counts.delivered > 0, || "nothing was delivered".to_owned());
}

/// Counts that have to be zero when nobody is there.
const ZERO: [(&str, &str); 7] = [
    ("websocket_connections_active", ""),
    ("websocket_room_members", ""),
    ("roomcast_unsent_bytes", ""),
    ("roomcast_last_words", ""),
    ("roomcast_queue_depth", "events_in_flight"),
    ("roomcast_queue_depth", "store_reads"),
    ("roomcast_queue_depth", "store_writes"),
];

/// Everybody is gone: so has to be all that was theirs.
pub fn look_for_leaks(row: &mut Row, hub: &TestServer, before: usize, patience: Duration) {
    let left = || {
        let counts = ZERO.iter().map(|(name, labels)| (*name, *labels, hub.metric(name, labels)));
        counts.filter(|(_, _, value)| *value != 0.0).collect::<Vec<_>>()
    };
    let gone = wait(patience, || left().is_empty());
    row.require(gone, || format!("left over: {:?}", left()));
    let given_back = wait(patience, || descriptors(hub.id()) <= before);
    row.require(given_back, || {
        let open = open_files(hub.id());
        format!("{} descriptors are open, before there were {before}: {}", open.len(), open.join(" "))
    });
}

/// Descriptors that a process has open.
pub fn descriptors(pid: u32) -> usize {
    open_files(pid).len()
}

/// What is behind them; without the files of SQLite, whose connections open them when they are first used.
fn open_files(pid: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let names = entries.filter_map(|fd| Some(std::fs::read_link(fd.path()).ok()?.display().to_string()));
    names.filter(|name| !name.contains("/hub.db")).collect()
}

/// Memory of a process that is in use, in KiB.
pub fn memory_kib(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Looks until it is so; false if it is not in time.
pub fn wait(patience: Duration, so: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if so() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10)); // between two looks
    }
}
