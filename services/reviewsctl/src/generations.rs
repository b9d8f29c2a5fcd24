//! `reviewsctl generations` and `reviewsctl rollback`.

use crate::config::Config;
use crate::say;
use crate::stores::Named;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use domain::PROJECTION_VERSION;
use meta::GenerationInfo;
use replay::counted;
use serde::Serialize;
use utoipa::ToSchema;

/// What to do with generations.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum GenerationsCommand {
    /// Show every generation
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete those that are not needed
    ///
    /// All but the one that answers and the one that a replay builds: a rollback is not possible afterwards, unless
    /// --keep-previous is given.
    Prune {
        /// Keep the one, too, that a rollback would let answer
        #[arg(long)]
        keep_previous: bool,
    },
}

/// Does what was asked.
pub(crate) async fn run(command: GenerationsCommand, config: &Config) -> anyhow::Result<()> {
    let named = Named::new(config)?;
    match command {
        GenerationsCommand::List { json } => list(&named, json).await,
        GenerationsCommand::Prune { keep_previous } => prune(&named, keep_previous).await,
    }
}

/// A generation of meta.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Generation {
    generation: i32,
    /// Version of the fold that writes it.
    projection_version: i32,
    /// `building`, `live` when the projector keeps it up to date, `invalid` when it was found not to fit the log, or `dropped`.
    state: &'static str,
    /// Where it does not fit the log, of one that is invalid.
    invalid_because: Option<String>,
    /// Whether it is the one that answers.
    active: bool,
    created_at: DateTime<Utc>,
    /// Events folded.
    applied: i64,
    /// Products that stand still.
    parked: i64,
}

impl From<GenerationInfo> for Generation {
    fn from(g: GenerationInfo) -> Self {
        let GenerationInfo {
            generation,
            projection_version,
            state,
            invalid_because,
            active,
            created_at,
            applied,
            parked,
        } = g;
        let state = state.name();
        Self { generation, projection_version, state, invalid_because, active, created_at, applied, parked }
    }
}

/// Every generation.
pub(crate) async fn all(named: &Named) -> anyhow::Result<Vec<Generation>> {
    let generations = meta::generations(&named.stores.meta).await.map_err(|e| named.meta_failed(&e))?;
    Ok(generations.into_iter().map(Generation::from).collect())
}

async fn list(named: &Named, json: bool) -> anyhow::Result<()> {
    let generations = all(named).await?;
    if json {
        return say::result(serde_json::to_string_pretty(&generations)?);
    }
    let answers = generations.iter().any(|g| g.active);
    for g in generations {
        say::result(format_args!(
            "generation {} (version {}{}), {}{}{}, begun {}: {} applied, {} parked",
            g.generation,
            g.projection_version,
            if g.projection_version < PROJECTION_VERSION { ", an older one" } else { "" },
            g.state,
            g.invalid_because.map(|because| format!(" ({because})")).unwrap_or_default(),
            if g.active { ", answers" } else { "" },
            g.created_at.format("%Y-%m-%dT%H:%M:%SZ"),
            counted(g.applied, "event"),
            counted(g.parked, "product"),
        ))?;
    }
    if !answers {
        return say::result(
            "none answers: a projector that runs has one answer within ten seconds, the first begun by it if there is none",
        );
    }
    let surplus = meta::surplus_generations(&named.stores.meta).await.map_err(|e| named.meta_failed(&e))?;
    surplus_line(&surplus).map_or(Ok(()), say::result)
}

/// Says that generations are kept up to date without need, and the mend; nothing when there are none.
pub(crate) fn surplus_line(surplus: &[i32]) -> Option<String> {
    let numbers: Vec<String> = surplus.iter().map(ToString::to_string).collect();
    let (which, them) = match numbers.as_slice() {
        [] => return None,
        [one] => (format!("generation {one} is"), "it"),
        many => (format!("generations {} are", many.join(", ")), "them"),
    };
    Some(format!(
        "{which} kept up to date beside the one that answers and the one before it, at one more write each with every \
         event; `reviewsctl generations prune --keep-previous` deletes {them}"
    ))
}

/// Deletes all but the one that answers and the one that a replay builds, and the one before if that is to be kept; returns
/// which.
pub(crate) async fn pruned(named: &Named, keep_previous: bool) -> anyhow::Result<Vec<i32>> {
    let pruned = replay::prune(&named.stores, keep_previous).await;
    pruned.map_err(|error| named.failed(error, ", then prune again"))
}

async fn prune(named: &Named, keep_previous: bool) -> anyhow::Result<()> {
    let pruned = pruned(named, keep_previous).await?;
    if pruned.is_empty() {
        return say::result(match keep_previous {
            false => "nothing to prune: there is only the generation that answers, or that a replay builds",
            true => {
                "nothing to prune: there is only the generation that answers, the one before it, or one that a replay \
                 builds"
            }
        });
    }
    for generation in pruned {
        say::result(format_args!("generation {generation} is deleted"))?;
    }
    Ok(())
}

/// A generation that answers again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RolledBack {
    /// The generation that answered.
    from: i32,
    /// The one that does.
    to: i32,
    swap_ms: f64,
}

/// Swaps the generation in that answered before.
pub(crate) async fn swapped_back(named: &Named) -> anyhow::Result<RolledBack> {
    let back = replay::rollback(&named.stores)
        .await
        .map_err(|error| named.failed(error, ", then roll back again"))?;
    Ok(RolledBack { from: back.from, to: back.to, swap_ms: back.took.as_secs_f64() * 1000.0 })
}

/// Does that, and says so.
pub(crate) async fn rollback(json: bool, config: &Config) -> anyhow::Result<()> {
    let back = swapped_back(&Named::new(config)?).await?;
    if json {
        return say::result(serde_json::to_string(&back)?);
    }
    let RolledBack { from, to, swap_ms } = back;
    say::result(format_args!(
        "generation {to} answers instead of {from}, swapped within {swap_ms:.1} ms; again, `reviewsctl rollback` swaps forward"
    ))
}
