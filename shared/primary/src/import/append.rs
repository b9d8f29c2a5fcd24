//! New reviews become reviews and events, chunk by chunk.

use crate::sequence_part;
use chrono::{DateTime, Utc};
use domain::Part;
use sqlx::{PgConnection, PgPool};

/// Events of one transaction at most. Live writers to its products wait for it, and the relay passes
/// its part over: a fraction of a second.
pub const CHUNK_EVENTS_MAX: i64 = 5000;

/// Where a product with very many reviews is cut: date and id of a review.
type Cut = (DateTime<Utc>, i64);

/// What one transaction appends: products of a part, or a piece of one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportChunk {
    part: Part,
    first_product: i64,
    last_product: i64,
    after: Option<Cut>,
    through: Option<Cut>,
    defines: bool,
    /// Its events, for a progress bar.
    pub events: i64,
}

struct Product {
    product_id: i64,
    reviews: i64,
    defines: bool,
}

/// Divides a part's new reviews and characteristics into chunks.
///
/// # Errors
/// When the database cannot be reached.
pub async fn plan_part(
    pool: &PgPool,
    part: Part,
    chunk_events_max: i64,
) -> Result<Vec<ImportChunk>, sqlx::Error> {
    let products = sqlx::query_as!(
        Product,
        r#"-- import.products
        SELECT product_id AS "product_id!", sum(reviews)::bigint AS "reviews!", bool_or(defines) AS "defines!"
        FROM (SELECT product_id, count(*) AS reviews, false AS defines
              FROM staging.reviews WHERE part = $1 GROUP BY product_id
              UNION ALL
              SELECT DISTINCT product_id, 0, true FROM staging.characteristics WHERE part = $1) p
        GROUP BY product_id ORDER BY product_id"#,
        part.get(),
    )
    .fetch_all(pool)
    .await?;
    let mut chunks: Vec<ImportChunk> = Vec::new();
    for product in products {
        let events = product.reviews + i64::from(product.defines);
        if events > chunk_events_max {
            chunks.extend(split_product(pool, part, &product, chunk_events_max).await?);
            continue;
        }
        match chunks.last_mut() {
            Some(last)
                if last.through.is_none()
                    && last.after.is_none()
                    && last.events + events <= chunk_events_max =>
            {
                last.last_product = product.product_id;
                last.events += events;
            }
            _ => chunks.push(whole(part, product.product_id, events)),
        }
    }
    Ok(chunks)
}

const fn whole(part: Part, product: i64, events: i64) -> ImportChunk {
    ImportChunk {
        part,
        first_product: product,
        last_product: product,
        after: None,
        through: None,
        defines: true,
        events,
    }
}

async fn split_product(
    pool: &PgPool,
    part: Part,
    product: &Product,
    chunk_events_max: i64,
) -> Result<Vec<ImportChunk>, sqlx::Error> {
    let cuts = sqlx::query!(
        "-- import.cuts
        SELECT date, review_id FROM (
            SELECT date, review_id, row_number() OVER (ORDER BY date, review_id) AS nth
            FROM staging.reviews WHERE part = $1 AND product_id = $2
        ) r WHERE nth % $3 = 0 ORDER BY date, review_id",
        part.get(),
        product.product_id,
        chunk_events_max,
    )
    .fetch_all(pool)
    .await?;
    let mut chunks = Vec::with_capacity(cuts.len() + 1);
    let mut after = None;
    let ends = cuts.into_iter().map(|cut| Some((cut.date, cut.review_id))).chain([None]);
    let mut left = product.reviews;
    for through in ends {
        let reviews = left.min(chunk_events_max);
        left -= reviews;
        let defines = after.is_none();
        let events = reviews + i64::from(defines && product.defines);
        if events > 0 {
            let chunk = whole(part, product.product_id, events);
            chunks.push(ImportChunk { after, through, defines, ..chunk });
        }
        after = through;
    }
    Ok(chunks)
}

/// Appends a chunk: one transaction, tried again while others are in its way.
///
/// # Errors
/// When the database cannot be reached.
pub async fn append_chunk(pool: &PgPool, chunk: &ImportChunk) -> Result<(), sqlx::Error> {
    postgres::retry_conflicts(|| async {
        let mut transaction = pool.begin().await?;
        let part = chunk.part.get();
        // First, and for the whole transaction: positions are given in its order.
        sqlx::query!("-- import.lock_head\nSELECT head FROM log_head WHERE part = $1 FOR UPDATE", part)
            .fetch_one(&mut *transaction)
            .await?;
        insert(&mut transaction, chunk).await?;
        // A new statement sees the events of the writers that the last one waited for.
        sequence_part(&mut transaction, chunk.part).await?;
        log(&mut transaction, chunk).await?;
        transaction.commit().await
    })
    .await
}

/// Stores the rows and raises the products' versions, in order of the products, as other imports
/// would; live writers hold one product each.
async fn insert(connection: &mut PgConnection, chunk: &ImportChunk) -> Result<(), sqlx::Error> {
    let (after, through) = (chunk.after.unzip(), chunk.through.unzip());
    sqlx::query!(
        r#"-- import.append
        WITH defined AS (
            INSERT INTO characteristics (part, product_id, characteristic_id, name)
            SELECT part, product_id, characteristic_id, name FROM staging.characteristics
            WHERE $8 AND part = $1 AND product_id BETWEEN $2 AND $3
            RETURNING product_id
        ),
        new AS (
            INSERT INTO reviews (part, review_id, product_id, rating, date, summary, body, recommend, reviewer_name,
                                 reviewer_email, response, helpfulness, hidden_by_moderation, photos, characteristics)
            SELECT s.part, s.review_id, s.product_id, s.rating, s.date, s.summary, s.body, s.recommend, s.reviewer_name,
                   s.reviewer_email, s.response, s.helpfulness, s.hidden, coalesce(a.photos, '[]'),
                   coalesce(a.characteristics, '{}')
            FROM staging.reviews s
            LEFT JOIN staging.attached a ON a.part = $1 AND a.product_id BETWEEN $2 AND $3 AND a.review_id = s.review_id
            WHERE s.part = $1 AND s.product_id BETWEEN $2 AND $3
              AND ($4::timestamptz IS NULL OR (s.date, s.review_id) > ($4, $5::bigint))
              AND ($6::timestamptz IS NULL OR (s.date, s.review_id) <= ($6, $7::bigint))
            RETURNING product_id
        ),
        events AS (
            SELECT product_id, count(*) AS events FROM new GROUP BY product_id
            UNION ALL
            SELECT DISTINCT product_id, 1 FROM defined
        )
        INSERT INTO product_stream AS p (part, product_id, version)
        SELECT $1, product_id, sum(events)::bigint FROM events GROUP BY product_id ORDER BY product_id
        ON CONFLICT (part, product_id) DO UPDATE SET version = p.version + excluded.version"#,
        chunk.part.get(),
        chunk.first_product,
        chunk.last_product,
        after.0,
        after.1,
        through.0,
        through.1,
        chunk.defines,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Appends the events: of each product its characteristics first, then its reviews by date.
async fn log(connection: &mut PgConnection, chunk: &ImportChunk) -> Result<(), sqlx::Error> {
    let (after, through) = (chunk.after.unzip(), chunk.through.unzip());
    sqlx::query!(
        r#"-- import.log
        WITH happened AS (
            SELECT c.product_id, 'CharacteristicsDefined.v1' AS type, NULL::timestamptz AS date, NULL::bigint AS review_id,
                   (SELECT json_build_object('characteristics', json_agg(
                        json_build_object('id', k.characteristic_id, 'name', k.name) ORDER BY k.characteristic_id))
                    FROM characteristics k WHERE k.part = $1 AND k.product_id = c.product_id) AS payload
            FROM (SELECT DISTINCT product_id FROM staging.characteristics
                  WHERE $8 AND part = $1 AND product_id BETWEEN $2 AND $3) c
            UNION ALL
            SELECT s.product_id, 'ReviewPosted.v1', s.date, s.review_id,
                   json_build_object('review_id', s.review_id, 'rating', s.rating, 'recommend', s.recommend,
                                     'characteristics', coalesce(a.characteristics, '{}'))
            FROM staging.reviews s
            LEFT JOIN staging.attached a ON a.part = $1 AND a.product_id BETWEEN $2 AND $3 AND a.review_id = s.review_id
            WHERE s.part = $1 AND s.product_id BETWEEN $2 AND $3
              AND ($4::timestamptz IS NULL OR (s.date, s.review_id) > ($4, $5::bigint))
              AND ($6::timestamptz IS NULL OR (s.date, s.review_id) <= ($6, $7::bigint))
        ),
        numbered AS (
            SELECT h.*, row_number() OVER (ORDER BY product_id, date NULLS FIRST, review_id) AS nth,
                   row_number() OVER (PARTITION BY product_id ORDER BY date NULLS FIRST, review_id)
                       - count(*) OVER (PARTITION BY product_id) AS from_last
            FROM happened h
        ),
        -- One random identity for the chunk, whose last digits count its events: drawing one for each costs as
        -- much as storing the event.
        identity AS MATERIALIZED (SELECT left(gen_random_uuid()::text, 24) AS first),
        logged AS (
            INSERT INTO event_log (part, pos, product_id, version, event_id, type, payload, at)
            SELECT $1, l.head + n.nth, n.product_id, p.version + n.from_last,
                   (i.first || lpad(to_hex(n.nth), 12, '0'))::uuid, n.type, n.payload, now()
            FROM numbered n
            JOIN product_stream p ON p.part = $1 AND p.product_id = n.product_id
            CROSS JOIN (SELECT head FROM log_head WHERE part = $1) l
            CROSS JOIN identity i
            ORDER BY n.nth
            RETURNING pos
        )
        UPDATE log_head SET head = (SELECT max(pos) FROM logged) WHERE part = $1"#,
        chunk.part.get(),
        chunk.first_product,
        chunk.last_product,
        after.0,
        after.1,
        through.0,
        through.1,
        chunk.defines,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts anew for the planner: the tables may have grown by everything that they hold.
///
/// # Errors
/// When the database cannot be reached.
pub async fn refresh_statistics(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!("ANALYZE reviews, characteristics, product_stream, event_log").execute(pool).await?;
    Ok(())
}
