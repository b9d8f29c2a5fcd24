//! `reviewsctl follow`: one review at every stop, and where it waits.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use broker::Subscription;
use domain::Position;
use serde_json::{Value, json};
use support::stores::{NO_BROKER, asked, catch_up, databases};
use support::{finished, post, stderr, url};
use testkit::{BrokerHost, TestDatabase, broker_host};

struct Way {
    primary: TestDatabase,
    meta: TestDatabase,
    host: BrokerHost,
    review: String,
}

impl Way {
    async fn found(&self, broker: &str, args: &[&str]) -> (String, Option<i32>) {
        let args: Vec<&str> = [self.review.as_str()].iter().chain(args).copied().collect();
        let output = finished(asked(&url(&self.primary), &url(&self.meta), broker, "follow", &args)).await;
        assert_eq!(stderr(&output), "");
        (String::from_utf8(output.stdout).unwrap(), output.status.code())
    }

    async fn json(&self) -> Value {
        let (said, code) = self.found(&self.host.url, &["--json"]).await;
        assert_eq!(code, Some(0), "{said}");
        serde_json::from_str(&said).unwrap()
    }

    /// Says the last line, which is the same as text and in JSON.
    async fn says(&self) -> String {
        let (json, (text, _)) = (self.json().await, self.found(&self.host.url, &[]).await);
        assert_eq!(json["says"], text.trim_end().lines().last().unwrap());
        json["says"].as_str().unwrap().to_owned()
    }
}

async fn execute(database: &TestDatabase, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&database.pool).await.unwrap();
}

#[tokio::test]
async fn a_review_is_found_at_each_stop_of_its_way() {
    let (primary, meta) = databases().await;
    let host = broker_host().await;
    let queues = Subscription::connect(&host.address, "a test").await.unwrap();
    // Others of the same product and part stand before and behind it.
    post(&primary, 5, 4).await;
    post(&primary, 69, 1).await;
    let review = post(&primary, 5, 3).await;
    post(&primary, 5, 2).await;
    let way = Way { primary, meta, host, review: review.to_string() };

    let said = way.json().await;
    assert_eq!(said["row"]["read_from"], "primary: reviews");
    assert_eq!(said["row"]["is"]["product"], 5);
    assert_eq!(
        (&said["event"]["read_from"], &said["event"]["is"]["position"]),
        (&json!("primary: outbox"), &Value::Null)
    );
    assert_eq!((&said["event"]["is"]["version"], &said["arrived"]), (&json!(2), &json!(false)));
    assert!(way.says().await.starts_with("waits in the outbox: "));

    let mut connection = way.primary.pool.acquire().await.unwrap();
    primary::sequence_events(&mut connection).await.unwrap();
    let said = way.json().await;
    let event = &said["event"];
    assert_eq!(
        (&event["read_from"], &event["is"]["position"]),
        (&json!("primary: event_log"), &json!(3)),
        "{said}"
    );
    assert_eq!(event["is"]["type"], "ReviewPosted.v1");
    assert_eq!(said["queue"]["is"], json!({ "queue": "meta.0", "messages": 0, "consumers": 1 }));
    assert!(way.says().await.starts_with("waits in the log: it was not offered "));

    let part = testkit::product(5).part();
    primary::raise_published(&mut connection, &[(part, Position(4))]).await.unwrap();
    assert_eq!(way.json().await["offered"]["is"], json!({ "part": 5, "up_to": 4 }));
    let says = way.says().await;
    assert!(says.starts_with("waits for the projector: ") && says.contains("stands at position 0"), "{says}");

    // Meta passes it without counting it, and then does.
    catch_up(&way.primary, &way.meta).await;
    let said = way.json().await;
    let checkpoint =
        json!({ "generation": 1, "state": "live", "answers": true, "position": 4, "applied": true });
    assert_eq!(said["checkpoints"]["is"], json!([checkpoint]));
    assert!(way.says().await.starts_with("lost: meta is past its event"));
    execute(
        &way.meta,
        "INSERT INTO product_meta (generation, part, product_id, version) VALUES (1, 5, 5, 2)",
    )
    .await;
    let said = way.json().await;
    assert_eq!(said["arrived"], true, "{said}");
    let product = json!({ "generation": 1, "version": 2, "parked_at_version": null, "folded": true });
    assert_eq!(said["meta"], json!({ "read_from": "meta: product_meta, parked_product", "is": [product] }));
    assert_eq!(way.says().await, "arrived: meta shows it");

    execute(
        &way.primary,
        "UPDATE reviews SET erased_at = now(), summary = '', body = '', reviewer_name = '', reviewer_email = '',
                            response = NULL, photos = '[]', hidden_by_moderation = true WHERE rating = 3",
    )
    .await;
    assert_eq!(way.json().await["row"]["is"]["erased"], true);
    assert!(way.says().await.starts_with("erased: lists do not show it"));
    // Its version says nothing where meta was made from another log, and not that it counts where it was given up.
    execute(&way.meta, "UPDATE checkpoint SET epoch = gen_random_uuid() WHERE part = 5").await;
    assert!(way.says().await.starts_with("not known: meta was made from another log"));
    assert_eq!(way.json().await["arrived"], false);
    let epoch = primary::log_epoch(&way.primary.pool).await.unwrap();
    let back = sqlx::query("UPDATE checkpoint SET epoch = $1").bind(epoch);
    back.execute(&way.meta.pool).await.unwrap();
    let event_id: uuid::Uuid = said["event"]["is"]["id"].as_str().unwrap().parse().unwrap();
    let given_up = sqlx::query(
        "INSERT INTO discarded_event (part, product_id, version, event_id, reason) VALUES (5, 5, 2, $1, 'a reason')",
    );
    given_up.bind(event_id).execute(&way.meta.pool).await.unwrap();
    assert!(way.says().await.starts_with("given up: "));

    execute(
        &way.meta,
        "UPDATE product_meta SET version = 1, parked = true;
         INSERT INTO parked_product (generation, part, product_id, pos, version, event_id, reason)
         VALUES (1, 5, 5, 3, 2, gen_random_uuid(), 'a reason')",
    )
    .await;
    assert!(
        way.says().await.starts_with("stuck: its product stands still in meta at the event of version 2")
    );
    execute(&way.primary, "DELETE FROM event_log").await;
    assert!(way.says().await.starts_with("lost: the row has no event"));
    queues.close().await;
}

#[tokio::test]
async fn an_unknown_review_is_one_line_and_a_store_that_is_away_is_named() {
    let (primary, meta) = databases().await;
    let output = finished(asked(&url(&primary), &url(&meta), NO_BROKER, "follow", &["4711"])).await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert_eq!(
        stderr(&output),
        "reviewsctl: there is no review 4711 in the primary; ids are in the answer to a POST, and in lists\n"
    );
    let output = finished(asked(&url(&primary), &url(&meta), NO_BROKER, "follow", &["x"])).await;
    assert!(stderr(&output).contains("\"x\" is not a whole number from 1 to "), "{}", stderr(&output));

    let review = post(&primary, 5, 4).await.to_string();
    let way = Way { primary, meta, host: broker_host().await, review };
    let (said, code) = way.found(NO_BROKER, &[]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("\nqueue       the broker is away (amqp://reviews@127.0.0.1:1//): "), "{said}");
    assert!(said.trim_end().lines().last().unwrap().starts_with("waits in the outbox: "), "{said}");
    // Without meta nobody knows whether it has arrived.
    let gone = url(&way.meta).replace("/test_meta", "/no_such_meta");
    let output = finished(asked(&url(&way.primary), &gone, &way.host.url, "follow", &[&way.review])).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.lines().last().unwrap().starts_with("not known: the meta database cannot be used ("),
        "{said}"
    );
}
