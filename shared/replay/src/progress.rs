//! How far work is, for whoever shows it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is done at the moment, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// Folding or adding up.
    #[default]
    Building,
    /// Storing what was folded, part by part, since there are live writers.
    Storing,
    /// Folding what came meanwhile.
    CatchingUp,
    /// Comparing.
    Verifying,
}

impl Stage {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Building => "building",
            Stage::Storing => "storing",
            Stage::CatchingUp => "catching-up",
            Stage::Verifying => "verifying",
        }
    }

    /// What is counted.
    pub const fn unit(self) -> &'static str {
        match self {
            Stage::Building | Stage::CatchingUp => "events",
            Stage::Storing => "parts",
            Stage::Verifying => "products",
        }
    }
}

/// What work under way waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Waiting {
    /// Nothing: it works.
    #[default]
    No,
    /// For `resume`.
    Paused,
    /// For live writes to be quick again: it rests for a while.
    Throttled,
    /// For live writes to be quicker than the limit: it does nothing at all.
    Stopped,
    /// For the projector, which has not moved the generation on for a while.
    Projector,
}

/// How far work is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct At {
    /// What is done.
    pub stage: Stage,
    /// Done so far of what the stage counts.
    pub done: u64,
    /// To be done in all; never less than what is done.
    pub total: u64,
    /// What it waits for.
    pub waiting: Waiting,
    /// The generation that a replay builds, from when its row is there and this process works at it.
    pub generation: Option<i32>,
}

/// How far work is. Shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress(Mutex<At>);

impl Progress {
    /// How far it is now: all of one moment.
    pub fn now(&self) -> At {
        *self.held()
    }

    pub(crate) fn builds(&self, generation: i32) {
        self.held().generation = Some(generation);
    }

    /// Begins a stage, or counts it anew.
    pub(crate) fn begin(&self, stage: Stage, done: u64, total: u64) {
        let mut at = self.held();
        *at = At { stage, done, total: total.max(done), ..*at };
    }

    /// So much more is done. What is to be done in all may be known from before a moment that has brought more.
    pub(crate) fn add(&self, done: u64) {
        let mut at = self.held();
        at.done += done;
        at.total = at.total.max(at.done);
    }

    /// Ends a pause, and leaves alone what others wait for.
    pub(crate) fn no_longer_paused(&self) {
        let mut at = self.held();
        if at.waiting == Waiting::Paused {
            at.waiting = Waiting::No;
        }
    }

    pub(crate) fn wait(&self, waiting: Waiting) {
        self.held().waiting = waiting;
    }

    fn held(&self) -> MutexGuard<'_, At> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn never_is_more_done_than_there_is() {
        let progress = Progress::default();
        progress.begin(Stage::Verifying, 0, 10);
        progress.add(10);
        progress.add(1);
        let At { stage, done, total, .. } = progress.now();
        assert_eq!((stage, done, total), (Stage::Verifying, 11, 11));
    }

    #[test]
    fn whoever_looks_sees_one_moment() {
        let (progress, ended) = (Progress::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    progress.begin(Stage::Storing, 1, 64);
                    progress.begin(Stage::Building, 500, 1_000);
                }
                ended.store(true, Ordering::Relaxed);
            });
            while !ended.load(Ordering::Relaxed) {
                let At { stage, done, total, .. } = progress.now();
                let whole = [(Stage::Building, 0, 0), (Stage::Storing, 1, 64), (Stage::Building, 500, 1_000)];
                assert!(whole.contains(&(stage, done, total)), "{stage:?}: {done} of {total}");
            }
        });
    }
}
