//! `reviewsctl replay --dry-run`.

use crate::say;
use crate::stores::Named;
use replay::{Forecast, Plan, forecast};

pub(super) async fn run(named: &Named, plan: &Plan, json: bool) -> anyhow::Result<bool> {
    let forecast = forecast(&named.stores, plan).await.map_err(|error| named.failed(error, ""))?;
    let Forecast { resumes, events, events_done, products, building, verifying, writers_busy, active } =
        forecast;
    if json {
        say::result(serde_json::json!({
            "dry_run": true,
            "resumes": resumes,
            "active": active,
            "source": plan.source.name(),
            "events": events,
            "events_done": events_done,
            "products": products,
            "building_seconds": building.as_secs_f64(),
            "verifying_seconds": verifying.as_secs_f64(),
            "writers_busy": writers_busy,
        }))?;
        return Ok(true);
    }
    match resumes {
        Some(generation) => say::result(format_args!(
            "would go on with generation {generation}: {events_done} of {events} events are built"
        ))?,
        None => {
            say::result(format_args!("would build a generation of {events} events and {products} products"))?;
        }
    }
    say::result(format_args!(
        "building    about {:.0} s, verifying about {:.0} s{}",
        building.as_secs_f64().ceil(),
        verifying.as_secs_f64().ceil(),
        if writers_busy { "; several times that beside the live writers of this moment" } else { "" }
    ))?;
    say::result(match (plan.swap, active) {
        (true, active) => {
            format!("then        swap it in for generation {active}, which stays for a rollback")
        }
        (false, active) => {
            format!("then        leave it beside generation {active}, which goes on answering")
        }
    })?;
    Ok(true)
}
