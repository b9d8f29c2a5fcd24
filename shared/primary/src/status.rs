//! How far the log is, for people.

use crate::unfit;
use chrono::{DateTime, Utc};
use domain::{Part, Position};
use sqlx::PgPool;

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
        SELECT h.part, h.head, p.published, coalesce(o.events, 0) AS "unsequenced!",
               least(o.oldest, (SELECT l.at FROM event_log l WHERE l.part = h.part AND l.pos > a.pos
                                ORDER BY l.pos LIMIT 1)) AS "oldest_behind?"
        FROM log_head h
        JOIN log_published p USING (part)
        JOIN unnest($1::bigint[]) WITH ORDINALITY AS a (pos, n) ON a.n = h.part + 1
        LEFT JOIN (SELECT part, count(*) AS events, min(at) AS oldest FROM outbox GROUP BY part) o ON o.part = h.part
        ORDER BY h.part"#,
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
            })
        })
        .collect()
}
