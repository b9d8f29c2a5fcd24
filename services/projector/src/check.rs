//! The check that never ends: some products at a time, in turns, compared with what the primary adds up to.

#[cfg(test)]
mod tests;

use crate::metrics::Metrics;
use domain::ProductId;
use replay::{Compared, ReplayError, Stores, verify_products};
use service::{Shutdown, log_chain};
use std::sync::Arc;
use std::time::Duration;

/// How often products are compared, and how many: ten a second, whatever there is to do. A hundred thousand
/// take three hours.
const CHECK_EVERY: Duration = Duration::from_secs(5);
const CHECK_PRODUCTS_MAX: i64 = 50;
/// Longest wait for one round.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// Compares until told to stop. What differs is logged and counted; `reviewsctl verify --repair` mends it.
pub(crate) async fn check(stores: Stores, metrics: Arc<Metrics>, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut rounds = tokio::time::interval(CHECK_EVERY);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut after = None;
    while shutdown.unless_stopped(rounds.tick()).await.is_some() {
        let round = tokio::time::timeout(CHECK_TIMEOUT, next_products(&stores, after));
        match shutdown.unless_stopped(round).await {
            None => break,
            Some(Ok(Ok((compared, last)))) => {
                tell(&compared, &metrics);
                after = last;
            }
            // Whoever folds says what is the matter with the stores.
            Some(Ok(Err(error))) => tracing::debug!(cause = log_chain(&error), "products were not compared"),
            Some(Err(_)) => tracing::debug!("products were not compared in time"),
        }
    }
    Ok(())
}

/// Compares the products after one, and returns with the last of them; at the end with none, to begin again.
pub(crate) async fn next_products(
    stores: &Stores,
    after: Option<ProductId>,
) -> Result<(Compared, Option<ProductId>), ReplayError> {
    let products = primary::products_after(&stores.primary, after, CHECK_PRODUCTS_MAX).await;
    let products = products.map_err(ReplayError::Primary)?;
    if products.is_empty() {
        return Ok((Compared::default(), None));
    }
    let compared = verify_products(stores, &products).await?;
    Ok((compared, products.last().copied()))
}

fn tell(compared: &Compared, metrics: &Metrics) {
    metrics.checked.inc_by(compared.products);
    metrics.differing.inc_by(compared.differing);
    for difference in &compared.differences {
        tracing::error!(
            product.id = %difference.product_id, meta.version = %difference.stored.version,
            expected.version = %difference.expected.version, expected.from = difference.expected_from,
            "meta is not what the primary adds up to: `reviewsctl verify --repair` mends it"
        );
    }
}
