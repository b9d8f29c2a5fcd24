//! Commands as the write service gives them, without a key and without a trace.

use domain::{NewReview, ProductId, ReviewId};
use primary::{Command, Posted, Reached, Vote, VoteKind};
use sqlx::PgPool;
use uuid::Uuid;

/// Stores a review that must be taken.
pub async fn post(pool: &PgPool, product_id: ProductId, review: &NewReview) -> Posted {
    let posted = primary::post_review(pool, product_id, review, &Command::plain(Uuid::now_v7())).await;
    posted.expect("a stored review").done().expect("a review without a key is always stored")
}

/// Counts a vote without a visitor; `None` when there is no such review. One report hides.
///
/// # Errors
/// As [`primary::vote`](fn@primary::vote).
pub async fn try_vote(
    pool: &PgPool,
    review_id: ReviewId,
    kind: VoteKind,
) -> Result<Option<Reached>, sqlx::Error> {
    let vote = Vote { review_id, kind, visitor: None, take_back: false, report_threshold: 1 };
    let outcome = primary::vote(pool, &vote, &Command::plain(Uuid::now_v7())).await?;
    Ok(outcome.map(|outcome| outcome.done().expect("a vote without a key and a visitor always counts")))
}

/// The same, for a database that is there.
pub async fn vote(pool: &PgPool, review_id: ReviewId, kind: VoteKind) -> Option<Reached> {
    try_vote(pool, review_id, kind).await.expect("a counted vote")
}
