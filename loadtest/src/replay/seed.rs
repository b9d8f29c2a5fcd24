//! A log as live traffic would have left it, and the reviews that belong to it.

use anyhow::Result;
use sqlx::PgPool;

/// Products with four characteristics each, and reviews of them in an order that has nothing to do with
/// products: neighbours in the table are of different parts.
pub(crate) async fn log(primary: &PgPool, products: i64, reviews: i64) -> Result<()> {
    let mut transaction = primary.begin().await?;
    // Nobody sequences meanwhile.
    sqlx::query("SELECT FROM log_head FOR UPDATE").execute(&mut *transaction).await?;
    sqlx::query(
        "INSERT INTO characteristics (part, product_id, characteristic_id, name)
         SELECT p % 64, p, p * 4 + n, (ARRAY['Fit', 'Length', 'Comfort', 'Quality'])[n + 1]
         FROM generate_series(1, $1) AS p CROSS JOIN generate_series(0, 3) AS n",
    )
    .bind(products)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO event_log (part, pos, product_id, version, event_id, type, payload, at)
         SELECT p % 64, row_number() OVER (PARTITION BY p % 64 ORDER BY p), p, 1, gen_random_uuid(),
                'CharacteristicsDefined.v1',
                json_build_object('characteristics', json_build_array(
                    json_build_object('id', p * 4, 'name', 'Fit'), json_build_object('id', p * 4 + 1, 'name', 'Length'),
                    json_build_object('id', p * 4 + 2, 'name', 'Comfort'), json_build_object('id', p * 4 + 3, 'name', 'Quality'))),
                now()
         FROM generate_series(1, $1) AS p",
    )
    .bind(products)
    .execute(&mut *transaction)
    .await?;
    // A prime step visits the products in turns.
    sqlx::query(
        "WITH posted AS (
             SELECT r, 1 + (r * 7919) % $1 AS p, 2 + (r - 1) / $1 AS version FROM generate_series(1, $2) AS r
         )
         INSERT INTO event_log (part, pos, product_id, version, event_id, type, payload, at)
         SELECT p % 64,
                h.events + row_number() OVER (PARTITION BY p % 64 ORDER BY r), p, version, gen_random_uuid(),
                'ReviewPosted.v1',
                format('{\"review_id\": %s, \"rating\": %s, \"recommend\": %s, \"characteristics\": {\"%s\": %s, \"%s\": %s, \"%s\": %s, \"%s\": %s}}',
                       r, 1 + r % 5, CASE WHEN r % 3 = 0 THEN 'false' ELSE 'true' END, p * 4, 1 + r % 5, p * 4 + 1, 1 + r % 4,
                       p * 4 + 2, 1 + r % 3, p * 4 + 3, 1 + r % 2)::json,
                now()
         FROM posted
         JOIN (SELECT part, count(*) AS events FROM event_log GROUP BY part) h ON h.part = p % 64
         ORDER BY r",
    )
    .bind(products)
    .bind(reviews)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO product_stream (part, product_id, version)
         SELECT part, product_id, max(version) FROM event_log GROUP BY part, product_id",
    )
    .execute(&mut *transaction)
    .await?;
    heads(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

async fn heads(connection: &mut sqlx::PgConnection) -> Result<()> {
    sqlx::query(
        "UPDATE log_head h SET head = l.head
         FROM (SELECT part, max(pos) AS head FROM event_log GROUP BY part) l WHERE l.part = h.part",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The reviews that the log's events are of.
pub(crate) async fn reviews(primary: &PgPool) -> Result<()> {
    sqlx::query(
        "INSERT INTO reviews (part, review_id, product_id, rating, date, summary, body, recommend, reviewer_name,
                              reviewer_email, characteristics)
         SELECT part, (payload->>'review_id')::bigint, product_id, (payload->>'rating')::smallint, at, 'A summary of it',
                repeat('It is what it says that it is. ', 6), (payload->>'recommend')::boolean, 'Reviewer',
                'reviewer@example.com', (payload->'characteristics')::jsonb
         FROM event_log WHERE type = 'ReviewPosted.v1'",
    )
    .execute(primary)
    .await?;
    sqlx::query("SELECT setval('review_id_seq', (SELECT max(review_id) FROM reviews))")
        .execute(primary)
        .await?;
    Ok(())
}

/// One product with very many events, through the outbox.
pub(crate) async fn one_product(primary: &PgPool, product_id: i64, reviews: i64) -> Result<()> {
    let mut transaction = primary.begin().await?;
    sqlx::query("SELECT FROM log_head WHERE part = $1 % 64 FOR UPDATE")
        .bind(product_id)
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "INSERT INTO event_log (part, pos, product_id, version, event_id, type, payload, at)
         SELECT $1 % 64, (SELECT head FROM log_head WHERE part = $1 % 64) + v, $1, v, gen_random_uuid(),
                CASE WHEN v = 1 THEN 'CharacteristicsDefined.v1' ELSE 'ReviewPosted.v1' END,
                (CASE WHEN v = 1 THEN '{\"characteristics\": [{\"id\": 900000001, \"name\": \"Fit\"}]}'
                      ELSE format('{\"review_id\": %s, \"rating\": %s, \"recommend\": true, \"characteristics\": {\"900000001\": %s}}',
                                  900000000 + v, 1 + v % 5, 1 + v % 5) END)::json, now()
         FROM generate_series(1, $2 + 1) AS v ORDER BY v",
    )
    .bind(product_id)
    .bind(reviews)
    .execute(&mut *transaction)
    .await?;
    sqlx::query("INSERT INTO product_stream (part, product_id, version) VALUES ($1 % 64, $1, $2 + 1)")
        .bind(product_id)
        .bind(reviews)
        .execute(&mut *transaction)
        .await?;
    heads(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}
