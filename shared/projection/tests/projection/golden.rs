//! Messages as they are on the wire, from the bytes to the fold.

use super::{product, products_of_meta, stores};
use contract::{read_batch, write_batch};
use domain::{CharacteristicMeta, ProductMeta, Version, apply};
use meta::StoredProduct;
use projection::Folding;

const GOLDEN: &str = include_str!("../../../contract/golden/events.json");

fn fold(message: &str) -> Folding {
    let mut folding = Folding::of(apply, Vec::new(), Default::default());
    read_batch(message.as_bytes()).unwrap().iter().for_each(|linked| folding.fold(&linked.event));
    folding
}

/// What the golden events add up to: the review came and was erased again.
fn expected() -> Vec<StoredProduct> {
    let characteristic = |id: i64, name: &str| CharacteristicMeta {
        id: id.try_into().unwrap(),
        name: name.to_owned(),
        count: 0,
        sum: 0,
    };
    let meta = ProductMeta {
        version: Version(7),
        ratings: [0; 5],
        recommended_false: 0,
        recommended_true: 0,
        characteristics: vec![characteristic(14, "Size"), characteristic(15, "Width")],
    };
    vec![StoredProduct::of(product(66), meta)]
}

#[test]
fn the_golden_events_fold_into_this_meta() {
    let folding = fold(GOLDEN);
    assert_eq!(folding.changed(), expected().iter().collect::<Vec<_>>());
    assert!(folding.parkings.is_empty() && folding.holes().is_empty());
}

#[test]
fn attributes_and_fields_of_later_versions_are_passed_over() {
    let message = GOLDEN
        .replace(r#""part":"#, r#""later":"x","latercount":7,"part":"#)
        .replace(r#""data":{"#, r#""datacontenttype":"application/json","data":{"later" : {"a": [null]}, "#);
    assert_eq!(message.matches("later").count(), 3 * 7);
    let folding = fold(&message);
    assert_eq!(folding.changed(), expected().iter().collect::<Vec<_>>());
    assert!(folding.parkings.is_empty() && folding.holes().is_empty());
}

#[tokio::test]
async fn types_of_later_versions_park_their_products_and_the_rest_of_the_message_goes_on() {
    let stores = stores().await;
    stores.write(10).await;
    stores.append(3, "ReviewPraised.v1", r#"{"review_id":1}"#).await;
    stores.append(4, "ReviewMarkedHelpful.v2", r#"{"review_id":1}"#).await;
    stores.write(10).await;
    let body = write_batch(stores.epoch().await, &stores.log().await).unwrap();
    let projected = stores.project(read_batch(&body).unwrap()).await.unwrap();

    assert_eq!(projected.pulled, 0, "all of it came in the message");
    let parked: Vec<(i64, String)> =
        projected.parkings.into_iter().map(|p| (p.product_id.get(), p.reason)).collect();
    let unknown = |name| format!("event type {name:?} is unknown to this version");
    assert_eq!(parked, [(3, unknown("ReviewPraised.v1")), (4, unknown("ReviewMarkedHelpful.v2"))]);
    let reached: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT product_id, version FROM product_stream WHERE product_id NOT IN (3, 4) ORDER BY product_id",
    )
    .fetch_all(&stores.primary.pool)
    .await
    .unwrap();
    let folded = products_of_meta(&stores.meta.pool).await;
    assert_eq!(folded.into_iter().map(|(id, meta)| (id, meta.version.0)).collect::<Vec<_>>(), reached);
    assert_eq!(reached.len(), 8);
}
