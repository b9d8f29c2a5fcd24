//! `reviewsctl status`: the state that it says of a whole system, in which a relay and a projector are played.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use broker::{Message, Publisher, Subscription};
use domain::Epoch;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use std::process::{Command, Output, Stdio};
use support::stores::{asked, catch_up, databases};
use support::{post, stderr, url};
use testkit::{BrokerHost, TestDatabase, broker_host, eventually, primary_database};

/// A system in which everything answers.
struct Whole {
    primary: TestDatabase,
    meta: TestDatabase,
    host: BrokerHost,
}

impl Whole {
    async fn new() -> Self {
        let (primary, meta) = databases().await;
        let host = broker_host().await;
        // Declares the queues.
        Subscription::connect(&host.address, "a test").await.unwrap().close().await;
        Whole { primary, meta, host }
    }

    /// A relay beats, and a projector brings that to meta.
    async fn lives(&self) {
        primary::beat(&mut self.primary.pool.acquire().await.unwrap()).await.unwrap();
        let seen = primary::heads_at_beat(&self.primary.pool).await.unwrap();
        assert!(meta::store_beat(&self.meta.pool, seen.beat, &seen.heads).await.unwrap());
    }

    fn status(&self, args: &[&str]) -> Command {
        asked(&url(&self.primary), &url(&self.meta), &self.host.url, "status", args)
    }

    /// The state, alarms and everything as JSON, and whether the exit code says that all is well.
    async fn says(&self) -> (String, Value, bool) {
        read(&support::finished(self.status(&["--json"])).await)
    }

    /// The state that comes of a change, which is then undone, with everything alive before each.
    async fn state_with(&self, database: &TestDatabase, change: &str, undo: &str) -> String {
        self.lives().await;
        execute(database, change).await;
        let (state, said, well) = self.says().await;
        assert!(!well, "{said}");
        assert_eq!(said["alarms"].as_array().unwrap().len(), 1, "{said}");
        execute(database, undo).await;
        state
    }
}

fn read(output: &Output) -> (String, Value, bool) {
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| json!(stderr(output)));
    (said["state"].as_str().unwrap_or_default().to_owned(), said, output.status.success())
}

async fn execute(database: &TestDatabase, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&database.pool).await.unwrap();
}

#[tokio::test]
async fn idle_and_dead_look_different_and_which_half_is_dead_too() {
    let whole = Whole::new().await;
    post(&whole.primary, 5, 4).await;
    catch_up(&whole.primary, &whole.meta).await;
    whole.lives().await;
    let (state, said, well) = whole.says().await;
    assert_eq!((state.as_str(), &said["alarms"], well), ("idle", &json!([]), true), "{said}");
    assert_eq!(said["lag"]["is"]["events"], 0);
    assert_eq!(said["canary"]["primary"]["is"]["beat"], said["canary"]["meta"]["is"]["beat"]);
    assert_eq!(said["canary"]["meta"]["read_from"], "meta: canary");
    assert_eq!(said["origin"]["is"], json!({ "same_log": true, "why": null }));

    let latency = primary::CommandLatency {
        commands: 7,
        p99: std::time::Duration::from_millis(12),
        ..Default::default()
    };
    let latency = primary::CommandLatency { max: latency.p99, ..latency };
    primary::publish_write_latency(&whole.primary.pool, uuid::Uuid::nil(), &latency).await.unwrap();
    let (state, said, well) = whole.says().await;
    assert_eq!((state.as_str(), well), ("well", true), "{said}");
    let writers = json!({ "writers": 1, "silent": 0, "commands": 7, "worst_p99_ms": 12.0 });
    assert_eq!(said["writers"], json!({ "read_from": "primary: write_latency", "is": writers }));
    execute(&whole.primary, "DELETE FROM write_latency").await;

    // Lag is zero in both, and says nothing.
    let old = "UPDATE canary SET at = at - interval '1 minute'";
    let young = "UPDATE canary SET at = now()";
    assert_eq!(whole.state_with(&whole.primary, old, young).await, "relay-dead");
    let ahead = "UPDATE canary SET beat = beat + 100";
    assert_eq!(whole.state_with(&whole.primary, ahead, ahead).await, "projector-dead");
}

#[tokio::test]
async fn a_projector_that_works_on_a_backlog_is_not_taken_for_dead() {
    let whole = Whole::new().await;
    post(&whole.primary, 5, 4).await;
    whole.lives().await;
    execute(&whole.primary, "UPDATE canary SET beat = beat + 1000").await;
    execute(&whole.primary, "UPDATE outbox SET at = at - interval '1 minute'").await;
    let mut command = whole.status(&["--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    eventually("the status is told", || async {
        // Meta comes on, far from done.
        execute(&whole.meta, "UPDATE canary SET beat = beat + 1").await;
        ended.is_finished().then_some(())
    })
    .await;
    let (state, said, well) = read(&ended.await.unwrap());
    assert_eq!((state.as_str(), well), ("behind", true), "{said}");
    // With nobody at work it is.
    let (state, said, well) = whole.says().await;
    assert_eq!((state.as_str(), well), ("projector-dead", false), "{said}");
}

#[tokio::test]
async fn what_meta_was_made_from_and_by_is_compared() {
    let whole = Whole::new().await;
    for _ in 0..3 {
        post(&whole.primary, 5, 4).await;
    }
    catch_up(&whole.primary, &whole.meta).await;
    let (primary, meta) = (&whole.primary, &whole.meta);
    // Another event, another log, and a checkpoint past the log's head.
    execute(meta, "CREATE TABLE kept AS SELECT * FROM checkpoint").await;
    let back = "UPDATE checkpoint c SET pos = k.pos, event_id = k.event_id, epoch = k.epoch
                FROM kept k WHERE k.part = c.part";
    let other = "UPDATE checkpoint SET event_id = gen_random_uuid() WHERE part = 5";
    assert_eq!(whole.state_with(meta, other, back).await, "other-log");
    let other = "UPDATE checkpoint SET epoch = gen_random_uuid() WHERE part = 60";
    assert_eq!(whole.state_with(meta, other, back).await, "other-log");
    let past = "UPDATE checkpoint SET pos = 4 WHERE part = 5";
    assert_eq!(whole.state_with(meta, past, back).await, "other-log");
    // The event after the checkpoint is gone.
    execute(meta, "UPDATE checkpoint SET pos = 0, event_id = NULL WHERE part = 5").await;
    execute(primary, "UPDATE canary SET beat = 1").await;
    execute(meta, "UPDATE canary SET beat = 1, at = now()").await;
    execute(primary, "CREATE TABLE lost AS SELECT * FROM event_log WHERE pos = 1").await;
    execute(primary, "DELETE FROM event_log WHERE pos = 1").await;
    execute(primary, "UPDATE canary SET at = now()").await;
    let (state, said, well) = whole.says().await;
    assert_eq!((state.as_str(), well), ("log-broken", false), "{said}");
    assert_eq!(
        said["origin"]["is"]["why"],
        "the log has no event at position 1 of part 5, though its head is past it"
    );
    execute(primary, "INSERT INTO event_log SELECT * FROM lost").await;
    execute(meta, back).await;

    let old = "UPDATE generation SET projection_version = 0";
    let new = format!("UPDATE generation SET projection_version = {}", domain::PROJECTION_VERSION);
    assert_eq!(whole.state_with(meta, old, &new).await, "old-projection-version");
    let parked = "INSERT INTO parked_product (generation, part, product_id, pos, version, event_id, reason)
                  SELECT generation, 5, 69, 7, 3, gen_random_uuid(), 'a reason' FROM active_generation";
    assert_eq!(whole.state_with(meta, parked, "DELETE FROM parked_product").await, "parked");
    let none = "DELETE FROM active_generation";
    assert_eq!(whole.state_with(meta, none, "SELECT 1").await, "no-generation");
}

#[tokio::test]
async fn which_generation_does_not_fit_the_log_decides_what_mends_it() {
    let whole = Whole::new().await;
    for _ in 0..3 {
        post(&whole.primary, 5, 4).await;
    }
    catch_up(&whole.primary, &whole.meta).await;
    let meta = &whole.meta;
    execute(
        meta,
        "INSERT INTO generation (projection_version) SELECT projection_version FROM generation;
         INSERT INTO checkpoint SELECT 2, part, pos, epoch, event_id FROM checkpoint;
         CREATE TABLE kept AS SELECT * FROM checkpoint;
         UPDATE active_generation SET generation = 2;
         INSERT INTO swap (from_generation, to_generation, why) VALUES (1, 2, 'replay')",
    )
    .await;
    let back = "UPDATE checkpoint c SET event_id = k.event_id FROM kept k
                WHERE (k.generation, k.part) = (c.generation, c.part)";
    let answers = "UPDATE checkpoint SET event_id = gen_random_uuid() WHERE part = 5 AND generation = 2";
    assert_eq!(whole.state_with(meta, answers, back).await, "damaged-generation");
    let both = "UPDATE checkpoint SET event_id = gen_random_uuid() WHERE part = 5";
    assert_eq!(whole.state_with(meta, both, back).await, "other-log");
    execute(meta, "UPDATE generation SET state = 'building' WHERE generation = 1").await;
    assert_eq!(whole.state_with(meta, answers, back).await, "other-log", "it is alone");

    execute(
        meta,
        "UPDATE generation SET state = 'invalid', invalid_because = 'a reason' WHERE generation = 1",
    )
    .await;
    whole.lives().await;
    let (state, said, well) = whole.says().await;
    assert_eq!((state.as_str(), well), ("invalid-generation", false), "{said}");
    assert_eq!(said["projection"]["is"]["invalid"], json!([{ "generation": 1, "because": "a reason" }]));
    let text = String::from_utf8(support::finished(whole.status(&[])).await.stdout).unwrap();
    assert!(text.contains("\n            generation 1 is left out: a reason\n"), "{text}");
}

#[tokio::test]
async fn dead_letters_and_open_transactions_are_told() {
    let whole = Whole::new().await;
    let publisher = Publisher::connect(&whole.host.address, "a test").await.unwrap();
    let message =
        Message { queue: "meta.0".to_owned(), epoch: Epoch::from_u128(9), body: b"no batch".to_vec() };
    publisher.publish(&[message]).await.unwrap();
    let mut subscription = Subscription::connect(&whole.host.address, "a test").await.unwrap();
    subscription.next().await.unwrap().reject().await.unwrap();
    let mut open = whole.meta.pool.begin().await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid() WHERE pg_current_xact_id() IS NOT NULL")
        .fetch_one(&mut *open)
        .await
        .unwrap();
    let said = eventually("the broker has moved the message", || async {
        whole.lives().await;
        let (state, said, well) = whole.says().await;
        (state == "dead-letters" && !well).then_some(said)
    })
    .await;
    assert_eq!(said["alarms"][0]["command"], "cargo reviewsctl parked discard --dead-letters");
    let oldest = &said["snapshots"]["meta"]["is"]["oldest"];
    assert_eq!(oldest["pid"], pid, "{said}");
    assert!(oldest["age_seconds"].as_f64().unwrap() > 0.0);
    // Ten seconds old, it is an alarm, with the session that has to end.
    let said = eventually("it is an old transaction", || async {
        whole.lives().await;
        let (_, said, _) = whole.says().await;
        let alarms = said["alarms"].as_array().unwrap();
        alarms.iter().find(|alarm| alarm["state"] == "long-snapshot").cloned()
    })
    .await;
    assert_eq!(said["command"], format!("SELECT pg_terminate_backend({pid})"));
    assert_eq!(said["database"], "meta");
    // A role that is not shown it says so.
    let as_projector = whole.meta.url_of("reviews_projector");
    let blind = asked(&url(&whole.primary), &as_projector, &whole.host.url, "status", &[]);
    let said = String::from_utf8(support::finished(blind).await.stdout).unwrap();
    assert!(
        said.contains("none; those of other roles are not shown to this one: GRANT pg_read_all_stats TO it"),
        "{said}"
    );
    open.rollback().await.unwrap();
    subscription.close().await;
}

#[tokio::test]
async fn a_database_without_its_tables_is_named_with_the_mend() {
    let whole = Whole::new().await;
    let bare = primary_database().await;
    execute(&bare, "DROP TABLE canary").await;
    let output =
        support::finished(asked(&url(&bare), &url(&whole.meta), &whole.host.url, "status", &[])).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("state       primary-away: "), "{said}");
    let first = said.lines().next().unwrap();
    assert!(first.contains("; `cargo reviewsctl migrate`, or PRIMARY_URL names another place"), "{first}");
    assert!(
        said.contains(
            "relation \"canary\" does not exist; check PRIMARY_URL, and that `reviewsctl migrate` has run"
        ),
        "{said}"
    );
    assert!(said.contains("\nlog         0 events"), "{said}");
}
