//! A shopper finds a review helpful, or reports it.

use crate::router::Write;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use contract::Problem;
use domain::ReviewId;
use primary::Voted;
use service::{HttpProblem, PathText, traceparent};
use uuid::Uuid;

/// `PUT …/helpful`: counts once for each request.
pub(crate) async fn helpful(
    State(write): State<Write>,
    PathText(review_id): PathText,
    headers: HeaderMap,
) -> Result<StatusCode, HttpProblem> {
    let review_id = read_review_id(&review_id)?;
    let voted =
        primary::mark_helpful(&write.primary, review_id, Uuid::now_v7(), traceparent(&headers)).await?;
    answer(&write, review_id, voted)
}

/// `PUT …/report`: counts once for each request, and hides the review at the threshold.
pub(crate) async fn report(
    State(write): State<Write>,
    PathText(review_id): PathText,
    headers: HeaderMap,
) -> Result<StatusCode, HttpProblem> {
    let review_id = read_review_id(&review_id)?;
    let (id, trace) = (Uuid::now_v7(), traceparent(&headers));
    let voted = primary::report(&write.primary, review_id, write.report_threshold, id, trace).await?;
    answer(&write, review_id, voted)
}

fn read_review_id(text: &str) -> Result<ReviewId, HttpProblem> {
    let wrong =
        |_| Problem::unprocessable("the id of a review must be a whole number from 1 to 9007199254740991");
    text.parse().map_err(wrong).map_err(HttpProblem::from)
}

fn answer(write: &Write, review_id: ReviewId, voted: Option<Voted>) -> Result<StatusCode, HttpProblem> {
    match voted {
        Some(_) => {
            write.written.notify_one();
            Ok(StatusCode::NO_CONTENT)
        }
        None => Err(Problem::not_found(format!("there is no review {review_id}")).into()),
    }
}
