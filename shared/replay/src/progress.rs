//! How far work is, for whoever shows it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, Ordering};

/// What is done at the moment, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Folding or adding up.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Nothing: it works.
    No,
    /// For `resume`.
    Paused,
    /// For live writes to be quick again: it rests for a while.
    Throttled,
    /// For live writes to be quicker than the limit: it does nothing at all.
    Stopped,
}

/// How far work is. Shared with whoever shows it.
#[derive(Debug)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    waiting: AtomicU8,
    stage: Mutex<Stage>,
    /// 0 until a replay has begun.
    generation: AtomicI32,
}

impl Default for Progress {
    fn default() -> Self {
        Progress {
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            waiting: AtomicU8::new(0),
            stage: Mutex::new(Stage::Building),
            generation: AtomicI32::new(0),
        }
    }
}

impl Progress {
    /// Done so far of what the stage counts.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// To be done in all, exactly.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// What is done.
    pub fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it waits for.
    pub fn waiting(&self) -> Waiting {
        match self.waiting.load(Ordering::Relaxed) {
            1 => Waiting::Paused,
            2 => Waiting::Throttled,
            3 => Waiting::Stopped,
            _ => Waiting::No,
        }
    }

    /// The generation that a replay builds, from when its row is there and this process works at it.
    pub fn generation(&self) -> Option<i32> {
        Some(self.generation.load(Ordering::Relaxed)).filter(|generation| *generation > 0)
    }

    pub(crate) fn builds(&self, generation: i32) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    pub(crate) fn begin(&self, stage: Stage, done: u64, total: u64) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, done: u64) {
        self.done.fetch_add(done, Ordering::Relaxed);
    }

    /// Ends a pause, and leaves alone what others wait for.
    pub(crate) fn no_longer_paused(&self) {
        if self.waiting() == Waiting::Paused {
            self.wait(Waiting::No);
        }
    }

    pub(crate) fn wait(&self, waiting: Waiting) {
        let waiting = match waiting {
            Waiting::No => 0,
            Waiting::Paused => 1,
            Waiting::Throttled => 2,
            Waiting::Stopped => 3,
        };
        self.waiting.store(waiting, Ordering::Relaxed);
    }
}
