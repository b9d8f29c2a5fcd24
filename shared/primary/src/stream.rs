//! How far products are.

use crate::command::{Reached, reached};
use domain::{Epoch, ProductId, Version};
use sqlx::{PgExecutor, PgPool};
use std::collections::HashMap;

/// How far a product is; at version 0 when it was never heard of.
///
/// # Errors
/// When the database cannot be reached.
pub async fn product_reached(pool: &PgPool, product_id: ProductId) -> Result<Reached, sqlx::Error> {
    let row = sqlx::query!(
        r#"-- product_stream.reached
        SELECT i.epoch, s.version AS "version?"
        FROM log_identity i LEFT JOIN product_stream s ON s.part = $1 AND s.product_id = $2"#,
        product_id.part().get(),
        product_id.get(),
    )
    .fetch_one(pool)
    .await?;
    reached(row.epoch, product_id.get(), row.version.unwrap_or(0))
}

/// How far each of the products is, those never heard of left out, and in which log.
///
/// # Errors
/// When the database cannot be reached.
pub async fn products_reached(
    store: impl PgExecutor<'_>,
    products: &[ProductId],
) -> Result<(Epoch, HashMap<ProductId, Version>), sqlx::Error> {
    let ids: Vec<i64> = products.iter().map(|id| id.get()).collect();
    let rows = sqlx::query!(
        r#"-- product_stream.reached_many
        SELECT i.epoch, s.product_id AS "product_id?", s.version AS "version?"
        FROM log_identity i
        LEFT JOIN (
            SELECT s.product_id, s.version
            FROM unnest($1::bigint[]) AS wanted (id)
            JOIN product_stream s ON s.part = wanted.id % 64 AND s.product_id = wanted.id
        ) s ON true"#,
        &ids,
    )
    .fetch_all(store)
    .await?;
    let mut epoch = Epoch::nil();
    let mut versions = HashMap::new();
    for row in rows {
        epoch = row.epoch;
        if let (Some(id), Some(version)) = (row.product_id, row.version) {
            versions.insert(reached(epoch, id, version)?.product_id, Version(version));
        }
    }
    Ok((epoch, versions))
}

/// How many rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableEstimates {
    /// Reviews, about.
    pub reviews: i64,
    /// Products, counted.
    pub products: i64,
}

/// How much there is: reviews as the planner estimates them, products exactly.
///
/// # Errors
/// When the database cannot be reached.
pub async fn table_estimates(pool: &PgPool) -> Result<TableEstimates, sqlx::Error> {
    sqlx::query_as!(
        TableEstimates,
        r#"-- product_stream.estimates
        SELECT greatest(reltuples, 0)::bigint AS "reviews!", (SELECT count(*) FROM product_stream) AS "products!"
        FROM pg_class WHERE oid = 'reviews'::regclass"#
    )
    .fetch_one(pool)
    .await
}

/// Products chosen at random, each at most once.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn random_products(pool: &PgPool, products_max: i64) -> Result<Vec<ProductId>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        "-- product_stream.random
        SELECT product_id FROM product_stream ORDER BY random() LIMIT $1",
        products_max,
    )
    .fetch_all(pool)
    .await?;
    ids.into_iter()
        .map(|id| id.try_into().map_err(|e| crate::unfit("product_stream", "product_id", id, e)))
        .collect()
}

/// The next products after one, in order of part and id.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn products_after(
    pool: &PgPool,
    after: Option<ProductId>,
    products_max: i64,
) -> Result<Vec<ProductId>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        "-- product_stream.after
        SELECT product_id FROM product_stream WHERE (part, product_id) > ($1, $2) ORDER BY part, product_id LIMIT $3",
        after.map_or(-1, |id| id.part().get()),
        after.map_or(0, |id| id.get()),
        products_max,
    )
    .fetch_all(pool)
    .await?;
    ids.into_iter()
        .map(|id| id.try_into().map_err(|e| crate::unfit("product_stream", "product_id", id, e)))
        .collect()
}
