//! The canary: stored in meta by a projector whose meta has what was before the beat, and by no other.

use super::Canary;
use crate::consume::Inbox;
use crate::projector::Projector;
use changes::announcer;
use domain::{Beat, Position};
use primary::HeadsAtBeat;
use service::Shutdown;
use sqlx::PgPool;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use testkit::{
    TestDatabase, eventually, fold_of_log, meta_database, new_review, post, primary_database, product,
    products_of_meta,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Two databases, and the projector's connections to them.
struct Stores {
    primary: TestDatabase,
    meta: TestDatabase,
    log: PgPool,
    projection: PgPool,
}

async fn stores() -> Stores {
    let (primary, meta) = (primary_database().await, meta_database().await);
    let (log, projection) = (primary.pool_of("reviews_projector"), meta.pool_of("reviews_projector"));
    let epoch = primary::log_epoch(&log).await.unwrap();
    meta::begin_first_generation(&projection, epoch).await.unwrap();
    Stores { primary, meta, log, projection }
}

impl Stores {
    /// Writes `count` reviews of ten products, and gives them positions.
    async fn write(&self, count: i64) {
        let pool = self.primary.pool_of("reviews_write");
        for n in 0..count {
            post(&pool, product(n % 10 + 1), &new_review(n % 5 + 1)).await;
        }
        let mut connection = pool.acquire().await.unwrap();
        while !primary::sequence_events(&mut connection).await.unwrap().is_empty() {}
    }
}

/// A projector without messages: it looks at the log, and pulls.
fn projector(stores: &Stores, connected: bool) -> (watch::Sender<bool>, JoinHandle<anyhow::Result<()>>) {
    let (stop, shutdown) = Shutdown::manual();
    let nowhere = broker::BrokerAddress::read("amqp://nobody@127.0.0.1:1/%2f", None).unwrap();
    // Nothing runs that would announce anything.
    let (_announcing, announcer) = announcer(nowhere, "a test", contract::Store::Meta, shutdown.clone());
    let works = Arc::new(AtomicBool::new(false));
    let metrics = Arc::new(crate::metrics::Metrics::new());
    let projector = Projector::new(stores.log.clone(), stores.projection.clone(), announcer, works, metrics);
    let (messages, deliveries) = mpsc::channel(1);
    let inbox = Inbox { deliveries, connected: Arc::new(AtomicBool::new(connected)) };
    let task = tokio::spawn(async move {
        let ended = projector.run(inbox, shutdown).await;
        drop(messages);
        ended
    });
    (stop, task)
}

/// A relay's beat, as after a round of giving positions.
async fn beat(stores: &Stores) -> Beat {
    let mut connection = stores.primary.pool.acquire().await.unwrap();
    primary::beat(&mut connection).await.unwrap();
    primary::canary(&stores.log).await.unwrap().beat
}

async fn until_meta_has(stores: &Stores, beat: Beat) {
    let canary = || async { meta::canary(&stores.projection).await.ok().filter(|c| c.beat == beat) };
    let canary = eventually("the beat in meta", canary).await;
    assert!(canary.age.as_secs() < 30, "{canary:?}");
}

#[tokio::test]
async fn it_comes_through_an_idle_system_and_a_busy_one() {
    let stores = stores().await;
    for connected in [true, false] {
        let (stop, task) = projector(&stores, connected);
        // Nothing happens, and still it moves.
        until_meta_has(&stores, beat(&stores).await).await;
        stores.write(50).await;
        until_meta_has(&stores, beat(&stores).await).await;
        assert_eq!(products_of_meta(&stores.meta.pool).await, fold_of_log(&stores.primary.pool).await);
        stop.send(true).unwrap();
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn it_stays_while_meta_does_not_come_on() {
    let stores = stores().await;
    let (stop, task) = projector(&stores, true);
    let before = beat(&stores).await;
    until_meta_has(&stores, before).await;
    // Somebody holds a part's checkpoint: the projector lives, and meta does not come on.
    let mut holder = stores.meta.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM checkpoint WHERE part = 3 FOR UPDATE").execute(&mut *holder).await.unwrap();
    stores.write(50).await;
    let after = beat(&stores).await;
    let waits = || async {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&stores.meta.pool)
        .await
        .unwrap();
        (waiting > 0).then_some(())
    };
    eventually("the projector waits for the part", waits).await;
    assert_eq!(meta::canary(&stores.projection).await.unwrap().beat, before);
    holder.rollback().await.unwrap();
    until_meta_has(&stores, after).await;
    stop.send(true).unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_beat_is_stored_only_over_what_was_before_it_in_the_generation_that_answers() {
    let stores = stores().await;
    stores.write(50).await;
    let beat = beat(&stores).await;
    let seen = primary::heads_at_beat(&stores.log).await.unwrap();
    assert_eq!(seen.beat, beat);
    let store = || meta::store_beat(&stores.projection, seen.beat, &seen.heads);
    assert!(!store().await.unwrap());
    assert_eq!(meta::canary(&stores.projection).await.unwrap().beat, Beat(0));
    let (stop, task) = projector(&stores, false);
    let caught_up = || async {
        let at: i64 = sqlx::query_scalar("SELECT sum(pos)::bigint FROM checkpoint")
            .fetch_one(&stores.meta.pool)
            .await
            .unwrap();
        (at == 50).then_some(())
    };
    eventually("meta has it all", caught_up).await;
    stop.send(true).unwrap();
    task.await.unwrap().unwrap();
    assert!(store().await.unwrap());
    assert_eq!(meta::canary(&stores.projection).await.unwrap().beat, beat);
    // Another generation answers now, which has nothing yet.
    sqlx::raw_sql(
        "INSERT INTO generation (generation, projection_version) VALUES (77, 1);
         INSERT INTO checkpoint (generation, part, pos, epoch) SELECT 77, part, 0, epoch FROM checkpoint WHERE generation <> 77;
         UPDATE active_generation SET generation = 77",
    )
    .execute(&stores.meta.pool)
    .await
    .unwrap();
    assert!(!store().await.unwrap());
    // Or none does.
    sqlx::query("DELETE FROM active_generation").execute(&stores.meta.pool).await.unwrap();
    assert!(!store().await.unwrap());
}

#[test]
fn a_target_stays_until_it_is_reached() {
    let seen = |beat, head| HeadsAtBeat { beat: Beat(beat), heads: vec![Position(head)] };
    let mut canary = Canary::default();
    assert_eq!(canary.target(seen(5, 100)), Some(seen(5, 100)));
    assert_eq!(canary.target(seen(6, 200)), Some(seen(5, 100)));
    canary.reached();
    assert_eq!(canary.target(seen(7, 300)), Some(seen(7, 300)));
    canary.reached();
    // No new beat, nothing to store.
    assert_eq!(canary.target(seen(7, 310)), None);
    assert_eq!(canary.target(seen(8, 320)), Some(seen(8, 320)));
    // The primary was restored from a backup.
    assert_eq!(canary.target(seen(2, 30)), Some(seen(2, 30)));
}
