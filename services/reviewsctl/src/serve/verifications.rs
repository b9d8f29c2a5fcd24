//! Comparing meta with what the reviews add up to: minutes for many products, so it is read back while it goes on.

use super::Admin;
use super::answer::refused;
use super::body::{body, throttle};
use super::fields::{Asked, Field};
use super::job::{Job, Now};
use crate::stores::Named;
use crate::verify::{Json as Verified, What, verified};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use contract::Problem;
use serde::{Deserialize, Serialize};
use service::HttpProblem;
use utoipa::ToSchema;

const CURRENT: &str = "/admin/v1/verifications/current";

/// What to compare.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(crate) struct Verify {
    /// So many products, chosen at random, instead of all; where that is more than one in fifty, and above a hundred, all
    /// are compared, which takes about as long.
    #[schema(minimum = 1)]
    sample: Option<i64>,
    /// Rebuild the products that differ.
    repair: bool,
    /// Do nothing while 99 of 100 live commands take longer than this to commit; 20 where nothing is said.
    #[schema(minimum = 1)]
    max_write_p99_ms: Option<u64>,
    /// As fast as it goes, whatever it does to live writers.
    unthrottled: bool,
}

impl Asked for Verify {
    const FIELDS: &'static [Field] = &[
        Field::number("sample"),
        Field::yes_no("repair"),
        Field::number("max_write_p99_ms"),
        Field::yes_no("unthrottled"),
    ];
}

/// The last verification that this server was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verification {
    /// `running`, `ended` or `failed`.
    state: &'static str,
    /// While it runs.
    progress: Option<Now>,
    /// What it found.
    result: Option<Verified>,
    /// Why it failed.
    #[schema(value_type = Option<service::openapi::Problem>)]
    failure: Option<Problem>,
}

impl Verification {
    fn of(job: &Job<Verified>) -> Self {
        let (state, result, failure) = match job.ended() {
            None => ("running", None, None),
            Some(Ok(verified)) => ("ended", Some(verified), None),
            Some(Err(problem)) => ("failed", None, Some(problem)),
        };
        Verification { state, progress: job.now(), result, failure }
    }
}

/// Compare meta with what the reviews add up to
///
/// One at a time.
#[utoipa::path(
    post, path = "/admin/v1/verifications", operation_id = "verify", tag = "Verify",
    request_body(content = Option<Verify>),
    responses((status = 202, description = "It goes on; `Location` says where it is read back.", body = Verification,
               headers(("Location" = String, description = "Where it is read back.")))),
)]
pub(crate) async fn begin(
    State(admin): State<Admin>,
    headers: HeaderMap,
    asked: Body,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<Verification>), HttpProblem> {
    let Verify { sample, repair, max_write_p99_ms, unthrottled } = body(&headers, asked).await?;
    let what = What { sample, repair, throttle: throttle(max_write_p99_ms, unthrottled)? };
    tracing::info!(admin.action = "verify", sample, repair, "asked for");
    let named = Named::new(&admin.config).map_err(refused)?;
    let job = admin.verifications.begin(|progress| async move {
        let (verified, repaired) = verified(&named, what, &progress).await?;
        Ok(Verified::of(&verified, &repaired))
    });
    let Some(job) = job else {
        return Err(Problem::conflict(format!(
            "a verification is under way: GET {CURRENT} says how far it is"
        ))
        .into());
    };
    Ok((StatusCode::ACCEPTED, [(LOCATION, CURRENT)], Json(Verification::of(&job))))
}

/// The last verification
#[utoipa::path(
    get, path = "/admin/v1/verifications/current", operation_id = "verification", tag = "Verify",
    responses((status = 200, description = "How far it is, or what it came to.", body = Verification)),
)]
pub(crate) async fn current(State(admin): State<Admin>) -> Result<Json<Verification>, HttpProblem> {
    match admin.verifications.last() {
        Some(job) => Ok(Json(Verification::of(&job))),
        None => Err(Problem::not_found("no verification was asked for since this server began").into()),
    }
}
