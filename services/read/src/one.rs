//! One review, by its id.

use crate::consistency::Tokens;
use crate::router::Read;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use contract::{Problem, review_body};
use domain::ReviewId;
use postgres::retry_lost;
use service::{HttpProblem, PathText, representation};

/// `GET /reviews/:review_id`
pub(crate) async fn of_id(
    State(read): State<Read>,
    PathText(id): PathText,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    let review_id: ReviewId = id.parse().map_err(|_| {
        Problem::unprocessable("the id of a review must be a whole number from 1 to 9007199254740991")
    })?;
    let tokens = Tokens::read(&headers)?;
    let found = retry_lost(|| primary::one_review(&read.primary, review_id)).await?;
    let found = found.ok_or_else(|| Problem::not_found(format!("there is no review {review_id}")))?;
    let needs = tokens.needs(&read, &[found.product_id]).await?;
    let body = review_body(read.family2, found.product_id, &found.review)?;
    let mut response = representation("application/json", body);
    needs.warn(&mut response);
    Ok(response)
}
