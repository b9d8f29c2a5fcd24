//! Counting a vote. No statement here may touch more than one review: should two have the same
//! id, the sub-select that finds it fails and nothing is counted.

use crate::unfit;
use domain::{EventId, ProductId, ReviewId, Version};
use sqlx::PgPool;

/// A counted vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voted {
    /// The review's product.
    pub product_id: ProductId,
    /// The product's version with the vote.
    pub version: Version,
}

/// Counts a helpful vote; `None` when there is no such review.
///
/// # Errors
/// When the database cannot be reached.
pub async fn mark_helpful(
    pool: &PgPool,
    review_id: ReviewId,
    event_id: EventId,
    traceparent: Option<&str>,
) -> Result<Option<Voted>, sqlx::Error> {
    let row = postgres::retry_conflicts(|| {
        sqlx::query!(
            r#"-- reviews.helpful
            WITH voted AS (
                UPDATE reviews SET helpfulness = least(helpfulness, 2147483645) + 1
                WHERE (part, review_id) = (SELECT part, review_id FROM reviews WHERE review_id = $1)
                RETURNING part, product_id, review_id
            ),
            stream AS (
                INSERT INTO product_stream AS s (part, product_id, version)
                SELECT part, product_id, 1 FROM voted
                ON CONFLICT (part, product_id) DO UPDATE SET version = s.version + 1
                RETURNING version
            )
            INSERT INTO outbox (part, product_id, version, event_id, type, payload, traceparent)
            SELECT v.part, v.product_id, s.version, $2, 'ReviewMarkedHelpful.v1',
                   json_build_object('review_id', v.review_id), $3
            FROM voted v CROSS JOIN stream s
            RETURNING product_id, version"#,
            review_id.get(),
            event_id,
            traceparent,
        )
        .fetch_optional(pool)
    })
    .await?;
    row.map(|row| voted(row.product_id, row.version)).transpose()
}

/// Counts a report, and hides the review when it has `threshold` of them; `None` when there is no
/// such review.
///
/// # Errors
/// When the database cannot be reached.
pub async fn report(
    pool: &PgPool,
    review_id: ReviewId,
    threshold: i32,
    event_id: EventId,
    traceparent: Option<&str>,
) -> Result<Option<Voted>, sqlx::Error> {
    let row = postgres::retry_conflicts(|| {
        sqlx::query!(
            r#"-- reviews.report
            WITH voted AS (
                UPDATE reviews SET reports = least(reports, 2147483646) + 1,
                                   hidden_by_reports = hidden_by_reports OR least(reports, 2147483646) + 1 >= $2
                WHERE (part, review_id) = (SELECT part, review_id FROM reviews WHERE review_id = $1)
                RETURNING part, product_id, review_id
            ),
            stream AS (
                INSERT INTO product_stream AS s (part, product_id, version)
                SELECT part, product_id, 1 FROM voted
                ON CONFLICT (part, product_id) DO UPDATE SET version = s.version + 1
                RETURNING version
            )
            INSERT INTO outbox (part, product_id, version, event_id, type, payload, traceparent)
            SELECT v.part, v.product_id, s.version, $3, 'ReviewReported.v1',
                   json_build_object('review_id', v.review_id), $4
            FROM voted v CROSS JOIN stream s
            RETURNING product_id, version"#,
            review_id.get(),
            threshold,
            event_id,
            traceparent,
        )
        .fetch_optional(pool)
    })
    .await?;
    row.map(|row| voted(row.product_id, row.version)).transpose()
}

fn voted(product_id: i64, version: i64) -> Result<Voted, sqlx::Error> {
    let product_id = product_id.try_into().map_err(|e| unfit("reviews", "product_id", product_id, e))?;
    Ok(Voted { product_id, version: Version(version) })
}
