//! What work passes between two ranges: pause, cancel, and the throttle. Never within one: a snapshot that
//! waits would keep dead rows alive.

use crate::error::ReplayError;
use crate::progress::{Progress, Waiting};
use crate::stores::Stores;
use crate::throttle::{Pace, Throttle};
use meta::Wanted;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often it is asked what is wanted, and how long live commands take.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Pieces of a rest: the pace may change during it.
const REST_PIECE: Duration = Duration::from_millis(50);

/// Where work waits. Looks at the databases in a task of its own, which ends with the gate.
#[derive(Debug)]
pub(crate) struct Gate {
    state: watch::Sender<State>,
    progress: Arc<Progress>,
    generation: i32,
    looking: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct State {
    wanted: Wanted,
    pace: Pace,
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
        let pace = pace(stores, &mut throttle).await;
        let state = watch::Sender::new(State { wanted: Wanted::Run, pace });
        let looking = tokio::spawn(look(stores.clone(), generation, throttle, state.clone()));
        Gate { state, progress, generation: generation.unwrap_or(0), looking: Some(looking) }
    }

    /// A gate that is always open.
    pub(crate) fn open(progress: Arc<Progress>) -> Self {
        let state = watch::Sender::new(State { wanted: Wanted::Run, pace: Pace::FULL });
        Gate { state, progress, generation: 0, looking: None }
    }

    /// Takes note of what is wanted before the next look, so that a phase does not begin against it.
    pub(crate) fn hear(&self, wanted: Wanted) {
        self.state.send_modify(|state| state.wanted = wanted);
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
                    self.progress.wait(Waiting::No);
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
            let rest = pace.rest_after(worked).min(most);
            if wanted != Wanted::Run || rested >= rest {
                break;
            }
            let stops = pace.stops() && most == Duration::MAX;
            self.progress.wait(if stops { Waiting::Stopped } else { Waiting::Throttled });
            tokio::time::sleep(REST_PIECE.min(rest.saturating_sub(rested))).await;
            rested += REST_PIECE;
        }
        self.pass().await
    }

    /// Whether nobody writes at the moment.
    pub(crate) fn is_free(&self) -> bool {
        self.state.borrow().pace == Pace::FULL
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
    generation: Option<i32>,
    mut throttle: Option<Throttle>,
    sender: watch::Sender<State>,
) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        // A store that is away fails the work itself, with its reason.
        let wanted = match generation {
            Some(generation) => meta::wanted(&stores.meta, generation).await,
            None => Ok(Wanted::Run),
        };
        let wanted = wanted.unwrap_or(sender.borrow().wanted);
        // How long commands take while nothing is done says nothing of the work.
        let pace = match wanted {
            Wanted::Pause => sender.borrow().pace,
            _ => pace(&stores, &mut throttle).await,
        };
        sender.send_replace(State { wanted, pace });
    }
}

async fn pace(stores: &Stores, throttle: &mut Option<Throttle>) -> Pace {
    match throttle {
        None => Pace::FULL,
        Some(throttle) => throttle.pace(primary::write_latency(&stores.primary).await.ok()),
    }
}
