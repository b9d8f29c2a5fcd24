//! `reviewsctl generations` and `reviewsctl rollback`.

use crate::config::Config;
use crate::say;
use crate::stores::Named;
use clap::Subcommand;
use domain::PROJECTION_VERSION;

/// What to do with generations.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum GenerationsCommand {
    /// Show every generation
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete all but the one that answers: a rollback is not possible afterwards
    Prune,
}

/// Does what was asked.
pub(crate) async fn run(command: GenerationsCommand, config: &Config) -> anyhow::Result<()> {
    let named = Named::new(config)?;
    match command {
        GenerationsCommand::List { json } => list(&named, json).await,
        GenerationsCommand::Prune => prune(&named).await,
    }
}

async fn list(named: &Named, json: bool) -> anyhow::Result<()> {
    let generations = meta::generations(&named.stores.meta).await.map_err(|e| named.meta_failed(&e))?;
    if json {
        let generations: Vec<_> = generations
            .iter()
            .map(|g| {
                serde_json::json!({
                    "generation": g.generation,
                    "projection_version": g.projection_version,
                    "state": g.state.name(),
                    "active": g.active,
                    "created_at": g.created_at,
                    "applied": g.applied,
                    "parked": g.parked,
                })
            })
            .collect();
        return say::result(serde_json::to_string_pretty(&generations)?);
    }
    for g in generations {
        say::result(format_args!(
            "generation {} (version {}{}), {}{}, begun {}: {} events applied, {} products parked",
            g.generation,
            g.projection_version,
            if g.projection_version < PROJECTION_VERSION { ", an older one" } else { "" },
            g.state.name(),
            if g.active { ", answers" } else { "" },
            g.created_at.format("%Y-%m-%dT%H:%M:%SZ"),
            g.applied,
            g.parked,
        ))?;
    }
    Ok(())
}

async fn prune(named: &Named) -> anyhow::Result<()> {
    let pruned =
        replay::prune(&named.stores).await.map_err(|error| named.failed(error, ", then prune again"))?;
    if pruned.is_empty() {
        return say::result(
            "nothing to prune: there is only the generation that answers, or that a replay builds",
        );
    }
    for generation in pruned {
        say::result(format_args!("generation {generation} is deleted"))?;
    }
    Ok(())
}

/// Swaps the generation in that answered before.
pub(crate) async fn rollback(json: bool, config: &Config) -> anyhow::Result<()> {
    let named = Named::new(config)?;
    let back = replay::rollback(&named.stores)
        .await
        .map_err(|error| named.failed(error, ", then roll back again"))?;
    let swap_ms = back.took.as_secs_f64() * 1000.0;
    if json {
        return say::result(serde_json::json!({ "from": back.from, "to": back.to, "swap_ms": swap_ms }));
    }
    say::result(format_args!(
        "generation {} answers instead of {}, swapped within {swap_ms:.1} ms; again, `reviewsctl rollback` swaps forward",
        back.to, back.from
    ))
}
