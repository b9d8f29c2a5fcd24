//! A sign of life that takes the way of the events.

use domain::{Beat, Position};
use sqlx::{PgConnection, PgPool};
use std::time::Duration;

/// The last sign of life here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canary {
    /// Its number.
    pub beat: Beat,
    /// How long ago it was, by the server's clock.
    pub age: Duration,
}

/// The last position of every part, and the canary in the same snapshot: every event that had a
/// position before the beat is at or below these heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadsAtBeat {
    /// Number of the last beat.
    pub beat: Beat,
    /// By part.
    pub heads: Vec<Position>,
}

/// Counts the canary on. For whoever gives positions, and only after a round of it that succeeded.
///
/// # Errors
/// When the database cannot be reached.
pub async fn beat(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("-- canary.beat\nUPDATE canary SET beat = beat + 1, at = now()").execute(connection).await?;
    Ok(())
}

/// Reads heads and canary.
///
/// # Errors
/// When the database cannot be reached.
pub async fn heads_at_beat(pool: &PgPool) -> Result<HeadsAtBeat, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- log.heads_at_beat
        SELECT h.head, (SELECT beat FROM canary) AS "beat?" FROM log_head h ORDER BY h.part"#,
    )
    .fetch_all(pool)
    .await?;
    let beat = Beat(rows.first().and_then(|row| row.beat).unwrap_or_default());
    Ok(HeadsAtBeat { beat, heads: rows.into_iter().map(|row| Position(row.head)).collect() })
}

/// Reads the last sign of life.
///
/// # Errors
/// When the database cannot be reached.
pub async fn canary(pool: &PgPool) -> Result<Canary, sqlx::Error> {
    let row = sqlx::query!(
        r#"-- canary.read
        SELECT beat, extract(epoch FROM clock_timestamp() - at)::float8 AS "age!" FROM canary"#,
    )
    .fetch_one(pool)
    .await?;
    Ok(Canary { beat: Beat(row.beat), age: Duration::try_from_secs_f64(row.age).unwrap_or_default() })
}
