//! A shopper finds a review helpful, or reports it, or takes that back.

use crate::api::{ReviewPath, Visitor, VisitorWhoVoted};
use crate::command::{self, Headers};
use crate::router::Write;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contract::Problem;
use domain::ReviewId;
use primary::{Vote, VoteKind};
use service::openapi::{CommandHeaders, KeyHeader};
use service::{HttpProblem, PathText, read_body, review_id};
use std::sync::Arc;

/// Find a review helpful
///
/// Counts once for each visitor, or for each request without one. Any body will do.
///
/// `curl -i -X PUT http://127.0.0.1:8080/reviews/11/helpful -H 'Visitor-Id: shopper-4711'`
#[utoipa::path(
    put, path = "/reviews/{review_id}/helpful", operation_id = "helpful2", tag = "Family 2",
    params(ReviewPath, Visitor, KeyHeader, CommandHeaders),
    responses((status = 204, description = "Counted.")),
)]
pub(crate) async fn helpful(
    state: State<Arc<Write>>,
    path: PathText,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpProblem> {
    count(state, path, headers, body, VoteKind::Helpful).await
}

/// Report a review
///
/// Hides the review from lists at the threshold.
///
/// `curl -i -X PUT http://127.0.0.1:8080/reviews/12/report -H 'Visitor-Id: shopper-4711'`
#[utoipa::path(
    put, path = "/reviews/{review_id}/report", operation_id = "report2", tag = "Family 2",
    params(ReviewPath, Visitor, KeyHeader, CommandHeaders),
    responses((status = 204, description = "Counted.")),
)]
pub(crate) async fn report(
    state: State<Arc<Write>>,
    path: PathText,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpProblem> {
    count(state, path, headers, body, VoteKind::Report).await
}

/// Take a helpful vote back
///
/// `curl -i -X DELETE http://127.0.0.1:8080/reviews/11/helpful -H 'Visitor-Id: shopper-4711'`
#[utoipa::path(
    delete, path = "/reviews/{review_id}/helpful", operation_id = "helpfulBack2", tag = "Family 2",
    params(ReviewPath, VisitorWhoVoted, CommandHeaders),
    responses((status = 204, description = "The visitor's vote does not count.")),
)]
pub(crate) async fn helpful_back(
    state: State<Arc<Write>>,
    path: PathText,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    take_back(state, path, headers, VoteKind::Helpful).await
}

/// Take a report back
///
/// Shows the review again below the threshold, unless a moderator or an import hid it.
///
/// `curl -i -X DELETE http://127.0.0.1:8080/reviews/12/report -H 'Visitor-Id: shopper-4711'`
#[utoipa::path(
    delete, path = "/reviews/{review_id}/report", operation_id = "reportBack2", tag = "Family 2",
    params(ReviewPath, VisitorWhoVoted, CommandHeaders),
    responses((status = 204, description = "The visitor's report does not count.")),
)]
pub(crate) async fn report_back(
    state: State<Arc<Write>>,
    path: PathText,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    take_back(state, path, headers, VoteKind::Report).await
}

async fn count(
    State(write): State<Arc<Write>>,
    PathText(id): PathText,
    headers: HeaderMap,
    body: Body,
    kind: VoteKind,
) -> Result<Response, HttpProblem> {
    let review_id = review_id(&id)?;
    let headers = Headers::read(&headers)?;
    // Any body will do, but another one under the same key is another request.
    let body = read_body(body).await?;
    cast(&write, &headers, review_id, kind, false, &body).await
}

async fn take_back(
    State(write): State<Arc<Write>>,
    PathText(id): PathText,
    headers: HeaderMap,
    kind: VoteKind,
) -> Result<Response, HttpProblem> {
    let review_id = review_id(&id)?;
    // It can be repeated as it is, so it needs no key.
    let headers = Headers { key: None, ..Headers::read(&headers)? };
    if headers.visitor.is_none() {
        return Err(Problem::unprocessable(
            "the header Visitor-Id is missing; a vote can be taken back only by the visitor who gave it",
        )
        .into());
    }
    cast(&write, &headers, review_id, kind, true, &[]).await
}

async fn cast(
    write: &Write,
    headers: &Headers,
    review_id: ReviewId,
    kind: VoteKind,
    take_back: bool,
    body: &[u8],
) -> Result<Response, HttpProblem> {
    let visitor = headers.visitor.as_deref();
    let vote = Vote { review_id, kind, visitor, take_back, report_threshold: write.report_threshold };
    let command = headers.command(&[body, visitor.unwrap_or_default().as_bytes()]);
    let outcome = write.latency.measure(primary::vote(&write.primary, &vote, &command)).await?;
    let outcome = outcome.ok_or_else(|| Problem::not_found(format!("there is no review {review_id}")))?;
    let (reached, when) = command::done(outcome)?;
    // Meta does not show votes.
    Ok(command::answer(write, headers, reached, when, false, StatusCode::NO_CONTENT).await)
}
