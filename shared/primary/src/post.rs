//! Storing a review.

use crate::unfit;
use domain::{CharacteristicId, EventId, NewReview, ProductId, ReviewId, Version};
use sqlx::PgPool;

/// A stored review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its new id.
    pub review_id: ReviewId,
    /// The product's version with it.
    pub version: Version,
    /// Those of its characteristics that are the product's.
    pub characteristics: Vec<CharacteristicId>,
}

/// Stores a review and its event: one statement, one commit.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn post_review(
    pool: &PgPool,
    product_id: ProductId,
    review: &NewReview,
    event_id: EventId,
    traceparent: Option<&str>,
) -> Result<Posted, sqlx::Error> {
    let ids: Vec<i64> = review.characteristics.iter().map(|(id, ..)| id.get()).collect();
    let values: Vec<i16> = review.characteristics.iter().map(|(_, value, _)| value.get()).collect();
    let row = postgres::retry_conflicts(|| {
        sqlx::query!(
            r#"-- reviews.post
            WITH given AS MATERIALIZED (
                SELECT g.id, g.value
                FROM unnest($9::bigint[], $10::smallint[]) AS g (id, value)
                JOIN characteristics c ON c.part = $1 AND c.product_id = $2 AND c.characteristic_id = g.id
            ),
            new AS (
                INSERT INTO reviews (part, review_id, product_id, rating, date, summary, body, recommend,
                                     reviewer_name, reviewer_email, photos, characteristics)
                SELECT $1, nextval('review_id_seq'), $2, $3, date_trunc('milliseconds', now()), $4, $5, $6, $7, $8,
                       (SELECT coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'url', p.url) ORDER BY p.id), '[]')
                        FROM (SELECT nextval('photo_id_seq') AS id, u.url
                              FROM unnest($11::text[]) WITH ORDINALITY AS u (url, n) ORDER BY u.n) p),
                       (SELECT coalesce(jsonb_object_agg(id, value), '{}') FROM given)
                RETURNING part, product_id, review_id, rating, recommend, characteristics
            ),
            stream AS (
                INSERT INTO product_stream AS s (part, product_id, version)
                SELECT part, product_id, 1 FROM new
                ON CONFLICT (part, product_id) DO UPDATE SET version = s.version + 1
                RETURNING version
            ),
            event AS (
                INSERT INTO outbox (part, product_id, version, event_id, type, payload, traceparent)
                SELECT n.part, n.product_id, s.version, $12, 'ReviewPosted.v1',
                       json_build_object('review_id', n.review_id, 'rating', n.rating, 'recommend', n.recommend,
                                         'characteristics', n.characteristics),
                       $13
                FROM new n CROSS JOIN stream s
                RETURNING version
            )
            SELECT n.review_id AS "review_id!", e.version AS "version!",
                   ARRAY(SELECT id FROM given) AS "characteristics!: Vec<i64>"
            FROM new n CROSS JOIN event e"#,
            product_id.part().get(),
            product_id.get(),
            review.rating.get(),
            review.summary,
            review.body,
            review.recommend,
            review.name,
            review.email,
            &ids,
            &values,
            &review.photos,
            event_id,
            traceparent,
        )
        .fetch_one(pool)
    })
    .await?;
    let known = |id: i64| id.try_into().map_err(|e| unfit("characteristics", "characteristic_id", id, e));
    Ok(Posted {
        review_id: row.review_id.try_into().map_err(|e| unfit("reviews", "review_id", row.review_id, e))?,
        version: Version(row.version),
        characteristics: row.characteristics.into_iter().map(known).collect::<Result<_, _>>()?,
    })
}
