//! No fault, but what wears a hub out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::client::CAMPAIGN;
use super::common::churn::{ALL, Target, storm};
use super::crowd::Size;
use super::record::{Log, Micros, REDIS};
use super::rig::{Handshake, Protocol, RedisServer, TestClient, TestServer, json};
use super::stage::{Scale, Setting, Stage, descriptors, memory_kib, token, wait};
use super::table::Row;

/// One that never reads, among many that do: what it costs them stands side by side.
pub fn one_never_reads(scale: &Scale) -> Row {
    let (clients, every, filler) =
        if scale.minutes.is_some() { (1_000, 100, 8_000) } else { (20, 5, 16_000) };
    let setting = Setting { size: Size::mostly_websockets(clients), pause_ms: 400, filler, statuses: false };
    let scale = Scale {
        every: Duration::from_millis(every),
        around: scale.around * 5,
        patience: scale.patience.max(Duration::from_secs(120)),
        ..*scale
    };
    let mut stage = Stage::set_with("one client never reads", &scale, RedisServer::start(), setting, |hub| {
        // few clients get much in the short run: one that is held up for a second is not too slow
        hub.set("limits.unsent_bytes", if scale.minutes.is_some() { 1 << 20 } else { 4 << 20 })
            // one that never reads answers no ping either, but is to be closed for what it leaves unread
            .set("socketio.ping_interval_ms", 10_000)
            .set("socketio.ping_timeout_ms", 90_000)
    });
    let before = memory_kib(stage.hub.id());
    let since = *stage.traffic.sent(REDIS).last().unwrap_or(&0);
    let silent = never_reads(&stage.hub);
    let gone = wait(scale.patience, || stage.hub.metric("roomcast_slow_consumers_total", "") >= 1.0);
    stage.row.require(gone, || "it was never closed as too slow".to_owned());
    let until = *stage.traffic.sent(REDIS).last().unwrap_or(&Micros::MAX);
    let behind = || stage.crowd.len() - stage.crowd.count(|log| has_come_to(log, &stage, until));
    let all = wait(scale.patience, || behind() == 0);
    let (behind, sent) = (behind(), stage.traffic.published(REDIS));
    stage.row.require(all, || format!("{behind} have not come so far, of {sent} events sent to Redis"));
    let with = delays(&stage, since..until);
    stage.row.remarks.push(format!(
        "delay p50 / p99 of {} readers: {} without it, {} with it for {:.1} s; the hub's memory {} and then {} MiB",
        stage.crowd.len(),
        describe(delays(&stage, 0..since)),
        describe(with),
        (until - since) as f64 / 1e6,
        before / 1_024,
        memory_kib(stage.hub.id()) / 1_024
    ));
    let grown = memory_kib(stage.hub.id()).saturating_sub(before);
    stage.row.require(grown < 32 * 1_024, || format!("the hub's memory has grown by {grown} KiB"));
    stage.everyone_stayed();
    drop(silent);
    stage.finish()
}

/// In the room, and from then on not reading.
fn never_reads(hub: &TestServer) -> TestClient {
    let handshake = Handshake { receive_buffer: Some(4_096), ..Handshake::default() };
    let mut client = TestClient::open_with(hub, Protocol::Plain, &handshake).expect("a websocket");
    client.connect_with(&token());
    client.emit("subscribe:campaign", json!({"campaignId": CAMPAIGN}));
    client.wait_for("subscribed");
    client
}

fn has_come_to(log: &Log, stage: &Stage, time: Micros) -> bool {
    let sent = stage.traffic.sent(REDIS);
    log.last_of(REDIS).is_some_and(|got| sent.get(got.seq).is_none_or(|at| *at >= time))
}

/// Delays of the events that were sent in this time, in milliseconds, in order.
fn delays(stage: &Stage, sent_in: std::ops::Range<Micros>) -> Vec<f64> {
    let sent = stage.traffic.sent(REDIS);
    let of = |log: &Log| {
        let got = log.sessions.iter().flat_map(|session| &session.got).filter(|got| got.stream == REDIS);
        // the newest may not have been written down by its publisher yet
        let timed = got.filter_map(|got| Some((sent.get(got.seq).copied()?, got.at)));
        let within = timed.filter(|(sent, _)| sent_in.contains(sent));
        Some(within.map(|(sent, at)| (at - sent) as f64 / 1e3).collect::<Vec<_>>())
    };
    let mut all: Vec<f64> = stage.crowd.all(of).into_iter().flatten().collect();
    all.sort_by(f64::total_cmp);
    all
}

fn describe(sorted: Vec<f64>) -> String {
    let at = |share: f64| sorted.get((sorted.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    format!("{:.1} / {:.1} ms", at(0.5), at(0.99))
}

/// How the hub was at one moment.
struct Sample {
    memory_kib: usize,
    descriptors: usize,
}

/// Clients come and go in every bad way while others are there and get everything; at the end the hub needs no
/// more than after a quarter of the time.
pub fn soak(scale: &Scale) -> Row {
    const SAMPLES: u32 = 20;
    let left = scale.minutes.map(|minutes| {
        Duration::from_secs(60 * minutes).saturating_sub(scale.begun.elapsed()).max(Duration::from_secs(60))
    });
    let time = left.unwrap_or(Duration::from_secs(5));
    let slower = Scale { every: scale.every * if left.is_some() { 4 } else { 1 }, ..*scale };
    let mut stage = Stage::set("soak: traffic while clients come and go", &slower, |hub| hub);
    let over = Arc::new(AtomicBool::new(false));
    let target = Target {
        hub: format!("127.0.0.1:{}", stage.hub.port()),
        token: token(),
        campaign: CAMPAIGN.to_owned(),
        ways: ALL,
    };
    let churn = {
        let over = Arc::clone(&over);
        std::thread::spawn(move || storm(&target, usize::MAX, 10, &over))
    };
    let begun = Instant::now();
    let mut samples = Vec::new();
    for n in 1..=SAMPLES {
        std::thread::sleep((time * n / SAMPLES).saturating_sub(begun.elapsed()));
        let pid = stage.hub.id();
        samples.push(Sample { memory_kib: memory_kib(pid), descriptors: descriptors(pid) });
    }
    over.store(true, Ordering::SeqCst);
    let came = churn.join().unwrap_or(0);
    let step = time.as_secs_f64() / f64::from(SAMPLES);
    for (n, sample) in samples.iter().enumerate().filter(|(n, _)| n % 5 == 4) {
        let (at, mib) = (step * (n + 1) as f64, sample.memory_kib / 1_024);
        stage.row.remarks.push(format!("after {at:>6.1} s: {mib} MiB, {} descriptors", sample.descriptors));
    }
    stage.row.remarks.push(format!("{came} clients came and went"));
    // in a few seconds nothing settles: there only the end is looked at
    if left.is_some() {
        is_flat(&mut stage.row, &samples);
    }
    stage.everyone_stayed();
    stage.finish()
}

/// The last quarter against the second one.
fn is_flat(row: &mut Row, samples: &[Sample]) {
    let quarter = samples.len() / 4;
    let most = |part: &[Sample], of: fn(&Sample) -> usize| part.iter().map(of).max().unwrap_or(0);
    let (early, late) = (&samples[quarter..2 * quarter], &samples[3 * quarter..]);
    let memory = |part| most(part, |sample| sample.memory_kib);
    let open = |part| most(part, |sample| sample.descriptors);
    row.require(memory(late) <= memory(early) * 11 / 10 + 4_096, || {
        format!("memory has grown from {} to {} KiB", memory(early), memory(late))
    });
    row.require(open(late) <= open(early) * 5 / 4 + 20, || {
        format!("descriptors have grown from {} to {}", open(early), open(late))
    });
}
