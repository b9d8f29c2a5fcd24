//! What the statements of requests, the relay and the projector read at 100,000 products: the rows that
//! they return, by the index that was made for them, and no more. Among the products is one with 5,000
//! reviews.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use domain::{Position, ProductId, Rating, ReviewId, Version, log_parts};
use primary::{
    Command, Erased, IdempotencyKey, ListQuery, LogRange, ReviewPage, Sort, Start, Vote, VoteKind,
    erase_review, export_reviews, list_reviews, log_status, one_review, post_review, product_events,
    product_meta, products_reached, pull_events, reviews_of, sequence_events, traced_event, traced_row,
    unpublished_events,
};
use sqlx::PgPool;
use std::sync::atomic::{AtomicI64, Ordering};
use testkit::{Explained, Plans, explained, new_review, post, primary_database, product};
use uuid::Uuid;

/// The product with 5,000 reviews.
const HUGE: i64 = 77;
/// Every thousandth product has 400 reviews, all others have 0 to 5. One review in ten is hidden. They
/// came in turn, so that the reviews of a product lie far apart. The log has the events of each product's
/// first review, and all of the huge one's. As in a running system only the large tables are ever analyzed: of the small
/// ones too few rows change.
const SEED: &str = "
    CREATE TEMPORARY TABLE seeded AS
    SELECT row_number() OVER (ORDER BY nth, product_id) AS review_id, product_id % 64 AS part, product_id, nth
    FROM (SELECT p AS product_id, CASE WHEN p = 77 THEN 5000 WHEN p % 1000 = 0 THEN 400 ELSE p % 6 END AS reviews
          FROM generate_series(1, 100000) p) p
    CROSS JOIN LATERAL generate_series(1, reviews) AS nth;

    INSERT INTO reviews (part, review_id, product_id, rating, date, summary, body, recommend, reviewer_name,
                         reviewer_email, helpfulness, hidden_by_reports, hidden_by_moderation)
    SELECT part, review_id, product_id, nth % 5 + 1, '2020-01-01'::timestamptz + review_id * interval '1 min', 'A summary',
           'A text of a length that reviews have, more or less.', nth % 3 > 0, 'R', 'r@example.com',
           (review_id * 31 % 40) ^ 2, nth % 10 = 3, nth % 20 = 6
    FROM seeded ORDER BY review_id;
    SELECT setval('review_id_seq', 1000000);

    INSERT INTO characteristics (part, product_id, characteristic_id, name)
    SELECT p % 64, p, p, 'Fit' FROM generate_series(1, 100000) p;

    INSERT INTO product_stream (part, product_id, version)
    SELECT p % 64, p, CASE WHEN p = 77 THEN 5000 ELSE 1 END FROM generate_series(1, 100000) p;

    INSERT INTO event_log (part, pos, product_id, version, event_id, type, payload, at)
    SELECT part, row_number() OVER (PARTITION BY part ORDER BY review_id), product_id, nth, gen_random_uuid(),
           'ReviewPosted.v1', json_build_object('review_id', review_id, 'rating', nth % 5 + 1, 'recommend', true), now()
    FROM seeded WHERE nth = 1 OR product_id = 77;
    INSERT INTO votes (part, review_id, kind, visitor)
    SELECT part, review_id, 'helpful', 'v' || product_id FROM seeded WHERE nth = 1;
    INSERT INTO idempotency (part, operation, subject, key, request, review_id, version, taken, expires_at)
    SELECT part, 'post', product_id, 'k' || product_id, '', review_id, 1, '{}', now() + interval '1 day'
    FROM seeded WHERE nth = 1;
    UPDATE log_head h SET head = (SELECT max(pos) FROM event_log l WHERE l.part = h.part);
    UPDATE log_published p SET published = (SELECT head - 20 FROM log_head h WHERE h.part = p.part);

    ANALYZE reviews, characteristics, product_stream, event_log, votes, idempotency";

/// The one place where a list is asked for.
async fn list(pool: &PgPool, product_id: ProductId, sort: Sort, start: Start, count: i64) -> ReviewPage {
    let query = ListQuery { sort, start, count, ratings: Vec::new(), total: false };
    list_reviews(pool, product_id, &query).await.unwrap()
}

const SORTS: [(Sort, &str, &str); 3] = [
    (Sort::Newest, "reviews.list.newest", "reviews_newest"),
    (Sort::Helpful, "reviews.list.helpful", "reviews_helpful"),
    (Sort::Relevant, "reviews.list.relevant", "reviews_relevant"),
];

/// What holds for a page of any list: its order's index is read as far as the page goes.
fn assert_page(plans: &Plans, index: &str, offset: i64, count: i64) {
    plans.scan_no_table().use_index(index).seek(index, "product_id = ");
    // One more than the page tells whether there are more.
    plans.read_at_most("reviews", offset + count + 1).sort_at_most(count + 1);
    plans.use_index("product_stream_pkey").read_at_most("product_stream", 1);
}

async fn pages_are_read_in_order_and_no_further(explained: &Explained) {
    for (sort, name, index) in SORTS {
        // Pages of the huge product, the largest and some far behind; products with few reviews and with
        // none, and one that nobody knows.
        for (id, offset, count, expected) in [
            (HUGE, 0, 5, 5),
            (HUGE, 0, 1_000, 1_000),
            (HUGE, 1_000, 100, 100),
            (HUGE, 3_000, 100, 100),
            (3, 0, 100, 2),
            (12_000, 0, 100, 100),
            (6, 0, 5, 0),
            (7_000_000, 0, 5, 0),
        ] {
            let page = async |pool: &PgPool| {
                let page = list(pool, product(id), sort, Start::Offset(offset), count).await;
                assert_eq!(page.reviews.len(), expected, "{name} of {id}");
            };
            let first = format!("{name}.first");
            let name = if offset == 0 { &first } else { name };
            assert_page(&explained.plans(name, page).await, index, offset, count);
        }
    }
}

/// However deep the cursor, no more is read than the page.
async fn pages_by_cursor_are_read_from_where_they_begin(explained: &Explained, pool: &PgPool) {
    for (sort, name, index) in SORTS {
        for depth in [100, 3_000] {
            let before = list(pool, product(HUGE), sort, Start::Offset(depth - 1), 1).await;
            let start = Start::After(before.next.unwrap());
            let page = async |pool: &PgPool| {
                assert_eq!(list(pool, product(HUGE), sort, start, 100).await.reviews.len(), 100);
            };
            let plans = explained.plans(name, page).await;
            plans.scan_no_table().use_index(index).seek(index, "date, review_id) < ");
            plans.read_at_most("reviews", 101).sort_at_most(101);
        }
    }
}

async fn other_reads_look_at_one_product(explained: &Explained) {
    let filtered = async |pool: &PgPool| {
        let ratings = vec![Rating::try_from(4).unwrap()];
        let query = ListQuery { sort: Sort::Newest, start: Start::Offset(0), count: 5, ratings, total: true };
        let page = list_reviews(pool, product(12_000), &query).await.unwrap();
        assert!(page.reviews.iter().all(|review| review.rating == 4) && page.total.unwrap() > 5);
    };
    // The product's reviews for the number of them, and the page.
    explained.plans("reviews.list.newest", filtered).await.scan_no_table().read_at_most("reviews", 800);

    let one = async |pool: &PgPool| {
        assert!(one_review(pool, 100.try_into().unwrap()).await.unwrap().is_some());
    };
    let plans = explained.plans("reviews.one", one).await;
    plans.scan_no_table().seek("reviews_review_id", "review_id = ").read_at_most("reviews", 1);

    let meta = async |pool: &PgPool| drop(product_meta(pool, product(12_000)).await.unwrap());
    let plans = explained.plans("reviews.meta", meta).await;
    plans.scan_no_table().use_index("reviews_hidden").read_at_most("reviews", 400);

    let products: Vec<ProductId> = (1..=100).map(|n| product(n * 900)).collect();
    let reached = async |pool: &PgPool| {
        assert_eq!(products_reached(pool, &products).await.unwrap().1.len(), 100);
    };
    let plans = explained.plans("product_stream.reached_many", reached).await;
    plans.scan_no_table().use_index("product_stream_pkey").read_at_most("product_stream", 100);
}

async fn commands_touch_one_review_and_one_product(explained: &Explained) {
    let review_id = ReviewId::try_from(200_000).unwrap();
    // Plain ones, those of visitors and keys, and such as are taken back.
    for (kind, visitor, take_back, key) in [
        (VoteKind::Helpful, None, false, None),
        (VoteKind::Report, None, false, None),
        (VoteKind::Helpful, Some("ada"), false, Some("k")),
        (VoteKind::Helpful, Some("ada"), true, None),
    ] {
        let vote = async |pool: &PgPool| {
            let key = key.map(|key| IdempotencyKey { key, request: [1; 32] });
            let command = Command { key, ..Command::plain(Uuid::now_v7()) };
            let vote = Vote { review_id, kind, visitor, take_back, report_threshold: 1_000 };
            primary::vote(pool, &vote, &command).await.unwrap().unwrap();
        };
        let plans = explained.plans("reviews.vote", vote).await;
        // Once to find it by its id, once to change it.
        plans.scan_no_table().seek("reviews_review_id", "review_id = ");
        plans.read_at_most("reviews", 2).sort_at_most(0);
    }

    let mut review = new_review(4);
    review.characteristics = vec![(HUGE.try_into().unwrap(), 5.try_into().unwrap(), "".into())];
    let post = async |pool: &PgPool| {
        let posted =
            post_review(pool, product(HUGE), &review, &Command::plain(Uuid::now_v7())).await.unwrap();
        assert_eq!(posted.done().unwrap().characteristics.len(), 1);
    };
    let plans = explained.plans("reviews.post", post).await;
    plans.scan_no_table().read_at_most("characteristics", 1).read_at_most("reviews", 0);
}

async fn the_log_is_read_from_where_it_is_asked_for(explained: &Explained) {
    let ranges: Vec<LogRange> =
        log_parts().map(|part| LogRange { part, after: Position(500), events_max: 20 }).collect();
    let pull = async |pool: &PgPool| {
        assert_eq!(pull_events(pool, &ranges).await.unwrap().events.len(), 64 * 20);
    };
    let plans = explained.plans("log.pull", pull).await;
    plans.scan_no_table().use_index("event_log_pkey").seek("event_log_pkey", "pos >= ");
    plans.read_at_most("event_log", 64 * 21).sort_at_most(64 * 21);

    let rebuild = async |pool: &PgPool| {
        let (after, up_to) = (Version(4_000), Position(1_000_000));
        let events = product_events(pool, product(HUGE), after, up_to, 100).await.unwrap();
        assert_eq!(events.len(), 100);
    };
    let plans = explained.plans("log.product", rebuild).await;
    plans.scan_no_table().use_index("event_log_version_key").seek("event_log_version_key", "version > ");
    plans.read_at_most("event_log", 100).sort_at_most(0);

    let offer = async |pool: &PgPool| {
        let mut connection = pool.acquire().await.unwrap();
        assert_eq!(unpublished_events(&mut connection, 10).await.unwrap().len(), 64 * 10);
    };
    let plans = explained.plans("log.unpublished", offer).await;
    plans.scan_no_table().use_index("event_log_pkey").seek("event_log_pkey", "pos > ");
    // Of each part the event before them as well.
    plans.read_at_most("event_log", 64 * 11).sort_at_most(64 * 10);

    let behind: Vec<Position> = log_parts().map(|_| Position(500)).collect();
    let status = async |pool: &PgPool| {
        assert!(log_status(pool, &behind).await.unwrap().iter().all(|part| part.oldest_behind.is_some()));
    };
    let plans = explained.plans("log.status", status).await;
    plans.scan_no_table().read_at_most("event_log", 64).sort_at_most(64);

    let follow = async |pool: &PgPool| {
        let last: i64 = 4_999;
        let id = sqlx::query_scalar::<_, i64>(
            "SELECT review_id FROM reviews WHERE part = $1 AND product_id = $2 ORDER BY review_id OFFSET $3 LIMIT 1",
        );
        let id = id.bind(product(HUGE).part().get()).bind(HUGE).bind(last).fetch_one(pool).await.unwrap();
        let review = id.try_into().unwrap();
        assert_eq!(traced_row(pool, review).await.unwrap().unwrap().product_id, product(HUGE));
        assert_eq!(traced_event(pool, product(HUGE), review).await.unwrap().unwrap().version, Version(5_000));
    };
    let plans = explained.plans("trace.event", follow).await;
    plans.scan_no_table().use_index("event_log_version_key").read_at_most("event_log", 5_000).sort_at_most(1);
    let plans = explained.plans("trace.row", follow).await;
    plans.scan_no_table().use_index("reviews_review_id").read_at_most("reviews", 1).sort_at_most(0);

    let sequence = async |pool: &PgPool| {
        post(pool, product(5), &new_review(4)).await;
        let mut connection = pool.acquire().await.unwrap();
        assert!(!sequence_events(&mut connection).await.unwrap().is_empty());
    };
    explained.plans("log.sequence", sequence).await.scan_no_table().read_at_most("event_log", 0);
}

async fn erasing_touches_one_review_and_a_search_goes_by_pieces(explained: &Explained) {
    let next = AtomicI64::new(100_000);
    let erase = async |pool: &PgPool| {
        let id = next.fetch_add(1, Ordering::Relaxed).try_into().unwrap();
        assert!(matches!(erase_review(pool, id, Uuid::now_v7()).await.unwrap(), Erased::Done(_)));
    };
    let plans = explained.plans("reviews.erase", erase).await;
    // Once to find it by its id, once to change it.
    plans.scan_no_table().seek("reviews_review_id", "review_id = ").use_index("votes_pkey");
    plans.read_at_most("reviews", 2).sort_at_most(0);
    let plans = explained.plans("reviews.erase_traces", erase).await;
    plans.scan_no_table().use_index("votes_pkey").seek("idempotency_pkey", "subject = ");
    plans.read_at_most("reviews", 1).read_at_most("idempotency", 3);

    let search = async |pool: &PgPool| {
        assert!(reviews_of(pool, "nobody@example.com", |_| {}).await.unwrap().is_empty());
    };
    let plans = explained.plans("reviews.of_email", search).await;
    plans.scan_no_table().seek("reviews_pkey", "review_id) > ").read_at_most("reviews", 20_000);

    let found: Vec<ReviewId> = (1..=100).map(|n| (n * 900).try_into().unwrap()).collect();
    let export = async |pool: &PgPool| {
        assert_eq!(export_reviews(pool, &found).await.unwrap().len(), 100);
    };
    let plans = explained.plans("reviews.export", export).await;
    plans.scan_no_table().seek("reviews_review_id", "review_id = ").read_at_most("reviews", 100);
}

#[tokio::test]
async fn statements_read_what_they_return_however_many_products_there_are() {
    let database = primary_database().await;
    sqlx::raw_sql(SEED).execute(&database.pool).await.unwrap();
    let explained = explained(&database).await;
    pages_are_read_in_order_and_no_further(&explained).await;
    pages_by_cursor_are_read_from_where_they_begin(&explained, &database.pool).await;
    other_reads_look_at_one_product(&explained).await;
    the_log_is_read_from_where_it_is_asked_for(&explained).await;
    commands_touch_one_review_and_one_product(&explained).await;
    erasing_touches_one_review_and_a_search_goes_by_pieces(&explained).await;
}
