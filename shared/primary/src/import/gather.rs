//! Photos and values find their reviews.

use super::IdRange;
use sqlx::PgPool;

/// What became of the lines of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gathered {
    /// Photos that their stored review has already.
    pub photos_already: i64,
    /// Values that their stored review has already.
    pub values_already: i64,
}

/// Checks the photos and values of a range of reviews and puts those of new reviews together.
/// Reviews, photos and characteristics must have been checked.
///
/// # Errors
/// When the database cannot be reached.
pub async fn gather(pool: &PgPool, range: IdRange) -> Result<Gathered, sqlx::Error> {
    sqlx::query_as!(
        Gathered,
        r#"-- import.gather
        WITH fresh AS MATERIALIZED (
            SELECT review_id, part, product_id FROM staging.reviews WHERE review_id > $1 AND review_id <= $2
        ),
        photo AS MATERIALIZED (
            SELECT p.line, p.photo_id, p.review_id, p.url, CASE
                       WHEN f.review_id IS NOT NULL THEN 'fresh'
                       WHEN r.review_id IS NULL THEN 'none'
                       WHEN r.erased_at IS NOT NULL THEN 'erased'
                       WHEN r.photos @> jsonb_build_array(jsonb_build_object('id', p.photo_id, 'url', p.url)) THEN 'stored'
                       ELSE 'other' END AS verdict
            FROM staging.photos p
            LEFT JOIN fresh f ON f.review_id = p.review_id
            LEFT JOIN reviews r ON r.review_id = p.review_id AND r.review_id > $1 AND r.review_id <= $2
            WHERE p.review_id > $1 AND p.review_id <= $2
        ),
        own AS MATERIALIZED (
            SELECT p.product_id, c.characteristic_id
            FROM (SELECT DISTINCT part, product_id FROM fresh) p
            -- OFFSET 0 keeps this a look-up for each product: the range has few of all characteristics.
            CROSS JOIN LATERAL (
                SELECT s.characteristic_id FROM staging.characteristics s
                WHERE s.part = p.part AND s.product_id = p.product_id
                UNION ALL
                SELECT k.characteristic_id FROM characteristics k WHERE k.part = p.part AND k.product_id = p.product_id
                OFFSET 0) c
        ),
        -- By review: those that can be taken, and the rest in arrays, which are nearly always empty.
        value AS MATERIALIZED (
            SELECT review_id,
                   jsonb_object_agg(characteristic_id, value) FILTER (WHERE good) AS characteristics,
                   array_agg(line) FILTER (WHERE NOT good) AS lines,
                   array_agg(twice) FILTER (WHERE NOT good) AS twices,
                   array_agg(characteristic_id) FILTER (WHERE NOT good) AS ids,
                   array_agg(value) FILTER (WHERE NOT good) AS values
            FROM (SELECT *, own AND NOT twice AS good
                  FROM (SELECT v.line, v.review_id, v.characteristic_id, v.value, o.product_id IS NOT NULL AS own,
                               lag(v.characteristic_id) OVER ordered IS NOT DISTINCT FROM v.characteristic_id AS twice
                        FROM staging.values v
                        LEFT JOIN fresh f ON f.review_id = v.review_id
                        LEFT JOIN own o ON o.characteristic_id = v.characteristic_id AND o.product_id = f.product_id
                        WHERE v.review_id > $1 AND v.review_id <= $2
                        WINDOW ordered AS (PARTITION BY v.review_id ORDER BY v.characteristic_id, v.line)) seen) given
            GROUP BY review_id
        ),
        other_value AS MATERIALIZED (
            SELECT o.line, o.characteristic_id, v.review_id, f.product_id, CASE
                       WHEN o.twice THEN 'twice'
                       WHEN f.review_id IS NOT NULL THEN 'foreign'
                       WHEN r.review_id IS NULL THEN 'none'
                       WHEN r.erased_at IS NOT NULL THEN 'erased'
                       WHEN r.characteristics -> o.characteristic_id::text = to_jsonb(o.value) THEN 'stored'
                       ELSE 'other' END AS verdict
            FROM (SELECT * FROM value WHERE lines IS NOT NULL) v
            CROSS JOIN LATERAL unnest(v.lines, v.twices, v.ids, v.values) o (line, twice, characteristic_id, value)
            LEFT JOIN fresh f ON f.review_id = v.review_id
            LEFT JOIN reviews r ON r.review_id = v.review_id AND r.review_id > $1 AND r.review_id <= $2
        ),
        rejected AS (
            INSERT INTO staging.rejects (file, line, reason)
            SELECT 'reviews_photos.csv', line, CASE verdict
                WHEN 'none' THEN format('review %s is neither stored nor among the lines taken', review_id)
                WHEN 'erased' THEN format('review %s was erased: nothing of it is taken again', review_id)
                ELSE format('review %s is stored already, without this photo', review_id) END
            FROM photo WHERE verdict IN ('none', 'erased', 'other')
            UNION ALL
            SELECT 'characteristic_reviews.csv', line, CASE verdict
                WHEN 'twice' THEN format('review %s has a value for characteristic %s already', review_id, characteristic_id)
                WHEN 'foreign' THEN format('characteristic %s is not one of product %s, which review %s is of',
                                           characteristic_id, product_id, review_id)
                WHEN 'none' THEN format('review %s is neither stored nor among the lines taken', review_id)
                WHEN 'erased' THEN format('review %s was erased: nothing of it is taken again', review_id)
                ELSE format('review %s is stored already, without this value', review_id) END
            FROM other_value WHERE verdict <> 'stored'
        ),
        photos AS (
            SELECT review_id, jsonb_agg(jsonb_build_object('id', photo_id, 'url', url) ORDER BY photo_id) AS photos
            FROM photo WHERE verdict = 'fresh' GROUP BY review_id
        ),
        attached AS (
            INSERT INTO staging.attached (part, product_id, review_id, photos, characteristics)
            SELECT f.part, f.product_id, f.review_id, coalesce(p.photos, '[]'), coalesce(v.characteristics, '{}')
            FROM fresh f
            LEFT JOIN photos p ON p.review_id = f.review_id
            LEFT JOIN value v ON v.review_id = f.review_id
            WHERE p.review_id IS NOT NULL OR v.characteristics IS NOT NULL
        )
        SELECT (SELECT count(*) FROM photo WHERE verdict = 'stored') AS "photos_already!",
               (SELECT count(*) FROM other_value WHERE verdict = 'stored') AS "values_already!""#,
        range.after,
        range.through,
    )
    .fetch_one(pool)
    .await
}

/// Makes what was gathered ready for being looked up by products.
///
/// # Errors
/// When the database cannot be reached.
pub async fn index_gathered(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!("CREATE INDEX attached_product ON staging.attached (part, product_id)")
        .execute(pool)
        .await?;
    sqlx::query!("ANALYZE staging.attached").execute(pool).await?;
    Ok(())
}
