//! Erasing reviews, and finding what is held of a person.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use domain::{NewReview, ReviewId, read_new_review};
use primary::{
    Audit, AuditAction, Command, Erased, ExportedValue, IdempotencyKey, ListQuery, Outcome, Reached, Sort,
    Start, Vote, VoteKind, erase_review, export_reviews, list_reviews, one_review, operations_pool,
    post_review, product_meta, record_audit, reviews_of, sequence_events,
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use std::collections::BTreeSet;
use testkit::{
    TestDatabase, assert_log_is_whole, define_characteristics, eventually, fold_of_log, new_review, post,
    primary_database, product,
};
use tokio::task::JoinSet;
use uuid::Uuid;

async fn erase(pool: &PgPool, review_id: ReviewId) -> Erased {
    erase_review(pool, review_id, Uuid::now_v7()).await.unwrap()
}

fn of_visitor(review_id: ReviewId, kind: VoteKind, visitor: &str) -> Vote<'_> {
    Vote { review_id, kind, visitor: Some(visitor), take_back: false, report_threshold: 2 }
}

async fn cast(pool: &PgPool, vote: &Vote<'_>) -> Option<Outcome<Reached>> {
    primary::vote(pool, vote, &Command::plain(Uuid::now_v7())).await.unwrap()
}

async fn count(pool: &PgPool, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(pool).await.unwrap()
}

/// The log is whole, and every product's meta is the same from the log and from its reviews.
async fn assert_nothing_is_miscounted(database: &TestDatabase) {
    let mut connection = database.pool.acquire().await.unwrap();
    while !sequence_events(&mut connection).await.unwrap().is_empty() {}
    assert_log_is_whole(&database.pool).await;
    let reader = database.pool_of("reviews_read");
    for (id, folded) in fold_of_log(&database.pool).await {
        assert_eq!(product_meta(&reader, product(id)).await.unwrap(), folded, "product {id}");
    }
}

/// Waits until so many statements of this name wait for a lock.
async fn waiting(pool: &PgPool, name: &str, number: i64) {
    eventually(name, || async {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '-- ' || $1 || E'\\n%'",
        )
        .bind(name)
        .fetch_one(pool)
        .await
        .unwrap();
        (waiting == number).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_erased_review_is_in_no_answer_and_no_count() {
    let database = primary_database().await;
    let write = database.pool_of("reviews_write");
    let read = database.pool_of("reviews_read");
    define_characteristics(&database.pool, product(7), &[(14, "Size")]).await;
    let mut review = new_review(5);
    review.characteristics = vec![(14.try_into().unwrap(), 3.try_into().unwrap(), json!("Size"))];
    let mut posted = Vec::new();
    for _ in 0..4 {
        let outcome = post_review(&write, product(7), &review, &Command::plain(Uuid::now_v7())).await;
        posted.push(outcome.unwrap().done().unwrap().review_id);
    }
    // Two that are listed, and one that reports hide.
    cast(&write, &Vote { report_threshold: 1, ..of_visitor(posted[2], VoteKind::Report, "v") }).await;
    for id in &posted[..3] {
        assert!(matches!(erase(&database.pool, *id).await, Erased::Done(_)));
    }
    for sort in [Sort::Newest, Sort::Helpful, Sort::Relevant] {
        for ratings in [vec![], vec![5.try_into().unwrap()]] {
            let query = ListQuery { sort, start: Start::Offset(0), count: 10, ratings, total: true };
            let page = list_reviews(&read, product(7), &query).await.unwrap();
            let ids: Vec<ReviewId> = page.reviews.iter().map(|review| review.review_id).collect();
            assert_eq!((ids, page.total), (vec![posted[3]], Some(1)), "{query:?}");
        }
    }
    for id in &posted[..3] {
        assert_eq!(one_review(&read, *id).await.unwrap(), None);
        for kind in [VoteKind::Helpful, VoteKind::Report] {
            for visitor in [None, Some("v")] {
                assert_eq!(cast(&write, &Vote { visitor, ..of_visitor(*id, kind, "") }).await, None);
            }
            let back = Vote { take_back: true, ..of_visitor(*id, kind, "v") };
            assert_eq!(cast(&write, &back).await, None);
        }
    }
    let meta = product_meta(&read, product(7)).await.unwrap();
    assert_eq!((meta.ratings, meta.recommended_true), ([0, 0, 0, 0, 1], 1));
    assert_eq!((meta.characteristics[0].count, meta.characteristics[0].sum), (1, 3));
    assert_eq!(meta.version.0, 1 + 4 + 1 + 3);
    assert_nothing_is_miscounted(&database).await;
}

#[tokio::test]
async fn a_review_is_erased_once_and_an_unknown_one_is_said_to_be() {
    let database = primary_database().await;
    let posted = post(&database.pool, product(9), &new_review(2)).await;
    let Erased::Done(reached) = erase(&database.pool, posted.review_id).await else { unreachable!() };
    assert_eq!(reached, Reached { version: domain::Version(2), ..posted.reached });
    for _ in 0..2 {
        assert_eq!(erase(&database.pool, posted.review_id).await, Erased::Before);
    }
    assert_eq!(erase(&database.pool, 999.try_into().unwrap()).await, Erased::Unknown);
    assert_eq!(count(&database.pool, "SELECT count(*) FROM outbox").await, 2);
    assert_nothing_is_miscounted(&database).await;
    // Nothing shows it again.
    let shown = sqlx::query("UPDATE reviews SET hidden_by_moderation = false").execute(&database.pool).await;
    let refused = shown.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().constraint(), Some("reviews_erased_check"));
}

/// A review whose every text can be told from all others.
fn personal_review() -> NewReview {
    let body = json!({ "rating": 4, "summary": "Summary-4711", "body": "Body-4711", "name": "Name-4711",
                       "email": "Mail-4711@example.com", "photos": ["https://x/Photo-4711"], "recommend": true });
    read_new_review(&body).unwrap()
}

/// What everything personal in [`personal_review`] and around it looks like in the text of a row.
fn personal_texts() -> Vec<String> {
    let hash = |byte: u8| format!("\\x{}", format!("{byte:02x}").repeat(32));
    let texts =
        ["Summary-4711", "Body-4711", "Name-4711", "Mail-4711", "Photo-4711", "Answer-4711", "Visitor-4711"];
    texts.into_iter().map(str::to_owned).chain([hash(0xa1), hash(0xa2)]).collect()
}

/// Every row of every table, as text.
async fn everything(pool: &PgPool) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind = 'r'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert!(tables.len() > 15, "{tables:?}");
    let mut all = String::new();
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT t::text FROM {table} t")))
            .fetch_all(pool)
            .await
            .unwrap();
        all.push_str(&rows.join("\n"));
    }
    all
}

fn keyed(key: &str, request: u8) -> Command<'_> {
    Command { key: Some(IdempotencyKey { key, request: [request; 32] }), ..Command::plain(Uuid::now_v7()) }
}

#[tokio::test]
async fn nothing_of_the_person_stays_in_any_table_and_the_key_brings_nothing_back() {
    let database = primary_database().await;
    let write = database.pool_of("reviews_write");
    let post = async || post_review(&write, product(3), &personal_review(), &keyed("k", 0xa1)).await.unwrap();
    let id = post().await.done().unwrap().review_id;
    let other = testkit::post(&write, product(3), &new_review(1)).await.review_id;
    for review_id in [id, other] {
        let vote = of_visitor(review_id, VoteKind::Helpful, "Visitor-4711");
        let vote = primary::vote(&write, &vote, &keyed("vote", 0xa2)).await.unwrap();
        assert!(matches!(vote, Some(Outcome::Done(_))));
    }
    sqlx::query("UPDATE reviews SET response = 'Answer-4711' WHERE review_id = $1")
        .bind(id.get())
        .execute(&database.pool)
        .await
        .unwrap();
    let before = everything(&database.pool).await;
    assert!(personal_texts().iter().all(|text| before.contains(text.as_str())), "{before}");

    // What belongs to the other review is not this one's.
    let Erased::Done(_) = erase(&database.pool, id).await else { unreachable!() };
    let kept =
        "SELECT count(*) FROM votes v JOIN idempotency i USING (part, review_id) WHERE i.request <> ''";
    assert_eq!(count(&database.pool, kept).await, 1);
    let Erased::Done(_) = erase(&database.pool, other).await else { unreachable!() };

    for _ in 0..2 {
        let after = everything(&database.pool).await;
        let left: Vec<String> = personal_texts().into_iter().filter(|text| after.contains(text)).collect();
        assert!(left.is_empty(), "{left:?} in {after}");
        assert_nothing_is_miscounted(&database).await;
    }
    assert_eq!(post().await, Outcome::KeyTaken);
    assert_eq!(count(&database.pool, "SELECT count(*) FROM reviews").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_that_waits_for_the_erasing_counts_nothing_and_leaves_no_visitor() {
    let database = primary_database().await;
    let write = database.pool_of("reviews_write");
    let id = post(&write, product(3), &new_review(4)).await.review_id;
    let mut holder = database.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM product_stream FOR UPDATE").execute(&mut *holder).await.unwrap();
    let admin = database.pool.clone();
    let erasing = tokio::spawn(async move { erase(&admin, id).await });
    waiting(&database.pool, "reviews.erase", 1).await;
    let voting = tokio::spawn({
        let write = write.clone();
        async move { cast(&write, &of_visitor(id, VoteKind::Helpful, "ada")).await }
    });
    waiting(&database.pool, "reviews.vote", 1).await;
    holder.rollback().await.unwrap();
    assert!(matches!(erasing.await.unwrap(), Erased::Done(_)));
    assert_eq!(voting.await.unwrap(), None);
    assert_eq!(count(&database.pool, "SELECT count(*) FROM votes").await, 0);
    assert_eq!(count(&database.pool, "SELECT sum(helpfulness)::bigint FROM reviews").await, 0);
    assert_nothing_is_miscounted(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_that_the_erasing_waits_for_counts_and_leaves_no_visitor() {
    let database = primary_database().await;
    let write = database.pool_of("reviews_write");
    let id = post(&write, product(3), &new_review(4)).await.review_id;
    let mut holder = database.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM product_stream FOR UPDATE").execute(&mut *holder).await.unwrap();
    let voting = tokio::spawn({
        let write = write.clone();
        async move {
            primary::vote(&write, &of_visitor(id, VoteKind::Helpful, "ada"), &keyed("k", 0xa1)).await.unwrap()
        }
    });
    waiting(&database.pool, "reviews.vote", 1).await;
    let admin = database.pool.clone();
    let erasing = tokio::spawn(async move { erase(&admin, id).await });
    waiting(&database.pool, "reviews.erase", 1).await;
    holder.rollback().await.unwrap();
    assert!(matches!(voting.await.unwrap(), Some(Outcome::Done(_))));
    assert!(matches!(erasing.await.unwrap(), Erased::Done(_)));
    assert_eq!(count(&database.pool, "SELECT count(*) FROM votes").await, 0);
    assert_eq!(count(&database.pool, "SELECT count(*) FROM idempotency WHERE request <> ''").await, 0);
    assert_nothing_is_miscounted(&database).await;
}

const PRODUCTS: i64 = 4;

/// Votes for the reviews and takes votes back, each visitor in an order of its own; how many were refused.
async fn visit(pool: PgPool, visitor: i64, reviews: Vec<ReviewId>) -> usize {
    let name = format!("visitor-{visitor}");
    let mut refused = 0;
    for round in 0..3 {
        for n in 0..reviews.len() {
            let step = usize::try_from(visitor).unwrap() * 2 + 1;
            let id = reviews[n * step % reviews.len()];
            let kind = if (n + round) % 3 == 0 { VoteKind::Report } else { VoteKind::Helpful };
            refused += usize::from(cast(&pool, &of_visitor(id, kind, &name)).await.is_none());
            let back = Vote { take_back: true, ..of_visitor(id, kind, &name) };
            refused += usize::from(cast(&pool, &back).await.is_none());
        }
    }
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_take_backs_posts_and_erasings_at_once_lose_no_count() {
    let database = primary_database().await;
    let write = database.pool_of("reviews_write");
    let mut reviews = Vec::new();
    for n in 0..64 {
        reviews.push(post(&write, product(n % PRODUCTS + 1), &new_review(n % 5 + 1)).await.review_id);
    }
    let mut visitors = JoinSet::new();
    for visitor in 0..6 {
        visitors.spawn(visit(write.clone(), visitor, reviews.clone()));
    }
    let mut erasers = JoinSet::new();
    // Every second one, each by two at once.
    let erased: Vec<ReviewId> = reviews.iter().copied().step_by(2).collect();
    for _ in 0..2 {
        let (pool, erased) = (database.pool.clone(), erased.clone());
        erasers.spawn(async move {
            let mut done = 0;
            for id in erased {
                done += usize::from(matches!(erase(&pool, id).await, Erased::Done(_)));
            }
            done
        });
    }
    let poster = tokio::spawn(async move {
        for n in 0..100 {
            post(&write, product(n % PRODUCTS + 1), &new_review(n % 5 + 1)).await;
        }
    });
    let done: usize = erasers.join_all().await.into_iter().sum();
    let refused: usize = visitors.join_all().await.into_iter().sum();
    poster.await.unwrap();
    assert_eq!(done, erased.len(), "each is erased once");
    assert!(refused > 0, "no visitor came after an erasing");
    assert_nothing_is_miscounted(&database).await;
    let traces =
        "SELECT count(*) FROM votes v JOIN reviews r USING (part, review_id) WHERE r.erased_at IS NOT NULL";
    assert_eq!(count(&database.pool, traces).await, 0);
    let events = "SELECT count(DISTINCT payload->>'review_id') FROM event_log WHERE type = 'ReviewErased.v1'";
    assert_eq!(count(&database.pool, events).await, 32);
    let doubled = "SELECT count(*) FROM event_log WHERE type = 'ReviewErased.v1'";
    assert_eq!(count(&database.pool, doubled).await, 32);
}

#[tokio::test]
async fn services_cannot_erase_and_see_no_audit() {
    let database = primary_database().await;
    post(&database.pool, product(3), &new_review(4)).await;
    for role in ["reviews_write", "reviews_read", "reviews_projector"] {
        let pool = database.pool_of(role);
        for statement in [
            "UPDATE reviews SET erased_at = now()",
            "UPDATE reviews SET reviewer_email = ''",
            "UPDATE reviews SET photos = '[]'",
            "SELECT 1 FROM audit",
            "INSERT INTO audit (action, review_ids, os_user) VALUES ('erase', '{}', 'x')",
            "DELETE FROM audit",
        ] {
            let error = sqlx::query(statement).execute(&pool).await.expect_err(statement);
            let code = error.as_database_error().and_then(|e| e.code().map(|c| c.into_owned()));
            assert_eq!(code.as_deref(), Some("42501"), "{role}: {statement}: {error}");
        }
        assert!(erase_review(&pool, 1.try_into().unwrap(), Uuid::now_v7()).await.is_err(), "{role}");
    }
}

#[tokio::test]
async fn an_operation_of_people_waits_for_nothing_long() {
    let database = primary_database().await;
    let pool = operations_pool(database.options_of("reviews_write"));
    for (setting, value) in
        [("lock_timeout", "5s"), ("statement_timeout", "10s"), ("idle_in_transaction_session_timeout", "10s")]
    {
        let set: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(&pool).await.unwrap();
        assert_eq!(set, value, "{setting}");
    }
}

#[tokio::test]
async fn a_persons_reviews_are_found_among_many_and_exported_whole() {
    let database = primary_database().await;
    // More than two statements look through; every ten-thousandth is the person's, in a spelling of its own.
    sqlx::query(
        "INSERT INTO reviews (part, review_id, product_id, rating, date, summary, body, recommend, reviewer_name,
                              reviewer_email)
         SELECT id % 64, id, id, 3, '2020-01-01', '', 'b', true, 'n',
                CASE id % 10000 WHEN 0 THEN (ARRAY['Ada@Example.com', 'ada@example.com', E' ADA@example.com\\t'])[id % 3 + 1]
                                WHEN 1 THEN 'ada@example.com.au' ELSE 'r' || id || '@example.com' END
         FROM generate_series(1, 45000) AS id",
    )
    .execute(&database.pool)
    .await
    .unwrap();
    let mut seen = 0;
    let found = reviews_of(&database.pool, " aDa@example.com ", |reviews| seen += reviews).await.unwrap();
    assert_eq!(found.iter().map(|id| id.get()).collect::<Vec<_>>(), [10_000, 20_000, 30_000, 40_000]);
    assert_eq!(seen, 45_000);
    assert_eq!(reviews_of(&database.pool, "nobody@example.com", |_| {}).await.unwrap(), []);

    let write = database.pool_of("reviews_write");
    define_characteristics(&database.pool, product(66), &[(14, "Size")]).await;
    sqlx::query("ALTER SEQUENCE review_id_seq RESTART 50000").execute(&database.pool).await.unwrap();
    let mut review = personal_review();
    review.characteristics = vec![(14.try_into().unwrap(), 3.try_into().unwrap(), json!("Size"))];
    let id = post(&write, product(66), &review).await.review_id;
    cast(&write, &of_visitor(id, VoteKind::Helpful, "v")).await;
    cast(&write, &Vote { visitor: None, ..of_visitor(id, VoteKind::Report, "") }).await;
    let found = reviews_of(&database.pool, "mail-4711@EXAMPLE.com", |_| {}).await.unwrap();
    assert_eq!(found, [id]);
    let exported = export_reviews(&database.pool, &found).await.unwrap().remove(0);
    assert_eq!((exported.review_id, exported.product_id, exported.rating), (id.get(), 66, 4));
    assert_eq!((exported.summary.as_str(), exported.body.as_str()), ("Summary-4711", "Body-4711"));
    assert_eq!(
        (exported.reviewer_name.as_str(), exported.reviewer_email.as_str()),
        ("Name-4711", "Mail-4711@example.com")
    );
    assert_eq!(exported.photos[0].url, "https://x/Photo-4711");
    let size = ExportedValue { id: 14, name: Some("Size".to_owned()), value: 3 };
    assert_eq!(exported.characteristics, [size]);
    assert_eq!((exported.helpfulness, exported.reports, exported.votes_with_visitor), (1, 1, 1));
    assert!(matches!(erase(&database.pool, id).await, Erased::Done(_)));
    assert_eq!(export_reviews(&database.pool, &[id]).await.unwrap(), []);
    assert_eq!(reviews_of(&database.pool, "mail-4711@example.com", |_| {}).await.unwrap(), []);
}

#[tokio::test]
async fn the_audit_keeps_the_address_as_a_hash_whatever_its_spelling() {
    let database = primary_database().await;
    let reviews: Vec<ReviewId> = [5, 7].map(|id| id.try_into().unwrap()).into();
    let mut audit = Audit { action: AuditAction::Erase, reviews: &reviews, email: None, os_user: "ada" };
    record_audit(&database.pool, audit).await.unwrap();
    audit.action = AuditAction::Export;
    for email in ["ada@example.com", "\tADA@Example.com "] {
        record_audit(&database.pool, Audit { email: Some(email), ..audit }).await.unwrap();
    }
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT concat_ws(' ', action, review_ids, subject, db_user, os_user) FROM audit ORDER BY id",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    // printf ada@example.com | sha256sum
    let subject = "b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72";
    let user: String =
        sqlx::query_scalar("SELECT session_user::text").fetch_one(&database.pool).await.unwrap();
    assert_eq!(rows[0], format!("erase {{5,7}} {user} ada"));
    assert_eq!(rows[1..], [(); 2].map(|()| format!("export {{5,7}} {subject} {user} ada")));
    assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), 2);
    assert!(!format!("{:?}", Audit { email: Some("ada@example.com"), ..audit }).contains("ada@example"));
}
