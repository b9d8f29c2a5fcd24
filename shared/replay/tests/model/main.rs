//! A model test over real databases: random histories of live events, batches, replays, kills, pauses, swaps,
//! rollbacks, redrives and events given up. After each step every generation is the fold of the log up to its
//! checkpoint.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]
#![expect(clippy::print_stderr, reason = "a failure says how to see it again")]

mod dice;
mod events;
mod history;
mod oracle;
mod replays;

use history::History;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

/// Steps of one history, and histories of each test: as many as it takes for all that must happen.
const STEPS: usize = 160;
const HISTORIES_MIN: u64 = 2;
const HISTORIES_MAX: u64 = 8;
/// The seed of the one history to run.
const SEED_VARIABLE: &str = "MODEL_SEED";

/// What has to happen somewhere in a test: one that does not come there proves nothing about it.
const MUST_HAPPEN: [&str; 13] = [
    "a generation was rolled back to",
    "a product was made anew",
    "a replay was begun or taken up",
    "a replay was given up",
    "a replay was killed",
    "a replay was paused",
    "a replay was swapped in",
    "a review was added by an event that cannot be read",
    "a review was erased",
    "an event was given up",
    "an event was written that cannot be applied",
    "generations were pruned",
    "the generation that answers was verified",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_same_histories_in_every_run() {
    if let Ok(seed) = std::env::var(SEED_VARIABLE) {
        run(seed.parse().unwrap()).await;
        return;
    }
    run_all(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_that_were_never_tried() {
    if std::env::var(SEED_VARIABLE).is_ok() {
        return;
    }
    let first = RandomState::new().hash_one(0) >> 16;
    run_all(first).await;
}

async fn run_all(first: u64) {
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut never = MUST_HAPPEN.to_vec();
    for n in 0..HISTORIES_MAX {
        if n >= HISTORIES_MIN && never.is_empty() {
            break;
        }
        for (what, count) in run(first + n).await {
            *counts.entry(what).or_default() += count;
        }
        never.retain(|what| !counts.contains_key(what));
    }
    assert!(never.is_empty(), "never happened: {never:?}; what did: {counts:#?}");
}

async fn run(seed: u64) -> BTreeMap<&'static str, u64> {
    let mut run = Run { seed, history: History::of(seed).await };
    for _ in 0..STEPS {
        run.history.next().await;
    }
    run.history.come_to_rest().await;
    std::mem::take(&mut run.history.counts)
}

/// Says on a failure how to see it again. What goes on beside the steps comes in its own order, so one run may not be enough.
struct Run {
    seed: u64,
    history: History,
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "step {} of seed {}: {SEED_VARIABLE}={} cargo stack test -- -E 'binary(model)'",
                self.history.step, self.seed, self.seed
            );
        }
    }
}
