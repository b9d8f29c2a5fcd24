//! The sign of life of whoever gives positions, when it has come through to meta.

use domain::{Beat, Part, Position, log_parts};
use sqlx::PgPool;
use std::time::Duration;

/// The last sign of life that came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canary {
    /// Its number.
    pub beat: Beat,
    /// How long ago it came, by the server's clock.
    pub age: Duration,
}

/// Stores a beat if the generation that answers has reached these heads, by part, with which it was
/// seen. Returns whether it has.
///
/// # Errors
/// When the database cannot be reached.
pub async fn store_beat(pool: &PgPool, beat: Beat, heads: &[Position]) -> Result<bool, sqlx::Error> {
    let parts: Vec<i16> = log_parts().map(Part::get).collect();
    let heads: Vec<i64> = heads.iter().map(|head| head.0).collect();
    let stored = sqlx::query!(
        "-- canary.store
        UPDATE canary SET beat = $1, at = now()
        WHERE EXISTS (SELECT FROM active_generation) AND NOT EXISTS (
            SELECT FROM active_generation a
            CROSS JOIN unnest($2::smallint[], $3::bigint[]) AS h (part, head)
            LEFT JOIN checkpoint c ON c.generation = a.generation AND c.part = h.part
            WHERE coalesce(c.pos, 0) < h.head
        )",
        beat.0,
        &parts,
        &heads,
    )
    .execute(pool)
    .await?;
    Ok(stored.rows_affected() > 0)
}

/// Reads the last sign of life that came through.
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
