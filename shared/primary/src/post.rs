//! Storing a review.

use crate::command::{Age, Command, Outcome, Reached, carry_out, reached};
use crate::unfit;
use domain::{CharacteristicId, NewReview, ProductId, ReviewId};
use sqlx::PgPool;

/// A stored review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its new id.
    pub review_id: ReviewId,
    /// The product with it.
    pub reached: Reached,
    /// Those of its characteristics that are the product's.
    pub characteristics: Vec<CharacteristicId>,
}

/// Stores a review, its event and its key: one statement, one commit.
///
/// Of several requests with one key that run at the same time the first takes a lock that lasts until
/// its commit; the others do not get it and are told that it is under way. One that begins after that
/// commit finds the key. One whose snapshot is from before the commit and that gets the lock after it
/// would store the review again: it meets the key's row when it stores its own, and fails whole there.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn post_review(
    pool: &PgPool,
    product_id: ProductId,
    review: &NewReview,
    command: &Command<'_>,
) -> Result<Outcome<Posted>, sqlx::Error> {
    let ids: Vec<i64> = review.characteristics.iter().map(|(id, ..)| id.get()).collect();
    let values: Vec<i16> = review.characteristics.iter().map(|(_, value, _)| value.get()).collect();
    let key = command.key;
    let row = carry_out(|| {
        sqlx::query!(
            r#"-- reviews.post
            WITH lock AS MATERIALIZED (
                SELECT $14::text IS NULL
                    OR pg_try_advisory_xact_lock(hashtextextended('post ' || $2::bigint || ' ' || $14::text, 0)) AS got
            ),
            before AS MATERIALIZED (
                SELECT request, review_id, version, taken,
                       expires_at > now() + interval '24 hours' - interval '5 seconds' AS recent
                FROM idempotency
                WHERE part = $1 AND operation = 'post' AND subject = $2 AND key = $14 AND expires_at > now()
            ),
            free AS MATERIALIZED (
                SELECT FROM lock WHERE got AND NOT EXISTS (SELECT FROM before)
            ),
            given AS MATERIALIZED (
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
                FROM free
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
            ),
            kept AS (
                INSERT INTO idempotency AS i (part, operation, subject, key, request, review_id, version, taken, expires_at)
                SELECT n.part, 'post', n.product_id, $14, $15, n.review_id, s.version, ARRAY(SELECT id FROM given),
                       now() + interval '24 hours'
                FROM new n CROSS JOIN stream s
                WHERE $14 IS NOT NULL
                ON CONFLICT ON CONSTRAINT idempotency_pkey DO UPDATE SET
                    request = excluded.request, review_id = excluded.review_id, version = excluded.version,
                    taken = excluded.taken,
                    -- Null, which the column refuses, when the row is in force.
                    expires_at = CASE WHEN i.expires_at <= now() THEN excluded.expires_at END
            )
            SELECT i.epoch AS "epoch!", n.review_id AS "review_id?", e.version AS "version?",
                   ARRAY(SELECT id FROM given) AS "taken!: Vec<i64>",
                   b.request AS "before_request?", b.review_id AS "before_review_id?",
                   b.version AS "before_version?", b.taken AS "before_taken?: Vec<i64>",
                   b.recent AS "before_recent?"
            FROM log_identity i LEFT JOIN before b ON true LEFT JOIN (new n CROSS JOIN event e) ON true"#,
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
            command.event_id,
            command.traceparent,
            key.map(|key| key.key),
            key.as_ref().map(|key| key.request.as_slice()),
        )
        .fetch_one(pool)
    })
    .await?;
    let posted = |review_id: i64, version: i64, taken: Vec<i64>| {
        let known = |id: i64| id.try_into().map_err(|e| unfit("characteristics", "characteristic_id", id, e));
        Ok::<_, sqlx::Error>(Posted {
            review_id: review_id.try_into().map_err(|e| unfit("reviews", "review_id", review_id, e))?,
            reached: reached(row.epoch, product_id.get(), version)?,
            characteristics: taken.into_iter().map(known).collect::<Result<_, _>>()?,
        })
    };
    Ok(match (row.review_id.zip(row.version), row.before_review_id.zip(row.before_version)) {
        (Some((review_id, version)), _) => Outcome::Done(posted(review_id, version, row.taken)?),
        (None, Some(_))
            if row.before_request.as_deref() != key.as_ref().map(|key| key.request.as_slice()) =>
        {
            Outcome::KeyTaken
        }
        (None, Some((review_id, version))) => {
            let age = Age::of(row.before_recent.unwrap_or_default());
            Outcome::Before(posted(review_id, version, row.before_taken.unwrap_or_default())?, age)
        }
        (None, None) => Outcome::UnderWay,
    })
}
