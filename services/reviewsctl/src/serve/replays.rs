//! Replays: begun here, and read, paused, resumed and cancelled wherever they were begun.

use super::Admin;
use super::answer::{refused, whole};
use super::api::ForecastQuery;
use super::body::{body, throttle};
use super::fields::{Asked, Field};
use super::job::Now;
use crate::replay::{
    ForecastJson, ReplayJson, ReplayedJson, Source, all_replays, asked, cancelled, forecast, replayed,
    unended_plan,
};
use crate::stores::Named;
use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use contract::Problem;
use meta::Wanted;
use replay::Plan;
use serde::{Deserialize, Serialize};
use service::{HttpProblem, PathText};
use utoipa::ToSchema;

/// What to do.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Begin {
    /// From the events, from the reviews, or from the events with every product compared with its reviews.
    source: Source,
    /// Begin anew with another log: after the primary was restored from a dump.
    fresh: bool,
    /// Stop when the generation is verified: the next replay swaps it in.
    no_swap: bool,
    /// Swap it in although products stand still in it that do not in the generation that answers.
    with_parked: bool,
    /// Do nothing while 99 of 100 live commands take longer than this to commit; 20 where nothing is said.
    #[schema(minimum = 1)]
    max_write_p99_ms: Option<u64>,
    /// As fast as it goes, whatever it does to live writers.
    unthrottled: bool,
}

impl Asked for Begin {
    const FIELDS: &'static [Field] = &[
        Field::one_of("source", Source::NAMES),
        Field::yes_no("fresh"),
        Field::yes_no("no_swap"),
        Field::yes_no("with_parked"),
        Field::number("max_write_p99_ms"),
        Field::yes_no("unthrottled"),
    ];
}

/// How to go on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Resume {
    /// As of a new replay; counts only where no process works at it.
    #[schema(minimum = 1)]
    max_write_p99_ms: Option<u64>,
    /// The same.
    unthrottled: bool,
}

impl Asked for Resume {
    const FIELDS: &'static [Field] = &[Field::number("max_write_p99_ms"), Field::yes_no("unthrottled")];
}

/// A replay, and what this server knows of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayNow {
    #[serde(flatten)]
    replay: ReplayJson,
    /// While this server works at it.
    progress: Option<Now>,
    /// What it came to, when this server did it.
    result: Option<ReplayedJson>,
    /// Why this server did not come to its end.
    #[schema(value_type = Option<service::openapi::Problem>)]
    failure: Option<Problem>,
}

impl ReplayNow {
    fn of(replay: ReplayJson, admin: &Admin) -> Self {
        let job = admin.replays.last().filter(|job| job.progress.now().generation == Some(replay.generation));
        let (result, failure) = match job.as_ref().and_then(|job| job.ended()) {
            None => (None, None),
            Some(Ok(replayed)) => (Some(replayed), None),
            Some(Err(problem)) => (None, Some(problem)),
        };
        ReplayNow { replay, progress: job.and_then(|job| job.now()), result, failure }
    }
}

type Accepted = (StatusCode, [(HeaderName, String); 1], Json<ReplayNow>);

/// The last replays, the newest first
#[utoipa::path(
    get, path = "/admin/v1/replays", operation_id = "replays", tag = "Replays",
    responses((status = 200, description = "Fifty at most.", body = [ReplayNow])),
)]
pub(crate) async fn list(State(admin): State<Admin>) -> Result<Json<Vec<ReplayNow>>, HttpProblem> {
    let named = Named::new(&admin.config).map_err(refused)?;
    let replays = all_replays(&named).await.map_err(refused)?;
    Ok(Json(replays.into_iter().map(|replay| ReplayNow::of(replay, &admin)).collect()))
}

/// Make meta anew while it answers
///
/// It goes on with a replay of the same kind that has not ended. One at a time, whoever began it.
#[utoipa::path(
    post, path = "/admin/v1/replays", operation_id = "replay", tag = "Replays",
    request_body(content = Option<Begin>),
    responses((status = 202, description = "It goes on in the server.", body = ReplayNow,
               headers(("Location" = String, description = "Where it is read back.")))),
)]
pub(crate) async fn begin(
    State(admin): State<Admin>,
    headers: HeaderMap,
    wanted: Body,
) -> Result<Accepted, HttpProblem> {
    let Begin { source, fresh, no_swap, with_parked, max_write_p99_ms, unthrottled } =
        body(&headers, wanted).await?;
    if no_swap && with_parked {
        return Err(
            Problem::unprocessable("no_swap and with_parked exclude each other: give one of them").into()
        );
    }
    let throttle = throttle(max_write_p99_ms, unthrottled)?;
    tracing::info!(admin.action = "replay", ?source, fresh, no_swap, with_parked, unthrottled, "asked for");
    let plan = Plan { source: source.into(), fresh, swap: !no_swap, with_parked, ..Plan::careful(throttle) };
    begun(&admin, plan).await
}

async fn begun(admin: &Admin, plan: Plan) -> Result<Accepted, HttpProblem> {
    let named = Named::new(&admin.config).map_err(refused)?;
    let job = admin.replays.begin(|progress| async move {
        replayed(&named, &plan, &progress).await.map(|replayed| ReplayedJson::of(&replayed))
    });
    let Some(job) = job else {
        let detail = "a replay is under way in this server: GET /admin/v1/replays/current says how far it is";
        return Err(Problem::conflict(detail).into());
    };
    let generation = job.begun().await?;
    let replay = of_generation(admin, generation).await?;
    let location = format!("/admin/v1/replays/{generation}");
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(replay)))
}

async fn of_generation(admin: &Admin, generation: i32) -> Result<ReplayNow, HttpProblem> {
    let named = Named::new(&admin.config).map_err(refused)?;
    let replays = all_replays(&named).await.map_err(refused)?;
    match replays.into_iter().find(|replay| replay.generation == generation) {
        Some(replay) => Ok(ReplayNow::of(replay, admin)),
        None => {
            Err(Problem::not_found(format!("no replay of the last ones builds generation {generation}"))
                .into())
        }
    }
}

/// One of the last replays
#[utoipa::path(
    get, path = "/admin/v1/replays/{generation}", operation_id = "replay_of", tag = "Replays",
    params(("generation" = i32, Path, description = "The generation that it builds.", minimum = 1)),
    responses((status = 200, description = "How far it is, or what it came to.", body = ReplayNow)),
)]
pub(crate) async fn one(
    State(admin): State<Admin>,
    PathText(generation): PathText,
) -> Result<Json<ReplayNow>, HttpProblem> {
    let Ok(generation) = generation.parse() else {
        return Err(Problem::unprocessable("a generation is a whole number").into());
    };
    of_generation(&admin, generation).await.map(Json)
}

/// The replay that has not ended
#[utoipa::path(
    get, path = "/admin/v1/replays/current", operation_id = "replay_current", tag = "Replays",
    responses((status = 200, description = "How far it is.", body = ReplayNow)),
)]
pub(crate) async fn current(State(admin): State<Admin>) -> Result<Json<ReplayNow>, HttpProblem> {
    let named = Named::new(&admin.config).map_err(refused)?;
    let replays = all_replays(&named).await.map_err(refused)?;
    match replays.into_iter().find(|replay| replay.ended_at.is_none()) {
        Some(replay) => Ok(Json(ReplayNow::of(replay, &admin))),
        None => Err(Problem::not_found("no replay is under way: GET /admin/v1/replays shows all").into()),
    }
}

/// Make it wait, however it was begun
#[utoipa::path(
    post, path = "/admin/v1/replays/current/pause", operation_id = "pause", tag = "Replays",
    responses((status = 200, description = "It waits after its range.", body = ReplayNow)),
)]
pub(crate) async fn pause(State(admin): State<Admin>) -> Result<Json<ReplayNow>, HttpProblem> {
    tracing::info!(admin.action = "pause", "asked for");
    let named = Named::new(&admin.config).map_err(refused)?;
    asked(&named, Wanted::Pause).await.map_err(refused)?;
    current(State(admin)).await
}

/// Let it go on, here if no process works at it
#[utoipa::path(
    post, path = "/admin/v1/replays/current/resume", operation_id = "resume", tag = "Replays",
    request_body(content = Option<Resume>),
    responses((status = 202, description = "It goes on, in its process or in this server.", body = ReplayNow,
               headers(("Location" = String, description = "Where it is read back.")))),
)]
pub(crate) async fn resume(
    State(admin): State<Admin>,
    headers: HeaderMap,
    wanted: Body,
) -> Result<Accepted, HttpProblem> {
    let Resume { max_write_p99_ms, unthrottled } = body(&headers, wanted).await?;
    let throttle = throttle(max_write_p99_ms, unthrottled)?;
    tracing::info!(admin.action = "resume", "asked for");
    let named = Named::new(&admin.config).map_err(refused)?;
    match asked(&named, Wanted::Run).await.map_err(refused)? {
        replay::Asked::Yes(generation) => {
            let replay = of_generation(&admin, generation).await?;
            let location = format!("/admin/v1/replays/{generation}");
            Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(replay)))
        }
        replay::Asked::NobodyWorks(_) | replay::Asked::NoReplay => {
            begun(&admin, unended_plan(&named, throttle).await.map_err(refused)?).await
        }
    }
}

/// Give it up, and delete what it built
#[utoipa::path(
    post, path = "/admin/v1/replays/current/cancel", operation_id = "cancel", tag = "Replays",
    responses((status = 200, description = "It is given up.", body = ReplayNow)),
)]
pub(crate) async fn cancel(State(admin): State<Admin>) -> Result<Json<ReplayNow>, HttpProblem> {
    tracing::info!(admin.action = "cancel", "asked for");
    let config = admin.config.clone();
    let generation = whole(async move { cancelled(&Named::new(&config)?).await }).await?;
    of_generation(&admin, generation).await.map(Json)
}

/// What a replay would do, and how long it would take; nothing is changed
#[utoipa::path(
    get, path = "/admin/v1/replays/forecast", operation_id = "forecast", tag = "Replays",
    params(ForecastQuery),
    responses((status = 200, description = "Measured on a piece of the log.", body = ForecastJson)),
)]
pub(crate) async fn ahead(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<ForecastJson>, HttpProblem> {
    let mut plan = Plan::careful(throttle(None, false)?);
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match (&*name, &*value) {
            ("source", "log") => plan.source = meta::Source::Log,
            ("source", "snapshot") => plan.source = meta::Source::Snapshot,
            ("source", "both") => plan.source = meta::Source::Both,
            ("fresh", "true") => plan.fresh = true,
            ("fresh", "false") => plan.fresh = false,
            _ => {
                let detail =
                    "the query may have source, of log, snapshot or both, and fresh, of true or false";
                return Err(Problem::unprocessable(detail).into());
            }
        }
    }
    let named = Named::new(&admin.config).map_err(refused)?;
    forecast(&named, &plan).await.map(Json).map_err(refused)
}
