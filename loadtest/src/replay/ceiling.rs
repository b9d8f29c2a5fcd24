//! What bounds a rebuild.

use anyhow::Result;
use futures_util::TryStreamExt as _;
use sqlx::{ConnectOptions as _, PgConnection, PgPool};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long it takes to copy the whole log out, over four connections, and throw it away.
pub(crate) async fn copy_out(primary: &PgPool) -> Result<Duration> {
    let began = Instant::now();
    let mut connections = JoinSet::new();
    for first in [0, 16, 32, 48] {
        let options = primary.connect_options();
        connections.spawn(async move {
            let mut connection: PgConnection = options.connect().await?;
            let statement = format!(
                "COPY (SELECT pos, product_id, version, event_id, type, payload FROM event_log \
                 WHERE part BETWEEN {first} AND {}) TO STDOUT (FORMAT binary)",
                first + 15
            );
            let mut messages = connection.copy_out_raw(&statement).await?;
            let mut bytes = 0;
            while let Some(message) = messages.try_next().await? {
                bytes += message.len();
            }
            Ok::<usize, sqlx::Error>(bytes)
        });
    }
    while let Some(copied) = connections.join_next().await {
        copied??;
    }
    Ok(began.elapsed())
}

/// How long the same sums take as one statement in the primary.
pub(crate) async fn one_statement(primary: &PgPool) -> Result<Duration> {
    let began = Instant::now();
    sqlx::query(
        "WITH sums AS (
             SELECT r.part, r.product_id, e.key::bigint AS id, count(*) AS count, sum(e.value::bigint) AS sum
             FROM reviews r CROSS JOIN jsonb_each_text(r.characteristics) AS e (key, value)
             WHERE r.erased_at IS NULL GROUP BY r.part, r.product_id, e.key::bigint
         ),
         characteristics_of AS (
             SELECT c.part, c.product_id,
                    jsonb_agg(jsonb_build_object('id', c.characteristic_id, 'name', c.name,
                                                 'count', coalesce(s.count, 0), 'sum', coalesce(s.sum, 0))
                              ORDER BY c.characteristic_id) AS characteristics
             FROM characteristics c
             LEFT JOIN sums s ON s.part = c.part AND s.product_id = c.product_id AND s.id = c.characteristic_id
             GROUP BY c.part, c.product_id
         ),
         counts AS (
             SELECT part, product_id, count(*) FILTER (WHERE rating = 1) AS r1, count(*) FILTER (WHERE rating = 2) AS r2,
                    count(*) FILTER (WHERE rating = 3) AS r3, count(*) FILTER (WHERE rating = 4) AS r4,
                    count(*) FILTER (WHERE rating = 5) AS r5, count(*) FILTER (WHERE recommend) AS yes,
                    count(*) FILTER (WHERE NOT recommend) AS no
             FROM reviews WHERE erased_at IS NULL GROUP BY part, product_id
         )
         SELECT count(*), sum(length(coalesce(x.characteristics::text, ''))), sum(r1 + r2 + r3 + r4 + r5 + yes + no)
         FROM product_stream s LEFT JOIN counts c USING (part, product_id) LEFT JOIN characteristics_of x USING (part, product_id)",
    )
    .execute(primary)
    .await?;
    Ok(began.elapsed())
}
