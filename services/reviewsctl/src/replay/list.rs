//! `reviewsctl replay list`.

use crate::say;
use crate::stores::Named;
use chrono::{DateTime, Utc};
use meta::Replay;
use serde::Serialize;

/// Replays shown, the last ones.
const REPLAYS_MAX: i64 = 50;

/// Arguments of `reviewsctl replay list`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json {
    generation: i32,
    projection_version: i32,
    source: &'static str,
    fresh: bool,
    phase: &'static str,
    wanted: &'static str,
    worked_at: bool,
    done: i64,
    total: i64,
    differences: Option<i64>,
    swap_ms: Option<f64>,
    begun_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl From<Replay> for Json {
    fn from(replay: Replay) -> Self {
        Json {
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

pub(super) async fn run(args: ListArgs, named: &Named) -> anyhow::Result<bool> {
    let replays = meta::replays(&named.stores.meta, REPLAYS_MAX).await.map_err(|e| named.meta_failed(&e))?;
    let replays: Vec<Json> = replays.into_iter().map(Json::from).collect();
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

fn line(replay: &Json) -> String {
    let Json { generation, projection_version, source, phase, done, total, begun_at, .. } = replay;
    let begun = begun_at.format("%Y-%m-%dT%H:%M:%SZ");
    let fresh = if replay.fresh { " --fresh" } else { "" };
    let differences = match replay.differences {
        Some(differences) if differences > 0 => format!(", {differences} products differ"),
        _ => String::new(),
    };
    let process = match (replay.ended_at.is_some(), replay.worked_at, replay.wanted) {
        (true, ..) => "",
        (false, true, "pause") => ", paused: `reviewsctl replay resume` lets it go on",
        (false, true, _) => ", a process works at it",
        (false, false, _) => ", no process works at it: `reviewsctl replay resume` goes on with it",
    };
    format!(
        "generation {generation} (version {projection_version}), --source {source}{fresh}, begun {begun}: {phase}, {done} of \
         {total} events{differences}{process}"
    )
}
