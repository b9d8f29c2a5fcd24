//! How it all is: the status, and one review's way.

use super::Admin;
use super::answer::refused;
use crate::{follow, status};
use axum::Json;
use axum::extract::State;
use service::{HttpProblem, PathText, review_id};

/// How well it all is
///
/// A store that is away is named in its section, and the others still answer: the status is 200 all the same.
#[utoipa::path(
    get, path = "/admin/v1/status", operation_id = "status", tag = "Look",
    responses((status = 200, description = "The state, alarms, and each thing with where it was read.", body = status::Report)),
)]
pub(crate) async fn status_now(State(admin): State<Admin>) -> Result<Json<status::Report>, HttpProblem> {
    status::look(&admin.config).await.map(Json).map_err(refused)
}

/// Where one review is on its way from its row to meta
#[utoipa::path(
    get, path = "/admin/v1/reviews/{review_id}/way", operation_id = "way", tag = "Look",
    params(("review_id" = i64, Path, description = "The review.", minimum = 1, maximum = 9_007_199_254_740_991_i64)),
    responses((status = 200, description = "Every stop, and where it waits.", body = follow::Report)),
)]
pub(crate) async fn way(
    State(admin): State<Admin>,
    PathText(id): PathText,
) -> Result<Json<follow::Report>, HttpProblem> {
    follow::found(review_id(&id)?, &admin.config).await.map(Json).map_err(refused)
}
