//! `reviewsctl verify`: the generation that answers against what the primary adds up to.

use crate::config::Config;
use crate::replay::{ThrottleArgs, rebuilt_line, shown, tell_compared, values};
use crate::say;
use crate::stores::Named;
use replay::{Difference, Progress};
use std::sync::Arc;

/// Ends the line about a store that was lost on the way.
const RUN_AGAIN: &str = ", then verify again";

/// Arguments of `reviewsctl verify`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct VerifyArgs {
    /// Compare so many products, chosen at random, instead of all
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

/// Compares, and returns whether nothing differed.
pub(crate) async fn run(args: VerifyArgs, config: &Config) -> anyhow::Result<bool> {
    let named = Named::new(config)?;
    let progress = Arc::new(Progress::default());
    let verify = replay::verify(&named.stores, args.sample, args.throttle.throttle(), &progress);
    let verified = shown(&progress, "products", verify).await;
    let verified = verified.map_err(|error| named.failed(error, RUN_AGAIN))?;
    let compared = &verified.compared;
    let repaired = match args.repair {
        true => {
            let repaired = replay::repair(&named.stores, compared).await;
            repaired.map_err(|error| named.failed(error, RUN_AGAIN))?
        }
        false => Vec::new(),
    };
    if args.json {
        let differing: Vec<_> = compared.differences.iter().map(json).collect();
        say::result(serde_json::json!({
            "generation": verified.generation,
            "products": compared.products,
            "differences": compared.differing,
            "seconds": verified.took.as_secs_f64(),
            "differing": differing,
            "parked": compared.parked,
            "repaired": repaired.iter().filter(|r| r.parked.is_none()).map(|r| r.product_id).collect::<Vec<_>>(),
        }))?;
        return Ok(compared.differing == 0);
    }
    say::result(format_args!(
        "generation  {}, compared with the reviews in {:.2} s",
        verified.generation,
        verified.took.as_secs_f64()
    ))?;
    tell_compared(compared)?;
    for rebuilt in &repaired {
        say::result(format_args!("repaired    {}", rebuilt_line(rebuilt)))?;
    }
    if compared.differing > 0 && !args.repair {
        say::result("mend        `reviewsctl verify --repair` rebuilds the products that differ")?;
    }
    Ok(compared.differing == 0)
}

fn json(difference: &Difference) -> serde_json::Value {
    serde_json::json!({
        "product": difference.product_id,
        "stored": values(&difference.stored),
        "expected": values(&difference.expected),
        "expected_from": difference.expected_from,
    })
}
