//! `reviewsctl parked redrive`: products made anew from their events.

use super::{ParkingJson, active, parked, parking_line};
use crate::replay::{keeps, product, rebuilt};
use crate::say;
use crate::stores::Named;
use domain::{ProductId, Version};
use meta::ParkedProduct;
use replay::Rebuilt;
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Arguments of `reviewsctl parked redrive`.
#[derive(Debug, clap::Args)]
pub(crate) struct RedriveArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which products.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct WhichArgs {
    /// These products, whether they stand still or not
    #[arg(value_name = "PRODUCT", value_parser = product)]
    products: Vec<ProductId>,
    /// All that stand still
    #[arg(long)]
    all: bool,
}

/// Which products to make anew.
#[derive(Debug)]
pub(crate) enum Which {
    /// These, whether they stand still or not.
    Named(BTreeSet<ProductId>),
    /// All that stand still.
    All,
}

/// What became of a product.
struct Redriven {
    product_id: ProductId,
    version: Version,
    was_parked: bool,
    /// Generations that keep what they have, which is further than its events can be applied.
    kept: Vec<i32>,
    /// Where it stands still now.
    still: Vec<ParkedProduct>,
}

/// Rebuilds, says what became of each, and returns whether nothing of it stands still.
pub(super) async fn run(args: &RedriveArgs, named: &Named) -> anyhow::Result<bool> {
    let which = match args.which.all {
        true => Which::All,
        false => Which::Named(args.which.products.iter().copied().collect()),
    };
    let active = active(named).await?;
    let tell_of = |redriven: &Redriven| if args.json { Ok(()) } else { tell(redriven, active) };
    let all = RedrivenAllJson::of(&redrive(named, which, tell_of).await?, active);
    if args.json {
        say::result(serde_json::to_string_pretty(&all)?)?;
    } else {
        say::result(format_args!("{} go on, {} stand still", all.going_on, all.standing_still))?;
    }
    Ok(all.standing_still == 0)
}

/// Rebuilds, for programs.
pub(crate) async fn redriven(named: &Named, which: Which) -> anyhow::Result<RedrivenAllJson> {
    let active = active(named).await?;
    Ok(RedrivenAllJson::of(&redrive(named, which, |_| Ok(())).await?, active))
}

async fn redrive(
    named: &Named,
    which: Which,
    tell_of: impl Fn(&Redriven) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Redriven>> {
    let parked_before: BTreeSet<ProductId> =
        parked(named, None).await?.into_iter().map(|parked| parked.product_id).collect();
    let products = match which {
        Which::All => parked_before.clone(),
        Which::Named(products) => products,
    };
    let mut redriven = Vec::with_capacity(products.len());
    for product_id in products {
        let Rebuilt { version, kept, .. } = rebuilt(named, product_id).await?;
        let still = parked(named, Some(product_id)).await?;
        let was_parked = parked_before.contains(&product_id);
        let done = Redriven { product_id, version, was_parked, kept, still };
        tell_of(&done)?;
        redriven.push(done);
    }
    Ok(redriven)
}

fn tell(redriven: &Redriven, active: i32) -> anyhow::Result<()> {
    let Redriven { product_id, version, was_parked, kept, still } = redriven;
    let keeps = keeps(kept);
    for parked in still {
        say::result(format_args!("still       {}{keeps}", parking_line(parked, active)))?;
    }
    if still.is_empty() {
        let was_parked = if *was_parked { "" } else { "; it was not parked" };
        say::result(format_args!(
            "goes on     product {product_id} at version {version}{was_parked}{keeps}"
        ))?;
    }
    Ok(())
}

/// What became of all products that were made anew.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Redriven)]
pub(crate) struct RedrivenAllJson {
    products: Vec<RedrivenJson>,
    /// How many of them do not stand still.
    going_on: usize,
    standing_still: usize,
}

/// What became of one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RedrivenProduct)]
struct RedrivenJson {
    product: i64,
    /// Its version now.
    version: i64,
    was_parked: bool,
    /// Generations that keep what they have, which is further than its events can be applied.
    kept: Vec<i32>,
    /// Where it stands still now.
    parked: Vec<ParkingJson>,
}

impl RedrivenAllJson {
    fn of(redriven: &[Redriven], active: i32) -> Self {
        let standing_still = redriven.iter().filter(|redriven| !redriven.still.is_empty()).count();
        let of_one = |redriven: &Redriven| RedrivenJson {
            product: redriven.product_id.get(),
            version: redriven.version.0,
            was_parked: redriven.was_parked,
            kept: redriven.kept.clone(),
            parked: ParkingJson::all(&redriven.still, active),
        };
        RedrivenAllJson {
            products: redriven.iter().map(of_one).collect(),
            going_on: redriven.len() - standing_still,
            standing_still,
        }
    }
}
