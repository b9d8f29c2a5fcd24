//! `reviewsctl parked discard`: an event given up for good, or the dead letters thrown away.

use super::{CONNECTION_NAME, active, parked, parking_line, rebuild};
use crate::config::Config;
use crate::replay::product;
use crate::say;
use crate::store::Store;
use crate::stores::Named;
use anyhow::bail;
use domain::ProductId;
use std::io::IsTerminal as _;

/// Arguments of `reviewsctl parked discard`.
#[derive(Debug, clap::Args)]
pub(crate) struct DiscardArgs {
    #[command(flatten)]
    what: What,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// What to give up.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The event for which this product stands still: it goes on without it, in every replay too
    #[arg(value_name = "PRODUCT", value_parser = product)]
    product: Option<ProductId>,
    /// All messages that nobody could read: their events are in the log
    #[arg(long)]
    dead_letters: bool,
}

/// Gives up, and returns whether the product goes on.
pub(super) async fn run(args: &DiscardArgs, config: &Config) -> anyhow::Result<bool> {
    let asks = !args.yes;
    if asks && !std::io::stdin().is_terminal() {
        bail!("what is given up does not come back, and nobody can be asked here: run it again with --yes");
    }
    match args.what.product {
        Some(product_id) => event(product_id, asks, &Named::new(config)?).await,
        None => dead_letters(asks, config).await,
    }
}

async fn event(product_id: ProductId, asks: bool, named: &Named) -> anyhow::Result<bool> {
    let active = active(named).await?;
    let all = parked(named, Some(product_id)).await?;
    let Some(parking) = all.iter().find(|parked| parked.generation == active) else {
        match all.first() {
            None => bail!("product {product_id} does not stand still: see `reviewsctl parked list`"),
            // Its event may be good, and only later than that generation's version of the fold.
            Some(other) => bail!(
                "product {product_id} stands still only in generation {}, which does not answer: its event is not given \
                 up for that; delete the generation by `reviewsctl generations prune`",
                other.generation
            ),
        }
    };
    let line = parking_line(parking, active);
    if asks {
        say::note(&line);
        if !say::confirmed("Give this event up for good, in every replay too? Type yes:").await? {
            bail!("nothing was given up");
        }
    }
    let discarded = meta::discard_parked(&named.stores.meta, product_id, parking.event_id).await;
    let discarded = discarded.map_err(|error| named.meta_failed(&error))?;
    let version = rebuild(named, product_id).await?.version;
    let still = parked(named, Some(product_id)).await?;
    let next = still.iter().find(|parked| parked.generation == active);
    if let Some(same) = next.filter(|next| next.event_id == parking.event_id) {
        bail!(
            "product {product_id} still stands still for this event though it is given up: {}; it takes what is missing \
             to mend it, as by a restore of the primary",
            same.reason
        );
    }
    let before = if discarded == 0 { ", as it was before" } else { "" };
    say::result(format_args!("given up{before}: {line}"))?;
    match next {
        None => {
            say::result(format_args!("product {product_id} goes on without it, at version {version}"))?;
            for other in &still {
                say::result(format_args!(
                    "it still stands still elsewhere: {}",
                    parking_line(other, active)
                ))?;
            }
            Ok(true)
        }
        Some(next) => {
            say::result(format_args!(
                "product {product_id} stands still again: {}; run the same command again to give this one up too",
                parking_line(next, active)
            ))?;
            Ok(false)
        }
    }
}

async fn dead_letters(asks: bool, config: &Config) -> anyhow::Result<bool> {
    let address = config.broker()?;
    let failed = |error| Store::broker(&address).broker_failed(error);
    let count = broker::dead_letters(&address, CONNECTION_NAME, 0).await.map_err(failed)?.count;
    if count == 0 {
        say::result("there are no dead letters")?;
        return Ok(true);
    }
    if asks && !say::confirmed(format_args!("Throw {count} dead letters away? Type yes:")).await? {
        bail!("nothing was thrown away");
    }
    let purged = broker::purge_dead_letters(&address, CONNECTION_NAME).await.map_err(failed)?;
    say::result(format_args!("{purged} dead letters are thrown away; their events are in the log"))?;
    Ok(true)
}
