//! Generations that do not fit the log while the one that answers does: they are left out, so that it goes on.

use crate::project::{ProjectError, same_log};
use sqlx::PgPool;

/// Leaves those generations out that an error is about, as long as the one that answers is not among them. Returns which;
/// none when the error has to be mended first.
///
/// # Errors
/// [`ProjectError::OtherLog`] of the generation that answers, which then is what has to be mended; or when a database cannot
/// be reached.
pub async fn leave_out(
    primary: &PgPool,
    meta: &PgPool,
    error: &ProjectError,
) -> Result<Vec<i32>, ProjectError> {
    let Some(because) = error.misfit() else { return Ok(Vec::new()) };
    let Some((active, _)) = meta::active_generation(meta).await? else { return Ok(Vec::new()) };
    let unfit = match *error {
        ProjectError::OtherLog { generation, .. } if generation != active => {
            same_log(primary, &meta::checkpoints_of(meta, active).await?).await?;
            vec![generation]
        }
        ProjectError::LogBroken { part, pos } => {
            let mut checkpoints = meta::read_checkpoints(meta).await?;
            checkpoints.retain(|checkpoint| checkpoint.part == part);
            // The hole is behind the one that answers, or holds it up as well.
            match checkpoints.iter().find(|checkpoint| checkpoint.generation == active) {
                Some(answers) if answers.pos >= pos => {
                    checkpoints.iter().filter(|c| c.pos < pos).map(|c| c.generation).collect()
                }
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    };
    let mut left_out = Vec::new();
    for generation in unfit {
        if meta::invalidate_generation(meta, generation, &because).await? {
            left_out.push(generation);
        }
    }
    Ok(left_out)
}
