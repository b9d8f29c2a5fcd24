//! Generations: complete projections, side by side.

use domain::{Epoch, PROJECTION_VERSION};
use sqlx::{PgConnection, PgPool};

/// Begins the first generation, at the start of the log `epoch`, and makes it the one that answers,
/// unless there is one.
///
/// # Errors
/// When the database cannot be reached.
pub async fn begin_first_generation(pool: &PgPool, epoch: Epoch) -> Result<(), sqlx::Error> {
    let begun = sqlx::query!(
        "-- generation.begin_first
        WITH g AS (
            INSERT INTO generation (projection_version)
            SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM generation)
            RETURNING generation
        ),
        c AS (
            INSERT INTO checkpoint (generation, part, pos, epoch)
            SELECT generation, part, 0, $2 FROM g CROSS JOIN generate_series(0, 63) AS part
        )
        INSERT INTO active_generation (generation) SELECT generation FROM g",
        PROJECTION_VERSION,
        epoch,
    )
    .execute(pool)
    .await;
    match begun {
        // Another projector was quicker: there is one row, and it has it.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(()),
        begun => begun.map(|_| ()),
    }
}

/// The generations that are kept up to date, each with the version of the fold that may write it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn live_generations(connection: &mut PgConnection) -> Result<Vec<(i32, i32)>, sqlx::Error> {
    let rows = sqlx::query!(
        "-- generation.live
        SELECT generation, projection_version FROM generation WHERE state = 'live' ORDER BY generation"
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.generation, row.projection_version)).collect())
}
