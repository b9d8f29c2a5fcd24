//! One review, by its id.

use crate::api::{OneReview, ReviewPath};
use crate::consistency::Tokens;
use crate::router::Read;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use contract::{Problem, review_body};
use postgres::retry_lost;
use service::openapi::ReadHeaders;
use service::{HttpProblem, PathText, representation, review_id};
use std::sync::Arc;

/// One review
///
/// Found while it is listed.
///
/// `curl -i http://127.0.0.1:8080/reviews/11`
#[utoipa::path(
    get, path = "/reviews/{id}", operation_id = "review", tag = "Family 2",
    params(ReviewPath, ReadHeaders),
    responses((status = 200, description = "The review.", body = OneReview)),
)]
pub(crate) async fn of_id(
    State(read): State<Arc<Read>>,
    PathText(id): PathText,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    let review_id = review_id(&id)?;
    let tokens = Tokens::read(&headers)?;
    let found =
        retry_lost(|| read.primary.on(async |primary| primary::one_review(primary, review_id).await)).await?;
    let found = found.ok_or_else(|| Problem::not_found(format!("there is no review {review_id}")))?;
    let needs = tokens.needs(&read, &[found.product_id]).await?;
    let body = review_body(read.family2, found.product_id, &found.review)?;
    let mut response = representation("application/json", body);
    needs.warn(&mut response);
    Ok(response)
}
