//! `reviewsctl parked discard`: an event given up for good, or the dead letters thrown away.

use super::letters::{count, thrown_away};
use super::show::event_of;
use super::{ParkingJson, active, parked, parking_line};
use crate::config::Config;
use crate::fault::Fault;
use crate::replay::{product, rebuilt};
use crate::say;
use crate::stores::Named;
use anyhow::bail;
use domain::{Event, ProductId, Version};
use meta::ParkedProduct;
use replay::{ReplayError, counted};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use utoipa::ToSchema;

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

/// The event for which a product stands still in the generation that answers.
async fn parking(product_id: ProductId, active: i32, named: &Named) -> anyhow::Result<ParkedProduct> {
    let mut all = parked(named, Some(product_id)).await?;
    if let Some(at) = all.iter().position(|parked| parked.generation == active) {
        return Ok(all.swap_remove(at));
    }
    bail!(match all.first() {
        None =>
            Fault::Unknown(format!("product {product_id} does not stand still: see `reviewsctl parked list`")),
        // Its event may be good, and only later than that generation's version of the fold.
        Some(_) => {
            let generations: BTreeSet<i32> = all.iter().map(|parked| parked.generation).collect();
            let unended =
                meta::unended_replay(&named.stores.meta).await.map_err(|e| named.meta_failed(&e))?;
            let built = unended.is_some_and(|replay| generations.contains(&replay.generation));
            let numbers: Vec<String> = generations.iter().map(ToString::to_string).collect();
            let (which, what) = match numbers.as_slice() {
                [one] => (format!("generation {one}, which does not answer"), "the generation"),
                many => {
                    (format!("generations {}, which do not answer", many.join(", ")), "those generations")
                }
            };
            let mend = match (built, numbers.len()) {
                (true, 1) => "`reviewsctl replay cancel`",
                (true, _) => "`reviewsctl replay cancel` and `reviewsctl generations prune`",
                (false, _) => "`reviewsctl generations prune`",
            };
            Fault::Conflict(format!(
                "product {product_id} stands still only in {which}: its event is not given up for that; delete {what} by {mend}"
            ))
        }
    })
}

/// What giving an event up came to.
struct Discarded {
    /// It was given up before already.
    before: bool,
    /// It added a review, and nothing says which.
    unnamed: bool,
    version: Version,
    /// Where the product stands still now.
    still: Vec<ParkedProduct>,
}

async fn discard(parking: &ParkedProduct, named: &Named) -> anyhow::Result<Discarded> {
    let product_id = parking.product_id;
    let event = event_of(named, parking).await?;
    let (adds, added) = match event {
        Some(event) => {
            (Event::adds_review(&event.event_type), Event::added_review(&event.event_type, &event.payload))
        }
        None => (false, None),
    };
    let added = match added {
        None if adds => {
            let unnamed = primary::unnamed_review(&named.stores.primary, product_id).await;
            unnamed.map_err(|error| named.failed(ReplayError::Primary(error), ""))?
        }
        added => added,
    };
    let discarded = meta::discard_parked(&named.stores.meta, product_id, parking.event_id, added).await;
    let discarded = discarded.map_err(|error| named.meta_failed(&error))?;
    let version = rebuilt(named, product_id).await?.version;
    let still = parked(named, Some(product_id)).await?;
    let same =
        |now: &&ParkedProduct| now.generation == parking.generation && now.event_id == parking.event_id;
    if let Some(same) = still.iter().find(same) {
        bail!(Fault::Conflict(format!(
            "product {product_id} still stands still for this event though it is given up: {}; it takes what is missing \
             to mend it, as by a restore of the primary",
            same.reason
        )));
    }
    Ok(Discarded { before: discarded == 0, unnamed: adds && added.is_none(), version, still })
}

/// What giving an event up came to, for programs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Discarded)]
pub(crate) struct DiscardedJson {
    /// The event that was given up, and where it stood.
    given_up: ParkingJson,
    /// It was given up before already.
    before: bool,
    /// It added a review, and nothing says which: should that one be erased, meta takes away what it never added.
    unnamed: bool,
    /// The product's version now.
    version: i64,
    /// Where it stands still now, for a later event or in a generation that does not answer.
    parked: Vec<ParkingJson>,
}

/// Gives up the event for which a product stands still, for programs.
pub(crate) async fn discarded(product_id: ProductId, named: &Named) -> anyhow::Result<DiscardedJson> {
    let active = active(named).await?;
    let parking = parking(product_id, active, named).await?;
    let Discarded { before, unnamed, version, still } = discard(&parking, named).await?;
    Ok(DiscardedJson {
        given_up: ParkingJson::of(&parking, active),
        before,
        unnamed,
        version: version.0,
        parked: ParkingJson::all(&still, active),
    })
}

async fn event(product_id: ProductId, asks: bool, named: &Named) -> anyhow::Result<bool> {
    let active = active(named).await?;
    let parking = parking(product_id, active, named).await?;
    let line = parking_line(&parking, active);
    if asks {
        say::note(&line);
        if !say::confirmed("Give this event up for good, in every replay too? Type yes:").await? {
            bail!("nothing was given up");
        }
    }
    let Discarded { before, unnamed, version, still } = discard(&parking, named).await?;
    let before = if before { ", as it was before" } else { "" };
    say::result(format_args!("given up{before}: {line}"))?;
    if unnamed {
        say::note(
            "it added a review, and nothing says which: should that one be erased, meta takes away what it never added",
        );
    }
    if let Some(next) = still.iter().find(|parked| parked.generation == active) {
        say::result(format_args!(
            "product {product_id} stands still again: {}; run the same command again to give this one up too",
            parking_line(next, active)
        ))?;
        return Ok(false);
    }
    say::result(format_args!("product {product_id} goes on without it, at version {version}"))?;
    for other in &still {
        say::result(format_args!("it still stands still elsewhere: {}", parking_line(other, active)))?;
    }
    Ok(true)
}

async fn dead_letters(asks: bool, config: &Config) -> anyhow::Result<bool> {
    let count = count(config).await?;
    if count == 0 {
        say::result("there are no dead letters")?;
        return Ok(true);
    }
    if asks
        && !say::confirmed(format_args!("Throw {} away? Type yes:", counted(count, "dead letter"))).await?
    {
        bail!("nothing was thrown away");
    }
    let purged = thrown_away(config).await?.thrown_away;
    let are = if purged == 1 { "is" } else { "are" };
    let purged = counted(purged, "dead letter");
    say::result(format_args!("{purged} {are} thrown away; what they hold is in the log"))?;
    Ok(true)
}
