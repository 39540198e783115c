//! The ledger and the lanes against a plain reference, in random interleavings.
//!
//! Everything that is concurrent in a hub is a queue here: what each socket has asked, each lane's mailbox,
//! the reads under way, the writer's work and its reports. A run is a list of steps that move one thing each,
//! and then everything is drained. Each seed is fixed; `PROPTEST_CASES` sets how many runs there are and
//! `PROPTEST_RNG_SEED` draws others.
//!
//! | file | what |
//! |---|---|
//! | [`steps`] | what can happen next, and how often |
//! | [`facts`] | what a run is made of: events, requests, sockets, the store |
//! | [`world`] | the hub with all that around it |
//! | [`journal`] | what one socket was told, parsed |
//! | [`check`] | what must hold of it |
//! | [`notes`] | the same for stored events |

mod check;
mod facts;
mod journal;
mod notes;
mod steps;
mod world;

use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

use steps::run;
use world::World;

/// Runs where the environment does not say how many.
const CASES: u32 = 512;

fn runner() -> TestRunner {
    let mut config = Config { failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0x726f_6f6d);
    }
    TestRunner::new(config)
}

#[test]
fn every_interleaving_gives_each_socket_what_a_plain_reference_says() {
    let outcome = runner().run(&run(), |(limits, steps)| {
        let mut world = World::new(limits);
        for step in steps {
            world.take(step)?;
        }
        world.drain()?;
        check::check(&world)?;
        world.empty()
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, (limits, steps))) => panic!("{why}\nunder {limits:?}\nafter {steps:?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}
