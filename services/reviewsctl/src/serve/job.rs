//! Work that goes on after the request that began it is answered: one piece of a kind at a time, and how far it is.

use super::answer::problem;
use crate::replay::{Pace, doing};
use contract::Problem;
use replay::{Progress, Waiting};
use serde::Serialize;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::Instrument as _;
use utoipa::ToSchema;

/// How often it is noticed that a phase begins, which rates are counted from, and that a replay has begun.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The last piece of work of a kind.
#[derive(Debug)]
pub(crate) struct Slot<T>(Mutex<Option<Arc<Job<T>>>>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Slot(Mutex::new(None))
    }
}

/// A piece of work.
#[derive(Debug)]
pub(crate) struct Job<T> {
    pub(crate) progress: Arc<Progress>,
    pace: Mutex<Pace>,
    ended: Mutex<Option<Result<T, Problem>>>,
}

impl<T: Clone + Send + 'static> Slot<T> {
    /// Begins work; `None` while other work is under way.
    pub(crate) fn begin<F>(&self, work: impl FnOnce(Arc<Progress>) -> F) -> Option<Arc<Job<T>>>
    where
        F: Future<Output = anyhow::Result<T>> + Send + 'static,
    {
        let mut last = held(&self.0);
        if last.as_ref().is_some_and(|job| job.is_under_way()) {
            return None;
        }
        let progress = Arc::new(Progress::default());
        let (pace, ended) = (Mutex::new(Pace::default()), Mutex::new(None));
        let job = Arc::new(Job { progress: progress.clone(), pace, ended });
        tokio::spawn(job.clone().watch(work(progress)).in_current_span());
        *last = Some(job.clone());
        Some(job)
    }

    /// The last work that was begun here.
    pub(crate) fn last(&self) -> Option<Arc<Job<T>>> {
        held(&self.0).clone()
    }

    /// Whether it has not ended.
    pub(crate) fn is_under_way(&self) -> bool {
        self.last().is_some_and(|job| job.is_under_way())
    }
}

impl<T: Clone + Send + 'static> Job<T> {
    async fn watch(self: Arc<Self>, work: impl Future<Output = anyhow::Result<T>> + Send + 'static) {
        let mut work = tokio::spawn(work.in_current_span());
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                _ = looks.tick() => held(&self.pace).look(self.progress.now()),
            }
        };
        let ended = match done {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(problem(&error)),
            Err(_) => {
                tracing::error!("work panicked; the message above says where");
                Err(Problem::internal())
            }
        };
        match &ended {
            Ok(_) => tracing::info!("work that was asked for has ended"),
            Err(problem) => tracing::warn!(cause = problem.detail, "work that was asked for has failed"),
        }
        *held(&self.ended) = Some(ended);
    }

    /// What it came to; `None` while it is under way.
    pub(crate) fn ended(&self) -> Option<Result<T, Problem>> {
        held(&self.ended).clone()
    }

    fn is_under_way(&self) -> bool {
        held(&self.ended).is_none()
    }

    /// Waits until a replay has a generation that it builds; returns it, or why there is none.
    pub(crate) async fn begun(&self) -> Result<i32, Problem> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let ended = self.ended();
            match (self.progress.now().generation, ended) {
                (Some(generation), _) => return Ok(generation),
                (None, Some(Err(problem))) => return Err(problem),
                (None, Some(Ok(_))) => return Err(Problem::internal()),
                (None, None) => {}
            }
        }
    }

    /// How far it is; `None` when it has ended.
    pub(crate) fn now(&self) -> Option<Now> {
        if !self.is_under_way() {
            return None;
        }
        let (at, pace) = (self.progress.now(), held(&self.pace));
        Some(Now {
            doing: match (at.total, at.waiting) {
                (0, Waiting::No) => "beginning",
                (_, waiting) => doing(at.stage, waiting),
            },
            unit: at.stage.unit(),
            done: at.done,
            total: at.total,
            per_second: pace.per_second(at),
            seconds_left: pace.seconds_left(at),
        })
    }
}

/// How far work is that this server does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Progress)]
pub(crate) struct Now {
    /// What it does, or what it waits for.
    doing: &'static str,
    /// What is counted: `events`, `parts` or `products`.
    unit: &'static str,
    done: u64,
    /// Exact, in this phase.
    total: u64,
    /// While it works: pauses do not count.
    per_second: f64,
    /// Until this phase ends; null when nobody can tell, as while it is paused.
    seconds_left: Option<f64>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
