//! Reading the log.

use crate::unfit;
use chrono::{DateTime, Utc};
use domain::{Epoch, EventId, LogEvent, Part, Position, ProductId, Version};
use sqlx::{PgExecutor, PgPool};

/// A range that is wanted of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRange {
    /// The part.
    pub part: Part,
    /// The position before the range.
    pub after: Position,
    /// Events of the range at most.
    pub events_max: i64,
}

/// Ranges read, and what tells whether it was the log that the reader means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Which log it is.
    pub epoch: Epoch,
    /// For each range that starts after an event, that event's place and identity, if the log has one
    /// there.
    pub before: Vec<(Part, Position, EventId)>,
    /// The ranges' events, by part and position.
    pub events: Vec<LogEvent>,
}

pub(crate) struct Row {
    pub part: i16,
    pub pos: i64,
    pub product_id: i64,
    pub version: i64,
    pub event_id: EventId,
    pub event_type: String,
    pub payload: String,
    pub traceparent: Option<String>,
    pub at: DateTime<Utc>,
}

impl TryFrom<Row> for LogEvent {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        Ok(LogEvent {
            part: row.part.try_into().map_err(|e| unfit("event_log", "part", row.pos, e))?,
            pos: Position(row.pos),
            product_id: row
                .product_id
                .try_into()
                .map_err(|e| unfit("event_log", "product_id", row.pos, e))?,
            version: Version(row.version),
            event_id: row.event_id,
            event_type: row.event_type,
            payload: row.payload,
            traceparent: row.traceparent,
            at: row.at,
        })
    }
}

/// Reads ranges of several parts in one statement.
///
/// # Errors
/// When the database cannot be reached.
pub async fn pull_events(pool: &PgPool, ranges: &[LogRange]) -> Result<Pulled, sqlx::Error> {
    let parts: Vec<i16> = ranges.iter().map(|r| r.part.get()).collect();
    let after: Vec<i64> = ranges.iter().map(|r| r.after.0).collect();
    let limits: Vec<i64> = ranges.iter().map(|r| r.events_max.saturating_add(1)).collect();
    let epoch = log_epoch(pool).await?;
    // From the event before the range on: its identity comes along.
    let rows = sqlx::query_as!(
        Row,
        r#"-- log.pull
        SELECT e.part, e.pos, e.product_id, e.version, e.event_id, e.type AS event_type, e.payload::text AS "payload!",
               e.traceparent, e.at
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS want (part, after, events)
        CROSS JOIN LATERAL (SELECT * FROM event_log l WHERE l.part = want.part AND l.pos >= want.after
                            ORDER BY l.pos LIMIT want.events) e
        ORDER BY e.part, e.pos"#,
        &parts,
        &after,
        &limits,
    )
    .fetch_all(pool)
    .await?;
    let mut pulled = Pulled { epoch, before: Vec::new(), events: Vec::with_capacity(rows.len()) };
    for row in rows {
        let event = LogEvent::try_from(row)?;
        if ranges.iter().any(|r| r.part == event.part && r.after == event.pos) {
            pulled.before.push((event.part, event.pos, event.event_id));
        } else {
            pulled.events.push(event);
        }
    }
    Ok(pulled)
}

/// The first position that the log lacks, of the first part that lacks one. Each range is a part, the position after which
/// is looked, and the last that must be there.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn log_hole(
    pool: &PgPool,
    ranges: &[(Part, Position, Position)],
) -> Result<Option<(Part, Position)>, sqlx::Error> {
    let parts: Vec<i16> = ranges.iter().map(|(part, ..)| part.get()).collect();
    let after: Vec<i64> = ranges.iter().map(|(_, after, _)| after.0).collect();
    let up_to: Vec<i64> = ranges.iter().map(|(.., up_to)| up_to.0).collect();
    let hole = sqlx::query!(
        r#"-- log.hole
        SELECT w.part AS "part!",
               coalesce(min(w.after + l.n) FILTER (WHERE l.pos <> w.after + l.n), w.after + count(l.pos) + 1) AS "pos!"
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS w (part, after, up_to)
        LEFT JOIN LATERAL (SELECT e.pos, row_number() OVER (ORDER BY e.pos) AS n FROM event_log e
                           WHERE e.part = w.part AND e.pos > w.after AND e.pos <= w.up_to) l ON true
        GROUP BY w.part, w.after, w.up_to HAVING count(l.pos) < w.up_to - w.after
        ORDER BY w.part LIMIT 1"#,
        &parts,
        &after,
        &up_to,
    );
    let Some(hole) = hole.fetch_optional(pool).await? else { return Ok(None) };
    let part = hole.part.try_into().map_err(|e| unfit("event_log", "part", hole.pos, e))?;
    Ok(Some((part, Position(hole.pos))))
}

/// A product's events after a version, up to a position, in order; at most `events_max`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn product_events(
    pool: &PgPool,
    product_id: ProductId,
    after: Version,
    up_to: Position,
    events_max: i64,
) -> Result<Vec<LogEvent>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"-- log.product
        SELECT part, pos, product_id, version, event_id, type AS event_type, payload::text AS "payload!", traceparent, at
        FROM event_log
        WHERE part = $1 AND product_id = $2 AND version > $3 AND pos <= $4
        ORDER BY version LIMIT $5"#,
        product_id.part().get(),
        product_id.get(),
        after.0,
        up_to.0,
        events_max,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(LogEvent::try_from).collect()
}

/// Which log this is.
///
/// # Errors
/// When the database cannot be reached.
pub async fn log_epoch(database: impl PgExecutor<'_>) -> Result<Epoch, sqlx::Error> {
    sqlx::query_scalar!("-- log.epoch\nSELECT epoch FROM log_identity").fetch_one(database).await
}

/// The last position of every part, by part.
///
/// # Errors
/// When the database cannot be reached.
pub async fn log_heads(pool: &PgPool) -> Result<Vec<Position>, sqlx::Error> {
    let heads =
        sqlx::query_scalar!("-- log.heads\nSELECT head FROM log_head ORDER BY part").fetch_all(pool).await?;
    Ok(heads.into_iter().map(Position).collect())
}
