//! Products of a generation, many at a time.

use crate::unfit;
use domain::{CharacteristicMeta, Part, Position, ProductId, ProductMeta, Version};
use futures_util::TryStreamExt;
use postgres::{BinaryReader, BinaryRow, BinaryRows};
use sqlx::{PgConnection, PgPool};

/// Rows are copied in by pieces of about this size.
const COPY_IN_BYTES: usize = 256 * 1024;

/// A product as a generation has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProduct {
    /// The product.
    pub product_id: ProductId,
    /// What its events add up to.
    pub meta: ProductMeta,
    /// It stands still, since an event of it could not be applied.
    pub parked: bool,
    /// It is not as a projector writes it: its characteristics cannot be read, and are left out, or it stands still and no event
    /// is named for which.
    pub damaged: bool,
}

impl StoredProduct {
    /// A product that goes on.
    pub const fn of(product_id: ProductId, meta: ProductMeta) -> Self {
        StoredProduct { product_id, meta, parked: false, damaged: false }
    }
}

/// A row's characteristics, and whether they cannot be read.
fn characteristics(json: &str) -> (Vec<CharacteristicMeta>, bool) {
    serde_json::from_str(json).map_or_else(|_| (Vec::new(), true), |characteristics| (characteristics, false))
}

/// Reads those of the products that the generation has.
///
/// # Errors
/// When the database cannot be reached.
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
               m.characteristics::text AS "characteristics!", m.parked,
               m.parked AND NOT EXISTS (SELECT FROM parked_product p WHERE p.generation = m.generation AND p.part = m.part
                                        AND p.product_id = m.product_id) AS "nameless!"
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
            let (characteristics, damaged) = characteristics(&row.characteristics);
            Ok(StoredProduct {
                product_id: id.try_into().map_err(|e| unfit("product_meta", "product_id", id, e))?,
                meta: ProductMeta {
                    version: Version(row.version),
                    ratings: [row.rating_1, row.rating_2, row.rating_3, row.rating_4, row.rating_5],
                    recommended_false: row.recommended_false,
                    recommended_true: row.recommended_true,
                    characteristics,
                },
                parked: row.parked,
                damaged: damaged || row.nameless,
            })
        })
        .collect()
}

/// Writes products as they are now.
///
/// # Errors
/// When the database cannot be reached, or a value cannot be stored.
pub async fn store_products(
    connection: &mut PgConnection,
    generation: i32,
    products: &[&StoredProduct],
) -> Result<(), sqlx::Error> {
    let ids: Vec<i64> = products.iter().map(|p| p.product_id.get()).collect();
    let versions: Vec<i64> = products.iter().map(|p| p.meta.version.0).collect();
    let stars = |n: usize| products.iter().map(|p| p.meta.ratings[n]).collect::<Vec<i64>>();
    let no: Vec<i64> = products.iter().map(|p| p.meta.recommended_false).collect();
    let yes: Vec<i64> = products.iter().map(|p| p.meta.recommended_true).collect();
    let text = |p: &&StoredProduct| serde_json::to_string(&p.meta.characteristics);
    let characteristics: Result<Vec<String>, _> = products.iter().map(text).collect();
    let characteristics = characteristics.map_err(|e| sqlx::Error::Encode(e.into()))?;
    let parked: Vec<bool> = products.iter().map(|p| p.parked).collect();
    sqlx::query!(
        "-- product_meta.store
        INSERT INTO product_meta (generation, part, product_id, version, rating_1, rating_2, rating_3, rating_4, rating_5,
                                  recommended_false, recommended_true, characteristics, parked)
        SELECT $1, p.product_id % 64, p.product_id, p.version, p.r1, p.r2, p.r3, p.r4, p.r5, p.no, p.yes, p.ch::json, p.parked
        FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                    $9::bigint[], $10::bigint[], $11::text[], $12::boolean[])
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
        &characteristics,
        &parked,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Copies products into a generation, where none of them may be yet.
///
/// # Errors
/// When the database cannot be reached, or does not take a value.
pub async fn copy_in_products(
    connection: &mut PgConnection,
    generation: i32,
    mut products: Vec<&StoredProduct>,
) -> Result<(), sqlx::Error> {
    // In the order of the key, which then grows at one end.
    products.sort_unstable_by_key(|product| (product.product_id.part(), product.product_id));
    let mut copy = connection
        .copy_in_raw(
            "COPY product_meta (generation, part, product_id, version, rating_1, rating_2, rating_3, rating_4, rating_5, \
             recommended_false, recommended_true, characteristics, parked) FROM STDIN (FORMAT binary)",
        )
        .await?;
    let (mut rows, mut json) = (BinaryRows::default(), Vec::new());
    for product in products {
        write_product(&mut rows, &mut json, generation, product)?;
        if rows.len() > COPY_IN_BYTES {
            copy.send(rows.take()).await?;
        }
    }
    copy.send(rows.finish()).await?;
    copy.finish().await?;
    Ok(())
}

fn write_product(
    rows: &mut BinaryRows,
    json: &mut Vec<u8>,
    generation: i32,
    StoredProduct { product_id, meta, parked, damaged: _ }: &StoredProduct,
) -> Result<(), sqlx::Error> {
    rows.row(13);
    rows.integer(generation);
    rows.smallint(product_id.part().get());
    rows.bigint(product_id.get());
    rows.bigint(meta.version.0);
    meta.ratings.iter().for_each(|count| rows.bigint(*count));
    rows.bigint(meta.recommended_false);
    rows.bigint(meta.recommended_true);
    json.clear();
    serde_json::to_writer(&mut *json, &meta.characteristics).map_err(|e| sqlx::Error::Encode(e.into()))?;
    rows.json(json);
    rows.boolean(*parked);
    Ok(())
}

/// Gives every product of some parts of a generation to `each`, in no order, as one snapshot.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule; whatever `each` returns ends it too.
pub async fn copy_out_products(
    connection: &mut PgConnection,
    generation: i32,
    parts: &[Part],
    mut each: impl FnMut(StoredProduct),
) -> Result<(), sqlx::Error> {
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    // COPY takes no parameters; these are numbers.
    let statement = format!(
        "COPY (SELECT product_id, version, rating_1, rating_2, rating_3, rating_4, rating_5, recommended_false, \
         recommended_true, characteristics, parked -- product_meta.copy_out
         FROM product_meta WHERE generation = {generation} AND part IN ({})) TO STDOUT (FORMAT binary)",
        parts.join(", ")
    );
    let mut reader = BinaryReader::default();
    let mut messages = connection.copy_out_raw(&statement).await?;
    while let Some(message) = messages.try_next().await? {
        reader.read(message, |row| {
            each(read_product(row)?);
            Ok::<(), sqlx::Error>(())
        })?;
    }
    Ok(())
}

fn read_product(row: &mut BinaryRow<'_>) -> Result<StoredProduct, sqlx::Error> {
    let id = row.bigint()?;
    let product_id = id.try_into().map_err(|e| unfit("product_meta", "product_id", id, e))?;
    let mut meta = ProductMeta {
        version: Version(row.bigint()?),
        ratings: [row.bigint()?, row.bigint()?, row.bigint()?, row.bigint()?, row.bigint()?],
        recommended_false: row.bigint()?,
        recommended_true: row.bigint()?,
        characteristics: Vec::new(),
    };
    let damaged;
    (meta.characteristics, damaged) = characteristics(row.text()?);
    Ok(StoredProduct { product_id, meta, parked: row.boolean()?, damaged })
}

/// A product of a generation, empty when the generation does not have it, and how far its part is, as one
/// snapshot.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn product_at(
    pool: &PgPool,
    generation: i32,
    product_id: ProductId,
) -> Result<(StoredProduct, Position), sqlx::Error> {
    let row = sqlx::query!(
        r#"-- product_meta.at
        SELECT coalesce(c.pos, 0) AS "applied!", coalesce(m.version, 0) AS "version!",
               coalesce(m.rating_1, 0) AS "rating_1!", coalesce(m.rating_2, 0) AS "rating_2!",
               coalesce(m.rating_3, 0) AS "rating_3!", coalesce(m.rating_4, 0) AS "rating_4!",
               coalesce(m.rating_5, 0) AS "rating_5!", coalesce(m.recommended_false, 0) AS "recommended_false!",
               coalesce(m.recommended_true, 0) AS "recommended_true!",
               coalesce(m.characteristics::text, '[]') AS "characteristics!",
               coalesce(m.parked, false) AS "parked!",
               coalesce(m.parked AND p.product_id IS NULL, false) AS "nameless!"
        FROM (SELECT $1::integer AS generation, $2::smallint AS part, $3::bigint AS product_id) w
        LEFT JOIN checkpoint c ON c.generation = w.generation AND c.part = w.part
        LEFT JOIN product_meta m ON m.generation = w.generation AND m.part = w.part AND m.product_id = w.product_id
        LEFT JOIN parked_product p ON p.generation = w.generation AND p.part = w.part AND p.product_id = w.product_id"#,
        generation,
        product_id.part().get(),
        product_id.get(),
    )
    .fetch_one(pool)
    .await?;
    let (characteristics, damaged) = characteristics(&row.characteristics);
    let meta = ProductMeta {
        version: Version(row.version),
        ratings: [row.rating_1, row.rating_2, row.rating_3, row.rating_4, row.rating_5],
        recommended_false: row.recommended_false,
        recommended_true: row.recommended_true,
        characteristics,
    };
    let damaged = damaged || row.nameless;
    Ok((StoredProduct { product_id, meta, parked: row.parked, damaged }, Position(row.applied)))
}
