//! `reviewsctl replay pause`, `resume` and `cancel`: what is asked of a replay, wherever it is worked at.

use super::{ResumeArgs, replay};
use crate::config::Config;
use crate::fault::Fault;
use crate::say;
use crate::stores::Named;
use anyhow::bail;
use meta::{Replay, Wanted};
use replay::{Asked, Plan, Throttle};

/// Asks whoever works at the replay under way to pause, or to go on.
pub(crate) async fn asked(named: &Named, wanted: Wanted) -> anyhow::Result<Asked> {
    match replay::ask(&named.stores, wanted).await.map_err(|error| named.failed(error, ""))? {
        Asked::NoReplay => bail!(Fault::Unknown(match wanted {
            Wanted::Pause => "there is no replay to pause: `reviewsctl replay list` shows all".to_owned(),
            _ => "there is no replay to go on with: `reviewsctl replay list` shows all".to_owned(),
        })),
        asked => Ok(asked),
    }
}

/// Does that, and says so.
pub(super) async fn pause(named: &Named) -> anyhow::Result<bool> {
    match asked(named, Wanted::Pause).await? {
        Asked::NobodyWorks(generation) => say::result(format_args!(
            "no process works at the replay of generation {generation}; `reviewsctl replay resume` goes on with it"
        ))?,
        Asked::Yes(generation) => {
            say::result(format_args!("the replay of generation {generation} pauses after its range"))?;
        }
        Asked::NoReplay => {}
    }
    Ok(true)
}

/// Lets the replay go on, in its process or in this one.
pub(super) async fn resume_replay(named: &Named, config: &Config, args: ResumeArgs) -> anyhow::Result<bool> {
    if let Asked::Yes(generation) = asked(named, Wanted::Run).await? {
        say::result(match args.json {
            false => format!("the replay of generation {generation} goes on in its process"),
            true => serde_json::json!({ "generation": generation, "in_its_process": true }).to_string(),
        })?;
        return Ok(true);
    }
    replay(named, config, &unended_plan(named, args.throttle.throttle()).await?, args.json).await
}

/// How to go on with the replay that has not ended.
pub(crate) async fn unended_plan(named: &Named, throttle: Option<Throttle>) -> anyhow::Result<Plan> {
    let unended = meta::unended_replay(&named.stores.meta).await.map_err(|e| named.meta_failed(&e))?;
    let Some(Replay { source, fresh, .. }) = unended else {
        bail!(Fault::Unknown(
            "there is no replay to go on with: `reviewsctl replay list` shows all".to_owned()
        ));
    };
    Ok(Plan { source, fresh, ..Plan::careful(throttle) })
}

/// Gives the replay under way up; returns its generation.
pub(crate) async fn cancelled(named: &Named) -> anyhow::Result<i32> {
    match replay::cancel(&named.stores).await.map_err(|error| named.failed(error, ""))? {
        Some(generation) => Ok(generation),
        None => bail!(Fault::Unknown(
            "there is no replay to cancel: `reviewsctl replay list` shows all".to_owned()
        )),
    }
}

/// Does that, and says so.
pub(super) async fn cancel(named: &Named) -> anyhow::Result<bool> {
    let generation = cancelled(named).await?;
    say::result(format_args!(
        "the replay of generation {generation} was given up, and what it built deleted"
    ))?;
    Ok(true)
}
