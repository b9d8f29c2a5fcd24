//! What is done around measurements: data imported, memories filled, and one thing held against another.

use crate::drive::{Outcome, Plan, drive};
use crate::scenario::{Scenario, Setting};
use crate::stack::{Ran, Stack};
use crate::traffic::{Ids, Pages, Reads, Traffic};
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often is looked whether all products were asked for.
const PASS_PIECE: Duration = Duration::from_secs(1);
/// Longest time for asking once for every product.
const PASS_LIMIT: Duration = Duration::from_secs(600);
/// Pieces of a measurement that is held against another, each with a piece of the other's right after it: a machine
/// that others use as well changes its speed within minutes, and less within seconds.
const PAIRS: u32 = 7;

/// Imports a data set, as an operator would. Returns what the import came to.
pub(crate) async fn import(stack: &Stack, products: u32, reviews: u32) -> Result<Ran> {
    let files = stack.data.join("data-set");
    let dir = files.display().to_string();
    let (products, reviews) = (products.to_string(), reviews.to_string());
    stack
        .reviewsctl(&["generate", &dir, "--products", &products, "--reviews", &reviews, "--seed", "1"])
        .await?;
    let imported = stack.reviewsctl(&["import", &dir]).await?;
    std::fs::remove_dir_all(&files)?;
    Ok(imported)
}

/// Asks for a page of every product, so that readers that keep answers have what they can hold.
pub(crate) async fn pass(setting: &Setting, pages: Pages) -> Result<()> {
    let (picked, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    while picked.load(Ordering::Relaxed) < setting.products {
        ensure!(began.elapsed() < PASS_LIMIT, "asking once for every product took more than {PASS_LIMIT:?}");
        let traffic = Traffic::Reads(Reads { ids: Ids::InTurn(picked.clone(), setting.products), pages });
        let plan = Plan {
            front: setting.front,
            connections: setting.connections,
            rate: None,
            time: PASS_PIECE,
            grace: Duration::ZERO,
            shown: false,
        };
        tokio::task::spawn_blocking(move || drive(plan, traffic)).await??;
    }
    Ok(())
}

/// Measures two in turns, each for a part of its setting's time. Returns what came of the first, and its rate in times of the
/// second's, pair by pair in ascending order.
pub(crate) async fn in_pairs(
    (scenario, setting): (Scenario, &Setting),
    (other, other_setting): (Scenario, &Setting),
) -> Result<(Outcome, Vec<f64>)> {
    let piece = |setting: &Setting| {
        let time = (setting.time / PAIRS).max(Duration::from_secs(1));
        Setting { time, ..setting.clone() }
    };
    let (setting, other_setting) = (piece(setting), piece(other_setting));
    let (mut all, mut ratios) = (Outcome::default(), Vec::new());
    for _ in 0..PAIRS {
        let outcome = scenario.run(&setting).await?;
        let most = other.run(&other_setting).await?;
        all.append(&outcome)?;
        ratios.push(outcome.rate() / most.rate());
    }
    ratios.sort_by(f64::total_cmp);
    Ok((all, ratios))
}

/// The one in the middle.
pub(crate) fn median(ascending: &[f64]) -> Option<f64> {
    ascending.get(ascending.len() / 2).copied()
}
