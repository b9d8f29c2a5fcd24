//! What the statements on meta read at 100,000 products: the rows that they return, and no more.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use domain::ProductId;
use meta::{load_products, product_answer, product_answers, store_products};
use sqlx::PgPool;
use testkit::{Explained, explained, meta_database, product};
use uuid::Uuid;

/// A second generation stands beside the one that answers, with as many products. As in a running system only the large
/// table is ever analyzed: of the small ones too few rows change.
const SEED: &str = "
    INSERT INTO generation (projection_version, state) VALUES (1, 'building');
    INSERT INTO product_meta (generation, part, product_id, version, rating_5, recommended_true, characteristics)
    SELECT g.generation, p % 64, p, 3, 3, 3,
           jsonb_build_array(jsonb_build_object('id', p, 'name', 'Fit', 'count', 3, 'sum', 9))
    FROM generation g CROSS JOIN generate_series(1, 100000) p;
    ANALYZE product_meta";

async fn an_answer_is_one_row(explained: &Explained) {
    for (id, version) in [(77, 3), (100_000, 3), (7_000_000, 0)] {
        let answer = async |pool: &PgPool| {
            let answer = product_answer(pool, product(id)).await.unwrap().unwrap();
            assert_eq!(answer.meta.version.0, version, "product {id}");
        };
        let plans = explained.plans("meta.product", answer).await;
        plans.scan_no_table().use_index("product_meta_pkey").seek("product_meta_pkey", "generation = ");
        plans.seek("product_meta_pkey", "product_id = ");
        plans.read_at_most("product_meta", 1).sort_at_most(0);
    }
}

async fn many_answers_are_a_row_each(explained: &Explained) {
    let ids: Vec<ProductId> = (0..100).map(|n| product(n * 999 + 1)).collect();
    let answers = async |pool: &PgPool| {
        assert_eq!(product_answers(pool, &ids).await.unwrap().unwrap().len(), 100);
    };
    let plans = explained.plans("meta.products", answers).await;
    plans.scan_no_table().use_index("product_meta_pkey").seek("product_meta_pkey", "generation = ");
    plans.read_at_most("product_meta", 100).sort_at_most(100);
}

async fn a_batch_touches_its_own_products(explained: &Explained) {
    let ids: Vec<ProductId> = (0..200).map(|n| product(n * 499 + 1)).collect();
    let load =
        async |pool: &PgPool| load_products(&mut pool.acquire().await.unwrap(), 1, &ids).await.unwrap();
    let plans =
        explained.plans("product_meta.load", async |pool| assert_eq!(load(pool).await.len(), 200)).await;
    plans.scan_no_table().use_index("product_meta_pkey").read_at_most("product_meta", 200).sort_at_most(0);

    let store = async |pool: &PgPool| {
        let products = load(pool).await;
        let products: Vec<_> = products.iter().collect();
        store_products(&mut pool.acquire().await.unwrap(), 1, &products).await.unwrap();
    };
    let plans = explained.plans("product_meta.store", store).await;
    plans.scan_no_table().read_at_most("product_meta", 0).sort_at_most(200);
}

#[tokio::test]
async fn statements_read_what_they_return_however_many_products_there_are() {
    let database = meta_database().await;
    meta::begin_first_generation(&database.pool, Uuid::from_u128(1)).await.unwrap();
    sqlx::raw_sql(SEED).execute(&database.pool).await.unwrap();
    let explained = explained(&database).await;
    an_answer_is_one_row(&explained).await;
    many_answers_are_a_row_each(&explained).await;
    a_batch_touches_its_own_products(&explained).await;
}
