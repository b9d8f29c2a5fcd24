//! How far one product is in every generation, for people.

use domain::{Position, ProductId, Version};
use sqlx::PgPool;

/// A product in a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedProduct {
    /// The generation.
    pub generation: i32,
    /// Its state, as it is stored.
    pub state: String,
    /// Whether it is the one that answers.
    pub answers: bool,
    /// Last position of the product's part that it has folded.
    pub checkpoint: Position,
    /// Version of the product in it; none while it has no row.
    pub version: Option<Version>,
    /// Version of the event that the product stands still at, if it does.
    pub parked_at: Option<Version>,
}

/// Reads a product of every generation, in one snapshot.
///
/// # Errors
/// When the database cannot be reached.
pub async fn traced_product(pool: &PgPool, product_id: ProductId) -> Result<Vec<TracedProduct>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- trace.product
        SELECT g.generation, g.state, c.pos, m.version AS "version?", p.version AS "parked_at?",
               EXISTS (SELECT FROM active_generation a WHERE a.generation = g.generation) AS "answers!"
        FROM generation g
        JOIN checkpoint c ON c.generation = g.generation AND c.part = $1
        LEFT JOIN product_meta m ON m.generation = g.generation AND m.part = $1 AND m.product_id = $2
        LEFT JOIN parked_product p ON p.generation = g.generation AND p.part = $1 AND p.product_id = $2
        ORDER BY g.generation"#,
        product_id.part().get(),
        product_id.get(),
    )
    .fetch_all(pool)
    .await?;
    let products = rows.into_iter().map(|row| TracedProduct {
        generation: row.generation,
        state: row.state,
        answers: row.answers,
        checkpoint: Position(row.pos),
        version: row.version.map(Version),
        parked_at: row.parked_at.map(Version),
    });
    Ok(products.collect())
}
