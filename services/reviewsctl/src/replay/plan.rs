//! `reviewsctl replay --dry-run`.

use crate::say;
use crate::stores::Named;
use replay::{Forecast, Plan, counted};
use serde::Serialize;
use utoipa::ToSchema;

/// What a replay would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Forecast)]
pub(crate) struct ForecastJson {
    /// Always true: nothing was changed.
    dry_run: bool,
    /// The generation that it would go on with.
    resumes: Option<i32>,
    /// The generation that answers.
    active: i32,
    /// `log`, `snapshot` or `both`.
    source: &'static str,
    /// Events to build.
    events: i64,
    /// Events of them that are built.
    events_done: i64,
    products: i64,
    /// How long building would take on an idle system.
    building_seconds: f64,
    verifying_seconds: f64,
    /// Commands come in, or a write service that was there within the last minute does not say whether: building would stand
    /// back for them, and take several times as long.
    writers_busy: bool,
}

/// Says what a replay would do, and changes nothing.
pub(crate) async fn forecast(named: &Named, plan: &Plan) -> anyhow::Result<ForecastJson> {
    let forecast = replay::forecast(&named.stores, plan).await.map_err(|error| named.failed(error, ""))?;
    let Forecast { resumes, events, events_done, products, building, verifying, writers_busy, active } =
        forecast;
    Ok(ForecastJson {
        dry_run: true,
        resumes,
        active,
        source: plan.source.name(),
        events,
        events_done,
        products,
        building_seconds: building.as_secs_f64(),
        verifying_seconds: verifying.as_secs_f64(),
        writers_busy,
    })
}

pub(super) async fn run(named: &Named, plan: &Plan, json: bool) -> anyhow::Result<bool> {
    let forecast = forecast(named, plan).await?;
    if json {
        say::result(serde_json::to_string(&forecast)?)?;
        return Ok(true);
    }
    let ForecastJson { resumes, active, events, events_done, products, writers_busy, .. } = forecast;
    match resumes {
        Some(generation) => say::result(format_args!(
            "would go on with generation {generation}: {events_done} of {} are built",
            counted(events, "event")
        ))?,
        None => {
            let (events, products) = (counted(events, "event"), counted(products, "product"));
            say::result(format_args!("would build a generation of {events} and {products}"))?;
        }
    }
    say::result(format_args!(
        "building    about {:.0} s, verifying about {:.0} s{}",
        forecast.building_seconds.ceil(),
        forecast.verifying_seconds.ceil(),
        if writers_busy {
            "; several times that beside the live writers of this moment, or one of the last minute that says nothing"
        } else {
            ""
        }
    ))?;
    say::result(match (plan.swap, plan.fresh) {
        (true, false) => {
            format!("then        swap it in for generation {active}, which stays for a rollback")
        }
        // Nothing can go on with the generations of another log.
        (true, true) => format!(
            "then        swap it in for generation {active}, and take all others out of use: a rollback is not possible \
             afterwards"
        ),
        (false, _) => format!("then        leave it beside generation {active}, which goes on answering"),
    })?;
    Ok(true)
}
