//! What readers are given: pages by cursor, filters and totals, one review, and metas added up here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use domain::{ProductId, Rating};
use primary::{
    ListQuery, Place, ReviewPage, Sort, Start, VoteKind, list_reviews, one_review, product_meta,
    products_reached, sequence_events,
};
use sqlx::PgPool;
use std::collections::BTreeSet;
use testkit::{define_characteristics, fold_of_log, new_review, post, primary_database, product, vote};

/// A hundred reviews with few dates and few vote counts, some of them hidden.
async fn hundred(pool: &PgPool) {
    sqlx::query(
        "INSERT INTO reviews (part, review_id, product_id, rating, date, summary, body, recommend, reviewer_name,
                              reviewer_email, helpfulness, hidden_by_moderation, hidden_by_reports)
         SELECT 5, id, 5, id % 5 + 1, '2020-01-01'::timestamptz + (id % 3) * interval '1 day', '', 'b', true, 'n', 'e@x',
                id % 7, id % 10 = 0, id % 10 = 1
         FROM generate_series(1, 100) AS id",
    )
    .execute(pool)
    .await
    .unwrap();
    free_the_next_ids(pool).await;
}

async fn free_the_next_ids(pool: &PgPool) {
    sqlx::query("ALTER SEQUENCE review_id_seq RESTART WITH 101").execute(pool).await.unwrap();
}

fn query(sort: Sort, start: Start) -> ListQuery {
    ListQuery { sort, start, count: 7, ratings: Vec::new(), total: false }
}

async fn page(pool: &PgPool, query: &ListQuery) -> ReviewPage {
    list_reviews(pool, product(5), query).await.unwrap()
}

fn ids(page: &ReviewPage) -> Vec<i64> {
    page.reviews.iter().map(|review| review.review_id.get()).collect()
}

#[tokio::test]
async fn cursors_walk_the_whole_list_while_reviews_are_added() {
    let database = primary_database().await;
    hundred(&database.pool).await;
    let pool = database.pool_of("reviews_read");
    for sort in [Sort::Newest, Sort::Helpful, Sort::Relevant] {
        let mut by_page = Vec::new();
        for offset in (0..90).step_by(7) {
            by_page.extend(ids(&page(&pool, &query(sort, Start::Offset(offset))).await));
        }
        let mut by_cursor = Vec::new();
        let mut next: Option<Place> = None;
        loop {
            let start = next.map_or(Start::Offset(0), Start::After);
            let page = page(&pool, &query(sort, start)).await;
            by_cursor.extend(ids(&page));
            // New ones come in at the top and move every offset.
            post(&database.pool, product(5), &new_review(5)).await;
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let added: BTreeSet<i64> = by_cursor.iter().copied().filter(|id| *id > 100).collect();
        by_cursor.retain(|id| *id <= 100);
        assert_eq!(by_cursor, by_page, "{sort:?}");
        // Only what was there before the cursor's place may be missing: nothing is seen twice.
        assert_eq!(by_cursor.iter().collect::<BTreeSet<_>>().len(), 80, "{sort:?}");
        assert!(sort != Sort::Newest || added.is_empty(), "{added:?}");
        sqlx::query("DELETE FROM reviews WHERE review_id > 100").execute(&database.pool).await.unwrap();
        free_the_next_ids(&database.pool).await;
    }
}

#[tokio::test]
async fn a_filter_and_a_total_agree() {
    let database = primary_database().await;
    hundred(&database.pool).await;
    let pool = database.pool_of("reviews_read");
    let stars = |stars: &[i64]| stars.iter().map(|s| Rating::try_from(*s).unwrap()).collect::<Vec<_>>();
    for (ratings, listed) in [(stars(&[]), 80), (stars(&[4]), 20), (stars(&[1]), 10), (stars(&[1, 4, 5]), 50)]
    {
        let all = ListQuery {
            count: 1000,
            total: true,
            ratings: ratings.clone(),
            ..query(Sort::Newest, Start::Offset(0))
        };
        let whole = page(&pool, &all).await;
        let wrong = whole
            .reviews
            .iter()
            .filter(|r| !ratings.is_empty() && !ratings.iter().any(|s| s.get() == r.rating));
        assert_eq!(wrong.count(), 0);
        assert_eq!(
            (whole.reviews.len(), whole.total, whole.next),
            (listed, Some(i64::try_from(listed).unwrap()), None)
        );
        let none = ListQuery { count: 0, ..all };
        let counted = page(&pool, &none).await;
        assert_eq!((counted.reviews.len(), counted.total, counted.next), (0, whole.total, None));
    }
    assert_eq!(page(&pool, &query(Sort::Newest, Start::Offset(0))).await.total, None);
    let counted = ListQuery { total: true, ..query(Sort::Newest, Start::Offset(0)) };
    let unknown = list_reviews(&pool, product(6), &counted);
    assert_eq!(unknown.await.unwrap().total, Some(0));
}

#[tokio::test]
async fn the_last_page_has_no_next_even_when_it_is_full() {
    let database = primary_database().await;
    hundred(&database.pool).await;
    let pool = database.pool_of("reviews_read");
    let of = |offset, count| ListQuery { count, ..query(Sort::Newest, Start::Offset(offset)) };
    assert!(page(&pool, &of(0, 80)).await.next.is_none());
    let before_last = page(&pool, &of(0, 79)).await;
    assert_eq!(before_last.reviews.len(), 79);
    let last = page(&pool, &query(Sort::Newest, Start::After(before_last.next.unwrap()))).await;
    assert_eq!((last.reviews.len(), last.next), (1, None));
}

#[tokio::test]
async fn one_review_is_found_unless_it_is_hidden() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_read");
    let posted = post(&database.pool, product(9), &new_review(4)).await;
    let found = one_review(&pool, posted.review_id).await.unwrap().unwrap();
    assert_eq!(
        (found.product_id, found.version, found.review.rating),
        (product(9), posted.reached.version, 4)
    );
    vote(&database.pool, posted.review_id, VoteKind::Report).await.unwrap();
    assert_eq!(one_review(&pool, posted.review_id).await.unwrap(), None);
    assert_eq!(one_review(&pool, 999.try_into().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn a_meta_added_up_here_is_the_fold_of_the_log() {
    let database = primary_database().await;
    let names = [(10, "Fit"), (11, "Size"), (12, "Width")];
    define_characteristics(&database.pool, product(5), &names).await;
    define_characteristics(&database.pool, product(6), &[(13, "Fit")]).await;
    for n in 0..40 {
        let mut review = new_review(n % 4 + 1);
        let value = |id: i64, value: i64| (id.try_into().unwrap(), value.try_into().unwrap(), "".into());
        review.characteristics = vec![value(10, n % 5 + 1)];
        if n % 3 == 0 {
            review.characteristics.push(value(11, 2));
        }
        let posted = post(&database.pool, product(if n % 8 == 0 { 7 } else { 5 }), &review).await;
        match n % 5 {
            0 => drop(vote(&database.pool, posted.review_id, VoteKind::Helpful).await),
            1 => drop(vote(&database.pool, posted.review_id, VoteKind::Report).await),
            _ => {}
        }
    }
    sqlx::query("UPDATE reviews SET hidden_by_moderation = true WHERE review_id % 7 = 0")
        .execute(&database.pool)
        .await
        .unwrap();
    let mut connection = database.pool.acquire().await.unwrap();
    while !sequence_events(&mut connection).await.unwrap().is_empty() {}
    let fold = fold_of_log(&database.pool).await;
    assert_eq!(fold.keys().copied().collect::<Vec<_>>(), [5, 6, 7]);
    let pool = database.pool_of("reviews_read");
    for (id, expected) in fold {
        assert_eq!(product_meta(&pool, product(id)).await.unwrap(), expected, "product {id}");
    }
    assert_eq!(product_meta(&pool, product(999)).await.unwrap(), domain::ProductMeta::default());
}

#[tokio::test]
async fn many_products_say_how_far_they_are() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_read");
    let first = post(&database.pool, product(5), &new_review(4)).await.reached;
    post(&database.pool, product(5), &new_review(4)).await;
    post(&database.pool, product(70), &new_review(4)).await;
    let asked: Vec<ProductId> = [70, 5, 6, 5].map(product).to_vec();
    let (epoch, versions) = products_reached(&pool, &asked).await.unwrap();
    assert_eq!(epoch, first.epoch);
    let mut versions: Vec<_> = versions.into_iter().map(|(id, version)| (id.get(), version.0)).collect();
    versions.sort_unstable();
    assert_eq!(versions, [(5, 2), (70, 1)]);
    assert_eq!(products_reached(&pool, &[product(6)]).await.unwrap(), (epoch, [].into()));
}
