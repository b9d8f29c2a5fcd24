//! `reviewsctl parked redrive`: products made anew from their events.

use super::{active, parked, parking_json, parking_line, rebuild};
use crate::replay::product;
use crate::say;
use crate::stores::Named;
use domain::{ProductId, Version};
use meta::ParkedProduct;
use serde_json::json;
use std::collections::BTreeSet;

/// Arguments of `reviewsctl parked redrive`.
#[derive(Debug, clap::Args)]
pub(crate) struct RedriveArgs {
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which products.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// These products, whether they stand still or not
    #[arg(value_name = "PRODUCT", value_parser = product)]
    products: Vec<ProductId>,
    /// All that stand still
    #[arg(long)]
    all: bool,
}

/// What became of a product.
struct Redriven {
    product_id: ProductId,
    version: Version,
    was_parked: bool,
    /// Where it stands still now.
    still: Vec<ParkedProduct>,
}

/// Rebuilds, and returns whether nothing of it stands still.
pub(super) async fn run(args: &RedriveArgs, named: &Named) -> anyhow::Result<bool> {
    let active = active(named).await?;
    let parked_before: BTreeSet<ProductId> =
        parked(named, None).await?.into_iter().map(|parked| parked.product_id).collect();
    let products: BTreeSet<ProductId> =
        if args.which.all { parked_before.clone() } else { args.which.products.iter().copied().collect() };
    let mut redriven = Vec::with_capacity(products.len());
    for product_id in products {
        let version = rebuild(named, product_id).await?.version;
        let still = parked(named, Some(product_id)).await?;
        let was_parked = parked_before.contains(&product_id);
        let done = Redriven { product_id, version, was_parked, still };
        if !args.json {
            tell(&done, active)?;
        }
        redriven.push(done);
    }
    let still = redriven.iter().filter(|redriven| !redriven.still.is_empty()).count();
    let going_on = redriven.len() - still;
    if args.json {
        let products: Vec<_> = redriven.iter().map(|redriven| redriven_json(redriven, active)).collect();
        let all = json!({ "products": products, "going_on": going_on, "standing_still": still });
        say::result(serde_json::to_string_pretty(&all)?)?;
    } else {
        say::result(format_args!("{going_on} go on, {still} stand still"))?;
    }
    Ok(still == 0)
}

fn tell(redriven: &Redriven, active: i32) -> anyhow::Result<()> {
    let Redriven { product_id, version, was_parked, still } = redriven;
    for parked in still {
        say::result(format_args!("still       {}", parking_line(parked, active)))?;
    }
    if still.is_empty() {
        let was_parked = if *was_parked { "" } else { "; it was not parked" };
        say::result(format_args!("goes on     product {product_id} at version {version}{was_parked}"))?;
    }
    Ok(())
}

fn redriven_json(redriven: &Redriven, active: i32) -> serde_json::Value {
    let Redriven { product_id, version, was_parked, still } = redriven;
    let still: Vec<_> = still.iter().map(|parked| parking_json(parked, active)).collect();
    json!({ "product": product_id, "version": version, "was_parked": was_parked, "parked": still })
}
