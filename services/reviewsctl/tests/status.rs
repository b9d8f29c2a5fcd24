//! `reviewsctl status`: what it says of each store, and waiting for meta.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use broker::Subscription;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use support::stores::{NO_BROKER, asked, catch_up, databases};
use support::{finished, post, stderr, url};
use testkit::{broker_host, meta_database, primary_database};

fn status(primary: &str, meta: &str, broker: &str, args: &[&str]) -> Command {
    asked(primary, meta, broker, "status", args)
}

#[tokio::test]
async fn says_what_it_can_when_a_store_is_away_and_which_one_is() {
    let (primary, meta) = databases().await;
    post(&primary, 5, 4).await;
    catch_up(&primary, &meta).await;
    post(&primary, 5, 3).await;
    sqlx::query("UPDATE outbox SET at = clock_timestamp() - interval '1 hour'")
        .execute(&primary.pool)
        .await
        .unwrap();
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
    // By the clock that dated it.
    let oldest = said["lag"]["is"]["oldest_seconds"].as_f64().unwrap();
    assert!((3600.0..3660.0).contains(&oldest), "{said}");
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
    assert!(said.starts_with("state       meta-away: the meta database cannot be used: "), "{said}");
    let first = said.lines().next().unwrap();
    let place = "; `cargo stack start meta`, or META_URL names another place than it should (";
    assert!(first.contains(place) && first.contains("/no_such_meta") && first.ends_with(')'), "{first}");
    assert!(said.contains("\n            broker-away: the broker cannot be used: "), "{said}");
    assert!(said.contains("\nlog         1 event, 1 without a position, 1 not published\n"), "{said}");
    assert!(said.contains("\nprojection  the meta database cannot be used ("), "{said}");
    assert!(
        said.contains("\n            read from meta: active_generation, checkpoint, generation\n"),
        "{said}"
    );
}

#[tokio::test]
async fn a_database_that_is_away_is_named_with_its_address_and_the_mend() {
    let (primary, meta) = ("postgres://a@127.0.0.1:1/reviews", "postgres://a@127.0.0.1:1/meta");
    let output = finished(status(primary, meta, NO_BROKER, &[])).await;
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), ""));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains(
            "\nlog         the primary database is away (127.0.0.1:1/reviews): connection refused; \
             start it (`cargo stack start primary`) or check PRIMARY_URL\n"
        ),
        "{said}"
    );
    let first = said.lines().next().unwrap();
    assert_eq!(
        first,
        "state       primary-away: the primary database cannot be used: no reviews, votes and lists; \
         `cargo stack start primary`, or PRIMARY_URL names another place than it should (127.0.0.1:1/reviews)"
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
        "reviewsctl: meta has not caught up within 1 s: no generation of it answers: `reviewsctl status` says more\n"
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
        "reviewsctl: meta has not caught up within 1 s: 2 of 2 events are missing: `reviewsctl status` says what holds them up\n"
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
