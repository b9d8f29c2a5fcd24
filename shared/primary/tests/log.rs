//! The log against a real Postgres: whatever writers, relays and long transactions do, positions are
//! dense, nothing is lost or doubled, and each product's events are in order.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use domain::{LinkedEvent, Part, Position, ReviewId};
use primary::{
    ListQuery, Sort, Start, VoteKind, hold_relay_lock, list_reviews, log_hole, raise_published,
    sequence_events, skip_backlog, unpublished_events,
};
use sqlx::{Connection, PgConnection, PgPool, Row};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::{assert_log_is_whole, eventually, new_review, post, primary_database, product, try_vote, vote};
use tokio::task::JoinSet;

/// Posts `each` reviews over `products` products, voting for every second one, and returns the ids.
async fn write(pool: PgPool, writer: i64, products: i64, each: i64) -> Vec<ReviewId> {
    let mut ids = Vec::new();
    for n in 0..each {
        let product = product((writer * 7 + n) % products + 1);
        let posted = post(&pool, product, &new_review(n % 5 + 1)).await;
        if n % 2 == 0 {
            vote(&pool, posted.review_id, VoteKind::Helpful).await.unwrap();
        }
        ids.push(posted.review_id);
    }
    ids
}

/// Sequences until `done` is set and nothing is left.
async fn relay(mut connection: PgConnection, done: Arc<AtomicBool>) {
    loop {
        let stop = done.load(Ordering::SeqCst);
        let moved = sequence_events(&mut connection).await.unwrap();
        if moved.is_empty() && stop {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_relays_and_a_long_transaction_lose_and_double_nothing() {
    let database = primary_database().await;
    let write_pool = database.pool_of("reviews_write");

    // Drew its place in the outbox before all others, and commits after most of them.
    let mut long = database.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO product_stream VALUES (1, 4097, 1)").execute(&mut *long).await.unwrap();
    sqlx::query(
        "INSERT INTO outbox (part, product_id, version, event_id, type, payload)
         VALUES (1, 4097, 1, gen_random_uuid(), 'ReviewReported.v1', '{\"review_id\":1}')",
    )
    .execute(&mut *long)
    .await
    .unwrap();

    let done = Arc::new(AtomicBool::new(false));
    let mut relays = JoinSet::new();
    for _ in 0..3 {
        let options = database.options_of("reviews_write");
        let connection = PgConnection::connect_with(&options).await.unwrap();
        relays.spawn(relay(connection, done.clone()));
    }
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        writers.spawn(write(write_pool.clone(), writer, 20, 150));
    }
    let ids: Vec<ReviewId> = writers.join_all().await.concat();
    long.commit().await.unwrap();
    done.store(true, Ordering::SeqCst);
    relays.join_all().await;

    assert_log_is_whole(&database.pool).await;
    let posted: Vec<i64> = sqlx::query_scalar(
        "SELECT (payload->>'review_id')::bigint FROM event_log WHERE type = 'ReviewPosted.v1' ORDER BY 1",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let mut expected: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    expected.sort_unstable();
    assert_eq!(posted, expected);
    let events: i64 =
        sqlx::query_scalar("SELECT count(*) FROM event_log").fetch_one(&database.pool).await.unwrap();
    assert_eq!(events, 8 * 150 + 8 * 75 + 1);
    let helpful: i64 = sqlx::query_scalar("SELECT sum(helpfulness)::bigint FROM reviews")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(helpful, 8 * 75);
}

#[tokio::test]
async fn a_long_transaction_stalls_no_other_event() {
    let database = primary_database().await;
    let mut long = database.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO product_stream VALUES (2, 2, 1)").execute(&mut *long).await.unwrap();
    sqlx::query("SELECT pg_current_xact_id()").execute(&mut *long).await.unwrap();

    let pool = database.pool_of("reviews_write");
    for _ in 0..10 {
        post(&pool, product(1), &new_review(5)).await;
    }
    let mut connection = pool.acquire().await.unwrap();
    let heads = sequence_events(&mut connection).await.unwrap();
    assert_eq!(heads.iter().map(|(part, pos)| (part.get(), pos.0)).collect::<Vec<_>>(), [(1, 10)]);
    long.rollback().await.unwrap();
    assert_log_is_whole(&database.pool).await;
}

#[tokio::test]
async fn a_backlog_of_one_part_does_not_starve_another() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    for _ in 0..250 {
        post(&pool, product(64), &new_review(5)).await;
    }
    post(&pool, product(63), &new_review(5)).await;
    let mut connection = pool.acquire().await.unwrap();
    let heads = sequence_events(&mut connection).await.unwrap();
    let mut heads: Vec<_> = heads.iter().map(|(part, pos)| (part.get(), pos.0)).collect();
    heads.sort_unstable();
    assert_eq!(heads, [(0, 200), (63, 1)]);
}

/// Median of ten rounds that each post 50 reviews and then sequence them.
async fn median_tick(pool: &PgPool, connection: &mut PgConnection) -> Duration {
    let mut ticks = Vec::new();
    for _ in 0..10 {
        for n in 1..=50 {
            post(pool, product(n), &new_review(4)).await;
        }
        let begun = Instant::now();
        while !sequence_events(connection).await.unwrap().is_empty() {}
        ticks.push(begun.elapsed());
    }
    ticks.sort_unstable();
    ticks[ticks.len() / 2]
}

#[tokio::test]
async fn a_long_lived_snapshot_slows_the_tick_by_a_bounded_factor() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    let mut connection = pool.acquire().await.unwrap();
    let before = median_tick(&pool, &mut connection).await;

    let mut snapshot = database.pool.begin().await.unwrap();
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *snapshot).await.unwrap();
    sqlx::query("SELECT count(*) FROM outbox").execute(&mut *snapshot).await.unwrap();
    // Every dead row of the outbox and of the heads stays while the snapshot is held.
    for _ in 0..4 {
        median_tick(&pool, &mut connection).await;
    }
    let held = median_tick(&pool, &mut connection).await;
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM event_log").fetch_one(&mut *snapshot).await.unwrap();
    snapshot.rollback().await.unwrap();

    assert_eq!(rows, 500, "the snapshot was not held");
    assert!(held < before * 30, "a tick took {before:?} before and {held:?} with a snapshot held");
    assert_log_is_whole(&database.pool).await;
}

#[tokio::test]
async fn a_transaction_that_a_service_leaves_open_is_ended() {
    let database = primary_database().await;
    for role in ["reviews_write", "reviews_read", "reviews_projector"] {
        let limits: (String, String) = sqlx::query_as(
            "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('statement_timeout')",
        )
        .fetch_one(&database.pool_of(role))
        .await
        .unwrap();
        assert_eq!(limits.0, "10s", "{role}");
        assert!(limits.1 == "5s" || limits.1 == "10s", "{role}: {}", limits.1);
    }
}

#[tokio::test]
async fn one_relay_holds_the_lock_until_its_connection_ends() {
    let database = primary_database().await;
    let options = database.options_of("reviews_write");
    let mut first = PgConnection::connect_with(&options).await.unwrap();
    let mut second = PgConnection::connect_with(&options).await.unwrap();
    assert!(hold_relay_lock(&mut first).await.unwrap());
    assert!(!hold_relay_lock(&mut second).await.unwrap());
    first.close().await.unwrap();
    let second = Arc::new(tokio::sync::Mutex::new(second));
    eventually("the second relay takes over", || {
        let second = second.clone();
        async move { hold_relay_lock(&mut *second.lock().await).await.unwrap().then_some(()) }
    })
    .await;
}

#[tokio::test]
async fn what_was_not_offered_is_read_in_order_and_a_long_backlog_is_skipped() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    let ids = write(pool.clone(), 0, 5, 60).await;
    assert_eq!(ids.len(), 60);
    let mut connection = pool.acquire().await.unwrap();
    while !sequence_events(&mut connection).await.unwrap().is_empty() {}

    let positions = |events: &[LinkedEvent]| {
        events.iter().map(|e| (e.event.part.get(), e.event.pos.0)).collect::<Vec<_>>()
    };
    let first = unpublished_events(&mut connection, 10).await.unwrap();
    let expected: Vec<(i16, i64)> = (1..=5).flat_map(|part| (1..=10).map(move |pos| (part, pos))).collect();
    assert_eq!(positions(&first), expected);
    for part in first.chunk_by(|a, b| a.event.part == b.event.part) {
        assert_eq!(part[0].previous, None);
        assert!(part.windows(2).all(|pair| pair[1].previous == Some(pair[0].event.event_id)));
    }

    let offered: Vec<_> = (1..=5).map(|part| (product(part).part(), Position(4))).collect();
    raise_published(&mut connection, &offered).await.unwrap();
    // An older report changes nothing.
    raise_published(&mut connection, &[(product(1).part(), Position(2))]).await.unwrap();
    let next = unpublished_events(&mut connection, 1).await.unwrap();
    assert_eq!(positions(&next), [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);
    for next in &next {
        let fourth = first.iter().find(|e| e.event.part == next.event.part && e.event.pos.0 == 4);
        assert_eq!(next.previous, fourth.map(|e| e.event.event_id));
    }

    let events: i64 =
        sqlx::query_scalar("SELECT sum(head)::bigint FROM log_head").fetch_one(&pool).await.unwrap();
    let skipped = skip_backlog(&mut connection, 3).await.unwrap();
    assert_eq!(skipped, events - 5 * 4 - 5 * 3);
    assert_eq!(skip_backlog(&mut connection, 3).await.unwrap(), 0);
    assert_eq!(unpublished_events(&mut connection, 100).await.unwrap().len(), 15);
}

#[tokio::test]
async fn a_hole_is_found_as_far_as_is_looked() {
    let database = primary_database().await;
    for n in 1..=8 {
        post(&database.pool, product(5), &new_review(n % 5 + 1)).await;
        post(&database.pool, product(6), &new_review(n % 5 + 1)).await;
    }
    let mut connection = database.pool.acquire().await.unwrap();
    while !sequence_events(&mut connection).await.unwrap().is_empty() {}
    let (five, six) = (product(5).part(), product(6).part());
    let hole = async |ranges: &[(Part, i64, i64)]| {
        let ranges: Vec<_> = ranges.iter().map(|(part, a, b)| (*part, Position(*a), Position(*b))).collect();
        log_hole(&database.pool, &ranges).await.unwrap().map(|(part, pos)| (part, pos.0))
    };
    assert_eq!(hole(&[(five, 0, 8), (six, 0, 8)]).await, None);
    assert_eq!(hole(&[(five, 8, 8)]).await, None, "nothing comes after it");
    assert_eq!(hole(&[]).await, None);
    sqlx::raw_sql("DELETE FROM event_log WHERE part = 6 AND pos IN (3, 5, 8)")
        .execute(&database.pool)
        .await
        .unwrap();
    assert_eq!(hole(&[(five, 0, 8), (six, 0, 8)]).await, Some((six, 3)));
    assert_eq!(hole(&[(six, 2, 8)]).await, Some((six, 3)), "right after where is looked from");
    assert_eq!(hole(&[(six, 3, 7)]).await, Some((six, 5)), "between others");
    assert_eq!(hole(&[(six, 5, 8)]).await, Some((six, 8)), "the last");
    assert_eq!(hole(&[(six, 5, 7)]).await, None, "further than is looked");
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_helpfulness_and_version_agree() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    let posted = post(&pool, product(9), &new_review(5)).await;
    let mut voters = JoinSet::new();
    for _ in 0..8 {
        let (pool, id) = (pool.clone(), posted.review_id);
        voters.spawn(async move {
            for _ in 0..25 {
                vote(&pool, id, VoteKind::Helpful).await.unwrap();
            }
        });
    }
    voters.join_all().await;
    let row = sqlx::query("SELECT r.helpfulness, s.version, (SELECT count(*) FROM outbox) AS events FROM reviews r JOIN product_stream s USING (part, product_id)")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!((row.get::<i32, _>(0), row.get::<i64, _>(1), row.get::<i64, _>(2)), (200, 201, 201));
}

#[tokio::test]
async fn a_vote_for_an_id_that_two_reviews_have_is_an_error_and_counts_nothing() {
    let database = primary_database().await;
    for product_id in [1, 2] {
        sqlx::query(
            "INSERT INTO reviews (part, review_id, product_id, rating, date, summary, body, recommend, reviewer_name, reviewer_email)
             VALUES ($1::bigint, 77, $1, 5, now(), '', 'b', true, 'n', 'e@x')",
        )
        .bind(product_id)
        .execute(&database.pool)
        .await
        .unwrap();
    }
    let id = ReviewId::try_from(77).unwrap();
    assert!(try_vote(&database.pool, id, VoteKind::Helpful).await.is_err());
    assert!(try_vote(&database.pool, id, VoteKind::Report).await.is_err());
    let counted: i64 = sqlx::query_scalar("SELECT sum(helpfulness + reports) FROM reviews")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(counted, 0);
}

#[tokio::test]
async fn roles_can_do_their_work_and_no_more() {
    let database = primary_database().await;
    let refused = |role: &'static str, statement: &'static str| {
        let pool = database.pool_of(role);
        async move {
            let error = sqlx::query(statement).execute(&pool).await.expect_err(statement);
            let code = error.as_database_error().and_then(|e| e.code().map(|c| c.into_owned()));
            assert_eq!(code.as_deref(), Some("42501"), "{role}: {statement}: {error}");
        }
    };
    for role in ["reviews_read", "reviews_projector"] {
        refused(role, "UPDATE reviews SET helpfulness = 0").await;
        refused(role, "INSERT INTO outbox DEFAULT VALUES").await;
        refused(role, "UPDATE log_head SET head = 0").await;
        refused(role, "DELETE FROM event_log").await;
        refused(role, "CREATE TABLE t ()").await;
        refused(role, "UPDATE canary SET beat = 0").await;
        refused(role, "DELETE FROM write_latency").await;
    }
    refused("reviews_read", "SELECT reviewer_email FROM reviews").await;
    refused("reviews_projector", "SELECT body FROM reviews").await;
    refused("reviews_write", "UPDATE event_log SET pos = 1").await;
    refused("reviews_write", "DELETE FROM event_log").await;
    refused("reviews_write", "DELETE FROM reviews").await;
    refused("reviews_write", "UPDATE reviews SET body = ''").await;
    refused("reviews_write", "TRUNCATE outbox").await;
}

#[tokio::test]
async fn every_table_and_column_says_what_it_is() {
    let database = primary_database().await;
    let silent: Vec<String> = sqlx::query_scalar(
        "SELECT c.oid::regclass || coalesce('.' || a.attname, '')
         FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE n.nspname IN ('public', 'staging') AND c.relkind = 'r' AND c.relname <> '_sqlx_migrations'
           AND (obj_description(c.oid) IS NULL OR col_description(c.oid, a.attnum) IS NULL)",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert!(silent.is_empty(), "without a comment: {silent:?}");
}

fn page(sort: Sort, offset: i64, count: i64) -> ListQuery {
    ListQuery { sort, start: Start::Offset(offset), count, ratings: Vec::new(), total: false }
}

#[tokio::test]
async fn pages_never_shuffle_and_hidden_reviews_are_not_listed() {
    let database = primary_database().await;
    sqlx::query(
        "INSERT INTO reviews (part, review_id, product_id, rating, date, summary, body, recommend, reviewer_name,
                              reviewer_email, helpfulness, hidden_by_moderation, hidden_by_reports)
         SELECT 5, id, 5, 3, '2020-01-01'::timestamptz + (id % 3) * interval '1 day', '', 'b', true, 'n', 'e@x',
                id % 7, id % 10 = 0, id % 10 = 1
         FROM generate_series(1, 100) AS id",
    )
    .execute(&database.pool)
    .await
    .unwrap();
    let pool = database.pool_of("reviews_read");
    let (mut of_date, mut of_votes, mut of_log) = (Vec::new(), Vec::new(), Vec::new());
    for (sort, listed) in
        [(Sort::Newest, &mut of_date), (Sort::Helpful, &mut of_votes), (Sort::Relevant, &mut of_log)]
    {
        for offset in (0..90).step_by(7) {
            let page = list_reviews(&pool, product(5), &page(sort, offset, 7)).await.unwrap();
            listed.extend(page.reviews.into_iter().map(|r| (r.date, r.helpfulness, r.review_id.get())));
        }
        let ids: BTreeSet<i64> = listed.iter().map(|(.., id)| *id).collect();
        assert_eq!((listed.len(), ids.len()), (80, 80), "{sort:?}");
        assert!(ids.iter().all(|id| id % 10 > 1), "{sort:?}");
    }
    let log2 = |votes: i32| (votes + 1).ilog2();
    assert!(of_date.is_sorted_by(|a, b| (a.0, a.2) > (b.0, b.2)));
    assert!(of_votes.is_sorted_by(|a, b| (a.1, a.0, a.2) > (b.1, b.0, b.2)));
    assert!(of_log.is_sorted_by(|a, b| (log2(a.1), a.0, a.2) > (log2(b.1), b.0, b.2)));
    let beyond = list_reviews(&pool, product(5), &page(Sort::Newest, i64::MAX, 5)).await.unwrap();
    assert_eq!(beyond.reviews, []);
}
