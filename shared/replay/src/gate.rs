//! What work passes between two ranges: pause, cancel, and the throttle. Never within one: a snapshot that
//! waits would keep dead rows alive.

use crate::error::ReplayError;
use crate::progress::{Progress, Waiting};
use crate::stores::Stores;
use crate::throttle::{Pace, Throttle};
use meta::Wanted;
use postgres::in_time;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

/// How often it is asked what is wanted, and how long live commands take.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Longest wait for an answer to that.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// Pieces of a rest: the pace may change during it.
const REST_PIECE: Duration = Duration::from_millis(50);

/// Where work waits. Looks at the databases in a task of its own, which ends with the gate.
#[derive(Debug)]
pub(crate) struct Gate {
    state: watch::Sender<State>,
    progress: Arc<Progress>,
    generation: i32,
    looker: Option<Arc<Looker>>,
    looking: Option<JoinHandle<()>>,
    /// Nothing is done at the moment, as long as the pace asks for it.
    rests: Arc<AtomicBool>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct State {
    wanted: Wanted,
    pace: Pace,
}

/// Looks at what is wanted of a replay.
#[derive(Debug)]
struct Looker {
    stores: Stores,
    generation: i32,
    state: watch::Sender<State>,
    /// One look at a time: an older one must not overwrite what a newer one saw.
    turn: Mutex<()>,
}

impl Looker {
    async fn look(&self) {
        let _turn = self.turn.lock().await;
        // A store that is away fails the work itself, with its reason.
        let wanted = in_time(LOOK_TIMEOUT, meta::wanted(&self.stores.meta, self.generation)).await;
        if let Ok(wanted) = wanted {
            self.state.send_modify(|state| state.wanted = wanted);
        }
    }
}

impl Gate {
    /// A gate for the work at a replay's generation.
    pub(crate) async fn of_replay(
        stores: &Stores,
        generation: i32,
        throttle: Option<Throttle>,
        progress: Arc<Progress>,
    ) -> Self {
        Self::looking(stores, Some(generation), throttle, progress).await
    }

    /// A gate for work that nobody pauses.
    pub(crate) async fn of_work(
        stores: &Stores,
        throttle: Option<Throttle>,
        progress: Arc<Progress>,
    ) -> Self {
        Self::looking(stores, None, throttle, progress).await
    }

    async fn looking(
        stores: &Stores,
        generation: Option<i32>,
        mut throttle: Option<Throttle>,
        progress: Arc<Progress>,
    ) -> Self {
        let pace = pace(stores, &mut throttle, true).await;
        let rests = Arc::new(AtomicBool::new(false));
        let state = watch::Sender::new(State { wanted: Wanted::Run, pace });
        let looker = generation.map(|generation| {
            let (stores, state) = (stores.clone(), state.clone());
            Arc::new(Looker { stores, generation, state, turn: Mutex::default() })
        });
        let looking = look(stores.clone(), looker.clone(), throttle, rests.clone(), state.clone());
        let looking = Some(tokio::spawn(looking));
        Gate { state, progress, generation: generation.unwrap_or(0), looker, looking, rests }
    }

    /// A gate that is always open.
    pub(crate) fn open(progress: Arc<Progress>) -> Self {
        let state = watch::Sender::new(State { wanted: Wanted::Run, pace: Pace::Full });
        Gate { state, progress, generation: 0, looker: None, looking: None, rests: Arc::default() }
    }

    /// Looks now what is wanted, so that a phase does not begin against it, and waits while it is a pause.
    pub(crate) async fn look_and_pass(&self) -> Result<(), ReplayError> {
        if let Some(looker) = &self.looker {
            looker.look().await;
        }
        self.pass().await
    }

    /// Waits while a pause is wanted, and for all workers but the first while somebody writes, as long as there
    /// is work left for more than one.
    pub(crate) async fn pass_as(&self, worker: usize, left: impl Fn() -> bool) -> Result<(), ReplayError> {
        self.pass().await?;
        while worker > 0 && !self.is_free() && left() {
            tokio::time::sleep(LOOK_EVERY).await;
            self.pass().await?;
        }
        Ok(())
    }

    /// Waits while a pause is wanted.
    pub(crate) async fn pass(&self) -> Result<(), ReplayError> {
        loop {
            match self.state.borrow().wanted {
                Wanted::Run => {
                    self.progress.no_longer_paused();
                    return Ok(());
                }
                Wanted::Cancel => return Err(ReplayError::Cancelled(self.generation)),
                Wanted::Pause => self.progress.wait(Waiting::Paused),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Rests after so much work, as long as live commands need it.
    pub(crate) async fn rest(&self, worked: Duration) -> Result<(), ReplayError> {
        self.rest_up_to(worked, Duration::MAX).await
    }

    /// The same, but no longer than the work took: for what must be quicker than the writers are, or never ends.
    pub(crate) async fn rest_as_long(&self, worked: Duration) -> Result<(), ReplayError> {
        self.rest_up_to(worked, worked).await
    }

    async fn rest_up_to(&self, worked: Duration, most: Duration) -> Result<(), ReplayError> {
        let mut rested = Duration::ZERO;
        loop {
            let State { wanted, pace } = *self.state.borrow();
            let asked = pace.rest_after(worked);
            if wanted != Wanted::Run || rested >= asked.min(most) {
                break;
            }
            let hurries = asked > most;
            let stops = pace == Pace::Stop && !hurries;
            self.progress.wait(if stops { Waiting::Stopped } else { Waiting::Throttled });
            self.rests.store(!hurries, Ordering::Relaxed);
            tokio::time::sleep(REST_PIECE.min(asked.min(most).saturating_sub(rested))).await;
            rested += REST_PIECE;
        }
        self.rests.store(false, Ordering::Relaxed);
        self.progress.wait(Waiting::No);
        self.pass().await
    }

    /// Whether nobody writes at the moment.
    pub(crate) fn is_free(&self) -> bool {
        self.state.borrow().pace == Pace::Full
    }

    /// Events that a range of each of so many parts may have, so that its work ends soon where writers are busy.
    pub(crate) fn range_events(&self, parts: usize) -> i64 {
        (self.state.borrow().pace.range_events() / i64::try_from(parts).unwrap_or(1)).max(1)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(looking) = &self.looking {
            looking.abort();
        }
    }
}

async fn look(
    stores: Stores,
    looker: Option<Arc<Looker>>,
    mut throttle: Option<Throttle>,
    rests: Arc<AtomicBool>,
    state: watch::Sender<State>,
) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        if let Some(looker) = &looker {
            looker.look().await;
        }
        // A pause must not look like a rest that was long enough.
        if state.borrow().wanted != Wanted::Pause {
            let pace = pace(&stores, &mut throttle, rests.load(Ordering::Relaxed)).await;
            state.send_modify(|state| state.pace = pace);
        }
    }
}

async fn pace(stores: &Stores, throttle: &mut Option<Throttle>, rests: bool) -> Pace {
    match throttle {
        None => Pace::Full,
        Some(throttle) => {
            let latency = in_time(LOOK_TIMEOUT, primary::write_latency(&stores.primary)).await;
            throttle.pace(latency.ok(), rests)
        }
    }
}
