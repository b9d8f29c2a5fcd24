//! How far meta is, for people.

use crate::checkpoint::{Checkpoint, checkpoints_of};
use crate::park::{ParkedProduct, parked_products};
use sqlx::PgPool;

/// Products that stand still are shown up to this number.
const PARKED_SHOWN_MAX: i64 = 1_000;

/// The generation that answers, and what stands still in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionStatus {
    /// The generation that answers.
    pub generation: i32,
    /// The version of the fold that writes it.
    pub projection_version: i32,
    /// Its checkpoints, by part.
    pub checkpoints: Vec<Checkpoint>,
    /// Its products that stand still, the longest first, at most 1,000.
    pub parked: Vec<ParkedProduct>,
}

/// Reads how far meta is; `None` while there is no generation yet.
///
/// # Errors
/// When the database cannot be reached.
pub async fn projection_status(pool: &PgPool) -> Result<Option<ProjectionStatus>, sqlx::Error> {
    let Some((generation, projection_version)) = crate::active_generation(pool).await? else {
        return Ok(None);
    };
    let checkpoints = checkpoints_of(pool, generation).await?;
    let parked = parked_products(pool, Some(generation), None, PARKED_SHOWN_MAX).await?;
    Ok(Some(ProjectionStatus { generation, projection_version, checkpoints, parked }))
}
