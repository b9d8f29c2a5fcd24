//! A shopper finds a review helpful, or reports it, or takes that back.

use crate::command::{self, Headers};
use crate::router::Write;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contract::Problem;
use domain::ReviewId;
use primary::{Vote, VoteKind};
use service::{HttpProblem, PathText, read_body};

/// `PUT …/helpful`: counts once for each visitor, or for each request without one.
pub(crate) async fn helpful(
    state: State<Write>,
    path: PathText,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpProblem> {
    count(state, path, headers, body, VoteKind::Helpful).await
}

/// `PUT …/report`: the same, and hides the review at the threshold.
pub(crate) async fn report(
    state: State<Write>,
    path: PathText,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpProblem> {
    count(state, path, headers, body, VoteKind::Report).await
}

/// `DELETE …/helpful`: takes the visitor's vote back.
pub(crate) async fn helpful_back(
    state: State<Write>,
    path: PathText,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    take_back(state, path, headers, VoteKind::Helpful).await
}

/// `DELETE …/report`: the same, and shows the review again below the threshold.
pub(crate) async fn report_back(
    state: State<Write>,
    path: PathText,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    take_back(state, path, headers, VoteKind::Report).await
}

async fn count(
    State(write): State<Write>,
    PathText(id): PathText,
    headers: HeaderMap,
    body: Body,
    kind: VoteKind,
) -> Result<Response, HttpProblem> {
    let review_id = read_review_id(&id)?;
    let headers = Headers::read(&headers)?;
    // Any body will do, but another one under the same key is another request.
    let body = read_body(body).await?;
    cast(&write, &headers, review_id, kind, false, &body).await
}

async fn take_back(
    State(write): State<Write>,
    PathText(id): PathText,
    headers: HeaderMap,
    kind: VoteKind,
) -> Result<Response, HttpProblem> {
    let review_id = read_review_id(&id)?;
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

fn read_review_id(text: &str) -> Result<ReviewId, HttpProblem> {
    let wrong =
        |_| Problem::unprocessable("the id of a review must be a whole number from 1 to 9007199254740991");
    text.parse().map_err(wrong).map_err(HttpProblem::from)
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
    let outcome = primary::vote(&write.primary, &vote, &command).await?;
    let outcome = outcome.ok_or_else(|| Problem::not_found(format!("there is no review {review_id}")))?;
    let (reached, now) = command::done(outcome)?;
    if now {
        write.visibility.committed(reached.product_id, reached.version);
    }
    // Meta does not show votes.
    Ok(command::answer(write, headers, reached, false, StatusCode::NO_CONTENT).await)
}
