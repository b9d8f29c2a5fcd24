//! `reviewsctl serve`: what each request but those of replays does, on real servers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use broker::{Message, Publisher, Subscription};
use reqwest::Method;
use serde_json::{Value, json};
use support::admin::{PRODUCTS, Server, World};
use support::rows;
use testkit::{assert_log_is_whole, broker_host, eventually, fold_of_log, products_of_meta};

#[tokio::test]
async fn how_it_all_is_and_where_a_review_is() {
    let world = World::new().await;
    let server = world.serve().await;
    let status = server.get("/admin/v1/status").await;
    assert_eq!(status["projection"]["is"]["generation"], 1);
    assert_eq!(status["lag"]["is"]["events"], 0);
    assert!(status["queues"]["away"].as_str().unwrap().starts_with("the broker is away ("), "{status}");
    let id = world.post(5).await;
    let way = server.get(&format!("/admin/v1/reviews/{id}/way")).await;
    assert_eq!((&way["row"]["is"]["product"], &way["arrived"]), (&json!(5), &json!(false)), "{way}");
    world.catch_up().await;
    let way = server.get(&format!("/admin/v1/reviews/{id}/way")).await;
    assert_eq!((&way["arrived"], &way["says"]), (&json!(true), &json!("arrived: meta shows it")), "{way}");
    let document = server.get("/admin/openapi.json").await;
    assert_eq!(document["info"]["title"], "Reviews: admin");
}

/// Asks for a verification and waits until it has ended.
async fn verified(server: &Server, body: Value) -> Value {
    let (status, begun) = server.post("/admin/v1/verifications", Some(body)).await;
    assert_eq!(status, 202, "{begun}");
    let ended = eventually("the verification ends", || async {
        let now = server.get("/admin/v1/verifications/current").await;
        (now["state"] != "running").then_some(now)
    })
    .await;
    assert_eq!((&ended["state"], &ended["failure"]), (&json!("ended"), &Value::Null), "{ended}");
    ended["result"].clone()
}

#[tokio::test]
async fn a_verification_says_what_differs_and_mends_it() {
    let world = World::new().await;
    let server = world.serve().await;
    let well = verified(&server, json!({})).await;
    assert_eq!((&well["products"], &well["differences"]), (&json!(PRODUCTS), &json!(0)), "{well}");
    world.damage(3).await;
    world.damage(7).await;
    let found = verified(&server, json!({ "unthrottled": true })).await;
    assert_eq!((&found["differences"], &found["repaired"]), (&json!(2), &json!([])), "{found}");
    assert_eq!(
        (&found["differing"][0]["product"], &found["differing"][1]["product"]),
        (&json!(3), &json!(7))
    );
    let (status, rebuilt) = server.post("/admin/v1/products/3/rebuild", None).await;
    assert_eq!(
        (status, &rebuilt["version"], &rebuilt["parked"]),
        (200, &json!(2), &Value::Null),
        "{rebuilt}"
    );
    let mended = verified(&server, json!({ "sample": 1_000, "repair": true })).await;
    assert_eq!((&mended["differences"], &mended["repaired"]), (&json!(1), &json!([7])), "{mended}");
    assert_eq!(products_of_meta(&world.meta.pool).await, fold_of_log(&world.primary.pool).await);
}

#[tokio::test]
async fn what_stands_still_is_shown_redriven_and_given_up() {
    let world = World::new().await;
    let server = world.serve().await;
    for id in [3, 4] {
        world.poison(id).await;
    }
    world.post(3).await;
    world.catch_up().await;
    let parked = server.get("/admin/v1/parked").await;
    let products = parked["products"].as_array().unwrap();
    assert_eq!(products.iter().map(|p| &p["product"]).collect::<Vec<_>>(), [&json!(3), &json!(4)]);
    assert!(parked["dead_letters"]["away"].is_string(), "{parked}");
    let shown = server.get("/admin/v1/parked/3").await;
    assert_eq!(shown["generations"][0]["parked"]["event"]["type"], "ReviewPraised.v1", "{shown}");
    let (status, in_vain) = server.post("/admin/v1/parked/redrive", None).await;
    assert_eq!((status, &in_vain["going_on"], &in_vain["standing_still"]), (200, &json!(0), &json!(2)));
    let (status, given_up) = server.post("/admin/v1/parked/3/discard", None).await;
    assert_eq!((status, &given_up["before"], &given_up["version"]), (200, &json!(false), &json!(4)));
    assert_eq!((&given_up["given_up"]["product"], &given_up["parked"]), (&json!(3), &json!([])));
    // Somebody mends what the other stands still for.
    let damage = "UPDATE event_log SET type = 'ReviewReported.v1', payload = '{\"review_id\": 4}'
                  WHERE product_id = 4 AND type = 'ReviewPraised.v1'";
    sqlx::query(damage).execute(&world.primary.pool).await.unwrap();
    let (status, redriven) = server.post("/admin/v1/parked/4/redrive", None).await;
    assert_eq!((status, &redriven["going_on"], &redriven["standing_still"]), (200, &json!(1), &json!(0)));
    assert_eq!(redriven["products"][0]["was_parked"], true);
    assert_eq!(server.get("/admin/v1/parked").await["products"], json!([]));
}

#[tokio::test]
async fn what_does_not_fit_the_log_is_refused_in_the_command_line_s_words() {
    let world = World::new().await;
    let server = world.serve().await;
    sqlx::query("UPDATE log_identity SET epoch = gen_random_uuid()")
        .execute(&world.primary.pool)
        .await
        .unwrap();
    for path in ["products/5/rebuild", "generations/prune"] {
        let (status, refused) = server.post(&format!("/admin/v1/{path}"), None).await;
        assert_eq!(status, 409, "{path}: {refused}");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.starts_with("generation 1 of meta was not made from this log: part "), "{detail}");
        assert!(detail.ends_with("; `cargo reviewsctl status` names the mend"), "{detail}");
    }
    assert_eq!(server.post("/admin/v1/verifications", Some(json!({}))).await.0, 202);
    let ended = eventually("the verification ends", || async {
        let now = server.get("/admin/v1/verifications/current").await;
        (now["state"] != "running").then_some(now)
    })
    .await;
    assert_eq!((&ended["state"], &ended["failure"]["status"]), (&json!("failed"), &json!(409)), "{ended}");
}

#[tokio::test]
async fn dead_letters_are_shown_and_thrown_away() {
    let host = broker_host().await;
    let mut world = World::new().await;
    world.broker.clone_from(&host.url);
    let server = world.serve().await;
    let epoch = primary::log_epoch(&world.primary.pool).await.unwrap();
    let message = Message { queue: "meta.0".to_owned(), epoch, body: b"garbage".to_vec() };
    let publisher = Publisher::connect(&host.address, "test").await.unwrap();
    publisher.publish(&[message]).await.unwrap();
    let mut subscription = Subscription::connect(&host.address, "test").await.unwrap();
    subscription.next().await.unwrap().reject().await.unwrap();
    subscription.close().await;
    let letter = eventually("a dead letter", || async {
        let letters = server.get("/admin/v1/dead-letters").await;
        (letters["count"] == 1).then(|| letters["letters"][0].clone())
    })
    .await;
    assert_eq!((&letter["queue"], &letter["bytes"]), (&json!("meta.0"), &json!(7)), "{letter}");
    let (status, thrown) = eventually("it is back in its queue", || async {
        let (status, thrown) = server.ask(Method::DELETE, "/admin/v1/dead-letters", None).await;
        (thrown["thrown_away"] == 1).then_some((status, thrown))
    })
    .await;
    assert_eq!((status, thrown), (200, json!({ "thrown_away": 1 })));
    assert_eq!(server.get("/admin/v1/dead-letters").await["count"], 0);
}

#[tokio::test]
async fn what_is_held_of_a_person_is_given_out_and_erased_and_no_log_has_the_address() {
    let world = World::new().await;
    let server = world.serve().await;
    let asked = json!({ "email": "R@Example.com" });
    let (status, held) = server.post("/admin/v1/exports", Some(asked.clone())).await;
    assert_eq!((status, &held["email"]), (200, &json!("R@Example.com")));
    assert_eq!(held["reviews"].as_array().unwrap().len(), usize::try_from(PRODUCTS).unwrap());
    assert_eq!(held["reviews"][0]["body"], "A review.");
    let first = held["reviews"][0]["review_id"].clone();

    let (status, erased) =
        server.post("/admin/v1/erasures", Some(json!({ "reviews": [first, 999_999, first] }))).await;
    assert_eq!((status, &erased["erased"], &erased["unknown"]), (200, &json!(1), &json!(1)), "{erased}");
    assert_eq!(erased["reviews"][1], json!({ "review_id": 999_999, "outcome": "unknown" }));
    let (status, erased) = server.post("/admin/v1/erasures", Some(asked.clone())).await;
    assert_eq!((status, &erased["erased"]), (200, &json!(PRODUCTS - 1)), "{erased}");
    let left = "SELECT row_to_json(r)::text FROM reviews r WHERE body <> '' OR reviewer_email <> ''";
    assert_eq!(rows(&world.primary.pool, left).await, [""; 0]);
    world.catch_up().await;
    assert_log_is_whole(&world.primary.pool).await;
    let metas = products_of_meta(&world.meta.pool).await;
    assert!(metas.values().all(|meta| meta.ratings == [0; 5]), "{metas:?}");
    let (_, held) = server.post("/admin/v1/exports", Some(asked)).await;
    assert_eq!(held["reviews"], json!([]));

    let audited =
        "SELECT concat_ws(' ', action, cardinality(review_ids), subject IS NOT NULL) FROM audit ORDER BY id";
    assert_eq!(
        rows(&world.primary.pool, audited).await,
        ["export 10 t", "erase 2 f", "erase 9 t", "export 0 t"]
    );
    let way = "SELECT DISTINCT right(os_user, 18) FROM audit";
    assert_eq!(rows(&world.primary.pool, way).await, [", by the admin API"]);
    let log = server.log();
    assert!(log.contains("admin.action=\"erase\" reviews=2 by_address=false"), "{log}");
    assert!(!log.to_lowercase().contains("example"), "{log}");
}
