//! `reviewsctl replay`: meta made anew while it answers; of one product only with `--product`.

mod bar;
mod control;
mod json;
mod list;
mod pace;
mod plan;

use crate::config::Config;
use crate::fault::Fault;
use crate::generations::surplus_line;
use crate::say;
use crate::status;
use crate::stores::Named;
use anyhow::bail;
pub(crate) use bar::{doing, shown};
use clap::{Args, Subcommand, ValueEnum};
pub(crate) use control::{asked, cancelled, unended_plan};
use domain::ProductId;
pub(crate) use json::{RebuiltJson, ReplayedJson};
pub(crate) use list::{ReplayJson, all as all_replays};
pub(crate) use pace::Pace;
pub(crate) use plan::{ForecastJson, forecast};
use replay::{Plan, Progress, Replayed, Throttle, counted, rebuild_product};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// Ends the line about a store that was lost on the way.
const RUN_AGAIN: &str = ", then run the same command again: what was built so far is kept";
/// Differences shown; all are counted, and `--json` has them all.
const SHOWN_MAX: usize = 20;

/// Arguments of `reviewsctl replay`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ReplayArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// What to make it from: the events, the reviews, or the events with every product compared with its reviews
    #[arg(long, value_enum, default_value_t = Source::Both)]
    source: Source,
    /// Make one product anew, in the generations that there are
    #[arg(long, value_name = "ID", value_parser = product, conflicts_with_all = ["source", "dry_run", "no_swap", "with_parked", "fresh"])]
    product: Option<ProductId>,
    /// Say what would be done and how long it would take, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Stop when the generation is verified: the next replay swaps it in
    #[arg(long)]
    no_swap: bool,
    /// Swap it in although products stand still in it that do not in the generation that answers
    #[arg(long, conflicts_with = "no_swap")]
    with_parked: bool,
    /// Begin anew with another log: after the primary was restored from a dump
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    throttle: ThrottleArgs,
    /// Print JSON: one object, as the last line
    #[arg(long)]
    json: bool,
}

/// How much to stay out of the way of live writers.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ThrottleArgs {
    /// Do nothing while ninety-nine of a hundred live writes take longer than this to commit, and slow down long before
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = limit)]
    max_write_p99: Duration,
    /// Go as fast as it goes, whatever it does to live writers
    #[arg(long, conflicts_with = "max_write_p99")]
    unthrottled: bool,
}

impl ThrottleArgs {
    pub(crate) fn throttle(self) -> Option<Throttle> {
        (!self.unthrottled).then(|| Throttle::new(self.max_write_p99))
    }
}

/// What a generation is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    Log,
    Snapshot,
    #[default]
    Both,
}

impl Source {
    /// As they are called.
    pub(crate) const NAMES: &[&str] = &["log", "snapshot", "both"];
}

impl From<Source> for meta::Source {
    fn from(source: Source) -> Self {
        match source {
            Source::Log => meta::Source::Log,
            Source::Snapshot => meta::Source::Snapshot,
            Source::Both => meta::Source::Both,
        }
    }
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Action {
    /// Make the replay under way wait, however it was started
    Pause,
    /// Let it go on, here if its process is gone
    Resume(ResumeArgs),
    /// Give it up, and delete what it built
    Cancel,
    /// Show the last fifty replays
    List(list::ListArgs),
}

#[derive(Debug, Clone, Copy, Args)]
struct ResumeArgs {
    #[command(flatten)]
    throttle: ThrottleArgs,
    /// Print JSON: one object, as the last line
    #[arg(long)]
    json: bool,
}

/// A time of a command line that commands may take.
fn limit(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => {
            Err("every command takes longer, so that nothing would ever be done: give a time above 0, or \
                                   --unthrottled to go as fast as it goes"
                .to_owned())
        }
        Ok(limit) => Ok(limit),
        Err(_) => Err("a time is a number with its unit, as 20ms or 1s".to_owned()),
    }
}

/// A product id of a command line.
pub(crate) fn product(text: &str) -> Result<ProductId, String> {
    let number: i64 = text.parse().map_err(|_| "a product id is a number from 1 to 2^53 - 1".to_owned())?;
    ProductId::try_from(number).map_err(|error| error.to_string())
}

/// Does what was asked, and returns whether all is well.
pub(crate) async fn run(args: &ReplayArgs, config: &Config) -> anyhow::Result<bool> {
    let named = Named::new(config)?;
    match args.action {
        None => {}
        Some(Action::Pause) => return control::pause(&named).await,
        Some(Action::Resume(resume)) => return control::resume_replay(&named, config, resume).await,
        Some(Action::Cancel) => return control::cancel(&named).await,
        Some(Action::List(list)) => return list::run(list, &named).await,
    }
    if let Some(product_id) = args.product {
        return one_product(&named, product_id, args.json).await;
    }
    let plan = Plan {
        source: args.source.into(),
        fresh: args.fresh,
        swap: !args.no_swap,
        with_parked: args.with_parked,
        ..Plan::careful(args.throttle.throttle())
    };
    if args.dry_run {
        return plan::run(&named, &plan, args.json).await;
    }
    replay(&named, config, &plan, args.json).await
}

/// Replays to the end.
pub(crate) async fn replayed(
    named: &Named,
    plan: &Plan,
    progress: &Arc<Progress>,
) -> anyhow::Result<Replayed> {
    let replayed = replay::replay(&named.stores, plan, progress).await;
    replayed.map_err(|error| named.failed(error, RUN_AGAIN))
}

async fn replay(named: &Named, config: &Config, plan: &Plan, json: bool) -> anyhow::Result<bool> {
    let progress = Arc::new(Progress::default());
    let replayed = shown(&progress, replayed(named, plan, &progress)).await?;
    let well = replayed.compared.differing == 0;
    if json {
        say::result(serde_json::to_string(&ReplayedJson::of(&replayed))?)?;
    } else {
        tell(&replayed, plan.fresh)?;
        // It came to its end; what cannot be read now `generations list` says later.
        let surplus = meta::surplus_generations(&named.stores.meta).await.unwrap_or_default();
        if let Some(line) = surplus_line(&surplus) {
            say::result(format_args!("surplus     {line}"))?;
        }
    }
    // The generation is as good as whoever brings it on.
    for alarm in status::alarms(config).await {
        say::note(format_args!("status      {alarm}"));
    }
    Ok(well)
}

fn tell(replayed: &Replayed, fresh: bool) -> anyhow::Result<()> {
    let Replayed { generation, source, events, building, compared, .. } = replayed;
    say::result(format_args!(
        "built       generation {generation} from {}: {} in {:.2} s, {:.0} events/s{}",
        match source {
            meta::Source::Log => "the log",
            meta::Source::Snapshot => "the reviews",
            meta::Source::Both => "the log, to be held against the reviews",
        },
        counted(*events, "event"),
        building.as_secs_f64(),
        json::rate(replayed),
        if replayed.resumed { ", by this process and those before it" } else { "" },
    ))?;
    tell_compared(compared)?;
    match replayed.swap {
        // Nothing can go on with the generations of another log.
        Some(took) if fresh => say::result(format_args!(
            "answers     generation {generation}, swapped in within {:.1} ms; those before it are of another log: delete them by \
             `reviewsctl generations prune`",
            took.as_secs_f64() * 1000.0
        )),
        Some(took) => say::result(format_args!(
            "answers     generation {generation}, swapped in within {:.1} ms; back by `reviewsctl rollback`, and when it \
             is not needed any more, delete the one before by `reviewsctl generations prune`",
            took.as_secs_f64() * 1000.0
        )),
        None if compared.differing > 0 => say::result(format_args!(
            "answers     as before: generation {generation} was not swapped in. It stays to be looked at; \
             `reviewsctl replay cancel` deletes it"
        )),
        None => say::result(format_args!(
            "answers     as before: generation {generation} is there; `reviewsctl replay resume` verifies it again and \
             swaps it in, `reviewsctl replay cancel` deletes it"
        )),
    }
}

/// Says what was compared, and every difference with both values.
pub(crate) fn tell_compared(compared: &replay::Compared) -> anyhow::Result<()> {
    let replay::Compared { products, differing, differences, parked } = compared;
    let differ = if *differing == 1 { "differs" } else { "differ" };
    say::result(format_args!("compared    {}, {differing} {differ}", counted(*products, "product")))?;
    for difference in differences.iter().take(SHOWN_MAX) {
        say::result(format_args!(
            "            product {}:\n              meta has    {}\n              should have {} ({})",
            difference.product_id,
            stored_values(&difference.stored, difference.damaged),
            values(&difference.expected),
            difference.expected_from,
        ))?;
    }
    if differences.len() > SHOWN_MAX {
        say::result(format_args!(
            "            and {} more: `reviewsctl verify --json` has those of the generation that answers",
            differences.len() - SHOWN_MAX
        ))?;
    }
    if !parked.is_empty() {
        say::result(format_args!(
            "parked      {} left out, which stand still themselves or in their events; `reviewsctl status` and \
             `reviewsctl parked list` name those that do, `reviewsctl verify` again compares the others",
            counted(parked.len(), "product")
        ))?;
    }
    Ok(())
}

/// What meta has of a product, in one line.
pub(crate) fn stored_values(meta: &domain::ProductMeta, damaged: bool) -> String {
    let values = values(meta);
    if damaged { format!("{values}, in a row that is damaged") } else { values }
}

/// A product's sums in one line.
pub(crate) fn values(meta: &domain::ProductMeta) -> String {
    let domain::ProductMeta { version, ratings, recommended_false, recommended_true, characteristics } = meta;
    let characteristics: Vec<String> =
        characteristics.iter().map(|c| format!("{} {}: {}/{}", c.id, c.name, c.sum, c.count)).collect();
    format!(
        "version {version}, ratings {ratings:?}, recommended {recommended_true} of {}, characteristics [{}]",
        recommended_false + recommended_true,
        characteristics.join(", ")
    )
}

/// Makes a product anew. One that has no events is an error.
pub(crate) async fn rebuilt(named: &Named, product_id: ProductId) -> anyhow::Result<replay::Rebuilt> {
    let rebuilt = rebuild_product(&named.stores, product_id).await;
    let rebuilt = rebuilt.map_err(|error| named.failed(error, ", then run the same command again"))?;
    if rebuilt.events == 0 {
        bail!(Fault::Unknown(format!(
            "product {product_id} has no events: nothing to rebuild; check the id"
        )));
    }
    Ok(rebuilt)
}

async fn one_product(named: &Named, product_id: ProductId, json: bool) -> anyhow::Result<bool> {
    let rebuilt = rebuilt(named, product_id).await?;
    if json {
        say::result(serde_json::to_string(&RebuiltJson::of(&rebuilt))?)?;
    } else {
        say::result(rebuilt_line(&rebuilt))?;
    }
    Ok(rebuilt.parked.is_none())
}

fn numbers(generations: &[i32]) -> String {
    generations.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Which generations a rebuild left as they are, behind what it did.
pub(crate) fn keeps(kept: &[i32]) -> String {
    match kept {
        [] => String::new(),
        kept => format!("; generation {} keeps what it has, which is further", numbers(kept)),
    }
}

/// What rebuilding a product came to, in one line.
pub(crate) fn rebuilt_line(rebuilt: &replay::Rebuilt) -> String {
    let replay::Rebuilt { product_id, version, generations, kept, parked, events, took, held } = rebuilt;
    let keeps = keeps(kept);
    let numbers = numbers(generations);
    match parked {
        Some(reason) if generations.is_empty() => {
            format!("product {product_id} stays as it is: its events stop short of that: {reason}{keeps}")
        }
        Some(reason) => {
            format!("product {product_id} still stands still in generation {numbers}: {reason}{keeps}")
        }
        None => format!(
            "product {product_id} rebuilt at version {version} in generation {numbers}: {} in {:.0} ms, the projector \
             held up for {:.1} ms",
            counted(*events, "event"),
            took.as_secs_f64() * 1000.0,
            held.as_secs_f64() * 1000.0
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_time_above_0() {
        assert_eq!(limit("20ms"), Ok(Duration::from_millis(20)));
        assert!(limit("0ms").is_err_and(|said| said.contains("give a time above 0")));
        for wrong in ["", "20", "soon", "-1s"] {
            assert!(limit(wrong).is_err_and(|said| said.contains("as 20ms or 1s")), "{wrong}");
        }
    }
}
