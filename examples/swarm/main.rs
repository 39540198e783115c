//! A swarm of Socket.IO clients in one room, and a publisher that is as fast as the hub takes it: some on
//! websockets, some that poll, and some that poll at first and upgrade in the middle of the events.
//!
//! Each client has to get each event exactly once and in order; a table says what happened, and any
//! fault ends it with 1. `make swarm` starts Redis and a release build of the hub and runs it.
//!
//! ```text
//! swarm --hub 127.0.0.1:8080 --token <of an admin> [--redis 127.0.0.1:6379]
//!       [--clients 1000] [--polling 0] [--upgrade 0] [--events 10000]
//!       [--rate 500] [--campaign swarm]
//! ```
//!
//! `--rate` bounds the events a second: many clients that poll cost this program more than the hub, and who
//! falls a mebibyte behind is dropped. Without `--redis` it publishes over HTTP with the same token. The websocket reader is a few lines of
//! its own: with a thousand clients on the same machine, what they cost is taken from the hub.

mod client;
#[path = "../common/mod.rs"]
mod common;
mod polled;
mod publisher;
mod tally;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use client::Client;
use common::{Fault, STALLED};
use polled::Polled;
use tally::Tally;

/// What the command line says.
#[derive(Clone)]
struct Options {
    hub: String,
    token: String,
    redis: Option<String>,
    /// On websockets from the beginning.
    clients: usize,
    polling: usize,
    upgrade: usize,
    events: usize,
    /// Events a second; none is as many as the hub takes.
    rate: Option<usize>,
    campaign: String,
}

/// A subscribed client.
enum Member {
    Websocket(Client),
    Polled(Box<Polled>),
}

fn main() -> Result<(), Fault> {
    let options = Options::parse(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sound = LocalSet::new().block_on(&runtime, run(options))?;
    std::process::exit(i32::from(!sound))
}

/// Connects, publishes, waits, prints; says whether there was no fault.
async fn run(options: Options) -> Result<bool, Fault> {
    let begun = Instant::now();
    let tally = Rc::new(RefCell::new(Tally::new(&options, begun)));
    let clients = subscribe_all(&options).await?;
    println!("{} clients subscribed in {:.1} s", clients.len(), begun.elapsed().as_secs_f64());

    let mut readers = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        readers.spawn_local(client.read(number, Rc::clone(&tally)));
    }
    let published = Instant::now();
    // on a thread of its own, so that it is not held up by the readers
    let publisher = std::thread::spawn(move || publisher::publish_all(&options, begun));
    wait_for_all(&tally, &publisher).await;
    let publishing = publisher.join().map_err(|_| "the publisher panicked")??;
    readers.abort_all();
    let report = tally.borrow().report(published, publishing);
    println!("{report}");
    Ok(report.sound())
}

/// Connects them a few at a time, so that no listen queue overflows.
async fn subscribe_all(options: &Options) -> Result<Vec<Member>, Fault> {
    let mut members = Vec::with_capacity(options.all());
    while members.len() < options.all() {
        let some = members.len()..options.all().min(members.len() + 50);
        let mut joining = JoinSet::new();
        for number in some {
            let options = options.clone();
            joining.spawn_local(async move { Member::subscribed(&options, number).await });
        }
        while let Some(member) = joining.join_next().await {
            members.push(member??);
        }
    }
    Ok(members)
}

impl Member {
    async fn subscribed(options: &Options, number: usize) -> Result<Member, Fault> {
        if number < options.clients {
            return Ok(Member::Websocket(Client::subscribed(options).await?));
        }
        // spread over all events but the last few, by the number alone
        let most = options.events.saturating_sub(options.events / 10).max(1);
        let upgrades = number >= options.clients + options.polling;
        let after = upgrades.then_some(number.wrapping_mul(2_654_435_761) % most);
        Ok(Member::Polled(Box::new(Polled::subscribed(options, after).await?)))
    }

    async fn read(self, number: usize, tally: Rc<RefCell<Tally>>) {
        match self {
            Member::Websocket(client) => client.read(number, tally).await,
            Member::Polled(client) => client.read(number, tally).await,
        }
    }
}

/// Until every client has had every event, or nothing has come for a while.
async fn wait_for_all<T>(tally: &RefCell<Tally>, publisher: &std::thread::JoinHandle<T>) {
    let mut quiet_since = Instant::now();
    let mut before = 0;
    while !tally.borrow().is_complete() && quiet_since.elapsed() < STALLED {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let delivered = tally.borrow().delivered();
        if delivered > before || !publisher.is_finished() {
            quiet_since = Instant::now();
            before = delivered;
        }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            hub: "127.0.0.1:8080".to_owned(),
            token: String::new(),
            redis: None,
            clients: 1_000,
            polling: 0,
            upgrade: 0,
            events: 10_000,
            rate: None,
            campaign: "swarm".to_owned(),
        }
    }
}

impl Options {
    fn all(&self) -> usize {
        self.clients + self.polling + self.upgrade
    }

    fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, Fault> {
        let mut options = Options::default();
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{name} wants a value"))?;
            match name.as_str() {
                "--hub" => options.hub = value,
                "--token" => options.token = value,
                "--redis" => options.redis = Some(value),
                "--clients" => options.clients = value.parse()?,
                "--polling" => options.polling = value.parse()?,
                "--upgrade" => options.upgrade = value.parse()?,
                "--rate" => options.rate = Some(value.parse::<usize>()?.max(1)),
                "--events" => options.events = value.parse()?,
                "--campaign" => options.campaign = value,
                _ => return Err(format!("{name} is unknown").into()),
            }
        }
        if options.token.is_empty() {
            return Err("--token is needed: `roomcast token --sub swarm --permissions admin`".into());
        }
        Ok(options)
    }
}
