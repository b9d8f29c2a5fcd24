//! Generations of meta, and one product of them made anew.

use super::Admin;
use super::answer::{refused, whole};
use super::body::{body, product};
use super::fields::{Asked, Field};
use crate::generations::{Generation, RolledBack, all, pruned, swapped_back};
use crate::replay::{RebuiltJson, rebuilt};
use crate::stores::Named;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use service::{HttpProblem, PathText};
use utoipa::ToSchema;

/// Every generation
#[utoipa::path(
    get, path = "/admin/v1/generations", operation_id = "generations", tag = "Generations",
    responses((status = 200, description = "Every generation, by number.", body = [Generation])),
)]
pub(crate) async fn list(State(admin): State<Admin>) -> Result<Json<Vec<Generation>>, HttpProblem> {
    let named = Named::new(&admin.config).map_err(refused)?;
    all(&named).await.map(Json).map_err(refused)
}

/// Generations that were deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pruned {
    pruned: Vec<i32>,
}

/// What to keep.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Prune {
    /// Keep the one, too, that a rollback would let answer.
    keep_previous: bool,
}

impl Asked for Prune {
    const FIELDS: &'static [Field] = &[Field::yes_no("keep_previous")];
}

/// Delete all but the one that answers
///
/// Also kept is the one that a replay builds. A rollback is not possible afterwards, unless `keep_previous` is true.
#[utoipa::path(
    post, path = "/admin/v1/generations/prune", operation_id = "prune", tag = "Generations",
    request_body(content = Option<Prune>),
    responses((status = 200, description = "Which were deleted.", body = Pruned)),
)]
pub(crate) async fn prune(
    State(admin): State<Admin>,
    headers: HeaderMap,
    asked: Body,
) -> Result<Json<Pruned>, HttpProblem> {
    let Prune { keep_previous } = body(&headers, asked).await?;
    tracing::info!(admin.action = "prune", keep_previous, "asked for");
    whole(async move {
        let pruned = pruned(&Named::new(&admin.config)?, keep_previous).await?;
        Ok(Json(Pruned { pruned }))
    })
    .await
}

/// Let the generation answer that did before the last swap
///
/// Again, it swaps forward.
#[utoipa::path(
    post, path = "/admin/v1/rollback", operation_id = "rollback", tag = "Generations",
    responses((status = 200, description = "Which answers now.", body = RolledBack)),
)]
pub(crate) async fn rollback(State(admin): State<Admin>) -> Result<Json<RolledBack>, HttpProblem> {
    tracing::info!(admin.action = "rollback", "asked for");
    whole(async move { swapped_back(&Named::new(&admin.config)?).await.map(Json) }).await
}

/// Make one product anew, in the generations that are kept up to date
#[utoipa::path(
    post, path = "/admin/v1/products/{product_id}/rebuild", operation_id = "rebuild", tag = "Generations",
    params(("product_id" = i64, Path, description = "The product.", minimum = 1, maximum = 9_007_199_254_740_991_i64)),
    responses((status = 200, description = "What it came to; `parked` says why if it stands still.", body = RebuiltJson)),
)]
pub(crate) async fn rebuild(
    State(admin): State<Admin>,
    PathText(id): PathText,
) -> Result<Json<RebuiltJson>, HttpProblem> {
    let product_id = product(&id)?;
    tracing::info!(admin.action = "rebuild", product.id = %product_id, "asked for");
    whole(async move {
        let rebuilt = rebuilt(&Named::new(&admin.config)?, product_id).await?;
        Ok(Json(RebuiltJson::of(&rebuilt)))
    })
    .await
}
