//! Which lines cannot be taken, and which are stored already. Both leave `staging`; of the ones that
//! cannot be taken the reason stays. Each returns how many lines are stored already.

use super::IdRange;
use domain::Part;
use sqlx::PgPool;

/// Checks a range of characteristics by their ids.
///
/// # Errors
/// When the database cannot be reached.
pub async fn check_characteristics(pool: &PgPool, range: IdRange) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- import.check_characteristics
        WITH seen AS (
            SELECT s.line, s.characteristic_id, row_number() OVER same AS nth, first_value(s.line) OVER same AS first,
                   k.product_id AS stored_product, k.name AS stored_name,
                   (k.product_id, k.name) IS NOT DISTINCT FROM (s.product_id, s.name) AS equal
            FROM staging.characteristics s
            LEFT JOIN characteristics k ON k.characteristic_id = s.characteristic_id
                                       AND k.characteristic_id > $1 AND k.characteristic_id <= $2
            WHERE s.characteristic_id > $1 AND s.characteristic_id <= $2
            WINDOW same AS (PARTITION BY s.characteristic_id ORDER BY s.line)
        ),
        done AS (
            DELETE FROM staging.characteristics s USING seen x
            WHERE s.characteristic_id = x.characteristic_id AND s.line = x.line
              AND s.characteristic_id > $1 AND s.characteristic_id <= $2
              AND (x.nth > 1 OR x.stored_product IS NOT NULL)
        ),
        rejected AS (
            INSERT INTO staging.rejects (file, line, reason)
            SELECT 'characteristics.csv', line, CASE
                WHEN nth > 1 THEN format('characteristic %s is in line %s already', characteristic_id, first)
                ELSE format('characteristic %s is stored already, as %s of product %s',
                            characteristic_id, stored_name, stored_product) END
            FROM seen WHERE nth > 1 OR (stored_product IS NOT NULL AND NOT equal)
        )
        SELECT count(*) AS "already!" FROM seen WHERE nth = 1 AND equal"#,
        range.after,
        range.through,
    )
    .fetch_one(pool)
    .await
}

/// Checks a part's characteristics by their names; their ids must have been checked.
///
/// # Errors
/// When the database cannot be reached.
pub async fn check_characteristic_names(pool: &PgPool, part: Part) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- import.check_characteristic_names
        WITH seen AS (
            SELECT s.line, s.product_id, s.characteristic_id, s.name, row_number() OVER same AS nth,
                   first_value(s.characteristic_id) OVER same AS first, k.characteristic_id AS stored
            FROM staging.characteristics s
            LEFT JOIN characteristics k ON k.part = $1 AND k.product_id = s.product_id AND k.name = s.name
            WHERE s.part = $1
            WINDOW same AS (PARTITION BY s.product_id, s.name ORDER BY s.line)
        ),
        done AS (
            DELETE FROM staging.characteristics s USING seen x
            WHERE s.part = $1 AND s.characteristic_id = x.characteristic_id AND (x.nth > 1 OR x.stored IS NOT NULL)
        )
        INSERT INTO staging.rejects (file, line, reason)
        SELECT 'characteristics.csv', line,
               format('%s of product %s is characteristic %s already', name, product_id, coalesce(stored, first))
        FROM seen WHERE nth > 1 OR stored IS NOT NULL",
        part.get(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Checks a range of reviews.
///
/// # Errors
/// When the database cannot be reached.
pub async fn check_reviews(pool: &PgPool, range: IdRange) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- import.check_reviews
        WITH seen AS (
            SELECT s.line, s.review_id, row_number() OVER same AS nth, first_value(s.line) OVER same AS first,
                   r.review_id IS NOT NULL AS stored, r.erased_at IS NOT NULL AS erased,
                   (r.product_id, r.rating, r.date, r.summary, r.body, r.recommend,
                    r.reviewer_name, r.reviewer_email, r.response)
                   IS NOT DISTINCT FROM
                   (s.product_id, s.rating, s.date, s.summary, s.body, s.recommend,
                    s.reviewer_name, s.reviewer_email, s.response) AS equal
            FROM staging.reviews s
            LEFT JOIN reviews r ON r.review_id = s.review_id AND r.review_id > $1 AND r.review_id <= $2
            WHERE s.review_id > $1 AND s.review_id <= $2
            WINDOW same AS (PARTITION BY s.review_id ORDER BY s.line)
        ),
        done AS (
            DELETE FROM staging.reviews s USING seen x
            WHERE s.review_id = x.review_id AND s.line = x.line AND s.review_id > $1 AND s.review_id <= $2
              AND (x.nth > 1 OR x.stored)
        ),
        rejected AS (
            INSERT INTO staging.rejects (file, line, reason)
            SELECT 'reviews.csv', line, CASE
                WHEN nth > 1 THEN format('review %s is in line %s already', review_id, first)
                WHEN erased THEN format('review %s was erased: it is not taken again', review_id)
                ELSE format('review %s is already stored with other content', review_id) END
            FROM seen WHERE nth > 1 OR (stored AND NOT equal)
        )
        SELECT count(*) AS "already!" FROM seen WHERE nth = 1 AND stored AND equal"#,
        range.after,
        range.through,
    )
    .fetch_one(pool)
    .await
}

/// Checks that a range of photos has each id once.
///
/// # Errors
/// When the database cannot be reached.
pub async fn check_photos(pool: &PgPool, range: IdRange) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- import.check_photos
        WITH seen AS (
            SELECT line, photo_id, row_number() OVER same AS nth, first_value(line) OVER same AS first
            FROM staging.photos WHERE photo_id > $1 AND photo_id <= $2
            WINDOW same AS (PARTITION BY photo_id ORDER BY line)
        ),
        done AS (
            DELETE FROM staging.photos s USING seen x
            WHERE s.photo_id = x.photo_id AND s.line = x.line AND s.photo_id > $1 AND s.photo_id <= $2 AND x.nth > 1
        )
        INSERT INTO staging.rejects (file, line, reason)
        SELECT 'reviews_photos.csv', line, format('photo %s is in line %s already', photo_id, first)
        FROM seen WHERE nth > 1",
        range.after,
        range.through,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Checks the photos against those of a part's stored reviews.
///
/// # Errors
/// When the database cannot be reached.
pub async fn check_stored_photos(pool: &PgPool, part: Part) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- import.check_stored_photos
        WITH seen AS (
            SELECT DISTINCT ON (s.photo_id, s.line) s.line, s.photo_id, r.review_id
            FROM reviews r
            CROSS JOIN LATERAL jsonb_array_elements(r.photos) p (photo)
            JOIN staging.photos s ON s.photo_id = (p.photo ->> 'id')::bigint
            WHERE r.part = $1 AND r.photos <> '[]' AND s.review_id <> r.review_id
            ORDER BY s.photo_id, s.line, r.review_id
        ),
        done AS (
            DELETE FROM staging.photos s USING seen x WHERE s.photo_id = x.photo_id AND s.line = x.line
        )
        INSERT INTO staging.rejects (file, line, reason)
        SELECT 'reviews_photos.csv', line,
               format('photo %s is stored already, as one of review %s', photo_id, review_id)
        FROM seen",
        part.get(),
    )
    .execute(pool)
    .await?;
    Ok(())
}
