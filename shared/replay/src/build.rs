//! Filling a generation: groups of parts, each folded or added up in memory and then stored, some parts or one in a
//! transaction with their checkpoints. A part is there whole or not at all, so whoever comes after a kill does those
//! that are not.

use crate::error::{self, ReplayError};
use crate::fold_log::{Shard, fold_log};
use crate::gate::Gate;
use crate::groups::Groups;
use crate::progress::{At, Progress, Stage};
use crate::stores::Stores;
use domain::{Apply, Epoch, EventId, EventRef, Part, Position, Version};
use meta::{Checkpoint, Discarded, StoredProduct};
use postgres::{Fault, fault};
use projection::Folding;
use sqlx::{Connection, PgConnection, Postgres, Transaction};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Workers, each with a connection to either database: as many as there are cores, but for these bounds.
const WORKERS_MIN: usize = 2;
const WORKERS_MAX: usize = 8;

/// A generation to be filled.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) stores: Stores,
    pub(crate) generation: i32,
    pub(crate) apply: Apply,
    /// Events that were given up.
    pub(crate) discarded: Discarded,
    pub(crate) epoch: Epoch,
    /// By part, the position to go up to.
    pub(crate) targets: Vec<Position>,
    pub(crate) from_reviews: bool,
    /// Products in memory at once, about.
    pub(crate) products_at_once: i64,
    /// Time spent by processes before this one.
    pub(crate) spent: Duration,
    pub(crate) gate: Arc<Gate>,
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
    let groups = parts.chunks(group_parts);
    if job.from_reviews {
        let groups = Arc::new(Mutex::new(groups.rev().map(<[Part]>::to_vec).collect()));
        let adding = (0..count).map(|number| add_groups_up(job.clone(), groups.clone(), number, began));
        all(adding).await?;
        return Ok(began.elapsed());
    }
    for group in groups {
        let shards = fold_log(job, group, count).await?;
        // Before the store as well: whoever ends this just after it leaves events, which took their time.
        note(job, began).await?;
        store_shards(job, shards).await?;
        note(job, began).await?;
    }
    Ok(began.elapsed())
}

/// Runs works at once. The first failure ends the others: dropped, they leave their transactions.
pub(crate) async fn all<W>(works: impl IntoIterator<Item = W>) -> Result<(), ReplayError>
where
    W: Future<Output = Result<(), ReplayError>> + Send + 'static,
{
    let mut running: JoinSet<_> = works.into_iter().collect();
    while let Some(ended) = running.join_next().await {
        ended.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?;
    }
    Ok(())
}

async fn note(job: &Build, begun: Instant) -> Result<(), ReplayError> {
    let spent = job.spent + begun.elapsed();
    error::meta(meta::note_building(&job.stores.meta, job.generation, spent).await)
}

async fn add_groups_up(
    job: Arc<Build>,
    groups: Arc<Mutex<Vec<Vec<Part>>>>,
    number: usize,
    begun: Instant,
) -> Result<(), ReplayError> {
    let (mut primary, mut meta) = (job.stores.connect_primary().await?, job.stores.connect_meta().await?);
    loop {
        let left = || !groups.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        job.gate.pass_as(number, left).await?;
        let next = groups.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(parts) = next else { return Ok(()) };
        let began = Instant::now();
        let (added_up, folding, checkpoints) = add_up(&job, &mut primary, &parts).await?;
        note(&job, begun).await?;
        store(&job, &mut meta, &added_up, &folding, &checkpoints).await?;
        let events: i64 = parts.iter().map(|part| job.targets[part.index()].0).sum();
        job.progress.add(events.unsigned_abs());
        note(&job, begun).await?;
        job.gate.rest(began.elapsed()).await?;
    }
}

/// Adds up the reviews of some parts. Goes as far as they are, which is at least as far as the targets. Products whose
/// reviews say more than the log does are folded instead: those whose last events have no position yet, which
/// would be ahead of the checkpoint, and those whose events were given up, of which the reviews know nothing.
async fn add_up(
    job: &Build,
    primary: &mut PgConnection,
    parts: &[Part],
) -> Result<(Vec<StoredProduct>, Folding, Vec<Checkpoint>), ReplayError> {
    let mut snapshot = error::primary(primary::sum_reviews(primary, parts).await)?;
    if snapshot.epoch != job.epoch {
        return Err(ReplayError::LogChanged(job.generation));
    }
    let given_up = error::meta(meta::products_given_up_in(&job.stores.meta, parts).await)?;
    let heads: BTreeMap<Part, Position> = snapshot.heads.iter().map(|(part, pos, _)| (*part, *pos)).collect();
    let mut folding = Folding::from_first(job.apply, job.discarded.clone());
    for product_id in snapshot.ahead.union(&given_up) {
        snapshot.products.remove(product_id);
        let head = heads.get(&product_id.part()).copied().unwrap_or_default();
        let each = |event: EventRef<'_>| {
            if event.pos <= head {
                folding.fold(event);
            }
        };
        error::primary(primary::copy_product_events(primary, *product_id, Version(0), each).await)?;
    }
    let product = |(product_id, meta)| StoredProduct::of(product_id, meta);
    let added_up = snapshot.products.into_iter().map(product).collect();
    let checkpoints = snapshot.heads.into_iter().map(|(part, pos, id)| checkpoint(job, part, pos, id));
    Ok((added_up, folding, checkpoints.collect()))
}

fn checkpoint(job: &Build, part: Part, pos: Position, event_id: Option<EventId>) -> Checkpoint {
    Checkpoint { generation: job.generation, part, pos, epoch: job.epoch, event_id }
}

/// Stores what was folded: all at once, or beside live writers part after part, with rests.
async fn store_shards(job: &Arc<Build>, shards: Vec<Arc<Shard>>) -> Result<(), ReplayError> {
    if job.gate.is_free() {
        return all(shards.into_iter().map(|shard| store_shard(job.clone(), shard))).await;
    }
    let At { done, total, .. } = job.progress.now();
    job.progress.begin(Stage::Storing, 0, parts_of(&shards).await);
    let mut meta = job.stores.connect_meta().await?;
    for shard in shards {
        let (folding, last) = &mut *shard.folded().await;
        for (part, id) in std::mem::take(last) {
            job.gate.pass().await?;
            let began = Instant::now();
            store(job, &mut meta, &[], &folding.take_part(part), &[reached(job, part, id)]).await?;
            job.progress.add(1);
            job.gate.rest(began.elapsed()).await?;
        }
    }
    job.progress.begin(Stage::Building, done, total);
    Ok(())
}

async fn parts_of(shards: &[Arc<Shard>]) -> u64 {
    let mut parts = 0;
    for shard in shards {
        parts += shard.folded().await.1.len();
    }
    u64::try_from(parts).unwrap_or(0)
}

async fn store_shard(job: Arc<Build>, shard: Arc<Shard>) -> Result<(), ReplayError> {
    let (folding, last) = &*shard.folded().await;
    let checkpoints: Vec<Checkpoint> = last.iter().map(|(part, id)| reached(&job, *part, *id)).collect();
    let mut meta = job.stores.connect_meta().await?;
    store(&job, &mut meta, &[], folding, &checkpoints).await
}

/// Where a part is whose events are folded up to the one at its target.
fn reached(job: &Build, part: Part, event_id: Option<EventId>) -> Checkpoint {
    checkpoint(job, part, event_id.map_or(Position(0), |_| job.targets[part.index()]), event_id)
}

/// Stores some parts, by COPY; where the database does not take a value, product by product until it is clear which.
async fn store(
    job: &Build,
    meta: &mut PgConnection,
    added_up: &[StoredProduct],
    folding: &Folding,
    checkpoints: &[Checkpoint],
) -> Result<(), ReplayError> {
    let mut transaction = begin_group(meta, job.generation, checkpoints, added_up).await?;
    match meta::copy_in_products(&mut transaction, job.generation, folding.changed()).await {
        Ok(()) => {
            for parking in &folding.parkings {
                error::meta(meta::park(&mut transaction, job.generation, parking).await)?;
            }
        }
        Err(refusal) if fault(&refusal) == Fault::Data => {
            error::meta(transaction.rollback().await)?;
            transaction = begin_group(meta, job.generation, checkpoints, added_up).await?;
            error::meta(projection::store(&mut transaction, job.generation, folding).await)?;
        }
        Err(error) => return Err(ReplayError::Meta(error)),
    }
    error::meta(transaction.commit().await)
}

/// Begins to store a group, with its checkpoints and what was added up.
async fn begin_group<'a>(
    meta: &'a mut PgConnection,
    generation: i32,
    checkpoints: &[Checkpoint],
    added_up: &[StoredProduct],
) -> Result<Transaction<'a, Postgres>, ReplayError> {
    let mut transaction = error::meta(meta.begin().await)?;
    error::meta(meta::add_checkpoints(&mut transaction, checkpoints).await)?;
    if !added_up.is_empty() {
        let products = added_up.iter().collect();
        error::meta(meta::copy_in_products(&mut transaction, generation, products).await)?;
    }
    Ok(transaction)
}
