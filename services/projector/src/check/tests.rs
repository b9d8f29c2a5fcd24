//! The check against two real databases, with the rights that the projector has.

use super::{next_products, tell};
use crate::metrics::Metrics;
use domain::log_parts;
use primary::sequence_events;
use projection::{Batch, MetaConnection, project};
use replay::Stores;
use testkit::{meta_database, new_review, post, primary_database, product};

#[tokio::test]
async fn it_goes_round_and_finds_what_differs() {
    let (primary, meta) = (primary_database().await, meta_database().await);
    let stores =
        Stores { primary: primary.pool_of("reviews_projector"), meta: meta.pool_of("reviews_projector") };
    let epoch = primary::log_epoch(&stores.primary).await.unwrap();
    meta::begin_first_generation(&stores.meta, epoch).await.unwrap();
    let write = primary.pool_of("reviews_write");
    for id in 1..=120 {
        post(&write, product(id), &new_review(id % 5 + 1)).await;
    }
    let mut connection = write.acquire().await.unwrap();
    while !sequence_events(&mut connection).await.unwrap().is_empty() {}
    let heads = primary::log_heads(&stores.primary).await.unwrap();
    let mut batch = Batch::default();
    log_parts().for_each(|part| batch.ask(part, heads[part.index()]));
    project(&stores.primary, &MetaConnection::of(&stores.meta), &batch).await.unwrap();
    sqlx::query("UPDATE product_meta SET rating_2 = rating_2 + 1 WHERE product_id IN (7, 100)")
        .execute(&meta.pool)
        .await
        .unwrap();

    let metrics = Metrics::new();
    for round in 1..=2 {
        let mut after = None;
        loop {
            let (compared, last) = next_products(&stores, after).await.unwrap();
            tell(&compared, &metrics);
            after = last;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((metrics.checked.get(), metrics.differing.get()), (120 * round, 2 * round));
    }
    let text = metrics.text();
    for line in
        ["reviews_projector_products_checked_total 240", "reviews_projector_products_differing_total 4"]
    {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}
