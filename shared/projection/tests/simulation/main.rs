//! A simulation of everything between a commit and meta: relay, broker, projector, replays and what people do beside
//! them, in memory and in any order that a seed gives. What decides is the code that runs in production; the stores
//! and the wire are made up here. After each step what it touched is compared with the fold of the log.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]
#![expect(clippy::print_stderr, reason = "a failure says how to see it again")]

mod broker;
mod dice;
mod facts;
mod meta;
mod oracle;
mod people;
mod primary;
mod projector;
mod replay;
mod world;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use world::World;

/// Steps of one seed.
const STEPS: usize = 1_000;
/// Seeds of a run: those that are the same in every run, and those that are new. A million steps together.
const SEEDS: u64 = 500;
/// The seed to run alone.
const SEED_VARIABLE: &str = "SIMULATION_SEED";

/// What has to happen somewhere in a run: a simulation that does not come there proves nothing about it.
const MUST_HAPPEN: [&str; 50] = [
    "a backlog was left to the projectors",
    "a command began",
    "a command was committed",
    "a current version was built",
    "a full queue refused a message",
    "a generation caught up",
    "a generation was handed over",
    "a generation was handed over behind",
    "a generation was rolled back to",
    "a group was built",
    "a hole was filled from the log",
    "a message lost an event",
    "a message of another log was seen through",
    "a message was lost",
    "a message was of another log",
    "a message was published",
    "a message was repeated",
    "a process found its generation swapped in",
    "a process was killed within a group",
    "a product was damaged",
    "a product was given up while it was made anew",
    "a product was made anew",
    "a product was parked",
    "a product was redriven",
    "a product was repaired",
    "a projector was cut off before its commit",
    "a pull took several transactions",
    "a relay died before it noted what it sent",
    "a replay began",
    "a replay was cancelled",
    "a replay was killed",
    "a replay was paused",
    "a replay was resumed",
    "a replay was swapped in",
    "a replay was taken up",
    "a replay went on",
    "a replay went on after an event was given up",
    "a rollback was asked for",
    "a review was erased whose posting was given up",
    "a rollback was refused",
    "a swap was refused",
    "an acknowledgement was not heard",
    "an event was given up",
    "an older version was built",
    "events got positions",
    "events were pulled",
    "generations were pruned",
    "reviews went on where the log cannot",
    "reviews were ahead of the log",
    "verification found differences",
];

#[test]
fn the_same_seeds_in_every_run() {
    if let Ok(seed) = std::env::var(SEED_VARIABLE) {
        run(seed.parse().unwrap());
        return;
    }
    let (steps, counts) = run_all(0..SEEDS);
    assert!(steps >= 500_000);
    assert_all_happened(&counts);
}

#[test]
fn seeds_that_were_never_tried() {
    if std::env::var(SEED_VARIABLE).is_ok() {
        return;
    }
    let first = RandomState::new().hash_one(0) >> 16;
    let (steps, counts) = run_all(first..first + SEEDS);
    assert!(steps >= 500_000);
    assert_all_happened(&counts);
}

fn assert_all_happened(counts: &BTreeMap<&'static str, u64>) {
    let never: Vec<&str> = MUST_HAPPEN.into_iter().filter(|what| !counts.contains_key(what)).collect();
    assert!(never.is_empty(), "never happened: {never:?}; what did: {counts:#?}");
}

fn run_all(seeds: impl Iterator<Item = u64>) -> (usize, BTreeMap<&'static str, u64>) {
    let (mut steps, mut counts) = (0, BTreeMap::new());
    for seed in seeds {
        let world = run(seed);
        steps += world.step;
        for (what, count) in world.counts {
            *counts.entry(what).or_default() += count;
        }
    }
    (steps, counts)
}

fn run(seed: u64) -> World {
    let mut run = Run { seed, world: World::of(seed) };
    for _ in 0..STEPS {
        run.world.next();
    }
    run.world.come_to_rest();
    std::mem::replace(&mut run.world, World::of(0))
}

/// Says on a failure how to see it again.
struct Run {
    seed: u64,
    world: World,
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "step {} of seed {}: {SEED_VARIABLE}={} cargo nextest run -p projection --test simulation",
                self.world.step, self.seed, self.seed
            );
        }
    }
}
