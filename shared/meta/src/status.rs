//! How far meta is, for people.

use crate::checkpoint::{Checkpoint, read_checkpoints};
use crate::unfit;
use chrono::{DateTime, Utc};
use domain::{Part, Position, ProductId, Version};
use sqlx::PgPool;

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

/// A product that stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedProduct {
    /// The product.
    pub product_id: ProductId,
    /// Its part of the log.
    pub part: Part,
    /// Position of the event that could not be applied.
    pub pos: Position,
    /// Its version.
    pub version: Version,
    /// Why it could not be applied.
    pub reason: String,
    /// Since when.
    pub parked_at: DateTime<Utc>,
}

/// Reads how far meta is; `None` while there is no generation yet.
///
/// # Errors
/// When the database cannot be reached.
pub async fn projection_status(pool: &PgPool) -> Result<Option<ProjectionStatus>, sqlx::Error> {
    let Some((generation, projection_version)) = crate::active_generation(pool).await? else {
        return Ok(None);
    };
    let mut checkpoints = read_checkpoints(pool).await?;
    checkpoints.retain(|c| c.generation == generation);
    let rows = sqlx::query!(
        "-- parked_product.list
        SELECT product_id, part, pos, version, reason, parked_at FROM parked_product
        WHERE generation = $1 ORDER BY parked_at, product_id LIMIT 1000",
        generation,
    )
    .fetch_all(pool)
    .await?;
    let parked = rows
        .into_iter()
        .map(|row| {
            let id = row.product_id;
            Ok(ParkedProduct {
                product_id: id.try_into().map_err(|e| unfit("parked_product", "product_id", id, e))?,
                part: row.part.try_into().map_err(|e| unfit("parked_product", "part", id, e))?,
                pos: Position(row.pos),
                version: Version(row.version),
                reason: row.reason,
                parked_at: row.parked_at,
            })
        })
        .collect::<Result<_, sqlx::Error>>()?;
    Ok(Some(ProjectionStatus { generation, projection_version, checkpoints, parked }))
}
