//! Where one review is on its way, for people.

use crate::unfit;
use chrono::{DateTime, Utc};
use domain::{EventId, Part, Position, ProductId, ReviewId, Version};
use sqlx::PgPool;

/// A review's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedRow {
    /// The product.
    pub product_id: ProductId,
    /// When it was written.
    pub date: DateTime<Utc>,
    /// Whether lists show it.
    pub listed: bool,
    /// Whether it was erased.
    pub erased: bool,
}

/// The event of a review's posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedEvent {
    /// Its place in the log; none while it waits in the outbox.
    pub pos: Option<Position>,
    /// The product's version with it.
    pub version: Version,
    /// Its identity.
    pub event_id: EventId,
    /// Its type.
    pub event_type: String,
    /// When it was committed.
    pub at: DateTime<Utc>,
}

/// Finds a review.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn traced_row(pool: &PgPool, review_id: ReviewId) -> Result<Option<TracedRow>, sqlx::Error> {
    let id = review_id.get();
    let row = sqlx::query!(
        r#"-- trace.row
        SELECT product_id, date, NOT (hidden_by_reports OR hidden_by_moderation) AS "listed!",
               erased_at IS NOT NULL AS "erased!"
        FROM reviews WHERE review_id = $1"#,
        id,
    )
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        let product_id = row.product_id.try_into().map_err(|e| unfit("reviews", "product_id", id, e))?;
        Ok(TracedRow { product_id, date: row.date, listed: row.listed, erased: row.erased })
    })
    .transpose()
}

/// Finds the event of a review's posting among its product's, in the outbox or in the log: one
/// statement, which it cannot slip through on its way from the one to the other.
///
/// # Errors
/// When the database cannot be reached.
pub async fn traced_event(
    pool: &PgPool,
    product_id: ProductId,
    review_id: ReviewId,
) -> Result<Option<TracedEvent>, sqlx::Error> {
    let row = sqlx::query!(
        r#"-- trace.event
        SELECT pos, version AS "version!", event_id AS "event_id!", type AS "event_type!", at AS "at!"
        FROM (SELECT NULL::bigint AS pos, product_id, part, version, event_id, type, payload, at FROM outbox
              UNION ALL
              SELECT pos, product_id, part, version, event_id, type, payload, at FROM event_log) e
        WHERE part = $1 AND product_id = $2 AND type LIKE 'ReviewPosted.%' AND payload ->> 'review_id' = $3::bigint::text
        ORDER BY version LIMIT 1"#,
        product_id.part().get(),
        product_id.get(),
        review_id.get(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| TracedEvent {
        pos: row.pos.map(Position),
        version: Version(row.version),
        event_id: row.event_id,
        event_type: row.event_type,
        at: row.at,
    }))
}

/// The review of a product whose posting no event names, in the outbox or in the log; `None` when there is none, or more
/// than one.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn unnamed_review(pool: &PgPool, product_id: ProductId) -> Result<Option<ReviewId>, sqlx::Error> {
    let unnamed = sqlx::query_scalar!(
        r#"-- trace.unnamed
        SELECT review_id::text AS "id!" FROM reviews WHERE part = $1 AND product_id = $2
        EXCEPT
        SELECT payload ->> 'review_id'
        FROM (SELECT part, product_id, type, payload FROM outbox
              UNION ALL SELECT part, product_id, type, payload FROM event_log) e
        WHERE part = $1 AND product_id = $2 AND type LIKE 'ReviewPosted.%'
        LIMIT 2"#,
        product_id.part().get(),
        product_id.get(),
    );
    Ok(match unnamed.fetch_all(pool).await?.as_slice() {
        [one] => one.parse().ok(),
        _ => None,
    })
}

/// Last position of a part that was offered to the broker.
///
/// # Errors
/// When the database cannot be reached.
pub async fn published(pool: &PgPool, part: Part) -> Result<Position, sqlx::Error> {
    let published = sqlx::query_scalar!(
        "-- trace.published\nSELECT published FROM log_published WHERE part = $1",
        part.get(),
    );
    Ok(Position(published.fetch_one(pool).await?))
}
