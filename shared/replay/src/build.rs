//! Filling a generation: groups of parts, each folded or added up in memory and stored in one transaction with
//! its checkpoints. A group is there whole or not at all, so whoever comes after a kill does those that are not.

use crate::error::{self, ReplayError};
use crate::gate::Gate;
use crate::groups::Groups;
use crate::progress::Progress;
use crate::stores::Stores;
use domain::{Apply, Epoch, EventId, PARTS, Part, Position};
use meta::{Checkpoint, StoredProduct};
use postgres::{Fault, fault};
use primary::CopyRange;
use projection::Folding;
use sqlx::{Connection, PgConnection};
use std::collections::{BTreeMap, HashSet};
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Groups that are worked at at once, each on a connection to either database: as many as there are cores, but
/// for these bounds.
const WORKERS_MIN: usize = 2;
const WORKERS_MAX: usize = 8;

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
    /// Products in memory at once, about.
    pub(crate) products_at_once: i64,
    /// Time spent by processes before this one.
    pub(crate) spent: Duration,
    pub(crate) gate: Gate,
    pub(crate) progress: Arc<Progress>,
}

/// Fills those of the parts that are not filled yet. Returns how long it took.
pub(crate) async fn build(job: &Arc<Build>, parts: &[Part]) -> Result<Duration, ReplayError> {
    let began = Instant::now();
    let cores = std::thread::available_parallelism().map_or(WORKERS_MIN, NonZero::get);
    let count = cores.clamp(WORKERS_MIN, WORKERS_MAX);
    let groups =
        Groups { workers: count, products_at_once: job.products_at_once, from_reviews: job.from_reviews };
    let group_parts = groups.parts(error::primary(primary::table_estimates(&job.stores.primary).await)?);
    let groups: Vec<Vec<Part>> = parts.chunks(group_parts).rev().map(<[Part]>::to_vec).collect();
    let groups = Arc::new(Mutex::new(groups));
    let mut workers = JoinSet::new();
    for number in 0..count {
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
    if !job.from_reviews {
        error::primary(primary::prefer_ranges(&mut primary).await)?;
    }
    loop {
        let left = || !groups.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        job.gate.pass_as(number, left).await?;
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
    let mut last: BTreeMap<Part, Option<EventId>> = parts.iter().map(|part| (*part, None)).collect();
    let mut after = Position(0);
    loop {
        let through = Position(after.0 + job.gate.range_events(parts.len()));
        let range =
            |part: &Part| CopyRange { part: *part, after, through: job.targets[part.index()].min(through) };
        let ranges: Vec<CopyRange> = parts.iter().map(range).filter(|range| range.through > after).collect();
        if ranges.is_empty() {
            break;
        }
        let began = Instant::now();
        job.progress.add(fold_ranges(primary, &ranges, &mut folding, &mut last).await?);
        job.gate.rest(began.elapsed()).await?;
        after = through;
    }
    let checkpoints = last.into_iter().map(|(part, event_id)| {
        checkpoint(job, part, event_id.map_or(Position(0), |_| job.targets[part.index()]), event_id)
    });
    Ok(Built { checkpoints: checkpoints.collect(), products: Products::Folded(folding) })
}

async fn fold_ranges(
    primary: &mut PgConnection,
    ranges: &[CopyRange],
    folding: &mut Folding,
    last: &mut BTreeMap<Part, Option<EventId>>,
) -> Result<u64, ReplayError> {
    let (mut broken, mut events) = (None, 0);
    let mut at_end = [Position(0); PARTS as usize];
    ranges.iter().for_each(|range| at_end[range.part.index()] = range.through);
    let copied = primary::copy_log(primary, ranges, |part, pos, event| match event {
        Some(event) => {
            events += 1;
            folding.fold(event);
            if pos == at_end[part.index()] {
                last.insert(part, Some(event.event_id));
            }
        }
        None => broken = broken.or(Some((part, pos))),
    });
    error::primary(copied.await)?;
    match broken {
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
