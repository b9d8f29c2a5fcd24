//! A product's meta added up from its reviews: the answer when the projection is not there in time.

use domain::{CharacteristicMeta, ProductId, ProductMeta, Version};
use sqlx::PgExecutor;
use sqlx::types::Json;

/// Adds up a product's reviews, hidden ones among them and erased ones not, in one snapshot with its version: what the
/// fold of its events up to that version gives.
///
/// # Errors
/// When the database cannot be reached.
pub async fn product_meta(
    store: impl PgExecutor<'_>,
    product_id: ProductId,
) -> Result<ProductMeta, sqlx::Error> {
    let row = sqlx::query!(
        r#"-- reviews.meta
        WITH mine AS MATERIALIZED (
            SELECT rating, recommend, characteristics FROM reviews
            WHERE part = $1 AND product_id = $2 AND NOT hidden_by_reports AND NOT hidden_by_moderation
            UNION ALL
            SELECT rating, recommend, characteristics FROM reviews
            WHERE part = $1 AND product_id = $2 AND (hidden_by_reports OR hidden_by_moderation) AND erased_at IS NULL
        ),
        sums AS (
            SELECT e.key::bigint AS id, count(*) AS count, sum(e.value::bigint)::bigint AS sum
            FROM mine CROSS JOIN jsonb_each_text(mine.characteristics) AS e (key, value)
            GROUP BY e.key::bigint
        )
        SELECT (SELECT version FROM product_stream WHERE part = $1 AND product_id = $2) AS version,
               count(*) FILTER (WHERE rating = 1) AS "rating_1!", count(*) FILTER (WHERE rating = 2) AS "rating_2!",
               count(*) FILTER (WHERE rating = 3) AS "rating_3!", count(*) FILTER (WHERE rating = 4) AS "rating_4!",
               count(*) FILTER (WHERE rating = 5) AS "rating_5!",
               count(*) FILTER (WHERE NOT recommend) AS "recommended_false!",
               count(*) FILTER (WHERE recommend) AS "recommended_true!",
               coalesce((
                   SELECT jsonb_agg(jsonb_build_object('id', c.characteristic_id, 'name', c.name,
                                                       'count', coalesce(s.count, 0), 'sum', coalesce(s.sum, 0))
                                    ORDER BY c.characteristic_id)
                   FROM characteristics c LEFT JOIN sums s ON s.id = c.characteristic_id
                   WHERE c.part = $1 AND c.product_id = $2
               ), '[]') AS "characteristics!: Json<Vec<CharacteristicMeta>>"
        FROM mine"#,
        product_id.part().get(),
        product_id.get(),
    )
    .fetch_one(store)
    .await?;
    Ok(ProductMeta {
        version: Version(row.version.unwrap_or(0)),
        ratings: [row.rating_1, row.rating_2, row.rating_3, row.rating_4, row.rating_5],
        recommended_false: row.recommended_false,
        recommended_true: row.recommended_true,
        characteristics: row.characteristics.0,
    })
}
