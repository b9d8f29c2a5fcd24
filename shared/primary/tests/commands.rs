//! Commands that may be sent again: keys, and visitors who count once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use domain::{ProductId, ReviewId};
use primary::{
    Age, Command, IdempotencyKey, Outcome, Posted, Reached, Vote, VoteKind, forget_keys, post_review,
    product_reached, sequence_events,
};
use sqlx::{PgPool, Row};
use std::collections::BTreeSet;
use testkit::{assert_log_is_whole, new_review, post, primary_database, product};
use tokio::task::JoinSet;
use uuid::Uuid;

fn keyed(key: &str, request: u8) -> Command<'_> {
    let key = IdempotencyKey { key, request: [request; 32] };
    Command { key: Some(key), ..Command::plain(Uuid::now_v7()) }
}

async fn post_keyed(pool: &PgPool, product_id: ProductId, key: &str, request: u8) -> Outcome<Posted> {
    post_review(pool, product_id, &new_review(4), &keyed(key, request)).await.unwrap()
}

/// A vote of a visitor; two reports hide.
fn of_visitor(review_id: ReviewId, kind: VoteKind, visitor: &str) -> Vote<'_> {
    Vote { review_id, kind, visitor: Some(visitor), take_back: false, report_threshold: 2 }
}

fn back(vote: Vote<'_>) -> Vote<'_> {
    Vote { take_back: true, ..vote }
}

async fn cast(pool: &PgPool, vote: Vote<'_>) -> Outcome<Reached> {
    primary::vote(pool, &vote, &Command::plain(Uuid::now_v7())).await.unwrap().unwrap()
}

/// Reviews, events and keys that are stored.
async fn stored(pool: &PgPool) -> (i64, i64, i64) {
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM reviews),
                (SELECT count(*) FROM outbox) + (SELECT count(*) FROM event_log),
                (SELECT count(*) FROM idempotency)",
    );
    let row = row.fetch_one(pool).await.unwrap();
    (row.get(0), row.get(1), row.get(2))
}

/// Helpful votes, reports, and whether reports hide it.
async fn votes(pool: &PgPool, review_id: ReviewId) -> (i32, i32, bool) {
    let row = sqlx::query("SELECT helpfulness, reports, hidden_by_reports FROM reviews WHERE review_id = $1");
    let row = row.bind(review_id.get()).fetch_one(pool).await.unwrap();
    (row.get(0), row.get(1), row.get(2))
}

async fn assert_whole_after_sequencing(pool: &PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    while !sequence_events(&mut connection).await.unwrap().is_empty() {}
    assert_log_is_whole(pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_twins_one_is_carried_out_and_the_others_hear_of_it() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    for round in 0..20 {
        let mut twins = JoinSet::new();
        for _ in 0..24 {
            let (pool, key) = (pool.clone(), format!("round-{round}"));
            twins.spawn(async move {
                // Who is told that it is under way asks again, as clients do.
                loop {
                    match post_keyed(&pool, product(5), &key, 1).await {
                        Outcome::UnderWay => tokio::task::yield_now().await,
                        outcome => break outcome,
                    }
                }
            });
        }
        let outcomes = twins.join_all().await;
        let done = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done(_))).count();
        assert_eq!(done, 1, "round {round}");
        let answers: BTreeSet<(i64, i64)> = outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::Done(posted) | Outcome::Before(posted, _) => {
                    (posted.review_id.get(), posted.reached.version.0)
                }
                other => unreachable!("{other:?}"),
            })
            .collect();
        assert_eq!(answers.len(), 1, "all have the first one's answer");
        assert_eq!(answers.first().unwrap().1, round + 1);
    }
    assert_eq!(stored(&database.pool).await, (20, 20, 20));
    assert_whole_after_sequencing(&database.pool).await;
}

#[tokio::test]
async fn while_the_first_is_under_way_its_twin_is_told_so_and_nothing_waits() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    // The first has the product's row, and stops there.
    post(&pool, product(5), &new_review(3)).await;
    let mut holder = database.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM product_stream WHERE product_id = 5 FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let first = tokio::spawn({
        let pool = pool.clone();
        async move { post_keyed(&pool, product(5), "k", 1).await }
    });
    testkit::eventually("the first to wait for the product's row", || async {
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
                .fetch_one(&database.pool)
                .await
                .unwrap();
        (waiting > 0).then_some(())
    })
    .await;
    assert_eq!(post_keyed(&pool, product(5), "k", 1).await, Outcome::UnderWay);
    // Another key, and the same for another product, are other requests.
    assert!(post_keyed(&pool, product(6), "k", 1).await.done().is_some());
    holder.rollback().await.unwrap();
    let first = first.await.unwrap().done().unwrap();
    assert_eq!(post_keyed(&pool, product(5), "k", 1).await, Outcome::Before(first, Age::Recent));
}

#[tokio::test]
async fn a_twin_that_began_before_the_commit_and_goes_on_after_it_stores_nothing() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    // What the twin's snapshot does not show: a row of the same key, committed after it began.
    let mut first = database.pool.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO idempotency (part, operation, subject, key, request, review_id, version, taken, expires_at)
         VALUES (5, 'post', 5, 'k', decode(repeat('01', 32), 'hex'), 77, 9, '{}', now() + interval '1 hour')",
    )
    .execute(&mut *first)
    .await
    .unwrap();
    let twin = tokio::spawn({
        let pool = pool.clone();
        async move { post_keyed(&pool, product(5), "k", 1).await }
    });
    testkit::eventually("the twin to meet the row", || async {
        let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_locks WHERE NOT granted")
            .fetch_one(&database.pool)
            .await
            .unwrap();
        (waiting > 0).then_some(())
    })
    .await;
    first.commit().await.unwrap();
    let Outcome::Before(answer, Age::Old) = twin.await.unwrap() else {
        unreachable!("the first one's answer")
    };
    assert_eq!((answer.review_id.get(), answer.reached.version.0), (77, 9));
    assert_eq!(stored(&database.pool).await, (0, 0, 1));
}

#[tokio::test]
async fn a_key_belongs_to_one_request_until_its_time_is_over() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    let first = post_keyed(&pool, product(5), "k", 1).await.done().unwrap();
    assert_eq!(post_keyed(&pool, product(5), "k", 2).await, Outcome::KeyTaken);
    assert_eq!(post_keyed(&pool, product(5), "k", 1).await, Outcome::Before(first.clone(), Age::Recent));
    assert_eq!(forget_keys(&pool, 10).await.unwrap(), 0);

    sqlx::query("UPDATE idempotency SET expires_at = now()").execute(&database.pool).await.unwrap();
    let second = post_keyed(&pool, product(5), "k", 2).await.done().unwrap();
    assert!(second.review_id > first.review_id);
    assert_eq!(post_keyed(&pool, product(5), "k", 2).await, Outcome::Before(second, Age::Recent));

    sqlx::query("UPDATE idempotency SET expires_at = now()").execute(&database.pool).await.unwrap();
    assert_eq!(forget_keys(&pool, 10).await.unwrap(), 1);
    assert_eq!(stored(&database.pool).await, (2, 2, 0));
}

#[tokio::test]
async fn a_vote_with_a_key_counts_once() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    let review_id = post(&pool, product(5), &new_review(3)).await.review_id;
    let vote = Vote { visitor: None, ..of_visitor(review_id, VoteKind::Helpful, "") };
    let cast = |request| {
        let (pool, command) = (pool.clone(), keyed("k", request));
        async move { primary::vote(&pool, &vote, &command).await.unwrap().unwrap() }
    };
    let first = cast(1).await.done().unwrap();
    assert_eq!(cast(1).await, Outcome::Before(first, Age::Recent));
    assert_eq!(cast(2).await, Outcome::KeyTaken);
    assert_eq!(votes(&database.pool, review_id).await, (1, 0, false));
    // A report under the same key is another route.
    let report = Vote { kind: VoteKind::Report, ..vote };
    assert!(primary::vote(&pool, &report, &keyed("k", 1)).await.unwrap().unwrap().done().is_some());
    assert_eq!(votes(&database.pool, review_id).await, (1, 1, false));
    let nobody = Vote { review_id: 999.try_into().unwrap(), ..vote };
    assert_eq!(primary::vote(&pool, &nobody, &keyed("k", 1)).await.unwrap(), None);
    assert_eq!(stored(&database.pool).await, (1, 3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_visitors_at_once_count_once_each() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    let review_id = post(&pool, product(5), &new_review(3)).await.review_id;
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let pool = pool.clone();
        writers.spawn(async move {
            let mut counted = 0;
            for visitor in 0..50 {
                let visitor = visitor.to_string();
                let outcome = cast(&pool, of_visitor(review_id, VoteKind::Helpful, &visitor)).await;
                counted += i32::from(matches!(outcome, Outcome::Done(_)));
            }
            counted
        });
    }
    assert_eq!(writers.join_all().await.iter().sum::<i32>(), 50);
    assert_eq!(votes(&database.pool, review_id).await, (50, 0, false));
    let reached = product_reached(&pool, product(5)).await.unwrap();
    assert_eq!(reached.version.0, 51);
    assert_whole_after_sequencing(&database.pool).await;
}

#[tokio::test]
async fn a_visitor_takes_a_vote_back_once() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    let review_id = post(&pool, product(5), &new_review(3)).await.review_id;
    let helpful = of_visitor(review_id, VoteKind::Helpful, "ada");
    assert!(matches!(cast(&pool, back(helpful)).await, Outcome::Before(Reached { .. }, Age::Old)));
    assert_eq!(cast(&pool, helpful).await.done().unwrap().version.0, 2);
    let Outcome::Before(again, Age::Old) = cast(&pool, helpful).await else { unreachable!("counted twice") };
    assert_eq!(again.version.0, 2, "the token of a vote that stands is the current version");
    assert_eq!(cast(&pool, back(helpful)).await.done().unwrap().version.0, 3);
    assert!(matches!(cast(&pool, back(helpful)).await, Outcome::Before(..)));
    assert_eq!(votes(&database.pool, review_id).await, (0, 0, false));
    let types: Vec<String> = sqlx::query_scalar("SELECT type FROM outbox ORDER BY version")
        .fetch_all(&database.pool)
        .await
        .unwrap();
    assert_eq!(types, ["ReviewPosted.v1", "ReviewMarkedHelpful.v1", "ReviewHelpfulTakenBack.v1"]);
}

#[tokio::test]
async fn reports_hide_at_the_threshold_and_taken_back_below_it_show_again() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    let review_id = post(&pool, product(5), &new_review(3)).await.review_id;
    let report = |visitor| of_visitor(review_id, VoteKind::Report, visitor);
    for (vote, expected) in [
        (report("ada"), (0, 1, false)),
        (report("ada"), (0, 1, false)),
        (report("bo"), (0, 2, true)),
        (report("cy"), (0, 3, true)),
        (back(report("bo")), (0, 2, true)),
        (back(report("bo")), (0, 2, true)),
        (back(report("ada")), (0, 1, false)),
    ] {
        cast(&pool, vote).await;
        assert_eq!(votes(&database.pool, review_id).await, expected, "{vote:?}");
    }
    // What a moderator hid stays hidden, whatever becomes of reports.
    sqlx::query("UPDATE reviews SET hidden_by_moderation = true").execute(&database.pool).await.unwrap();
    cast(&pool, back(report("cy"))).await;
    assert_eq!(votes(&database.pool, review_id).await, (0, 0, false));
    assert_eq!(primary::one_review(&pool, review_id).await.unwrap(), None);
}
