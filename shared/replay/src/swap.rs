//! Which generation answers: in by a replay, back by a rollback.

use crate::error::{self, ReplayError};
use crate::stores::Stores;
use meta::{Checkpoint, Over, Swap, SwapReason, Swapped};
use projection::{ProjectError, same_log};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Longest wait for a generation to be nowhere behind the one that answers.
const SWAP_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for the log, to compare a generation with it.
const FOLLOWS_TIMEOUT: Duration = Duration::from_secs(2);
const SWAP_TRY_EVERY: Duration = Duration::from_millis(20);

/// Whether the generation that answers was made from this primary's log.
pub(crate) async fn follows_active(stores: &Stores) -> Result<(), ReplayError> {
    let active = error::meta(meta::active_generation(&stores.meta).await)?;
    let (active, _) = active.ok_or(ReplayError::NoGeneration)?;
    follows(stores, active).await
}

/// Whether a generation was made from this primary's log.
async fn follows(stores: &Stores, generation: i32) -> Result<(), ReplayError> {
    follow(stores, &error::meta(meta::checkpoints_of(&stores.meta, generation).await)?).await
}

/// Whether checkpoints are of this primary's log.
pub(crate) async fn follow(stores: &Stores, checkpoints: &[Checkpoint]) -> Result<(), ReplayError> {
    match same_log(&stores.primary, checkpoints).await {
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
    over: Over,
) -> Result<Duration, ReplayError> {
    let mut connection = stores.connect_meta().await?;
    let deadline = Instant::now() + SWAP_TIMEOUT;
    loop {
        match error::meta(meta::swap(&mut connection, Swap { from, to, reason, over }).await)? {
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

/// Makes the generation answer that did so before the last swap. Again, it swaps forward. Where the one that answers does not
/// fit the log and the one before it does, it is not asked to be as far as that one says that it is.
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
    let took = swap_in(stores, from, to, SwapReason::Rollback, over(stores, from, to).await?).await?;
    Ok(RolledBack { from, to, took })
}

/// What the generation is worth that a rollback replaces. A primary that is away is no reason not to roll back.
async fn over(stores: &Stores, from: i32, to: i32) -> Result<Over, ReplayError> {
    let fits = async |generation| match timeout(FOLLOWS_TIMEOUT, follows(stores, generation)).await {
        Ok(Err(error)) if error.is_other_log() => Err(error),
        _ => Ok(()),
    };
    fits(to).await?;
    Ok(if fits(from).await.is_ok() { Over::Valid } else { Over::Invalid })
}
