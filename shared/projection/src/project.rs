//! One batch, one transaction: lock the checkpoints, drop what is in already, pull what is missing,
//! fold, store, move the checkpoints. Whenever it is cut off, nothing of it has happened.

use crate::batch::Batch;
use crate::fold::Folding;
use crate::plan::{Whole, is_of, moved, new_events, plan, products_of};
use domain::{Apply, LogEvent, PROJECTION_VERSIONS, Part, Position, ProductId, Version, projection};
use meta::{Checkpoint, Discarded, Parking, StoredProduct, WrittenGeneration};
use postgres::{Fault, fault};
use primary::{HeadsAtBeat, LogRange};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

/// Events pulled for one transaction at most, over all its parts: bounds memory and how long the
/// checkpoints stay locked.
const PULL_EVENTS_MAX: i64 = 8_192;
/// Events of one product read at once when it is rebuilt.
const REBUILD_EVENTS_MAX: i64 = 5_000;

/// Why a batch could not be folded. Nothing of it has happened.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// A store is away, or a statement failed: the same batch may succeed later.
    #[error("a statement failed")]
    Store(#[from] sqlx::Error),
    /// The log is not the one that the checkpoint was made from.
    #[error(
        "generation {generation} of meta was not made from this log: {}; `cargo reviewsctl status` names the mend",
        misfit(*.part, *.pos, .ours, .theirs)
    )]
    OtherLog {
        /// The generation whose checkpoint it is.
        generation: i32,
        /// The part.
        part: Part,
        /// The checkpoint's position.
        pos: Position,
        /// The checkpoint's log and event.
        ours: String,
        /// The log and the event that are there.
        theirs: String,
    },
    /// No generation may be written by this program.
    #[error(
        "no generation of meta is kept up to date that is of a projection version which this program writes \
         ({PROJECTION_VERSIONS:?})"
    )]
    NoGeneration,
    /// Positions are missing in the log itself, which an append never leaves.
    #[error("the log has no event at position {pos} of part {part}, though its head is past it")]
    LogBroken {
        /// The part.
        part: Part,
        /// The missing position.
        pos: Position,
    },
}

impl ProjectError {
    /// Where meta and the log do not fit each other, if that is the matter.
    pub(crate) fn misfit(&self) -> Option<String> {
        match self {
            ProjectError::OtherLog { part, pos, ours, theirs, .. } => Some(misfit(*part, *pos, ours, theirs)),
            ProjectError::LogBroken { .. } => Some(self.to_string()),
            ProjectError::Store(_) | ProjectError::NoGeneration => None,
        }
    }
}

fn misfit(part: Part, pos: Position, ours: &str, theirs: &str) -> String {
    format!("part {part} stands at position {pos}, {ours}, where the log has {theirs}")
}

/// What a batch came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projected {
    /// Where each part now stands, in the generation that is least far.
    pub positions: BTreeMap<Part, Position>,
    /// Products of those events, each with the last version of it that was passed.
    pub products: BTreeMap<ProductId, Version>,
    /// Those of them that stand still in the generation that answers: readers show them as they were before.
    pub standing_still: BTreeSet<ProductId>,
    /// Events folded, of all generations.
    pub events: usize,
    /// Events that had to be pulled.
    pub pulled: usize,
    /// Events that could not be applied.
    pub parkings: Vec<Parking>,
}

/// The connection to meta that batches are folded on, one after another. A batch owns it while it
/// lasts: when it fails or is cut off, the connection ends with it and the server rolls back. A
/// connection of a pool would go back there, in whatever state it is.
#[derive(Debug)]
pub struct MetaConnection {
    options: Arc<PgConnectOptions>,
    idle: Mutex<Option<PgConnection>>,
}

impl MetaConnection {
    /// Connects when the first batch needs it, as the pool would.
    pub fn of(pool: &PgPool) -> Self {
        MetaConnection { options: pool.connect_options(), idle: Mutex::new(None) }
    }

    async fn take(&self) -> Result<PgConnection, sqlx::Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        match idle {
            Some(connection) => Ok(connection),
            None => self.options.connect().await,
        }
    }

    fn put_back(&self, connection: PgConnection) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }
}

/// Which generations a batch is folded into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Into {
    /// Those that are kept up to date, by whoever knows their version.
    Live,
    /// One that is being built.
    Built(i32),
}

/// Folds a batch into every generation that is kept up to date and of a version that this program knows.
///
/// # Errors
/// [`ProjectError`]; nothing of the batch has happened then.
pub async fn project(
    primary: &PgPool,
    meta: &MetaConnection,
    batch: &Batch,
) -> Result<Projected, ProjectError> {
    project_into(primary, meta, batch, Into::Live).await
}

/// Folds a batch into one generation that is being built, and no other.
///
/// # Errors
/// [`ProjectError`]; nothing of the batch has happened then.
pub async fn project_built(
    primary: &PgPool,
    meta: &MetaConnection,
    batch: &Batch,
    generation: i32,
) -> Result<Projected, ProjectError> {
    project_into(primary, meta, batch, Into::Built(generation)).await
}

async fn project_into(
    primary: &PgPool,
    meta: &MetaConnection,
    batch: &Batch,
    into: Into,
) -> Result<Projected, ProjectError> {
    let mut connection = meta.take().await?;
    let projected = project_on(primary, &mut connection, batch, into).await?;
    meta.put_back(connection);
    Ok(projected)
}

async fn project_on(
    primary: &PgPool,
    connection: &mut PgConnection,
    batch: &Batch,
    into: Into,
) -> Result<Projected, ProjectError> {
    let mut transaction = connection.begin().await?;
    let parts: Vec<Part> = batch.0.keys().copied().collect();
    let generations = match into {
        Into::Live => meta::live_generations(&mut transaction).await?,
        Into::Built(generation) => meta::built_generation(&mut transaction, generation).await?,
    };
    let ours: Vec<(WrittenGeneration, Apply)> = generations
        .into_iter()
        .filter_map(|written| Some((written, projection(written.projection_version)?)))
        .collect();
    if ours.is_empty() {
        return Err(ProjectError::NoGeneration);
    }
    let numbers: Vec<i32> = ours.iter().map(|(written, _)| written.generation).collect();
    let checkpoints = meta::lock_checkpoints(&mut transaction, &numbers, &parts).await?;
    let (events, pulled) = missing_pulled(primary, batch, &checkpoints).await?;
    // After the lock: what was given up before whoever made the product anew let go of it is passed over here too.
    let products: BTreeSet<ProductId> = events.values().flatten().map(|event| event.product_id).collect();
    let discarded = meta::discarded_events_of(&mut *transaction, products).await?;
    let mut projected = Projected { pulled, ..Projected::default() };
    for (WrittenGeneration { generation, answers, .. }, apply) in ours {
        let at: Vec<Checkpoint> =
            checkpoints.iter().filter(|c| c.generation == generation).copied().collect();
        let new = new_events(&at, &events);
        let folding = fold_into(primary, &mut transaction, (generation, apply), &new, &discarded).await?;
        let parkings = store(&mut transaction, generation, &folding).await?;
        let moved = moved(&at, &new);
        meta::move_checkpoints(&mut transaction, &moved).await?;
        projected.events += new.len();
        projected.products.extend(new.iter().map(|event| (event.product_id, event.version)));
        if answers {
            let stands_still = |id: &ProductId| folding.product(*id).is_some_and(|product| product.parked);
            projected.standing_still.extend(products_of(&new).into_iter().filter(stands_still));
            projected.standing_still.extend(parkings.iter().map(|parking| parking.product_id));
        }
        projected.parkings.extend(parkings);
        for checkpoint in moved {
            let at = projected.positions.entry(checkpoint.part).or_insert(checkpoint.pos);
            *at = (*at).min(checkpoint.pos);
        }
    }
    transaction.commit().await?;
    Ok(projected)
}

/// Compares every checkpoint with the log.
///
/// # Errors
/// [`ProjectError::OtherLog`] when one is of another log.
pub async fn same_log(primary: &PgPool, checkpoints: &[Checkpoint]) -> Result<(), ProjectError> {
    let ranges: Vec<LogRange> =
        checkpoints.iter().map(|c| LogRange { part: c.part, after: c.pos, events_max: 0 }).collect();
    let pulled = primary::pull_events(primary, &ranges).await?;
    checkpoints.iter().try_for_each(|checkpoint| is_of(checkpoint, pulled.epoch, &pulled.before))
}

/// The log's heads with the canary's beat, and where all generations stand. A head that is behind a checkpoint is no log that only
/// grew: then the checkpoints are compared with it.
///
/// # Errors
/// [`ProjectError`].
pub async fn look(primary: &PgPool, meta: &PgPool) -> Result<(HeadsAtBeat, Vec<Checkpoint>), ProjectError> {
    let (seen, checkpoints) =
        tokio::try_join!(primary::heads_at_beat(primary), meta::read_checkpoints(meta))?;
    // Meta may have moved on between the two looks: what counts is what the log has now.
    if checkpoints.iter().any(|c| seen.heads.get(c.part.index()).is_none_or(|head| *head < c.pos)) {
        same_log(primary, &checkpoints).await?;
    }
    Ok((seen, checkpoints))
}

/// The batch's events by part, from the lowest checkpoint on and without a hole; what is missing is
/// pulled, as far as one transaction may go. Also returns how many were.
async fn missing_pulled(
    primary: &PgPool,
    batch: &Batch,
    checkpoints: &[Checkpoint],
) -> Result<(Whole, usize), ProjectError> {
    let plan = plan(batch, checkpoints, PULL_EVENTS_MAX);
    if plan.ranges().is_empty() {
        return Ok((plan.whole(), 0));
    }
    if !plan.foreign().is_empty() {
        let parts: Vec<i16> = plan.foreign().iter().map(|part| part.get()).collect();
        tracing::warn!(?parts, "messages are of another log than meta: what is true is pulled");
    }
    let pulled = primary::pull_events(primary, plan.ranges()).await?;
    let count = pulled.events.len();
    Ok((plan.with(pulled, checkpoints)?, count))
}

/// Folds new events into a generation's products; those that miss events are rebuilt from the log.
async fn fold_into(
    primary: &PgPool,
    connection: &mut PgConnection,
    (generation, apply): (i32, Apply),
    new: &[&LogEvent],
    discarded: &Discarded,
) -> Result<Folding, ProjectError> {
    let products = meta::load_products(connection, generation, &products_of(new)).await?;
    let mut folding = Folding::of(apply, products, discarded.clone());
    new.iter().for_each(|event| folding.fold(*event));
    for product in folding.holes() {
        let Some(last) = new.iter().rev().find(|event| event.product_id == product) else { continue };
        // With why it stood still, if it did.
        meta::remove_product(connection, generation, product).await?;
        rebuild(primary, &mut folding, last).await?;
    }
    Ok(folding)
}

/// Folds a product's events from the first up to `last`.
async fn rebuild(primary: &PgPool, folding: &mut Folding, last: &LogEvent) -> Result<(), ProjectError> {
    let product = last.product_id;
    tracing::warn!(product.id = %product, "events of the product were missing, or its row is damaged: it is rebuilt from the log");
    folding.begin_again(product);
    let mut after = Version(0);
    loop {
        let events = primary::product_events(primary, product, after, last.pos, REBUILD_EVENTS_MAX).await?;
        for event in &events {
            folding.fold(event);
        }
        match events.last() {
            Some(event) => after = event.version,
            None => break,
        }
    }
    folding.end_again(last);
    Ok(())
}

/// Stores changed products, and parks those that cannot be applied or stored.
///
/// # Errors
/// When the database cannot be reached.
pub async fn store(
    connection: &mut PgConnection,
    generation: i32,
    folding: &Folding,
) -> Result<Vec<Parking>, sqlx::Error> {
    let mut parkings = folding.parkings.clone();
    let refused = store_or_refuse(connection, generation, folding.changed()).await?;
    for (product, reason) in refused {
        parkings.extend(folding.refused(product, reason));
        meta::mark_parked(connection, generation, product).await?;
    }
    for parking in &parkings {
        meta::park(connection, generation, parking).await?;
    }
    Ok(parkings)
}

/// Products that the database does not take, each with the reason.
type Refused = Vec<(ProductId, String)>;

/// Stores products; if the database does not take the values of some, halves them until it is clear
/// which, and returns those.
fn store_or_refuse<'a>(
    connection: &'a mut PgConnection,
    generation: i32,
    products: Vec<&'a StoredProduct>,
) -> Pin<Box<dyn Future<Output = Result<Refused, sqlx::Error>> + Send + 'a>> {
    Box::pin(async move {
        if products.is_empty() {
            return Ok(Vec::new());
        }
        let mut savepoint = connection.begin().await?;
        match meta::store_products(&mut savepoint, generation, &products).await {
            Ok(()) => {
                savepoint.commit().await?;
                Ok(Vec::new())
            }
            Err(error) if fault(&error) == Fault::Data => {
                savepoint.rollback().await?;
                if let [one] = products.as_slice() {
                    return Ok(vec![(one.product_id, error.to_string())]);
                }
                let (left, right) = products.split_at(products.len() / 2);
                let mut refused = store_or_refuse(connection, generation, left.to_vec()).await?;
                refused.extend(store_or_refuse(connection, generation, right.to_vec()).await?);
                Ok(refused)
            }
            Err(error) => Err(error),
        }
    })
}
