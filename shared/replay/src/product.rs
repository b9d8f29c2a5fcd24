//! One product, made anew from its events beside the live stream.

use crate::error::{self, ReplayError};
use crate::stores::Stores;
use domain::{EventRef, ProductId, Version, projection};
use meta::Checkpoint;
use projection::{Folding, same_log, store};
use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};

/// What rebuilding a product came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The product.
    pub product_id: ProductId,
    /// Its version now; 0 when it has no events.
    pub version: Version,
    /// Generations in which it was made anew.
    pub generations: Vec<i32>,
    /// Why it stands still (again), if it does.
    pub parked: Option<String>,
    /// Events folded.
    pub events: u64,
    /// How long it took.
    pub took: Duration,
    /// How long the projector was held up for it.
    pub held: Duration,
}

/// Makes a product anew in every generation that is kept up to date. Nearly all of its events are folded before
/// the part's checkpoint is locked, so that the projector waits for a moment only, however many there are.
///
/// # Errors
/// [`ReplayError`]; the product is then as it was.
pub async fn rebuild_product(stores: &Stores, product_id: ProductId) -> Result<Rebuilt, ReplayError> {
    let began = Instant::now();
    let (mut primary, mut meta) = (stores.connect_primary().await?, stores.connect_meta().await?);
    let discarded = error::meta(meta::discarded_events(&mut meta).await)?;
    let mut foldings = Vec::new();
    for (generation, version) in error::meta(meta::live_generations(&mut meta).await)? {
        if let Some(apply) = projection(version) {
            foldings.push((generation, Folding::from_first(apply, discarded.clone())));
        }
    }
    if foldings.is_empty() {
        return Err(ReplayError::NoGeneration);
    }
    let generations: Vec<i32> = foldings.iter().map(|(generation, _)| *generation).collect();
    let mut rebuild = Rebuild { product_id, foldings, last: Version(0), events: 0 };
    rebuild.read_on(&mut primary).await?;

    let mut transaction = error::meta(meta.begin().await)?;
    let parts = [product_id.part()];
    let checkpoints = error::meta(meta::lock_checkpoints(&mut transaction, &generations, &parts).await)?;
    let locked = Instant::now();
    follows(stores, &checkpoints).await?;
    // What was appended since, the projector may have folded: it must not be taken back.
    rebuild.read_on(&mut primary).await?;
    let (version, events) = (rebuild.last, rebuild.events);
    let mut parked = None;
    for (generation, folding) in rebuild.foldings {
        error::meta(meta::remove_product(&mut transaction, generation, product_id).await)?;
        let parkings = error::meta(store(&mut transaction, generation, &folding).await)?;
        parked = parked.or(parkings.into_iter().next().map(|parking| parking.reason));
    }
    error::meta(transaction.commit().await)?;
    Ok(Rebuilt {
        product_id,
        version,
        generations,
        parked,
        events,
        took: began.elapsed(),
        held: locked.elapsed(),
    })
}

async fn follows(stores: &Stores, checkpoints: &[Checkpoint]) -> Result<(), ReplayError> {
    match same_log(&stores.primary, checkpoints).await {
        Err(other @ projection::ProjectError::OtherLog { .. }) => Err(ReplayError::OtherLog(other)),
        Err(projection::ProjectError::Store(error)) => Err(ReplayError::Primary(error)),
        result => Ok(result?),
    }
}

struct Rebuild {
    product_id: ProductId,
    foldings: Vec<(i32, Folding)>,
    last: Version,
    events: u64,
}

impl Rebuild {
    /// Folds the events after the last one.
    async fn read_on(&mut self, primary: &mut PgConnection) -> Result<(), ReplayError> {
        let after = self.last;
        let (foldings, last, events) = (&mut self.foldings, &mut self.last, &mut self.events);
        let each = |event: EventRef<'_>| {
            (*last, *events) = (event.version, *events + 1);
            foldings.iter_mut().for_each(|(_, folding)| folding.fold(event));
        };
        error::primary(primary::copy_product_events(primary, self.product_id, after, each).await)
    }
}
