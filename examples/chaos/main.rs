//! Breaks what is around a hub, and the hub itself, under traffic, and says what its clients noticed.
//!
//! For each fault it starts a Redis and a hub of its own, lets clients of every kind into one room and publishes
//! numbered events on two ways: to Redis, and over HTTP. Every client writes down what it gets and comes again
//! when it is cut off. At the end each client's list is held against what was published: what it was owed has to
//! be there once, in order, and what is missing has to lie in a gap that it was told of. Then everybody leaves, and
//! the hub's counts and descriptors have to be what they were.
//!
//! ```text
//! chaos [--minutes N] [--only WORDS] [--postgres]
//! ```
//!
//! Without `--minutes` each fault is played once, with few clients, in about a minute. `make chaos` builds the hub
//! and runs it; docs/chaos.md says how to read the table.

mod client;
#[path = "../common/mod.rs"]
mod common;
mod crowd;
mod hub_faults;
mod judge;
mod load;
mod record;
mod redis_faults;
#[path = "../../tests/common/mod.rs"]
mod rig;
mod stage;
mod table;
mod traffic;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use stage::Scale;
use table::Row;

/// A fault and how it is played.
type Play = (&'static str, fn(&Scale) -> Row);

const FAULTS: &[Play] = &[
    ("redis killed", redis_faults::is_killed),
    ("redis hangs shortly", redis_faults::hangs_shortly),
    ("redis hangs", redis_faults::hangs),
    ("redis loading", redis_faults::is_loading),
    ("redis password", redis_faults::refuses_the_password),
    ("redis rights", redis_faults::takes_rights_away),
    ("redis buffer", redis_faults::closes_a_link_that_does_not_read),
    ("hub SIGTERM", hub_faults::is_terminated),
    ("hub SIGTERM twice", hub_faults::is_terminated_twice),
    ("hub SIGTERM at the start", hub_faults::is_terminated_at_the_start),
    ("hub SIGTERM while redis hangs", hub_faults::is_terminated_while_redis_hangs),
    ("hub SIGKILL", hub_faults::is_killed),
    ("hub SIGSTOP", hub_faults::is_stopped),
    ("hub clock forward", hub_faults::clock_goes_forward),
    ("hub clock back", hub_faults::clock_goes_back),
    ("hub log full", hub_faults::log_is_full),
    ("hub log closed", hub_faults::log_is_closed),
];

/// What is measured, and so has the machine for itself.
const LOADS: &[Play] = &[("load one never reads", load::one_never_reads), ("load soak", load::soak)];

fn main() {
    let (scale, only) = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}\nchaos [--minutes N] [--only WORDS] [--postgres]");
            std::process::exit(2);
        }
    };
    let chosen = |plays: &'static [Play]| plays.iter().filter(|(name, _)| name.contains(&only)).collect();
    let (faults, loads): (Vec<&Play>, Vec<&Play>) = (chosen(FAULTS), chosen(LOADS));
    println!("{}", table::head());
    let wrong = run_all(&faults, scale.at_once, &scale) + run_all(&loads, 1, &scale);
    let (rows, seconds) = (faults.len() + loads.len(), scale.begun.elapsed().as_secs());
    println!("{rows} rows in {seconds} s, {wrong} of them with a FAULT");
    std::process::exit(i32::from(wrong > 0 || rows == 0));
}

/// Plays some at the same time, since most of each is waiting, and prints the rows in their order; says how many
/// were not as they have to be.
fn run_all(chosen: &[&Play], at_once: usize, scale: &Scale) -> usize {
    let (next, (done, rows)) = (AtomicUsize::new(0), mpsc::channel());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            let (next, done) = (&next, done.clone());
            scope.spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    let Some(play) = chosen.get(n) else { return };
                    let _ = done.send((n, run(play, scale)));
                }
            });
        }
        drop(done);
        let (mut waiting, mut printed, mut faults) = (BTreeMap::new(), 0, 0);
        for (n, row) in rows {
            waiting.insert(n, row);
            while let Some(row) = waiting.remove(&printed) {
                println!("{row}");
                faults += usize::from(!row.is_sound());
                printed += 1;
            }
        }
        faults
    })
}

/// Plays one. What cannot be played is a fault as well.
fn run((name, play): &Play, scale: &Scale) -> Row {
    catch_unwind(AssertUnwindSafe(|| play(scale))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
        let mut row = Row::of(name);
        row.faults.push(said.unwrap_or_else(|| "it broke off".to_owned()));
        row
    })
}

fn options(mut words: impl Iterator<Item = String>) -> Result<(Scale, String), String> {
    let (mut minutes, mut only, mut postgres) = (None, String::new(), false);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} has no value"));
        match word.as_str() {
            "--minutes" => minutes = Some(value()?.parse().map_err(|_| "--minutes takes a number")?),
            "--only" => only = value()?,
            "--postgres" => postgres = true,
            _ => return Err(format!("what is {word}?")),
        }
    }
    let (each, patience) = if minutes.is_some() { (50, 60) } else { (4, 20) };
    let scale = Scale {
        each,
        every: Duration::from_millis(5),
        around: Duration::from_millis(if minutes.is_some() { 2_000 } else { 300 }),
        patience: Duration::from_secs(patience),
        postgres,
        minutes,
        // at length each has the machine for itself
        at_once: if minutes.is_some() { 1 } else { 4 },
        begun: Instant::now(),
    };
    Ok((scale, only))
}
