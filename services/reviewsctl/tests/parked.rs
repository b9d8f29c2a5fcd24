//! `reviewsctl parked`: products that stand still and messages that nobody could read, on real servers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use broker::{Message, Publisher, Subscription};
use contract::write_batch;
use domain::{LinkedEvent, LogEvent, Position, ProductId, log_parts};
use meta::begin_first_generation;
use primary::{LogRange, pull_events, sequence_events};
use projection::{Batch, MetaConnection, project};
use replay::{Plan, Progress, replay};
use serde_json::{Value, json};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{finished, reviewsctl, stderr, url};
use testkit::{
    TestDatabase, broker_host, define_characteristics, eventually, fold_of_log, meta_database, new_review,
    post, primary_database, product, products_of_meta,
};

/// Nothing listens there.
const NO_BROKER: &str = "amqp://reviews@127.0.0.1:1/%2f";
/// Redrives beside live events.
const REDRIVES: usize = 8;

struct World {
    primary: TestDatabase,
    meta: TestDatabase,
    folding: MetaConnection,
    broker: String,
}

async fn world() -> World {
    let (primary, meta) = (primary_database().await, meta_database().await);
    let epoch = primary::log_epoch(&primary.pool).await.unwrap();
    begin_first_generation(&meta.pool, epoch).await.unwrap();
    let folding = MetaConnection::of(&meta.pool_of("reviews_projector"));
    World { primary, meta, folding, broker: NO_BROKER.to_owned() }
}

impl World {
    async fn parked(&self, args: &[&str]) -> Output {
        let mut command = reviewsctl();
        command.env("PRIMARY_URL", url(&self.primary)).env("META_URL", url(&self.meta));
        command.env("BROKER_URL", &self.broker).arg("parked").args(args);
        finished(command).await
    }

    /// What it says as JSON, and whether all was well.
    async fn json(&self, args: &[&str]) -> (Value, bool) {
        let output = self.parked(args).await;
        let said = serde_json::from_slice(&output.stdout);
        (said.unwrap_or_else(|_| panic!("{}", stderr(&output))), output.status.success())
    }

    async fn post(&self, id: i64) {
        let mut review = new_review(4);
        review.characteristics = vec![(id.try_into().unwrap(), 5.try_into().unwrap(), "Fit".into())];
        post(&self.primary.pool, product(id), &review).await;
    }

    /// Products with a characteristic of their own number, and a review each.
    async fn products(&self, ids: &[i64]) {
        for id in ids {
            define_characteristics(&self.primary.pool, product(*id), &[(*id, "Fit")]).await;
            self.post(*id).await;
        }
    }

    /// Appends an event in the way of a write, with any type and payload.
    async fn append(&self, product_id: i64, event_type: &str, payload: &str) {
        sqlx::query(
            "WITH s AS (UPDATE product_stream SET version = version + 1 WHERE part = $1 % 64 AND product_id = $1
                        RETURNING version)
             INSERT INTO outbox (part, product_id, version, event_id, type, payload, traceparent)
             SELECT $1 % 64, $1, version, gen_random_uuid(), $2, $3::json, 'a trace' FROM s",
        )
        .bind(product_id)
        .bind(event_type)
        .bind(payload)
        .execute(&self.primary.pool)
        .await
        .unwrap();
    }

    /// Gives positions, and folds all there is, as the relay and the projector do.
    async fn catch_up(&self) {
        let mut connection = self.primary.pool.acquire().await.unwrap();
        while !sequence_events(&mut connection).await.unwrap().is_empty() {}
        let heads = primary::log_heads(&self.primary.pool).await.unwrap();
        let mut batch = Batch::default();
        log_parts().for_each(|part| batch.ask(part, heads[part.index()]));
        while project(&self.primary.pool, &self.folding, &batch).await.unwrap().events > 0 {}
    }

    /// Of a product whose unreadable events belong to no review.
    async fn assert_meta_is_what_the_reviews_say(&self, id: i64) {
        let reviews = primary::product_meta(&self.primary.pool, product(id)).await.unwrap();
        let meta = products_of_meta(&self.meta.pool).await;
        assert_eq!(meta.get(&id), Some(&reviews), "product {id}");
    }

    async fn replay(&self) {
        let stores = replay::Stores { primary: self.primary.pool.clone(), meta: self.meta.pool.clone() };
        let plan = Plan::careful(None);
        let replayed = replay(&stores, &plan, &Arc::new(Progress::default())).await.unwrap();
        assert!(replayed.swap.is_some() && replayed.compared.differing == 0, "{replayed:?}");
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn numbers(products: &Value) -> Vec<i64> {
    products.as_array().unwrap().iter().map(|product| product["product"].as_i64().unwrap()).collect()
}

/// One of each kind, each followed by a review: product, type and payload, and how the reason begins.
const POISON: [(i64, &str, &str, &str); 4] = [
    (3, "ReviewPraised.v1", "{\"review_id\":1}", "event type \"ReviewPraised.v1\" is unknown"),
    (
        4,
        "ReviewPosted.v1",
        "{\"review_id\":1,\"rating\":9,\"recommend\":true}",
        "payload of a ReviewPosted.v1 does not have its shape: its field rating is 9, and must be a whole number from 1 to 5",
    ),
    (
        5,
        "ReviewPosted.v1",
        "{\"review_id\":1,\"rating\":5,\"recommend\":true,\"characteristics\":{\"999\":5}}",
        "characteristic 999 is not one",
    ),
    (
        7,
        "CharacteristicsDefined.v1",
        "{\"characteristics\":[{\"id\":7,\"name\":\"Fit\"},{\"id\":777,\"name\":\"a\\u0000b\"}]}",
        "a characteristic's name has the character U+0000",
    ),
];

async fn poisoned() -> World {
    let world = world().await;
    world.products(&[3, 4, 5, 6, 7]).await;
    for (id, event_type, payload, _) in POISON {
        world.append(id, event_type, payload).await;
        world.post(id).await;
    }
    world.post(6).await;
    world.catch_up().await;
    world
}

#[tokio::test]
async fn every_kind_of_poison_is_listed_shown_redriven_in_vain_and_given_up_for_good() {
    let world = poisoned().await;
    let (listed, well) = world.json(&["list", "--json"]).await;
    assert_eq!(numbers(&listed["products"]), [3, 4, 5, 7]);
    assert!(!well && listed["dead_letters"]["away"].as_str().unwrap().starts_with("the broker is away ("));
    for (listed, (id, _, _, reason)) in listed["products"].as_array().unwrap().iter().zip(POISON) {
        assert!(listed["reason"].as_str().unwrap().starts_with(reason), "{listed}");
        let place = [&listed["generation"], &listed["part"], &listed["position"], &listed["version"]];
        assert_eq!(place, [&json!(1), &json!(id), &json!(3), &json!(3)]);
    }
    let (shown, well) = world.json(&["show", "3", "--json"]).await;
    let event = &shown["generations"][0]["parked"]["event"];
    assert!(well && event["at"].is_string(), "{shown}");
    assert_eq!((&event["type"], &event["traceparent"]), (&json!("ReviewPraised.v1"), &json!("a trace")));
    assert_eq!(event["payload"], POISON[0].2);
    assert!(shown["generations"][0]["meta"].as_str().unwrap().starts_with("version 2, "), "{shown}");
    assert!(shown["reviews"].as_str().unwrap().starts_with("version 4, "), "{shown}");
    let said = stdout(&world.parked(&["show", "7"]).await);
    assert!(
        said.contains("  payload   {\"characteristics\":[{\"id\":7,") && said.contains("\nreviews "),
        "{said}"
    );

    let (redriven, well) = world.json(&["redrive", "--all", "--json"]).await;
    assert_eq!((well, &redriven["going_on"], &redriven["standing_still"]), (false, &json!(0), &json!(4)));
    let output = world.parked(&["discard", "3"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).ends_with("nobody can be asked here: run it again with --yes\n"), "{output:?}");

    for (id, ..) in POISON {
        let output = world.parked(&["discard", &id.to_string(), "--yes"]).await;
        assert!(output.status.success(), "{}", stderr(&output));
        let said = stdout(&output);
        assert!(said.ends_with(&format!("\nproduct {id} goes on without it, at version 4\n")), "{said}");
        world.assert_meta_is_what_the_reviews_say(id).await;
    }
    assert!(stderr(&world.parked(&["discard", "3", "--yes"]).await).contains("does not stand still"));

    // Live, rebuilt and replayed: for ever. And what was never added is not taken away.
    for (id, ..) in POISON {
        world.post(id).await;
    }
    let erased = r#"{"review_id":1,"rating":5,"recommend":true,"characteristics":{}}"#;
    for id in [4, 5] {
        world.append(id, "ReviewErased.v1", erased).await;
    }
    world.catch_up().await;
    world.replay().await;
    world.post(6).await;
    world.catch_up().await;
    let said = stdout(&world.parked(&["redrive", "3", "6"]).await);
    assert_eq!(
        said,
        "goes on     product 3 at version 5; it was not parked\n\
         goes on     product 6 at version 4; it was not parked\n2 go on, 0 stand still\n"
    );
    for id in [3, 4, 5, 6, 7] {
        world.assert_meta_is_what_the_reviews_say(id).await;
    }
    let (listed, _) = world.json(&["list", "--json"]).await;
    assert_eq!(listed["products"], json!([]));
}

#[tokio::test]
async fn a_review_whose_posting_was_given_up_takes_nothing_away_when_it_is_erased() {
    let world = world().await;
    world.products(&[3, 4, 5]).await;
    // What names the review, what does not although it is the only one that no event names, and two of those.
    for (id, reviews, spoilt) in
        [(3, 1, "type = 'ReviewPosted.v9'"), (4, 1, "payload = '[]'"), (5, 2, "payload = '[]'")]
    {
        for _ in 0..reviews {
            world.post(id).await;
        }
        let spoil = format!(
            "UPDATE outbox SET {spoilt} WHERE product_id = {id} AND version > 2 AND type = 'ReviewPosted.v1'"
        );
        let spoilt = sqlx::query(sqlx::AssertSqlSafe(spoil)).execute(&world.primary.pool).await.unwrap();
        assert_eq!(spoilt.rows_affected(), reviews);
    }
    world.catch_up().await;
    for (id, unnamed) in [(3, false), (4, false), (5, true)] {
        let said = stderr(&world.parked(&["discard", &id.to_string(), "--yes"]).await);
        assert_eq!(said.contains("nothing says which"), unnamed, "{said}");
    }
    for id in [3, 4] {
        let review = sqlx::query_scalar("SELECT max(review_id) FROM reviews WHERE product_id = $1").bind(id);
        let review: i64 = review.fetch_one(&world.primary.pool).await.unwrap();
        primary::erase_review(&world.primary.pool, review.try_into().unwrap(), uuid::Uuid::now_v7())
            .await
            .unwrap();
        world.catch_up().await;
        world.assert_meta_is_what_the_reviews_say(id).await;
    }
}

#[tokio::test]
async fn of_two_unreadable_events_each_is_given_up_on_its_own() {
    let world = world().await;
    world.products(&[3]).await;
    for _ in 0..2 {
        world.append(3, POISON[0].1, POISON[0].2).await;
        world.post(3).await;
    }
    world.catch_up().await;
    let first = world.parked(&["discard", "3", "--yes"]).await;
    assert_eq!(first.status.code(), Some(1), "{}", stderr(&first));
    let said = stdout(&first);
    assert!(said.contains("\nproduct 3 stands still again: ") && said.contains("version 5, "), "{said}");
    let second = world.parked(&["discard", "3", "--yes"]).await;
    assert!(second.status.success(), "{}", stderr(&second));
    world.assert_meta_is_what_the_reviews_say(3).await;
}

#[tokio::test]
async fn an_event_is_not_given_up_for_a_generation_that_does_not_answer() {
    let world = poisoned().await;
    sqlx::raw_sql(
        "INSERT INTO generation (projection_version) SELECT projection_version FROM generation;
         INSERT INTO checkpoint SELECT 2, part, pos, epoch, event_id FROM checkpoint;
         INSERT INTO parked_product (generation, part, product_id, pos, version, event_id, reason)
         VALUES (2, 6, 6, 2, 2, gen_random_uuid(), 'a reason')",
    )
    .execute(&world.meta.pool)
    .await
    .unwrap();
    let said = stdout(&world.parked(&["list"]).await);
    assert!(said.starts_with("parked      5 products\n"), "{said}");
    let output = world.parked(&["discard", "6", "--yes"]).await;
    assert!(
        stderr(&output).contains("stands still only in generation 2, which does not answer"),
        "{output:?}"
    );
    assert!(
        stderr(&output).contains("delete the generation by `reviewsctl generations prune`"),
        "{output:?}"
    );
    // One that a replay builds is not pruned.
    let targets = vec![0; 64];
    sqlx::query(
        "INSERT INTO replay (generation, projection_version, source, fresh, phase, targets) VALUES (2, 1, 'log', false, 'ready', $1)",
    )
    .bind::<Vec<i64>>(targets)
    .execute(&world.meta.pool)
    .await
    .unwrap();
    let output = world.parked(&["discard", "6", "--yes"]).await;
    assert!(stderr(&output).contains("delete the generation by `reviewsctl replay cancel`"), "{output:?}");
    sqlx::query("DELETE FROM replay").execute(&world.meta.pool).await.unwrap();
    // In one more: still one product, and both are named.
    sqlx::raw_sql(
        "INSERT INTO generation (projection_version) SELECT max(projection_version) FROM generation;
         INSERT INTO checkpoint SELECT 3, part, pos, epoch, event_id FROM checkpoint WHERE generation = 1;
         INSERT INTO parked_product (generation, part, product_id, pos, version, event_id, reason)
         SELECT 3, part, product_id, pos, version, event_id, reason FROM parked_product WHERE generation = 2",
    )
    .execute(&world.meta.pool)
    .await
    .unwrap();
    let said = stdout(&world.parked(&["list"]).await);
    assert!(said.starts_with("parked      5 products\n") && said.contains(" in generation 3, "), "{said}");
    let output = world.parked(&["discard", "6", "--yes"]).await;
    assert!(
        stderr(&output).contains("stands still only in generations 2, 3, which do not answer"),
        "{output:?}"
    );
    let given_up = sqlx::query_scalar("SELECT count(*) FROM discarded_event").fetch_one(&world.meta.pool);
    assert_eq!(given_up.await.map(|count: i64| count).unwrap(), 0);
}

#[tokio::test]
async fn redriven_after_the_cause_is_gone_a_product_goes_on() {
    let world = world().await;
    world.products(&[5, 6]).await;
    world.catch_up().await;
    // Somebody's hand in meta: the next event does not fit the product any more.
    let damage = "UPDATE product_meta SET characteristics = '[]' WHERE product_id = 5";
    sqlx::query(damage).execute(&world.meta.pool).await.unwrap();
    world.post(5).await;
    world.post(5).await;
    world.catch_up().await;
    let said = stdout(&world.parked(&["list"]).await);
    assert!(
        said.starts_with(
            "parked      1 product\n            product 5 in generation 1, which answers, since "
        ),
        "{said}"
    );
    assert!(said.contains(": characteristic 5 is not one of the product's\nmend        "), "{said}");
    assert!(said.contains("\ndead        the broker is away ("), "{said}");
    let output = world.parked(&["redrive", "--all"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "goes on     product 5 at version 4\n1 go on, 0 stand still\n");
    assert_eq!(products_of_meta(&world.meta.pool).await, fold_of_log(&world.primary.pool).await);
    let output = world.parked(&["redrive", "1234567"]).await;
    assert_eq!(
        stderr(&output),
        "reviewsctl: product 1234567 has no events: nothing to rebuild; check the id\n"
    );
    let output = world.parked(&["show", "1234567"]).await;
    assert_eq!(stderr(&output), "reviewsctl: product 1234567 has no events: check the id\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn redriven_while_live_events_stream_in_nothing_is_lost_or_doubled() {
    let world = Arc::new(world().await);
    world.products(&[5, 69]).await;
    world.catch_up().await;
    let done = Arc::new(AtomicBool::new(false));
    let stream = {
        let (world, done) = (world.clone(), done.clone());
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                world.post(5).await;
                world.post(69).await;
                world.catch_up().await;
            }
        })
    };
    for _ in 0..REDRIVES {
        // Again and again: a batch that has read the row puts it right again.
        eventually("the product stands still", || async {
            let damage = "UPDATE product_meta SET characteristics = '[]' WHERE product_id = 5";
            sqlx::query(damage).execute(&world.meta.pool).await.unwrap();
            let parked = sqlx::query("SELECT FROM parked_product WHERE product_id = 5");
            parked.fetch_optional(&world.meta.pool).await.unwrap()
        })
        .await;
        let output = world.parked(&["redrive", "5"]).await;
        assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    }
    done.store(true, Ordering::Relaxed);
    stream.await.unwrap();
    world.catch_up().await;
    assert_eq!(products_of_meta(&world.meta.pool).await, fold_of_log(&world.primary.pool).await);
}

/// The log's events of a product's part, as a message.
async fn message(world: &World, product_id: ProductId) -> Vec<u8> {
    let range = LogRange { part: product_id.part(), after: Position(0), events_max: 100 };
    let pulled = pull_events(&world.primary.pool, &[range]).await.unwrap();
    let linked = |event: LogEvent| LinkedEvent { event, previous: None };
    let events: Vec<LinkedEvent> = pulled.events.into_iter().map(linked).collect();
    write_batch(pulled.epoch, &events).unwrap()
}

#[tokio::test]
async fn dead_letters_are_shown_with_their_reason_and_content_and_thrown_away() {
    let host = broker_host().await;
    let world = World { broker: host.url.clone(), ..world().await };
    world.products(&[5]).await;
    world.catch_up().await;
    let epoch = primary::log_epoch(&world.primary.pool).await.unwrap();
    let bodies = [b"garbage".to_vec(), message(&world, product(5)).await];
    let messages = bodies.map(|body| Message { queue: "meta.0".to_owned(), epoch, body });
    let publisher = Publisher::connect(&host.address, "test").await.unwrap();
    publisher.publish(&messages).await.unwrap();
    let mut subscription = Subscription::connect(&host.address, "test").await.unwrap();
    for _ in 0..2 {
        subscription.next().await.unwrap().reject().await.unwrap();
    }
    subscription.close().await;
    let listed = eventually("two dead letters", || async {
        let (listed, well) = world.json(&["list", "--json"]).await;
        assert!(well);
        let letters = listed["dead_letters"].clone();
        (letters["count"] == 2 && letters["letters"].as_array().unwrap().len() == 2).then_some(letters)
    })
    .await;
    let letters = &listed["letters"];
    for letter in letters.as_array().unwrap() {
        let said = [&letter["queue"], &letter["reason"], &letter["times"], &letter["epoch"]];
        assert_eq!(said, [&json!("meta.0"), &json!("rejected"), &json!(1), &json!(epoch)]);
        assert!(letter["at"].is_string(), "{letter}");
    }
    assert!(letters[0]["unreadable"].as_str().unwrap().starts_with("the message is not a batch of events: "));
    assert_eq!((&letters[0]["events"], &letters[0]["bytes"]), (&Value::Null, &json!(7)));
    assert_eq!(letters[1]["events"], json!([{ "part": 5, "from": 1, "to": 2 }]));

    let said = eventually("both once more", || async {
        let said = stdout(&world.parked(&["list"]).await);
        said.contains("dead        2 letters\n").then_some(said)
    })
    .await;
    assert!(said.starts_with(
        "parked      0 products\ndead        2 letters\n            from meta.0, rejected at 20"
    ));
    assert!(said.contains(": 7 bytes, the message is not a batch of events: "), "{said}");
    assert!(said.contains(": positions 1 to 2 of part 5\nmend "), "{said}");

    let output = world.parked(&["discard", "--dead-letters"]).await;
    assert!(stderr(&output).ends_with("nobody can be asked here: run it again with --yes\n"), "{output:?}");
    eventually("none left", || async {
        let said = stdout(&world.parked(&["discard", "--dead-letters", "--yes"]).await);
        (said == "there are no dead letters\n").then_some(())
    })
    .await;
}
