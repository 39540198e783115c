//! Snapshot, then stream, without a gap, on the running hub.
//!
//! The true hub on a real Redis, and an SQLite file or a PostgreSQL, whose lock somebody else holds for 200 ms before each
//! commit; a publisher that never pauses; thousands of sockets of both protocols that subscribe, subscribe
//! again, take it back, leave and vanish when chance says so. Each writes down what happened, and each
//! history is compared with the published order ([`check`]).
//!
//! `ROOMCAST_SEED` repeats the choices of a run (not its timing).
#![cfg(feature = "hub")]

#[path = "../common/mod.rs"]
mod common;

mod check;
mod plan;
mod player;
mod published;
mod publisher;
mod wire;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use check::{Counts, Entry, Published, Shown};
use common::{Builder, RedisServer, TestServer, eventually_true, postgres};
use plan::{Dice, Log, OWNERS, Phase, STORED, STORED_AT, Size, TOPICS, World, name, owned, owner_name};
use player::{Player, Who};
use publisher::{Publisher, slow_down};

/// How many sockets come in at the same time, so that no listen queue overflows.
const ENTERING: usize = 50;
/// How long the hub's lock is held before each commit.
const HOLD: Duration = Duration::from_millis(200);

const USUAL: Size = Size { sockets: 2_000, at_a_time: 250, staying: 5, every_ms: 10 };
const LARGE: Size = Size { sockets: 10_000, at_a_time: 600, staying: 4, every_ms: 10 };

/// Both databases, with two thousand sockets and with ten thousand.
mod every_history_is_exact_while_sockets_come_and_go_and_the_store_is_slow {
    use super::*;

    #[test]
    fn two_thousand_on_sqlite() {
        play(USUAL, TestServer::builder());
    }

    #[test]
    fn two_thousand_on_postgres() {
        play(USUAL, TestServer::builder().database(&postgres::SHARED.database()));
    }

    #[test]
    #[ignore = "takes minutes: make test-long"]
    fn ten_thousand_on_sqlite() {
        play(LARGE, TestServer::builder());
    }

    #[test]
    #[ignore = "takes minutes: make test-long"]
    fn ten_thousand_on_postgres() {
        play(LARGE, TestServer::builder().database(&postgres::SHARED.database()));
    }
}

/// Each has the machine for itself, or the clients are what is too slow.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn play(size: Size, hub: Builder) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = std::env::var("ROOMCAST_SEED")
        .map_or_else(|_| std::process::id().into(), |seed| seed.parse().unwrap());
    println!("ROOMCAST_SEED={seed}");
    let redis = RedisServer::start();
    let server = start(hub.redis(&redis));
    let log = Arc::new(Log::default());
    let over = Arc::new(AtomicBool::new(false));
    let mut publisher = Publisher::new(Arc::clone(&log), redis.connection(), Dice::new(seed ^ 0xabcd));
    (0..6).for_each(|n| publisher.notify(n % OWNERS));
    eventually_true("they are stored", || server.store().count("notifications") == 6);
    let slowing = std::thread::spawn({
        let (store, over) = (server.store(), Arc::clone(&over));
        move || slow_down(store, HOLD, &over)
    });
    let begun = Instant::now();
    let histories = run_sockets(size, seed, server.port(), &log, publisher);
    let took = begun.elapsed();
    over.store(true, Ordering::SeqCst);
    let commits = slowing.join().unwrap();

    let published = published(&log);
    let counts = check_all(&published, &histories);
    println!(
        "{} sockets, {} histories exact; {} events published, {} received ({} as owner's copies), {} notifications; \
         {} subscribes, {} snapshots, {} of them placed by the next event, {} subscribes overtaken; \
         {commits} commits of the hub, each after {HOLD:?} of waiting; {took:.1?}",
        size.sockets,
        histories.len(),
        log.total(),
        counts.events,
        counts.copies,
        counts.notices,
        counts.subscribes,
        counts.snapshots,
        counts.fixed,
        counts.overtaken,
    );
    assert!(
        counts.fixed.min(counts.copies).min(counts.notices) > size.sockets && counts.overtaken > 10,
        "too little happened"
    );
    assert_hub_is_sound(&server, &published);
}

fn start(hub: Builder) -> TestServer {
    let server = hub
        .set("limits.connections_per_user", 0)
        .set("limits.connects_per_user_per_minute", 0)
        .set("limits.handshakes_per_address_per_minute", 0)
        .set("limits.messages_per_second", 0)
        // clients on a machine under load are slow
        .set("limits.handshake_timeout_ms", 60_000)
        .set("auth.timeout_ms", 60_000)
        .start();
    let mut store = server.store();
    for topic in 0..STORED {
        let owner = (owned(0).contains(&topic)).then(|| owner_name(0));
        store.campaign_at(&name(topic), owner.as_deref(), "STORED", STORED_AT);
    }
    server
}

/// Runs everything on one thread, so that what anybody has seen is known at once.
fn run_sockets(size: Size, seed: u64, port: u16, log: &Arc<Log>, publisher: Publisher) -> Vec<Vec<Entry>> {
    let world = Rc::new(World {
        port,
        log: Arc::clone(log),
        seen: RefCell::new([0; TOPICS].into()),
        phase: Cell::new(Phase::Running),
        left: Cell::new(0),
        staying: Cell::new(0),
        entrance: Semaphore::new(ENTERING),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, direct(size, seed, world, publisher))
}

async fn direct(size: Size, seed: u64, world: Rc<World>, publisher: Publisher) -> Vec<Vec<Entry>> {
    let mut dice = Dice::new(seed);
    let mut staying = JoinSet::new();
    for number in 0..2 {
        let (world, dice) = (Rc::clone(&world), Dice::new(dice.roll()));
        staying.spawn_local(
            async move { Player::enter(&world, number, Who::Admin, dice).await.monitor().await },
        );
    }
    let publishing = std::thread::spawn(move || publisher.run(size.every_ms));
    wait_until("the monitors hear something", || world.seen.borrow().iter().all(|seen| *seen > 0)).await;

    let mut histories = come_and_go(size, &world, &mut dice, &mut staying).await;
    world.log.stop.store(true, Ordering::SeqCst);
    let publishing = wait_for_thread(publishing).await;
    wait_until("everything published is seen", || *world.seen.borrow() == world.log.counts()).await;
    world.phase.set(Phase::Leaving);
    wait_until("who stayed has left its rooms", || world.left.get() == world.staying.get()).await;
    let mut publisher = publishing;
    tokio::task::spawn_blocking(move || (0..5).for_each(|_| publisher.close_round())).await.unwrap();
    wait_until("what came after is seen", || *world.seen.borrow() == world.log.counts()).await;
    world.phase.set(Phase::After);
    wait_until("only the monitors are left", || {
        while let Some(history) = staying.try_join_next() {
            histories.push(history.unwrap());
        }
        staying.len() == 2
    })
    .await;
    world.phase.set(Phase::Over);
    while let Some(history) = staying.join_next().await {
        histories.push(history.unwrap());
    }
    histories
}

/// Lets sockets come, so many at a time; gives the histories of those that have gone.
async fn come_and_go(
    size: Size,
    world: &Rc<World>,
    dice: &mut Dice,
    staying: &mut JoinSet<Vec<Entry>>,
) -> Vec<Vec<Entry>> {
    let mut histories = Vec::new();
    let mut going = JoinSet::new();
    for number in 2..size.sockets {
        while going.len() >= size.at_a_time {
            histories.push(going.join_next().await.unwrap().unwrap());
        }
        let who = Who::any(dice);
        let stays = dice.percent(size.staying);
        let (world, dice) = (Rc::clone(world), Dice::new(dice.roll()));
        if stays {
            world.staying.set(world.staying.get() + 1);
            staying.spawn_local(async move { Player::enter(&world, number, who, dice).await.stay().await });
        } else {
            going.spawn_local(
                async move { Player::enter(&world, number, who, dice).await.come_and_go().await },
            );
        }
    }
    while let Some(history) = going.join_next().await {
        histories.push(history.unwrap());
    }
    histories
}

async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await; // between two looks
    }
}

async fn wait_for_thread<T: Send + 'static>(thread: std::thread::JoinHandle<T>) -> T {
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap()
}

fn published(log: &Log) -> Published {
    let stored = (0..TOPICS).map(|topic| (topic < STORED).then_some(STORED_AT)).collect();
    let facts = log.facts.iter().map(|facts| facts.lock().unwrap().clone()).collect();
    Published::new(stored, facts, (0..OWNERS).map(owned).collect())
}

/// Shows each history that is wrong with what led to it, then fails.
fn check_all(published: &Published, histories: &[Vec<Entry>]) -> Counts {
    let mut sum = Counts::default();
    let mut wrong = 0;
    for history in histories {
        match check::check(published, history) {
            Ok(counts) => sum += counts,
            Err(why) => {
                wrong += 1;
                if wrong <= 5 {
                    println!("{why}");
                    explain(history, &why);
                }
            }
        }
    }
    assert_eq!(wrong, 0, "of {} histories are wrong", histories.len());
    sum
}

/// The entries around the one that is wrong.
fn explain(history: &[Entry], why: &str) {
    let at = why.strip_prefix("entry ").and_then(|rest| rest.split_once(',')?.0.parse::<usize>().ok());
    let at = at.unwrap_or_default();
    for (number, entry) in history.iter().enumerate().take(at + 3).skip(at.saturating_sub(25)) {
        println!("    {number} {entry:?}");
    }
}

fn assert_hub_is_sound(server: &TestServer, published: &Published) {
    eventually_true("every socket is gone", || server.connections() == 0);
    for name in ["roomcast_gaps_total", "roomcast_slow_consumers_total", "roomcast_refused_messages_total"] {
        assert_eq!(server.metric(name, ""), 0.0, "{name}");
    }
    let mut store = server.store();
    for topic in 0..TOPICS {
        let Shown::Status(last) = published.last(topic) else { panic!("no status of {topic}") };
        let last = format!("S{last}");
        eventually_true("the newest status is in the store", || {
            store.status_of(&name(topic)).as_deref() == Some(last.as_str())
        });
    }
    store.assert_sound();
}
