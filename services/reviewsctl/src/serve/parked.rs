//! What stands still, and dead letters.

use super::Admin;
use super::answer::{refused, whole};
use super::body::product;
use crate::parked::{
    DiscardedJson, LettersJson, ListedJson, RedrivenAllJson, ShownJson, ThrownAway, Which, discarded,
    letters, listed, redriven, shown, thrown_away,
};
use crate::stores::Named;
use axum::Json;
use axum::extract::State;
use service::{HttpProblem, PathText};
use std::collections::BTreeSet;

/// Products that stand still, and messages that nobody could read
#[utoipa::path(
    get, path = "/admin/v1/parked", operation_id = "parked", tag = "Parked",
    responses((status = 200, description = "Both; where the broker is away, `dead_letters` says so.", body = ListedJson)),
)]
pub(crate) async fn list(State(admin): State<Admin>) -> Result<Json<ListedJson>, HttpProblem> {
    listed(&admin.config).await.map(Json).map_err(refused)
}

/// Why a product stands still: the event, what meta has, and what the reviews add up to
#[utoipa::path(
    get, path = "/admin/v1/parked/{product_id}", operation_id = "parked_product", tag = "Parked",
    params(("product_id" = i64, Path, description = "The product.", minimum = 1, maximum = 9_007_199_254_740_991_i64)),
    responses((status = 200, description = "The product, also one that goes on.", body = ShownJson)),
)]
pub(crate) async fn show(
    State(admin): State<Admin>,
    PathText(id): PathText,
) -> Result<Json<ShownJson>, HttpProblem> {
    let product_id = product(&id)?;
    let named = Named::new(&admin.config).map_err(refused)?;
    shown(product_id, &named).await.map(Json).map_err(refused)
}

/// Make all that stand still anew from their events
///
/// After the cause is gone.
#[utoipa::path(
    post, path = "/admin/v1/parked/redrive", operation_id = "redrive_all", tag = "Parked",
    responses((status = 200, description = "What became of each.", body = RedrivenAllJson)),
)]
pub(crate) async fn redrive_all(State(admin): State<Admin>) -> Result<Json<RedrivenAllJson>, HttpProblem> {
    tracing::info!(admin.action = "redrive", "asked for: all that stands still");
    whole(async move { redriven(&Named::new(&admin.config)?, Which::All).await.map(Json) }).await
}

/// Make one anew from its events
#[utoipa::path(
    post, path = "/admin/v1/parked/{product_id}/redrive", operation_id = "redrive", tag = "Parked",
    params(("product_id" = i64, Path, description = "The product.", minimum = 1, maximum = 9_007_199_254_740_991_i64)),
    responses((status = 200, description = "What became of it.", body = RedrivenAllJson)),
)]
pub(crate) async fn redrive(
    State(admin): State<Admin>,
    PathText(id): PathText,
) -> Result<Json<RedrivenAllJson>, HttpProblem> {
    let product_id = product(&id)?;
    tracing::info!(admin.action = "redrive", product.id = %product_id, "asked for");
    let which = Which::Named(BTreeSet::from([product_id]));
    whole(async move { redriven(&Named::new(&admin.config)?, which).await.map(Json) }).await
}

/// Give up, for good, the event for which a product stands still
///
/// It goes on without it, in every replay too. This cannot be undone.
#[utoipa::path(
    post, path = "/admin/v1/parked/{product_id}/discard", operation_id = "discard", tag = "Parked",
    params(("product_id" = i64, Path, description = "The product.", minimum = 1, maximum = 9_007_199_254_740_991_i64)),
    responses((status = 200, description = "What was given up, and whether the product goes on.", body = DiscardedJson)),
)]
pub(crate) async fn discard(
    State(admin): State<Admin>,
    PathText(id): PathText,
) -> Result<Json<DiscardedJson>, HttpProblem> {
    let product_id = product(&id)?;
    tracing::info!(admin.action = "discard", product.id = %product_id, "asked for");
    whole(async move { discarded(product_id, &Named::new(&admin.config)?).await.map(Json) }).await
}

/// Messages that nobody could read
#[utoipa::path(
    get, path = "/admin/v1/dead-letters", operation_id = "dead_letters", tag = "Parked",
    responses((status = 200, description = "All are counted, the oldest shown.", body = LettersJson)),
)]
pub(crate) async fn dead(State(admin): State<Admin>) -> Result<Json<LettersJson>, HttpProblem> {
    letters(&admin.config).await.map(Json).map_err(refused)
}

/// Throw them away: their events are in the log
#[utoipa::path(
    delete, path = "/admin/v1/dead-letters", operation_id = "throw_away", tag = "Parked",
    responses((status = 200, description = "How many there were.", body = ThrownAway)),
)]
pub(crate) async fn throw_away(State(admin): State<Admin>) -> Result<Json<ThrownAway>, HttpProblem> {
    tracing::info!(admin.action = "throw-away", "asked for: all dead letters");
    whole(async move { thrown_away(&admin.config).await.map(Json) }).await
}
