//! The model: what every generation must be, folded from the log event by event.

use domain::{Apply, Event, EventId, ProductMeta, Version, projection};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Row};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A generation as one snapshot of meta has it.
pub(crate) struct Stored {
    pub(crate) generation: i32,
    version: i32,
    /// What it is made from, if a replay made it, and whether that has ended.
    from_reviews: bool,
    pub(crate) unended: bool,
    pub(crate) checkpoints: BTreeMap<i16, i64>,
    products: BTreeMap<i64, (ProductMeta, bool)>,
    /// Products that stand still, each with the version and the identity of its event.
    parked: BTreeMap<i64, (i64, EventId)>,
}

/// Every generation that is not being deleted, and what was given up, of the same moment.
pub(crate) async fn stored(meta: &PgPool) -> (Vec<Stored>, HashSet<EventId>) {
    let mut snapshot = meta.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await.unwrap();
    let rows = sqlx::query(
        "SELECT g.generation, g.projection_version, coalesce(r.source = 'snapshot', false) AS from_reviews,
                r.generation IS NOT NULL AND r.ended_at IS NULL AS unended
         FROM generation g LEFT JOIN replay r USING (generation) WHERE g.state <> 'dropped' ORDER BY g.generation",
    )
    .fetch_all(&mut *snapshot)
    .await
    .unwrap();
    let mut all = Vec::new();
    for row in rows {
        let generation = row.get("generation");
        all.push(Stored {
            generation,
            version: row.get("projection_version"),
            from_reviews: row.get("from_reviews"),
            unended: row.get("unended"),
            checkpoints: checkpoints(&mut snapshot, generation).await,
            products: products(&mut snapshot, generation).await,
            parked: parked(&mut snapshot, generation).await,
        });
    }
    let discarded = meta::discarded_events(&mut *snapshot).await.unwrap();
    (all, discarded.events)
}

async fn checkpoints(meta: &mut PgConnection, generation: i32) -> BTreeMap<i16, i64> {
    let rows = sqlx::query_as("SELECT part, pos FROM checkpoint WHERE generation = $1").bind(generation);
    rows.fetch_all(meta).await.unwrap().into_iter().collect()
}

async fn products(meta: &mut PgConnection, generation: i32) -> BTreeMap<i64, (ProductMeta, bool)> {
    let rows = sqlx::query("SELECT * FROM product_meta WHERE generation = $1").bind(generation);
    let read = |row: sqlx::postgres::PgRow| {
        let characteristics: Json<Vec<domain::CharacteristicMeta>> = row.get("characteristics");
        let meta = ProductMeta {
            version: Version(row.get("version")),
            ratings: [1, 2, 3, 4, 5].map(|stars| row.get(format!("rating_{stars}").as_str())),
            recommended_false: row.get("recommended_false"),
            recommended_true: row.get("recommended_true"),
            characteristics: characteristics.0,
        };
        (row.get("product_id"), (meta, row.get("parked")))
    };
    rows.fetch_all(meta).await.unwrap().into_iter().map(read).collect()
}

async fn parked(meta: &mut PgConnection, generation: i32) -> BTreeMap<i64, (i64, EventId)> {
    let rows = sqlx::query("SELECT product_id, version, event_id FROM parked_product WHERE generation = $1");
    let read =
        |row: sqlx::postgres::PgRow| (row.get("product_id"), (row.get("version"), row.get("event_id")));
    rows.bind(generation).fetch_all(meta).await.unwrap().into_iter().map(read).collect()
}

/// The whole log, by part and position.
pub(crate) struct Log(Vec<Logged>);

struct Logged {
    part: i16,
    pos: i64,
    product: i64,
    version: i64,
    event_id: EventId,
    /// What it says; nothing when it cannot be read or stored.
    says: Option<Event>,
    /// The review that it says was added, whether or not the rest can be read.
    adds: Option<i64>,
}

impl Log {
    pub(crate) async fn read(primary: &PgPool) -> Self {
        let rows = sqlx::query(
            "SELECT part, pos, product_id, version, event_id, type, payload::text AS payload,
                    CASE WHEN type LIKE 'ReviewPosted.%' AND json_typeof(payload) = 'object'
                         THEN (payload ->> 'review_id')::bigint END AS adds
             FROM event_log ORDER BY part, pos",
        )
        .fetch_all(primary)
        .await
        .unwrap();
        let read = |row: sqlx::postgres::PgRow| {
            let payload: &str = row.get("payload");
            let says = Event::read(row.get("type"), payload).ok();
            Logged {
                part: row.get("part"),
                pos: row.get("pos"),
                product: row.get("product_id"),
                version: row.get("version"),
                event_id: row.get("event_id"),
                says: says.filter(|_| !payload.contains("\\u0000")),
                adds: row.get("adds"),
            }
        };
        Log(rows.into_iter().map(read).collect())
    }

    /// Products as the events up to a generation's checkpoints have them; those that stand still with their event.
    fn fold(&self, stored: &Stored, apply: Apply, discarded: &HashSet<EventId>) -> Fold {
        let mut fold = Fold::default();
        let given_up = self.0.iter().filter(|event| discarded.contains(&event.event_id));
        let never_added: BTreeSet<(i64, i64, i64)> =
            given_up.filter_map(|event| Some((event.product, event.adds?, event.version))).collect();
        for event in &self.0 {
            if stored.checkpoints.get(&event.part).is_none_or(|pos| *pos < event.pos) {
                continue;
            }
            let meta = fold.products.entry(event.product).or_default();
            if fold.parked.contains_key(&event.product) {
                continue;
            }
            assert_eq!(meta.version.0 + 1, event.version, "the log has a hole");
            let review = event.says.as_ref().and_then(Event::review_id);
            let was_not_added = review.is_some_and(|id| {
                let before = (event.product, id.get(), 0)..(event.product, id.get(), event.version);
                never_added.range(before).next().is_some()
            });
            if discarded.contains(&event.event_id) || was_not_added {
                meta.version = Version(event.version);
                continue;
            }
            let applied = event.says.as_ref().map(|says| apply(meta, Version(event.version), says));
            if !matches!(applied, Some(Ok(_))) {
                fold.parked.insert(event.product, (event.version, event.event_id));
            }
        }
        fold
    }

    /// A generation is the fold of the log up to its checkpoints, but for products that are not settled yet.
    pub(crate) fn check(&self, stored: &Stored, discarded: &HashSet<EventId>, unsettled: &BTreeSet<i64>) {
        let number = stored.generation;
        let fold = self.fold(stored, projection(stored.version).unwrap(), discarded);
        let ids: BTreeSet<i64> = fold.products.keys().chain(stored.products.keys()).copied().collect();
        for id in ids.difference(unsettled) {
            let (expected, stands_still) = (fold.products.get(id), fold.parked.get(id));
            let Some((meta, parked)) = stored.products.get(id) else {
                panic!("generation {number} lacks product {id}: {expected:?}");
            };
            // The reviews know a product beyond an event that cannot be read; a later one stops it there too.
            let further = |(first, _): &(i64, EventId)| {
                stored.parked.get(id).map_or(!parked, |(version, _)| version > first)
            };
            if stored.from_reviews && stands_still.is_some_and(further) {
                continue;
            }
            assert_eq!(Some(meta), expected, "product {id} of generation {number}");
            assert_eq!(
                *parked,
                stands_still.is_some(),
                "product {id} of generation {number}: {stands_still:?}"
            );
            assert_eq!(stored.parked.get(id), stands_still, "product {id} of generation {number}");
        }
    }
}

#[derive(Default)]
struct Fold {
    products: BTreeMap<i64, ProductMeta>,
    parked: BTreeMap<i64, (i64, EventId)>,
}

impl Stored {
    /// Whether it has every event of the log.
    pub(crate) fn has_all(&self, log: &Log) -> bool {
        log.0.iter().all(|event| self.checkpoints.get(&event.part).is_some_and(|pos| *pos >= event.pos))
    }

    /// How far readers see each product; those that stand still left out.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (i64, i64)> {
        let going_on = self.products.iter().filter(|(_, (_, parked))| !parked);
        going_on.map(|(id, (meta, _))| (*id, meta.version.0))
    }

    /// Products of which an event was given up.
    pub(crate) fn given_up(log: &Log, discarded: &HashSet<EventId>) -> BTreeSet<i64> {
        log.0.iter().filter(|event| discarded.contains(&event.event_id)).map(|event| event.product).collect()
    }
}
