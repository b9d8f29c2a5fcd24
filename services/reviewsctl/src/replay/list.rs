//! `reviewsctl replay list`.

use crate::say;
use crate::stores::Named;
use chrono::{DateTime, Utc};
use meta::Replay;
use replay::counted;
use serde::Serialize;
use utoipa::ToSchema;

/// Replays shown, the last ones.
const REPLAYS_MAX: i64 = 50;

/// Arguments of `reviewsctl replay list`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A replay, as meta knows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Replay)]
pub(crate) struct ReplayJson {
    /// The generation that it builds.
    pub(crate) generation: i32,
    /// Version of the fold.
    projection_version: i32,
    /// `log`, `snapshot` or `both`.
    source: &'static str,
    /// It begins anew with another log.
    fresh: bool,
    /// `building`, `catching-up`, `verifying`, `ready`, `differs`, `swapped` or `cancelled`.
    phase: &'static str,
    /// What was asked of the process that works at it: `run`, `pause` or `cancel`.
    wanted: &'static str,
    /// Whether a process works at it.
    worked_at: bool,
    /// Events of the parts that are built.
    done: i64,
    /// Events to be built.
    total: i64,
    /// Products that verification found to differ; null before it.
    differences: Option<i64>,
    swap_ms: Option<f64>,
    begun_at: DateTime<Utc>,
    /// When it was swapped in or given up.
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

impl From<Replay> for ReplayJson {
    fn from(replay: Replay) -> Self {
        ReplayJson {
            total: replay.total(),
            generation: replay.generation,
            projection_version: replay.projection_version,
            source: replay.source.name(),
            fresh: replay.fresh,
            phase: replay.phase.name(),
            wanted: replay.wanted.name(),
            worked_at: replay.worked_at,
            done: replay.done,
            differences: replay.differences,
            swap_ms: replay.swap.map(|took| took.as_secs_f64() * 1000.0),
            begun_at: replay.begun_at,
            ended_at: replay.ended_at,
        }
    }
}

/// The last replays, the newest first.
pub(crate) async fn all(named: &Named) -> anyhow::Result<Vec<ReplayJson>> {
    let replays = meta::replays(&named.stores.meta, REPLAYS_MAX).await.map_err(|e| named.meta_failed(&e))?;
    Ok(replays.into_iter().map(ReplayJson::from).collect())
}

pub(super) async fn run(args: ListArgs, named: &Named) -> anyhow::Result<bool> {
    let replays = all(named).await?;
    if args.json {
        say::result(serde_json::to_string_pretty(&replays)?)?;
        return Ok(true);
    }
    if replays.is_empty() {
        say::result("no replay was ever begun")?;
    }
    for replay in replays {
        say::result(line(&replay))?;
    }
    Ok(true)
}

fn line(replay: &ReplayJson) -> String {
    let ReplayJson { generation, projection_version, source, phase, done, total, begun_at, .. } = replay;
    let begun = begun_at.format("%Y-%m-%dT%H:%M:%SZ");
    let fresh = if replay.fresh { " --fresh" } else { "" };
    let differences = match replay.differences {
        Some(differences) if differences > 0 => {
            let differ = if differences == 1 { "differs" } else { "differ" };
            format!(", {} {differ}", counted(differences, "product"))
        }
        _ => String::new(),
    };
    let process = match (replay.ended_at.is_some(), replay.worked_at, replay.wanted) {
        (true, ..) => "",
        (false, true, "pause") => ", paused: `reviewsctl replay resume` lets it go on",
        (false, true, _) => ", a process works at it",
        (false, false, _) => ", no process works at it: `reviewsctl replay resume` goes on with it",
    };
    // Of what was cancelled nothing is left, also not how far it was.
    let events = if *phase == "cancelled" {
        String::new()
    } else {
        format!(", {done} of {}", counted(*total, "event"))
    };
    format!(
        "generation {generation} (version {projection_version}), --source {source}{fresh}, begun {begun}: \
         {phase}{events}{differences}{process}"
    )
}
