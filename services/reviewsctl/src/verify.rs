//! `reviewsctl verify`: the generation that answers against what the primary adds up to.

use crate::config::Config;
use crate::replay::{ThrottleArgs, rebuilt_line, shown, stored_values, tell_compared, values};
use crate::say;
use crate::stores::Named;
use replay::{Difference, Progress, Repaired, Throttle, Verified, counted};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Ends the line about a store that was lost on the way.
const RUN_AGAIN: &str = ", then verify again";

/// Arguments of `reviewsctl verify`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct VerifyArgs {
    /// Compare so many products, chosen at random, instead of all
    ///
    /// Where more than one product in fifty is asked for, all are compared, which takes about as long; up to a hundred are
    /// always chosen at random.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    sample: Option<i64>,
    /// Rebuild the products that differ
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    throttle: ThrottleArgs,
    /// Print JSON: one object, as the last line
    #[arg(long)]
    json: bool,
}

/// What to compare.
#[derive(Debug, Clone, Copy)]
pub(crate) struct What {
    /// So many products, chosen at random, instead of all.
    pub(crate) sample: Option<i64>,
    /// Rebuild those that differ.
    pub(crate) repair: bool,
    pub(crate) throttle: Option<Throttle>,
}

/// Compares, and repairs if that is wanted.
pub(crate) async fn verified(
    named: &Named,
    what: What,
    progress: &Arc<Progress>,
) -> anyhow::Result<(Verified, Repaired)> {
    let verified = replay::verify(&named.stores, what.sample, what.throttle, progress).await;
    let verified = verified.map_err(|error| named.failed(error, RUN_AGAIN))?;
    let repaired = match what.repair {
        true => {
            let repaired = replay::repair(&named.stores, &verified.compared).await;
            repaired.map_err(|error| named.failed(error, RUN_AGAIN))?
        }
        false => Repaired::default(),
    };
    Ok((verified, repaired))
}

/// Compares, says what was found, and returns whether nothing differed.
pub(crate) async fn run(args: VerifyArgs, config: &Config) -> anyhow::Result<bool> {
    let named = Named::new(config)?;
    let progress = Arc::new(Progress::default());
    let what = What { sample: args.sample, repair: args.repair, throttle: args.throttle.throttle() };
    let (verified, repaired) = shown(&progress, verified(&named, what, &progress)).await?;
    let compared = &verified.compared;
    if args.json {
        say::result(serde_json::to_string(&Json::of(&verified, &repaired))?)?;
        return Ok(compared.differing == 0);
    }
    say::result(format_args!(
        "generation  {}, compared with the reviews in {:.2} s",
        verified.generation,
        verified.took.as_secs_f64()
    ))?;
    if args.sample.is_some() && !verified.sampled {
        say::result("sample      all were compared, which takes about as long as so many one by one")?;
    }
    if verified.behind > 0 {
        say::result(format_args!(
            "behind      {} were not in it yet, and what they add was not compared: `reviewsctl status` shows whether it \
             comes on",
            counted(verified.behind, "event")
        ))?;
    }
    tell_compared(compared)?;
    for rebuilt in repaired.rebuilt.iter().filter(|rebuilt| !repaired.is_unmended(rebuilt.product_id)) {
        say::result(format_args!("repaired    {}", rebuilt_line(rebuilt)))?;
    }
    for difference in &repaired.unmended {
        say::result(format_args!(
            "differs     product {} still, made anew from its events as it is: they and its reviews say different things; \
             `reviewsctl replay --source snapshot` goes by the reviews",
            difference.product_id
        ))?;
    }
    if compared.differing > 0 && args.repair {
        let rebuilt = repaired.rebuilt.len();
        say::result(format_args!(
            "mended      {} of {}; the exit code is that of what was found",
            counted(rebuilt - repaired.unmended.len().min(rebuilt), "product"),
            compared.differing
        ))?;
    }
    if compared.differing > 0 && !args.repair {
        say::result("mend        `reviewsctl verify --repair` rebuilds the products that differ")?;
    }
    Ok(compared.differing == 0)
}

/// What a verification came to.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Verified)]
pub(crate) struct Json {
    /// The generation that answers.
    generation: i32,
    /// Whether only a sample was compared.
    sampled: bool,
    /// Products compared.
    products: u64,
    /// Products that differ.
    differences: u64,
    /// Events that the generation did not have when it began, those without a position among them: what they add was not
    /// compared.
    behind: i64,
    seconds: f64,
    /// Those that differ, at most ten thousand.
    differing: Vec<DifferenceJson>,
    /// Products that were left out: they or their events stand still.
    parked: Vec<i64>,
    /// Products that were rebuilt.
    repaired: Vec<i64>,
    /// Products that were rebuilt and differ still: their events and their reviews say different things.
    unmended: Vec<i64>,
}

impl Json {
    pub(crate) fn of(verified: &Verified, repaired: &Repaired) -> Self {
        let compared = &verified.compared;
        Json {
            generation: verified.generation,
            sampled: verified.sampled,
            products: compared.products,
            differences: compared.differing,
            behind: verified.behind,
            seconds: verified.took.as_secs_f64(),
            differing: compared.differences.iter().map(DifferenceJson::from).collect(),
            parked: compared.parked.iter().map(|product| product.get()).collect(),
            repaired: repaired
                .rebuilt
                .iter()
                .filter(|r| r.parked.is_none() && !repaired.is_unmended(r.product_id))
                .map(|r| r.product_id.get())
                .collect(),
            unmended: repaired.unmended.iter().map(|difference| difference.product_id.get()).collect(),
        }
    }
}

/// A product that differs.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Difference)]
pub(crate) struct DifferenceJson {
    product: i64,
    /// What meta has.
    stored: String,
    /// What it should have.
    expected: String,
    /// Where that was read.
    expected_from: &'static str,
}

impl From<&Difference> for DifferenceJson {
    fn from(difference: &Difference) -> Self {
        DifferenceJson {
            product: difference.product_id.get(),
            stored: stored_values(&difference.stored, difference.damaged),
            expected: values(&difference.expected),
            expected_from: difference.expected_from,
        }
    }
}
