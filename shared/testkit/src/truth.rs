//! What must be so whatever happened: positions without a hole, and meta equal to the fold of the log.

use domain::{CharacteristicMeta, Event, NewReview, ProductId, ProductMeta, Version, apply, read_new_review};
use serde_json::json;
use sqlx::types::Json;
use sqlx::{PgPool, Row};
use std::collections::BTreeMap;

/// A product id that a test wrote down.
pub fn product(id: i64) -> ProductId {
    id.try_into().expect("a product id")
}

/// A review with a rating, the rest made up.
pub fn new_review(rating: i64) -> NewReview {
    let body = json!({ "rating": rating, "body": "A review.", "name": "R", "email": "r@example.com",
                       "recommend": rating > 2 });
    read_new_review(&body).expect("a good review")
}

/// Gives a product characteristics, in the way of an import: table, stream and event in one
/// transaction, through the outbox.
pub async fn define_characteristics(
    primary: &PgPool,
    product_id: ProductId,
    characteristics: &[(i64, &str)],
) {
    let mut transaction = primary.begin().await.expect("a transaction");
    for (id, name) in characteristics {
        sqlx::query(
            "INSERT INTO characteristics (part, product_id, characteristic_id, name) VALUES ($1, $2, $3, $4)",
        )
        .bind(product_id.part().get())
        .bind(product_id.get())
        .bind(id)
        .bind(name)
        .execute(&mut *transaction)
        .await
        .expect("the characteristic");
    }
    sqlx::query(
        "WITH s AS (INSERT INTO product_stream AS s (part, product_id, version) VALUES ($1, $2, 1)
                    ON CONFLICT (part, product_id) DO UPDATE SET version = s.version + 1 RETURNING version)
         INSERT INTO outbox (part, product_id, version, event_id, type, payload)
         SELECT $1, $2, s.version, gen_random_uuid(), 'CharacteristicsDefined.v1',
                json_build_object('characteristics', (SELECT json_agg(json_build_object('id', characteristic_id, 'name', name))
                                                      FROM characteristics WHERE part = $1 AND product_id = $2))
         FROM s",
    )
    .bind(product_id.part().get())
    .bind(product_id.get())
    .execute(&mut *transaction)
    .await
    .expect("the event");
    transaction.commit().await.expect("the commit");
}

/// Positions are 1, 2, 3, ... in every part up to its head; versions are 1, 2, 3, ... in every product,
/// in order of position; the stream's version is the last; nothing is left in the outbox.
pub async fn assert_log_is_whole(primary: &PgPool) {
    let broken: Vec<String> = sqlx::query_scalar(
        "SELECT format('part %s: %s events from %s to %s, head %s', h.part, count(l.pos), min(l.pos), max(l.pos), h.head)
         FROM log_head h LEFT JOIN event_log l USING (part) GROUP BY h.part, h.head
         HAVING count(l.pos) <> h.head OR coalesce(min(l.pos), 1) <> 1 OR coalesce(max(l.pos), 0) <> h.head
         UNION ALL
         SELECT format('product %s: version %s at place %s', product_id, version, place)
         FROM (SELECT product_id, version, row_number() OVER (PARTITION BY part, product_id ORDER BY pos) AS place
               FROM event_log) v
         WHERE version <> place
         UNION ALL
         SELECT format('product %s: stream at %s, log at %s', s.product_id, s.version, max(l.version))
         FROM product_stream s LEFT JOIN event_log l USING (part, product_id)
         GROUP BY s.part, s.product_id, s.version HAVING max(l.version) IS DISTINCT FROM s.version
         UNION ALL
         SELECT format('outbox of part %s: %s events', part, count(*)) FROM outbox GROUP BY part",
    )
    .fetch_all(primary)
    .await
    .expect("the log");
    assert!(broken.is_empty(), "the log is not whole: {broken:#?}");
}

/// Every product's events, folded one by one.
pub async fn fold_of_log(primary: &PgPool) -> BTreeMap<i64, ProductMeta> {
    let rows = sqlx::query(
        "SELECT product_id, version, type, payload::text AS payload FROM event_log ORDER BY part, pos",
    )
    .fetch_all(primary)
    .await
    .expect("the log");
    let mut products = BTreeMap::new();
    for row in rows {
        let event = Event::read(row.get("type"), row.get("payload")).expect("a readable event");
        let product: &mut ProductMeta = products.entry(row.get("product_id")).or_default();
        apply(product, Version(row.get("version")), &event).expect("an event that applies");
    }
    products
}

/// The products of the generation that answers, those that stand still left out.
pub async fn products_of_meta(meta: &PgPool) -> BTreeMap<i64, ProductMeta> {
    let rows = sqlx::query(
        "SELECT m.* FROM product_meta m JOIN active_generation USING (generation) WHERE NOT m.parked",
    )
    .fetch_all(meta)
    .await
    .expect("meta");
    let read = |row: sqlx::postgres::PgRow| {
        let characteristics: Json<Vec<CharacteristicMeta>> = row.get("characteristics");
        let meta = ProductMeta {
            version: Version(row.get("version")),
            ratings: [1, 2, 3, 4, 5].map(|stars| row.get(format!("rating_{stars}").as_str())),
            recommended_false: row.get("recommended_false"),
            recommended_true: row.get("recommended_true"),
            characteristics: characteristics.0,
        };
        (row.get("product_id"), meta)
    };
    rows.into_iter().map(read).collect()
}
