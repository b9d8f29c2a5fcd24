//! How far the log is, for people.

use crate::unfit;
use chrono::{DateTime, Utc};
use domain::{Part, Position};
use sqlx::PgPool;
use std::time::Duration;

/// A part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartStatus {
    /// The part.
    pub part: Part,
    /// Its last position.
    pub head: Position,
    /// Last position offered to the broker.
    pub published: Position,
    /// Committed events that have no position yet.
    pub unsequenced: i64,
    /// When the oldest event after the position asked for was committed.
    pub oldest_behind: Option<DateTime<Utc>>,
    /// How long ago that is, by the clock that dated it: nobody else's need be right.
    pub oldest_age: Option<Duration>,
}

/// Every part, and for each the age of the oldest event after the reader's position in `applied`
/// (by part), those without a position among them.
///
/// # Errors
/// When the database cannot be reached.
pub async fn log_status(pool: &PgPool, applied: &[Position]) -> Result<Vec<PartStatus>, sqlx::Error> {
    let applied: Vec<i64> = applied.iter().map(|pos| pos.0).collect();
    let rows = sqlx::query!(
        r#"-- log.status
        WITH s AS MATERIALIZED (
            SELECT h.part, h.head, p.published, coalesce(o.events, 0) AS unsequenced,
                   least(o.oldest, (SELECT l.at FROM event_log l WHERE l.part = h.part AND l.pos > a.pos
                                    ORDER BY l.pos LIMIT 1)) AS oldest
            FROM log_head h
            JOIN log_published p USING (part)
            JOIN unnest($1::bigint[]) WITH ORDINALITY AS a (pos, n) ON a.n = h.part + 1
            LEFT JOIN (SELECT part, count(*) AS events, min(at) AS oldest FROM outbox GROUP BY part) o
                ON o.part = h.part
        )
        SELECT part AS "part!", head AS "head!", published AS "published!", unsequenced AS "unsequenced!",
               oldest AS "oldest_behind?", extract(epoch FROM clock_timestamp() - oldest)::float8 AS "oldest_age?"
        FROM s
        ORDER BY part"#,
        &applied,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(PartStatus {
                part: row.part.try_into().map_err(|e| unfit("log_head", "part", i64::from(row.part), e))?,
                head: Position(row.head),
                published: Position(row.published),
                unsequenced: row.unsequenced,
                oldest_behind: row.oldest_behind,
                oldest_age: row.oldest_age.map(|age| Duration::try_from_secs_f64(age).unwrap_or_default()),
            })
        })
        .collect()
}
