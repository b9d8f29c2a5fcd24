//! Products of a generation, many at a time.

use crate::unfit;
use domain::{CharacteristicMeta, ProductId, ProductMeta, Version};
use sqlx::PgConnection;
use sqlx::types::Json;

/// A product as a generation has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProduct {
    /// The product.
    pub product_id: ProductId,
    /// What its events add up to.
    pub meta: ProductMeta,
    /// It stands still, since an event of it could not be applied.
    pub parked: bool,
}

/// Reads those of the products that the generation has.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn load_products(
    connection: &mut PgConnection,
    generation: i32,
    products: &[ProductId],
) -> Result<Vec<StoredProduct>, sqlx::Error> {
    let ids: Vec<i64> = products.iter().map(|id| id.get()).collect();
    let rows = sqlx::query!(
        r#"-- product_meta.load
        SELECT m.product_id, m.version, m.rating_1, m.rating_2, m.rating_3, m.rating_4, m.rating_5,
               m.recommended_false, m.recommended_true,
               m.characteristics AS "characteristics: Json<Vec<CharacteristicMeta>>", m.parked
        FROM unnest($2::bigint[]) AS wanted (product_id)
        JOIN product_meta m ON m.generation = $1 AND m.part = wanted.product_id % 64
                           AND m.product_id = wanted.product_id"#,
        generation,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let id = row.product_id;
            Ok(StoredProduct {
                product_id: id.try_into().map_err(|e| unfit("product_meta", "product_id", id, e))?,
                meta: ProductMeta {
                    version: Version(row.version),
                    ratings: [row.rating_1, row.rating_2, row.rating_3, row.rating_4, row.rating_5],
                    recommended_false: row.recommended_false,
                    recommended_true: row.recommended_true,
                    characteristics: row.characteristics.0,
                },
                parked: row.parked,
            })
        })
        .collect()
}

/// Writes products as they are now, in order of id.
///
/// # Errors
/// When the database cannot be reached, or a value cannot be stored.
pub async fn store_products(
    connection: &mut PgConnection,
    generation: i32,
    products: &[StoredProduct],
) -> Result<(), sqlx::Error> {
    let ids: Vec<i64> = products.iter().map(|p| p.product_id.get()).collect();
    let versions: Vec<i64> = products.iter().map(|p| p.meta.version.0).collect();
    let stars = |n: usize| products.iter().map(|p| p.meta.ratings[n]).collect::<Vec<i64>>();
    let no: Vec<i64> = products.iter().map(|p| p.meta.recommended_false).collect();
    let yes: Vec<i64> = products.iter().map(|p| p.meta.recommended_true).collect();
    let characteristics: Vec<Json<&[CharacteristicMeta]>> =
        products.iter().map(|p| Json(p.meta.characteristics.as_slice())).collect();
    let parked: Vec<bool> = products.iter().map(|p| p.parked).collect();
    sqlx::query!(
        "-- product_meta.store
        INSERT INTO product_meta (generation, part, product_id, version, rating_1, rating_2, rating_3, rating_4, rating_5,
                                  recommended_false, recommended_true, characteristics, parked)
        SELECT $1, p.product_id % 64, p.product_id, p.version, p.r1, p.r2, p.r3, p.r4, p.r5, p.no, p.yes, p.ch, p.parked
        FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                    $9::bigint[], $10::bigint[], $11::jsonb[], $12::boolean[])
             AS p (product_id, version, r1, r2, r3, r4, r5, no, yes, ch, parked)
        ORDER BY p.product_id
        ON CONFLICT (generation, part, product_id) DO UPDATE SET
            version = excluded.version, rating_1 = excluded.rating_1, rating_2 = excluded.rating_2,
            rating_3 = excluded.rating_3, rating_4 = excluded.rating_4, rating_5 = excluded.rating_5,
            recommended_false = excluded.recommended_false, recommended_true = excluded.recommended_true,
            characteristics = excluded.characteristics, parked = excluded.parked",
        generation,
        &ids,
        &versions,
        &stars(0),
        &stars(1),
        &stars(2),
        &stars(3),
        &stars(4),
        &no,
        &yes,
        &characteristics as &[Json<&[CharacteristicMeta]>],
        &parked,
    )
    .execute(connection)
    .await?;
    Ok(())
}
