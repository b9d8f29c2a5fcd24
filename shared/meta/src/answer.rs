//! What readers ask: one product, in the generation that answers.

use domain::{CharacteristicMeta, ProductId, ProductMeta, Version};
use sqlx::types::Json;
use sqlx::{PgExecutor, PgPool};

/// A product's meta as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaAnswer {
    /// The generation that answered.
    pub generation: i32,
    /// The product's meta; that of a product never heard of is empty, at version 0.
    pub meta: ProductMeta,
    /// An event of the product could not be applied, so this is not up to date.
    pub parked: bool,
}

struct Row {
    generation: i32,
    version: Option<i64>,
    rating_1: Option<i64>,
    rating_2: Option<i64>,
    rating_3: Option<i64>,
    rating_4: Option<i64>,
    rating_5: Option<i64>,
    recommended_false: Option<i64>,
    recommended_true: Option<i64>,
    characteristics: Option<Json<Vec<CharacteristicMeta>>>,
    parked: Option<bool>,
}

impl From<Row> for MetaAnswer {
    fn from(row: Row) -> Self {
        MetaAnswer {
            generation: row.generation,
            meta: ProductMeta {
                version: Version(row.version.unwrap_or(0)),
                ratings: [row.rating_1, row.rating_2, row.rating_3, row.rating_4, row.rating_5]
                    .map(Option::unwrap_or_default),
                recommended_false: row.recommended_false.unwrap_or(0),
                recommended_true: row.recommended_true.unwrap_or(0),
                characteristics: row.characteristics.map(|json| json.0).unwrap_or_default(),
            },
            parked: row.parked.unwrap_or(false),
        }
    }
}

/// Reads a product's meta; `None` while there is no generation yet.
///
/// That one generation answers must be in the statement: a table that changes as rarely as `active_generation` is never
/// analyzed, is taken to have two thousand rows, and for so many the whole of `product_meta`'s index would be read.
///
/// # Errors
/// When the database cannot be reached.
pub async fn product_answer(
    store: impl PgExecutor<'_>,
    product_id: ProductId,
) -> Result<Option<MetaAnswer>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"-- meta.product
        SELECT a.generation, m.version AS "version?", m.rating_1 AS "rating_1?", m.rating_2 AS "rating_2?",
               m.rating_3 AS "rating_3?", m.rating_4 AS "rating_4?", m.rating_5 AS "rating_5?",
               m.recommended_false AS "recommended_false?", m.recommended_true AS "recommended_true?",
               m.characteristics AS "characteristics?: Json<Vec<CharacteristicMeta>>", m.parked AS "parked?"
        FROM (SELECT generation FROM active_generation LIMIT 1) a
        LEFT JOIN product_meta m ON m.generation = a.generation AND m.part = $1 AND m.product_id = $2"#,
        product_id.part().get(),
        product_id.get(),
    )
    .fetch_optional(store)
    .await?;
    Ok(row.map(MetaAnswer::from))
}

/// Reads the metas of many products, in the order asked; `None` while there is no generation yet.
///
/// # Errors
/// When the database cannot be reached.
pub async fn product_answers(
    store: impl PgExecutor<'_>,
    products: &[ProductId],
) -> Result<Option<Vec<MetaAnswer>>, sqlx::Error> {
    let ids: Vec<i64> = products.iter().map(|id| id.get()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"-- meta.products
        SELECT a.generation, m.version AS "version?", m.rating_1 AS "rating_1?", m.rating_2 AS "rating_2?",
               m.rating_3 AS "rating_3?", m.rating_4 AS "rating_4?", m.rating_5 AS "rating_5?",
               m.recommended_false AS "recommended_false?", m.recommended_true AS "recommended_true?",
               m.characteristics AS "characteristics?: Json<Vec<CharacteristicMeta>>", m.parked AS "parked?"
        FROM (SELECT generation FROM active_generation LIMIT 1) a
        CROSS JOIN unnest($1::bigint[]) WITH ORDINALITY AS wanted (id, n)
        LEFT JOIN product_meta m ON m.generation = a.generation AND m.part = wanted.id % 64 AND m.product_id = wanted.id
        ORDER BY wanted.n"#,
        &ids,
    )
    .fetch_all(store)
    .await?;
    let complete = rows.len() == products.len();
    Ok(complete.then(|| rows.into_iter().map(MetaAnswer::from).collect()))
}

/// What answers are made from: another value says that they may be others without a product's having moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswersOf {
    /// The generation that answers.
    pub generation: i32,
    /// How often a product was made anew.
    pub mended: i64,
}

/// What answers are made from at the moment; `None` while there is no generation yet.
///
/// # Errors
/// When the database cannot be reached.
pub async fn answers_of(pool: &PgPool) -> Result<Option<AnswersOf>, sqlx::Error> {
    sqlx::query_as!(AnswersOf, "-- meta.answers_of\nSELECT generation, mended FROM active_generation")
        .fetch_optional(pool)
        .await
}
