//! Filling a generation: groups of parts, each folded or added up in memory and stored in one transaction with
//! its checkpoints. A group is there whole or not at all, so whoever comes after a kill does those that are not.

use crate::error::{self, ReplayError};
use crate::gate::Gate;
use crate::progress::Progress;
use crate::stores::Stores;
use domain::{Apply, Epoch, EventId, Part, Position};
use meta::{Checkpoint, StoredProduct};
use postgres::{Fault, fault};
use primary::CopyRange;
use projection::Folding;
use sqlx::{Connection, PgConnection};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Parts that are folded together: their products are in memory at once, and each page of the log is read so
/// many times less often than if the parts were read one by one.
const GROUP_PARTS: usize = 4;
/// Groups that are worked at at once, each on a connection to either database.
const WORKERS: usize = 4;

/// A generation to be filled.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) stores: Stores,
    pub(crate) generation: i32,
    pub(crate) apply: Apply,
    /// Events that were given up.
    pub(crate) discarded: HashSet<EventId>,
    pub(crate) epoch: Epoch,
    /// By part, the position to go up to.
    pub(crate) targets: Vec<Position>,
    pub(crate) from_reviews: bool,
    /// Time spent by processes before this one.
    pub(crate) spent: Duration,
    pub(crate) gate: Gate,
    pub(crate) progress: Arc<Progress>,
}

/// Fills those of the parts that are not filled yet. Returns how long it took.
pub(crate) async fn build(job: &Arc<Build>, parts: &[Part]) -> Result<Duration, ReplayError> {
    let began = Instant::now();
    let groups: Vec<Vec<Part>> = parts.chunks(GROUP_PARTS).rev().map(<[Part]>::to_vec).collect();
    let groups = Arc::new(Mutex::new(groups));
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        workers.spawn(worker(job.clone(), groups.clone(), number, began));
    }
    while let Some(ended) = workers.join_next().await {
        // The first failure ends the others: dropped, they leave their transactions.
        ended.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?;
    }
    Ok(began.elapsed())
}

async fn worker(
    job: Arc<Build>,
    groups: Arc<Mutex<Vec<Vec<Part>>>>,
    number: usize,
    begun: Instant,
) -> Result<(), ReplayError> {
    let (mut primary, mut meta) = (job.stores.connect_primary().await?, job.stores.connect_meta().await?);
    loop {
        job.gate.pass_as(number).await?;
        let next = groups.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(parts) = next else { return Ok(()) };
        let began = Instant::now();
        let built = if job.from_reviews {
            add_up(&job, &mut primary, &parts).await?
        } else {
            fold(&job, &mut primary, &parts).await?
        };
        store(&job, &mut meta, built).await?;
        let spent = job.spent + begun.elapsed();
        error::meta(meta::note_building(&job.stores.meta, job.generation, spent).await)?;
        if job.from_reviews {
            job.gate.rest(began.elapsed()).await?;
        }
    }
}

/// A group in memory.
struct Built {
    products: Products,
    checkpoints: Vec<Checkpoint>,
}

enum Products {
    Folded(Folding),
    AddedUp(Vec<StoredProduct>),
}

/// Folds the log's events of some parts, from the first to the targets.
async fn fold(job: &Build, primary: &mut PgConnection, parts: &[Part]) -> Result<Built, ReplayError> {
    if error::primary(primary::log_epoch(&mut *primary).await)? != job.epoch {
        return Err(ReplayError::LogChanged(job.generation));
    }
    let mut folding = Folding::from_first(job.apply, job.discarded.clone());
    let mut at: BTreeMap<Part, (Position, Option<EventId>)> =
        parts.iter().map(|part| (*part, (Position(0), None))).collect();
    loop {
        let range_events = job.gate.range_events();
        let ranges: Vec<CopyRange> = at
            .iter()
            .map(|(part, (after, _))| {
                let through = job.targets[part.index()].min(Position(after.0 + range_events));
                CopyRange { part: *part, after: *after, through }
            })
            .filter(|range| range.through > range.after)
            .collect();
        if ranges.is_empty() {
            break;
        }
        let began = Instant::now();
        let events = fold_ranges(primary, &ranges, &mut folding, &mut at).await?;
        job.progress.add(events);
        job.gate.rest(began.elapsed()).await?;
    }
    let checkpoints = at.into_iter().map(|(part, (pos, event_id))| checkpoint(job, part, pos, event_id));
    Ok(Built { checkpoints: checkpoints.collect(), products: Products::Folded(folding) })
}

async fn fold_ranges(
    primary: &mut PgConnection,
    ranges: &[CopyRange],
    folding: &mut Folding,
    at: &mut BTreeMap<Part, (Position, Option<EventId>)>,
) -> Result<u64, ReplayError> {
    let mut broken = None;
    let mut events = 0;
    let mut now = (ranges[0].part, ranges[0].after, None);
    let copied = primary::copy_log(primary, ranges, |part, event| {
        if part != now.0 {
            at.insert(now.0, (now.1, now.2));
            let (pos, event_id) = at.get(&part).copied().unwrap_or_default();
            now = (part, pos, event_id);
        }
        if event.pos != now.1.next() && broken.is_none() {
            broken = Some((part, now.1.next()));
        }
        now = (part, event.pos, Some(event.event_id));
        events += 1;
        folding.fold(event);
    });
    error::primary(copied.await)?;
    at.insert(now.0, (now.1, now.2));
    let short = ranges.iter().find_map(|range| {
        let (pos, _) = at.get(&range.part).copied().unwrap_or_default();
        (pos < range.through).then_some((range.part, pos.next()))
    });
    match broken.or(short) {
        Some((part, pos)) => Err(ReplayError::LogBroken { part, pos }),
        None => Ok(events),
    }
}

/// Adds up the reviews of some parts. Goes as far as they are, which is at least as far as the targets.
async fn add_up(job: &Build, primary: &mut PgConnection, parts: &[Part]) -> Result<Built, ReplayError> {
    let snapshot = error::primary(primary::sum_reviews(primary, parts).await)?;
    if snapshot.epoch != job.epoch {
        return Err(ReplayError::LogChanged(job.generation));
    }
    let events: i64 = parts.iter().map(|part| job.targets[part.index()].0).sum();
    job.progress.add(events.unsigned_abs());
    let product = |(product_id, meta)| StoredProduct { product_id, meta, parked: false };
    let mut products: Vec<StoredProduct> = snapshot.products.into_iter().map(product).collect();
    products.sort_unstable_by_key(|product| product.product_id);
    let checkpoints = snapshot.heads.into_iter().map(|(part, pos, id)| checkpoint(job, part, pos, id));
    Ok(Built { products: Products::AddedUp(products), checkpoints: checkpoints.collect() })
}

fn checkpoint(job: &Build, part: Part, pos: Position, event_id: Option<EventId>) -> Checkpoint {
    Checkpoint { generation: job.generation, part, pos, epoch: job.epoch, event_id }
}

/// Stores a group, by COPY; where the database does not take a value, product by product until it is clear which.
async fn store(job: &Build, meta: &mut PgConnection, built: Built) -> Result<(), ReplayError> {
    let Built { products, checkpoints } = built;
    let mut transaction = error::meta(meta.begin().await)?;
    error::meta(meta::add_checkpoints(&mut transaction, &checkpoints).await)?;
    let folding = match products {
        Products::AddedUp(products) => {
            let rows = error::meta(meta::product_rows(job.generation, &products))?;
            error::meta(meta::copy_products(&mut transaction, rows).await)?;
            return error::meta(transaction.commit().await);
        }
        Products::Folded(folding) => folding,
    };
    let rows = error::meta(meta::product_rows(job.generation, &folding.changed()))?;
    match meta::copy_products(&mut transaction, rows).await {
        Ok(()) => {
            for parking in &folding.parkings {
                error::meta(meta::park(&mut transaction, job.generation, parking).await)?;
            }
        }
        Err(refusal) if fault(&refusal) == Fault::Data => {
            error::meta(transaction.rollback().await)?;
            transaction = error::meta(meta.begin().await)?;
            error::meta(meta::add_checkpoints(&mut transaction, &checkpoints).await)?;
            error::meta(projection::store(&mut transaction, job.generation, &folding).await)?;
        }
        Err(error) => return Err(ReplayError::Meta(error)),
    }
    error::meta(transaction.commit().await)
}
