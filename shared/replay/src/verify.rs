//! Verifying the generation that answers, and mending what differs.

use crate::compare::{Against, Compared, Comparison, Difference};
use crate::error::{self, ReplayError};
use crate::gate::Gate;
use crate::product::{Rebuilt, rebuild_product};
use crate::progress::Progress;
use crate::stores::Stores;
use crate::swap::follows_active;
use crate::throttle::Throttle;
use domain::{PARTS, Position, ProductId};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A sample above one product in so many takes as long as all: one by one a product takes several round trips, some
/// milliseconds, and in a group a fiftieth of that or less.
const SAMPLE_SHARE: i64 = 50;
/// Samples up to this are drawn whatever there is: they take a moment.
const SAMPLE_ALWAYS: i64 = 100;

/// What verification came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The generation that answers.
    pub generation: i32,
    /// Whether only a sample was compared.
    pub sampled: bool,
    /// What was compared.
    pub compared: Compared,
    /// Events that the generation did not have when it began, those without a position among them: what they add nobody
    /// compared.
    pub behind: i64,
    /// How long it took.
    pub took: Duration,
}

/// Compares the generation that answers with what the primary adds up to, at equal versions: every product, or so many
/// chosen at random. A sample that would take as long as all do, one by one, is not drawn: all are compared.
///
/// # Errors
/// [`ReplayError`]. Differences are none.
pub async fn verify(
    stores: &Stores,
    sample: Option<i64>,
    throttle: Option<Throttle>,
    progress: &Arc<Progress>,
) -> Result<Verified, ReplayError> {
    let began = Instant::now();
    let active = answers_from_this_log(stores).await?;
    let behind = behind(stores, active.0).await?;
    let gate = Gate::of_work(stores, throttle, progress.clone()).await;
    let comparison = Comparison::of(stores, active, Arc::new(gate), progress.clone())?;
    let sample = match sample {
        Some(products) => is_quicker(stores, products).await?.then_some(products),
        None => None,
    };
    let compared = match sample {
        None => comparison.all().await?,
        Some(products) => {
            let sample = error::primary(primary::random_products(&stores.primary, products).await)?;
            comparison.some(&sample, Against::Reviews).await?
        }
    };
    Ok(Verified { generation: active.0, sampled: sample.is_some(), compared, behind, took: began.elapsed() })
}

/// Events that a generation does not have, those without a position among them.
async fn behind(stores: &Stores, generation: i32) -> Result<i64, ReplayError> {
    let mut applied = vec![Position(0); usize::from(PARTS)];
    for checkpoint in error::meta(meta::checkpoints_of(&stores.meta, generation).await)? {
        applied[checkpoint.part.index()] = checkpoint.pos;
    }
    let parts = error::primary(primary::log_status(&stores.primary, &applied).await)?;
    let lacking =
        |part: &primary::PartStatus| (part.head.0 - applied[part.part.index()].0).max(0) + part.unsequenced;
    Ok(parts.iter().map(lacking).sum())
}

/// Whether so many products, one by one, are compared sooner than all in groups.
async fn is_quicker(stores: &Stores, products: i64) -> Result<bool, ReplayError> {
    let all = error::primary(primary::table_estimates(&stores.primary).await)?.products;
    Ok(products <= SAMPLE_ALWAYS || products.saturating_mul(SAMPLE_SHARE) <= all)
}

/// Compares some products of the generation that answers.
///
/// # Errors
/// [`ReplayError`]. Differences are none.
pub async fn verify_products(stores: &Stores, products: &[ProductId]) -> Result<Compared, ReplayError> {
    let active = answers_from_this_log(stores).await?;
    let progress = Arc::new(Progress::default());
    let comparison = Comparison::of(stores, active, Arc::new(Gate::open(progress.clone())), progress)?;
    comparison.some(products, Against::Reviews).await
}

/// The generation that answers, which must be made from this primary's log: from another one everything would differ,
/// and no product could be mended.
async fn answers_from_this_log(stores: &Stores) -> Result<(i32, i32), ReplayError> {
    follows_active(stores).await?;
    error::meta(meta::active_generation(&stores.meta).await)?.ok_or(ReplayError::NoGeneration)
}

/// What repairing came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Products that were made anew from their events.
    pub rebuilt: Vec<Rebuilt>,
    /// Those of them that differ still: their events and their reviews say different things.
    pub unmended: Vec<Difference>,
}

impl Repaired {
    /// Whether a product differs still.
    pub fn is_unmended(&self, product_id: ProductId) -> bool {
        self.unmended.iter().any(|difference| difference.product_id == product_id)
    }
}

/// Rebuilds the products that differ, and compares them again.
///
/// # Errors
/// [`ReplayError`]; those before it are rebuilt.
pub async fn repair(stores: &Stores, compared: &Compared) -> Result<Repaired, ReplayError> {
    let mut rebuilt = Vec::with_capacity(compared.differences.len());
    for difference in &compared.differences {
        rebuilt.push(rebuild_product(stores, difference.product_id).await?);
    }
    let products: Vec<ProductId> = rebuilt.iter().map(|rebuilt| rebuilt.product_id).collect();
    let unmended = match products.as_slice() {
        [] => Vec::new(),
        products => verify_products(stores, products).await?.differences,
    };
    Ok(Repaired { rebuilt, unmended })
}
