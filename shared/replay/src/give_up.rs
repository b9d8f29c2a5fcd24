//! Ending what was begun, and deleting what is no longer needed.

use crate::error::{self, ReplayError};
use crate::run::busy;
use crate::stores::Stores;
use crate::swap::follows_active;
use meta::{GenerationState, Phase, PhaseResult, Replay, Wanted};
use sqlx::Connection;
use std::time::{Duration, Instant};

/// Longest wait for the process at work to give up: it may be within a range, or a transaction.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What was asked of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A process is at work, and does it.
    Yes(i32),
    /// No process is at work at it.
    NobodyWorks(i32),
    /// There is no replay that has not ended.
    NoReplay,
}

/// Asks the process that works at a replay to pause, or to go on.
///
/// # Errors
/// When meta cannot be reached.
pub async fn ask(stores: &Stores, wanted: Wanted) -> Result<Asked, ReplayError> {
    let Some(replay) = error::meta(meta::unended_replay(&stores.meta).await)? else {
        return Ok(Asked::NoReplay);
    };
    let Replay { generation, worked_at, .. } = replay;
    error::meta(meta::want(&stores.meta, generation, wanted).await)?;
    Ok(if worked_at { Asked::Yes(generation) } else { Asked::NobodyWorks(generation) })
}

/// Gives the replay up that has not ended, and deletes what it built: through the process that works at it,
/// or without one. Returns its generation; `None` when there is none, or it was swapped in before.
///
/// # Errors
/// [`ReplayError`].
pub async fn cancel(stores: &Stores) -> Result<Option<i32>, ReplayError> {
    let Some(replay) = error::meta(meta::unended_replay(&stores.meta).await)? else { return Ok(None) };
    let generation = replay.generation;
    if !error::meta(meta::want(&stores.meta, generation, Wanted::Cancel).await)? {
        return Ok(None);
    }
    let deadline = Instant::now() + GIVE_UP_TIMEOUT;
    let mut session = stores.connect_meta().await?;
    loop {
        if error::meta(meta::lock_replay(&mut session).await)? {
            let unended = error::meta(meta::unended_replay(&stores.meta).await)?;
            let unended = unended.is_some_and(|replay| replay.generation == generation);
            let given_up = if unended {
                drop_generation(stores, generation).await?
            } else {
                // The process at work gave it up, or was quicker.
                !answers(stores, generation).await?
            };
            return Ok(given_up.then_some(generation));
        }
        if Instant::now() > deadline {
            return Err(busy(stores).await);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether it was asked to give up; then it is done now, as the process that should have is gone.
pub(crate) async fn is_cancelled(stores: &Stores, replay: &Replay) -> Result<bool, ReplayError> {
    Ok(replay.wanted == Wanted::Cancel && drop_generation(stores, replay.generation).await?)
}

/// Ends a replay: its generation is out of use at once, then its rows are deleted. Returns `false` for one that answers,
/// since whoever swapped it in was killed before the note of it: then that is noted.
pub(crate) async fn drop_generation(stores: &Stores, generation: i32) -> Result<bool, ReplayError> {
    let mut connection = stores.connect_meta().await?;
    let mut transaction = error::meta(connection.begin().await)?;
    error::meta(meta::drop_generation(&mut transaction, generation).await)?;
    error::meta(transaction.commit().await)?;
    let answers = answers(stores, generation).await?;
    let phase = if answers { Phase::Swapped } else { Phase::Cancelled };
    error::meta(meta::enter_phase(&stores.meta, generation, phase, PhaseResult::default()).await)?;
    error::meta(meta::delete_generation(&stores.meta, generation).await)?;
    Ok(!answers)
}

async fn answers(stores: &Stores, generation: i32) -> Result<bool, ReplayError> {
    let active = error::meta(meta::active_generation(&stores.meta).await)?;
    Ok(active.is_some_and(|(active, _)| active == generation))
}

/// Deletes every generation but the one that answers and the one that a replay builds; with `keep_previous` also but the
/// one that a rollback would let answer. Returns which.
///
/// # Errors
/// [`ReplayError`]; what was taken out of use before stays so, and the next call deletes it.
pub async fn prune(stores: &Stores, keep_previous: bool) -> Result<Vec<i32>, ReplayError> {
    let mut pruned = Vec::new();
    // The replay afterwards: one that begins in between has no generation in the list. The one before last: whoever swaps
    // in between makes it one that is kept, or one that answers.
    let generations = error::meta(meta::generations(&stores.meta).await)?;
    if !generations.iter().any(|generation| generation.active) {
        return Err(ReplayError::NoneAnswers);
    }
    // While the one that answers does not fit the log, another may be the one to go back to.
    follows_active(stores).await?;
    let unended = error::meta(meta::unended_replay(&stores.meta).await)?.map(|replay| replay.generation);
    let previous = match keep_previous {
        true => error::meta(meta::previous_generation(&stores.meta).await)?,
        false => None,
    };
    for generation in generations {
        let number = generation.generation;
        if generation.active || Some(number) == unended {
            continue;
        }
        // What is out of use already nobody can go back to.
        if Some(number) == previous && generation.state == GenerationState::Live {
            continue;
        }
        if generation.state != GenerationState::Dropped {
            let mut connection = stores.connect_meta().await?;
            let mut transaction = error::meta(connection.begin().await)?;
            let dropped = error::meta(meta::drop_generation(&mut transaction, number).await)?;
            error::meta(transaction.commit().await)?;
            if !dropped {
                continue;
            }
        }
        error::meta(meta::delete_generation(&stores.meta, number).await)?;
        pruned.push(number);
    }
    Ok(pruned)
}
