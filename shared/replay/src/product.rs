//! One product, made anew from its events beside the live stream.

use crate::error::{self, ReplayError};
use crate::stores::Stores;
use crate::swap::follow;
use domain::{Apply, EventRef, ProductId, Version, projection};
use meta::StoredProduct;
use projection::{Rebuild, store};
use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};

/// What rebuilding a product came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The product.
    pub product_id: ProductId,
    /// Its last version that was passed, in the generation that is furthest; 0 when none of its events is there.
    pub version: Version,
    /// Generations in which it was made anew.
    pub generations: Vec<i32>,
    /// Generations that keep what they have, which is further than its events can be applied.
    pub kept: Vec<i32>,
    /// Why its events stop, where they do: it stands still (again) where it was made anew.
    pub parked: Option<String>,
    /// Events folded.
    pub events: u64,
    /// How long it took.
    pub took: Duration,
    /// How long the projector was held up for it.
    pub held: Duration,
}

/// Makes a product anew in every generation that is kept up to date, in each as far as its checkpoint. Nearly all of
/// its events are folded before the part's checkpoint is locked, so that the projector waits for a moment only, however
/// many there are. It is never made worse: where an event cannot be applied that a generation has passed, and the product
/// does not stand still there, it stays as it is.
///
/// # Errors
/// [`ReplayError`]; the product is then as it was.
pub async fn rebuild_product(stores: &Stores, product_id: ProductId) -> Result<Rebuilt, ReplayError> {
    rebuild(stores, product_id, None).await
}

/// The same in one generation, as far as it is kept up to date.
pub(crate) async fn rebuild_in(
    stores: &Stores,
    product_id: ProductId,
    generation: i32,
) -> Result<Rebuilt, ReplayError> {
    rebuild(stores, product_id, Some(generation)).await
}

async fn rebuild(stores: &Stores, product_id: ProductId, only: Option<i32>) -> Result<Rebuilt, ReplayError> {
    let began = Instant::now();
    let (mut primary, mut meta) = (stores.connect_primary().await?, stores.connect_meta().await?);
    let live = error::meta(meta::live_generations(&mut meta).await)?;
    let wanted = live.into_iter().filter(|live| only.is_none_or(|only| only == live.generation));
    let known: Vec<(i32, Apply)> =
        wanted.filter_map(|live| Some((live.generation, projection(live.projection_version)?))).collect();
    if known.is_empty() {
        return Err(ReplayError::NoGeneration);
    }
    let discarded = error::meta(meta::discarded_events_of(&mut meta, [product_id]).await)?;
    let mut rebuild = Rebuild::of(product_id, &known, discarded);
    rebuild.go_up_to(&error::meta(meta::read_checkpoints(&stores.meta).await)?);
    read_on(&mut primary, product_id, &mut rebuild).await?;

    let mut transaction = error::meta(meta.begin().await)?;
    let numbers: Vec<i32> = rebuild.generations().collect();
    let parts = [product_id.part()];
    let checkpoints = error::meta(meta::lock_checkpoints(&mut transaction, &numbers, &parts).await)?;
    let locked = Instant::now();
    follow(stores, &checkpoints).await?;
    // Two at once: what the other passed over must not come back.
    let discarded = error::meta(meta::discarded_events_of(&mut *transaction, [product_id]).await)?;
    if discarded != *rebuild.discarded() {
        rebuild = Rebuild::of(product_id, &known, discarded);
    }
    rebuild.keep_those_of(&checkpoints);
    rebuild.go_up_to(&checkpoints);
    read_on(&mut primary, product_id, &mut rebuild).await?;
    let (version, events) = (rebuild.version(), rebuild.events());
    let (mut generations, mut kept, mut parked) = (Vec::new(), Vec::new(), None);
    for (generation, folding) in rebuild.into_foldings() {
        if let Some(parking) = folding.parkings.first() {
            let stored = meta::load_products(&mut transaction, generation, &[product_id]).await;
            let reached = folding.product(product_id).map(|product| product.meta.version);
            let further = |stored: &StoredProduct| {
                !stored.parked && !stored.damaged && Some(stored.meta.version) > reached
            };
            if error::meta(stored)?.iter().any(further) {
                parked = parked.or_else(|| Some(parking.reason.clone()));
                kept.push(generation);
                continue;
            }
        }
        error::meta(meta::remove_product(&mut transaction, generation, product_id).await)?;
        let parkings = error::meta(store(&mut transaction, generation, &folding).await)?;
        parked = parked.or(parkings.into_iter().next().map(|parking| parking.reason));
        generations.push(generation);
    }
    error::meta(transaction.commit().await)?;
    Ok(Rebuilt {
        product_id,
        version,
        generations,
        kept,
        parked,
        events,
        took: began.elapsed(),
        held: locked.elapsed(),
    })
}

/// Folds the events that some generation has not passed.
async fn read_on(
    primary: &mut PgConnection,
    product_id: ProductId,
    rebuild: &mut Rebuild,
) -> Result<(), ReplayError> {
    let after = rebuild.after();
    let each = |event: EventRef<'_>| rebuild.pass(event);
    error::primary(primary::copy_product_events(primary, product_id, after, each).await)
}
