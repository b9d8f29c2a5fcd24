//! Verifying the generation that answers, and mending what differs.

use crate::compare::{Against, Compared, Comparison};
use crate::error::{self, ReplayError};
use crate::gate::Gate;
use crate::product::{Rebuilt, rebuild_product};
use crate::progress::Progress;
use crate::stores::Stores;
use crate::throttle::Throttle;
use domain::ProductId;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What verification came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The generation that answers.
    pub generation: i32,
    /// What was compared.
    pub compared: Compared,
    /// How long it took.
    pub took: Duration,
}

/// Compares the generation that answers with what the primary adds up to, at equal versions: every product,
/// or so many chosen at random.
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
    let active =
        error::meta(meta::active_generation(&stores.meta).await)?.ok_or(ReplayError::NoGeneration)?;
    let gate = Gate::of_work(stores, throttle, progress.clone()).await;
    let comparison = Comparison::of(stores, active, Arc::new(gate), progress.clone())?;
    let compared = match sample {
        None => comparison.all().await?,
        Some(products) => {
            let sample = error::primary(primary::random_products(&stores.primary, products).await)?;
            comparison.some(&sample, Against::Reviews).await?
        }
    };
    Ok(Verified { generation: active.0, compared, took: began.elapsed() })
}

/// Compares some products of the generation that answers.
///
/// # Errors
/// [`ReplayError`]. Differences are none.
pub async fn verify_products(stores: &Stores, products: &[ProductId]) -> Result<Compared, ReplayError> {
    let active =
        error::meta(meta::active_generation(&stores.meta).await)?.ok_or(ReplayError::NoGeneration)?;
    let progress = Arc::new(Progress::default());
    let comparison = Comparison::of(stores, active, Arc::new(Gate::open(progress.clone())), progress)?;
    comparison.some(products, Against::Reviews).await
}

/// Rebuilds the products that differ.
///
/// # Errors
/// [`ReplayError`]; those before it are rebuilt.
pub async fn repair(stores: &Stores, compared: &Compared) -> Result<Vec<Rebuilt>, ReplayError> {
    let mut rebuilt = Vec::with_capacity(compared.differences.len());
    for difference in &compared.differences {
        rebuilt.push(rebuild_product(stores, difference.product_id).await?);
    }
    Ok(rebuilt)
}
