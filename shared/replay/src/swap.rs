//! Which generation answers: in by a replay, back by a rollback.

use crate::error::{self, ReplayError};
use crate::stores::Stores;
use meta::{Swap, SwapReason, Swapped};
use projection::{ProjectError, same_log};
use std::time::{Duration, Instant};

/// Longest wait for a generation to be nowhere behind the one that answers.
const SWAP_TIMEOUT: Duration = Duration::from_secs(30);
const SWAP_TRY_EVERY: Duration = Duration::from_millis(20);

/// Whether the generation that answers was made from this primary's log.
pub(crate) async fn follows_active(stores: &Stores) -> Result<(), ReplayError> {
    let active = error::meta(meta::active_generation(&stores.meta).await)?;
    let (active, _) = active.ok_or(ReplayError::NoGeneration)?;
    let checkpoints = error::meta(meta::checkpoints_of(&stores.meta, active).await)?;
    match same_log(&stores.primary, &checkpoints).await {
        Err(other @ ProjectError::OtherLog { .. }) => Err(ReplayError::OtherLog(other)),
        Err(ProjectError::Store(error)) => Err(ReplayError::Primary(error)),
        result => Ok(result?),
    }
}

/// Makes `to` answer instead of `from`, as soon as it is nowhere behind. Returns how long the swap itself took.
pub(crate) async fn swap_in(
    stores: &Stores,
    from: i32,
    to: i32,
    reason: SwapReason,
    fresh: bool,
) -> Result<Duration, ReplayError> {
    let mut connection = stores.connect_meta().await?;
    let deadline = Instant::now() + SWAP_TIMEOUT;
    loop {
        match error::meta(meta::swap(&mut connection, Swap { from, to, reason, fresh }).await)? {
            Swapped::Yes(took) => return Ok(took),
            Swapped::Other(found) => return Err(ReplayError::Swapped { expected: from, found }),
            Swapped::NotLive => return Err(ReplayError::NotLive(to)),
            Swapped::Behind if Instant::now() < deadline => tokio::time::sleep(SWAP_TRY_EVERY).await,
            Swapped::Behind => return Err(ReplayError::Behind(to)),
        }
    }
}

/// A generation that answers again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolledBack {
    /// The generation that answered.
    pub from: i32,
    /// The one that does.
    pub to: i32,
    /// How long the swap took.
    pub took: Duration,
}

/// Makes the generation answer that did so before the last swap. Again, it swaps forward.
///
/// # Errors
/// [`ReplayError`], and nothing has changed.
pub async fn rollback(stores: &Stores) -> Result<RolledBack, ReplayError> {
    let active = error::meta(meta::active_generation(&stores.meta).await)?;
    let (from, _) = active.ok_or(ReplayError::NoGeneration)?;
    let generations = error::meta(meta::generations(&stores.meta).await)?;
    let live =
        |to: &i32| generations.iter().any(|g| g.generation == *to && g.state == meta::GenerationState::Live);
    let previous = error::meta(meta::previous_generation(&stores.meta).await)?;
    let to = previous.filter(live).ok_or(ReplayError::NoPrevious)?;
    let took = swap_in(stores, from, to, SwapReason::Rollback, false).await?;
    Ok(RolledBack { from, to, took })
}
