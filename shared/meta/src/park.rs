//! Products that stand still.

use crate::unfit;
use chrono::{DateTime, Utc};
use domain::{Event, EventId, Part, Position, ProductId, ReviewId, Version};
use sqlx::{PgConnection, PgExecutor, PgPool};
use std::collections::{HashMap, HashSet};

/// The first event of a product that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// The product.
    pub product_id: ProductId,
    /// The event's position in the product's part.
    pub pos: Position,
    /// Its version.
    pub version: Version,
    /// Its identity.
    pub event_id: EventId,
    /// Why, for operations people.
    pub reason: String,
}

/// Notes why a product stands still. The first reason stays.
///
/// # Errors
/// When the database cannot be reached.
pub async fn park(
    connection: &mut PgConnection,
    generation: i32,
    parking: &Parking,
) -> Result<(), sqlx::Error> {
    let Parking { product_id, pos, version, event_id, reason } = parking;
    // A reason may quote the payload, and U+0000 cannot be stored.
    let reason = reason.replace('\0', "\u{fffd}");
    sqlx::query!(
        "-- parked_product.park
        INSERT INTO parked_product (generation, part, product_id, pos, version, event_id, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (generation, part, product_id) DO NOTHING",
        generation,
        product_id.part().get(),
        product_id.get(),
        pos.0,
        version.0,
        *event_id,
        reason,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes a product stand still as it is stored, or empty if it is not.
///
/// # Errors
/// When the database cannot be reached.
pub async fn mark_parked(
    connection: &mut PgConnection,
    generation: i32,
    product_id: ProductId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- product_meta.mark_parked
        INSERT INTO product_meta (generation, part, product_id, version, parked) VALUES ($1, $2, $3, 0, true)
        ON CONFLICT (generation, part, product_id) DO UPDATE SET parked = true",
        generation,
        product_id.part().get(),
        product_id.get(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes a product from a generation, with why it stands still if it does: for whoever stores it anew in
/// the same transaction. Tells readers that keep answers.
///
/// # Errors
/// When the database cannot be reached.
pub async fn remove_product(
    connection: &mut PgConnection,
    generation: i32,
    product_id: ProductId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- product_meta.remove
        WITH p AS (DELETE FROM parked_product WHERE generation = $1 AND part = $2 AND product_id = $3),
             a AS (UPDATE active_generation SET mended = mended + 1)
        DELETE FROM product_meta WHERE generation = $1 AND part = $2 AND product_id = $3",
        generation,
        product_id.part().get(),
        product_id.get(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What operations people gave up: folding passes over it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discarded {
    /// Events.
    pub events: HashSet<EventId>,
    /// Reviews of products that those would have added, each with the version at which: what comes later of such a review
    /// would take away what was never there.
    reviews: HashMap<(ProductId, ReviewId), Version>,
}

impl Discarded {
    /// Gives up an event, and the review that it would have added.
    pub fn add(
        &mut self,
        (product_id, version): (ProductId, Version),
        event_id: EventId,
        review_id: Option<ReviewId>,
    ) {
        self.events.insert(event_id);
        if let Some(review_id) = review_id {
            let first = self.reviews.entry((product_id, review_id)).or_insert(version);
            *first = version.min(*first);
        }
    }

    /// Whether a review of a product was never added.
    pub fn has_review(&self, product_id: ProductId, review_id: ReviewId) -> bool {
        self.reviews.contains_key(&(product_id, review_id))
    }

    /// Whether an event is of a review that was never added.
    pub fn has_review_of(&self, (product_id, version): (ProductId, Version), event: &Event) -> bool {
        let added = event.review_id().and_then(|review_id| self.reviews.get(&(product_id, review_id)));
        added.is_some_and(|added| *added < version)
    }
}

struct DiscardedRow {
    product_id: i64,
    version: i64,
    event_id: EventId,
    review_id: Option<i64>,
}

fn discarded(rows: Vec<DiscardedRow>) -> Result<Discarded, sqlx::Error> {
    let mut discarded = Discarded::default();
    for DiscardedRow { product_id, version, event_id, review_id } in rows {
        let review = |id: i64| id.try_into().map_err(|e| unfit("discarded_event", "review_id", id, e));
        let at = (discarded_product(product_id)?, Version(version));
        discarded.add(at, event_id, review_id.map(review).transpose()?);
    }
    Ok(discarded)
}

/// All that operations people gave up.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn discarded_events(database: impl PgExecutor<'_>) -> Result<Discarded, sqlx::Error> {
    let rows = sqlx::query_as!(
        DiscardedRow,
        "-- discarded_event.list\nSELECT product_id, version, event_id, review_id FROM discarded_event"
    );
    discarded(rows.fetch_all(database).await?)
}

/// What was given up of some products.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn discarded_events_of(
    database: impl PgExecutor<'_>,
    products: impl IntoIterator<Item = ProductId>,
) -> Result<Discarded, sqlx::Error> {
    let ids: Vec<i64> = products.into_iter().map(ProductId::get).collect();
    if ids.is_empty() {
        return Ok(Discarded::default());
    }
    let rows = sqlx::query_as!(
        DiscardedRow,
        "-- discarded_event.of_products
        SELECT d.product_id, d.version, d.event_id, d.review_id FROM unnest($1::bigint[]) AS wanted (product_id)
        JOIN discarded_event d ON d.part = wanted.product_id % 64 AND d.product_id = wanted.product_id",
        &ids,
    );
    discarded(rows.fetch_all(database).await?)
}

/// Products of some parts, events of which were given up.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn products_given_up_in(pool: &PgPool, parts: &[Part]) -> Result<HashSet<ProductId>, sqlx::Error> {
    let parts: Vec<i16> = parts.iter().map(|part| part.get()).collect();
    let ids = sqlx::query_scalar!(
        "-- discarded_event.products_of_parts
        SELECT DISTINCT product_id FROM discarded_event WHERE part = ANY ($1)",
        &parts,
    );
    ids.fetch_all(pool).await?.into_iter().map(discarded_product).collect()
}

/// Products that a replay's generation may have otherwise than what was given up says: events of them were given up
/// after it began, or it has them stand still for one that is. A minute before counts as after: the statement
/// that gives up may take as long.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn products_given_up_since(pool: &PgPool, generation: i32) -> Result<Vec<ProductId>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        "-- discarded_event.products_since
        SELECT DISTINCT d.product_id FROM discarded_event d
        WHERE d.at >= (SELECT r.begun_at FROM replay r WHERE r.generation = $1) - interval '1 minute'
           OR EXISTS (SELECT FROM parked_product p
                      WHERE p.generation = $1 AND p.part = d.part AND p.product_id = d.product_id AND p.event_id = d.event_id)
        ORDER BY d.product_id",
        generation,
    );
    ids.fetch_all(pool).await?.into_iter().map(discarded_product).collect()
}

fn discarded_product(id: i64) -> Result<ProductId, sqlx::Error> {
    id.try_into().map_err(|e| unfit("discarded_event", "product_id", id, e))
}

/// Gives up an event for which a product stands still in the generation that answers: another one may stand still
/// for an event that is good, but later than its version of the fold. With it goes the review that it would have
/// added. Returns how many are given up, none when it was before; the product goes on when it is made anew.
///
/// # Errors
/// When the database cannot be reached.
pub async fn discard_parked(
    pool: &PgPool,
    product_id: ProductId,
    event_id: EventId,
    review_id: Option<ReviewId>,
) -> Result<u64, sqlx::Error> {
    let discarded = sqlx::query!(
        "-- discarded_event.add
        INSERT INTO discarded_event (part, product_id, version, event_id, reason, review_id)
        SELECT part, product_id, version, event_id, reason, $4::bigint FROM parked_product JOIN active_generation USING (generation)
        WHERE part = $1 AND product_id = $2 AND event_id = $3
        ON CONFLICT (part, product_id, version) DO NOTHING",
        product_id.part().get(),
        product_id.get(),
        event_id,
        review_id.map(ReviewId::get) as Option<i64>,
    )
    .execute(pool)
    .await?;
    Ok(discarded.rows_affected())
}

/// A product that stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedProduct {
    /// The generation in which it does.
    pub generation: i32,
    /// The product.
    pub product_id: ProductId,
    /// Its part of the log.
    pub part: Part,
    /// Position of the event that could not be applied.
    pub pos: Position,
    /// Its version.
    pub version: Version,
    /// Its identity.
    pub event_id: EventId,
    /// Why it could not be applied.
    pub reason: String,
    /// Since when.
    pub parked_at: DateTime<Utc>,
}

/// Products that stand still in generations that are kept up to date, the longest first; of one generation or
/// one product only, where that is asked.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn parked_products(
    pool: &PgPool,
    generation: Option<i32>,
    product_id: Option<ProductId>,
    products_max: i64,
) -> Result<Vec<ParkedProduct>, sqlx::Error> {
    let rows = sqlx::query!(
        "-- parked_product.list
        SELECT p.generation, p.product_id, p.part, p.pos, p.version, p.event_id, p.reason, p.parked_at
        FROM parked_product p JOIN generation g ON g.generation = p.generation AND g.state = 'live'
        WHERE ($1::integer IS NULL OR p.generation = $1) AND ($2::bigint IS NULL OR p.product_id = $2)
        ORDER BY p.parked_at, p.product_id, p.generation LIMIT $3",
        generation,
        product_id.map(|id| id.get()),
        products_max,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let id = row.product_id;
            Ok(ParkedProduct {
                generation: row.generation,
                product_id: id.try_into().map_err(|e| unfit("parked_product", "product_id", id, e))?,
                part: row.part.try_into().map_err(|e| unfit("parked_product", "part", id, e))?,
                pos: Position(row.pos),
                version: Version(row.version),
                event_id: row.event_id,
                reason: row.reason,
                parked_at: row.parked_at,
            })
        })
        .collect()
}

/// Products that stand still in a generation and not in another one: the first and how many; `None` when there are none.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn parked_anew(
    pool: &PgPool,
    before: i32,
    generation: i32,
) -> Result<Option<(ProductId, i64)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"-- parked_product.anew
        SELECT min(p.product_id) AS first, count(*) AS "products!" FROM parked_product p
        WHERE p.generation = $2 AND NOT EXISTS (
            SELECT FROM parked_product b
            WHERE b.generation = $1 AND b.part = p.part AND b.product_id = p.product_id)"#,
        before,
        generation,
    )
    .fetch_one(pool)
    .await?;
    let first = row.first.map(|id| id.try_into().map_err(|e| unfit("parked_product", "product_id", id, e)));
    Ok(first.transpose()?.map(|first| (first, row.products)))
}
