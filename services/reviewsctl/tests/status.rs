//! `reviewsctl status`: what it says of each store, and waiting for meta.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use broker::Subscription;
use domain::Position;
use meta::{Checkpoint, begin_first_generation, move_checkpoints, read_checkpoints};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use support::{finished, post, reviewsctl, stderr, url};
use testkit::{TestDatabase, broker_host, meta_database, primary_database};

/// Nothing listens there.
const NO_BROKER: &str = "amqp://reviews@127.0.0.1:1/%2f";

fn status(primary: &str, meta: &str, broker: &str, args: &[&str]) -> Command {
    let mut command = reviewsctl();
    command.env("PRIMARY_URL", primary).env("META_URL", meta).env("BROKER_URL", broker);
    command.arg("status").args(args);
    command
}

/// Gives every event a position and moves meta's checkpoints there, as a projector would.
async fn catch_up(primary: &TestDatabase, meta: &TestDatabase) {
    let mut connection = primary.pool.acquire().await.unwrap();
    while !primary::sequence_events(&mut connection).await.unwrap().is_empty() {}
    let mut moved = Vec::new();
    for checkpoint in read_checkpoints(&meta.pool).await.unwrap() {
        let last: Option<(i64, uuid::Uuid)> =
            sqlx::query_as("SELECT pos, event_id FROM event_log WHERE part = $1 ORDER BY pos DESC LIMIT 1")
                .bind(checkpoint.part.get())
                .fetch_optional(&mut *connection)
                .await
                .unwrap();
        if let Some((pos, event_id)) = last {
            moved.push(Checkpoint { pos: Position(pos), event_id: Some(event_id), ..checkpoint });
        }
    }
    move_checkpoints(&mut meta.pool.acquire().await.unwrap(), &moved).await.unwrap();
}

async fn databases() -> (TestDatabase, TestDatabase) {
    let (primary, meta) = (primary_database().await, meta_database().await);
    let epoch = primary::log_epoch(&primary.pool).await.unwrap();
    begin_first_generation(&meta.pool, epoch).await.unwrap();
    (primary, meta)
}

#[tokio::test]
async fn says_what_it_can_when_a_store_is_away_and_which_one_is() {
    let (primary, meta) = databases().await;
    post(&primary, 5, 4).await;
    catch_up(&primary, &meta).await;
    post(&primary, 5, 3).await;
    sqlx::query(
        "INSERT INTO parked_product (generation, part, product_id, pos, version, event_id, reason)
         SELECT generation, 5, 69, 7, 3, gen_random_uuid(), 'a reason' FROM active_generation",
    )
    .execute(&meta.pool)
    .await
    .unwrap();
    let output = finished(status(&url(&primary), &url(&meta), NO_BROKER, &["--json"])).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["log"]["read_from"], "primary: log_head, log_published, outbox");
    assert_eq!(
        said["log"]["is"]["parts"][5],
        json!({ "part": 5, "head": 1, "published": 0, "unsequenced": 1 })
    );
    assert_eq!(said["projection"]["is"]["parts"][5], json!({ "part": 5, "applied": 1 }));
    assert_eq!(said["lag"]["is"]["events"], 1);
    assert_eq!(said["lag"]["is"]["parts"][5]["events"], 1);
    assert!(said["lag"]["is"]["oldest_seconds"].as_f64().unwrap() < 60.0, "{said}");
    let parked = &said["parked"]["is"][0];
    assert_eq!((&parked["product"], &parked["reason"]), (&json!(69), &json!("a reason")));
    let away = said["queues"]["away"].as_str().unwrap();
    assert!(
        away.starts_with("the broker is away (amqp://reviews@127.0.0.1:1//): connection refused; start it "),
        "{away}"
    );

    // No meta: the log is still told, the rest says why not.
    let gone = url(&meta).replace("/test_meta", "/no_such_meta");
    let output = finished(status(&url(&primary), &gone, NO_BROKER, &[])).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("log         1 events, 1 without a position, 1 not published\n"), "{said}");
    assert!(said.contains("\nprojection  the meta database cannot be used ("), "{said}");
    assert!(said.contains("\n            read from meta: active_generation, checkpoint\n"), "{said}");
}

#[tokio::test]
async fn a_database_that_is_away_is_named_with_its_address_and_the_mend() {
    let (primary, meta) = ("postgres://a@127.0.0.1:1/reviews", "postgres://a@127.0.0.1:1/meta");
    let output = finished(status(primary, meta, NO_BROKER, &[])).await;
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), ""));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with(
            "log         the primary database is away (127.0.0.1:1): connection refused; \
             start it (`cargo stack start primary`) or check PRIMARY_URL\n"
        ),
        "{said}"
    );
}

#[tokio::test]
async fn before_a_projector_ran_there_is_no_generation_to_wait_for() {
    let (primary, meta) = (primary_database().await, meta_database().await);
    let wait = ["--wait", "--timeout", "1"];
    let output = finished(status(&url(&primary), &url(&meta), NO_BROKER, &wait)).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "reviewsctl: meta has not caught up within 1 s: it has no generation yet; is the projector running?\n"
    );
}

#[tokio::test]
async fn waits_until_meta_has_what_was_committed_before_the_call() {
    let (primary, meta) = databases().await;
    let broker = broker_host().await;
    let queues = Subscription::connect(&broker.address, "a test").await.unwrap();
    post(&primary, 5, 4).await;
    let (primary_url, meta_url) = (url(&primary), url(&meta));
    let output = finished(status(&primary_url, &meta_url, &broker.url, &["--wait", "--timeout", "1"])).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "reviewsctl: meta has not caught up within 1 s: 2 of 2 events are missing; is the projector running?\n"
    );

    let mut command = status(&primary_url, &meta_url, &broker.url, &["--wait", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    catch_up(&primary, &meta).await;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["lag"]["is"]["events"], 0);
    let found = said["queues"]["is"].as_array().unwrap();
    assert_eq!(found.len(), 9, "{found:?}");
    assert_eq!(found[0], json!({ "queue": "meta.0", "messages": 0, "consumers": 1 }));
    queues.close().await;
}
