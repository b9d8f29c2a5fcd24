//! A primary that is another one than meta was made from: restored from a dump, with the same epoch, or a new one.
//! Whatever messages say, nothing of it is folded until meta is made anew.

use super::{Stores, stores};
use domain::{LinkedEvent, Part, Position, log_parts};
use meta::{Checkpoint, read_checkpoints};
use projection::{Batch, ProjectError, look, project, same_log};
use replay::{Plan, Progress};
use std::collections::BTreeMap;
use std::sync::Arc;
use testkit::{dump, fold_of_log, products_of_meta, restore};
use uuid::Uuid;

impl Stores {
    async fn checkpoints(&self) -> BTreeMap<Part, Checkpoint> {
        read_checkpoints(&self.projection).await.unwrap().into_iter().map(|c| (c.part, c)).collect()
    }

    /// Everything that meta has.
    async fn content(&self) -> Vec<String> {
        let rows = sqlx::query_scalar(
            "SELECT p::text FROM product_meta p UNION ALL SELECT c::text FROM checkpoint c
             UNION ALL SELECT p::text FROM parked_product p ORDER BY 1",
        );
        rows.fetch_all(&self.meta.pool).await.unwrap()
    }

    async fn send(&self, epoch: Option<Uuid>, events: Vec<LinkedEvent>) -> Result<usize, ProjectError> {
        let mut batch = Batch::default();
        batch.add(epoch, events);
        project(&self.log, &self.folding, &batch).await.map(|projected| projected.events)
    }

    /// Refused, however the projector comes across the log: when it starts or looks, when it pulls, and by the
    /// messages that follow each part's checkpoint, which say what they follow, or do not, as an older writer's.
    async fn assert_refused(&self, parts: &[Part]) {
        let before = self.content().await;
        let checkpoints = self.checkpoints().await;
        let all: Vec<Checkpoint> = checkpoints.values().copied().collect();
        assert_is_other(same_log(&self.log, &all).await);
        let epoch = self.epoch().await;
        let log = self.log().await;
        for part in parts {
            let at = checkpoints[part].pos;
            let contiguous: Vec<LinkedEvent> =
                log.iter().filter(|e| e.event.part == *part && e.event.pos > at).cloned().collect();
            assert!(!contiguous.is_empty(), "part {part} has not grown past its checkpoint");
            assert_is_other(self.send(Some(epoch), contiguous.clone()).await);
            assert_is_other(self.send(Some(epoch), contiguous[..1].to_vec()).await);
            assert_is_other(self.send(None, contiguous.clone()).await);
            let mut unsaid = contiguous;
            unsaid[0].previous = None;
            assert_is_other(self.send(Some(epoch), unsaid).await);
            let whole = log.iter().filter(|e| e.event.part == *part).cloned().collect();
            assert_is_other(self.send(Some(epoch), whole).await);
            let mut batch = Batch::default();
            batch.ask(*part, Position(i64::from(i32::MAX)));
            assert_is_other(project(&self.log, &self.folding, &batch).await);
        }
        assert_eq!(self.content().await, before);
    }

    /// Parts that have events.
    async fn parts(&self) -> Vec<Part> {
        let heads = primary::log_heads(&self.log).await.unwrap();
        log_parts().filter(|part| heads[part.index()] > Position(0)).collect()
    }
}

#[track_caller]
fn assert_is_other<T: std::fmt::Debug>(result: Result<T, ProjectError>) {
    let error = result.unwrap_err();
    assert!(matches!(error, ProjectError::OtherLog { .. }), "{error:?}");
    assert!(error.to_string().ends_with("; `cargo reviewsctl status` names the mend"), "{error}");
}

#[tokio::test]
async fn a_new_epoch_is_refused_also_when_it_goes_on_where_meta_stands() {
    let stores = stores().await;
    stores.write(50).await;
    stores.catch_up().await;
    sqlx::query("UPDATE log_identity SET epoch = gen_random_uuid()")
        .execute(&stores.primary.pool)
        .await
        .unwrap();
    stores.write(50).await;
    stores.assert_refused(&stores.parts().await).await;
    // Of a part that has nothing yet as well.
    let first = Part::try_from(60).unwrap();
    assert_is_other(same_log(&stores.log, &[stores.checkpoints().await[&first]]).await);
    stores.append(60, "ReviewMarkedHelpful.v1", r#"{"review_id":1}"#).await;
    stores.assert_refused(&[first]).await;
}

#[tokio::test]
async fn another_event_at_a_checkpoint_is_refused_also_when_the_log_has_grown_past_it() {
    let stores = stores().await;
    stores.write(50).await;
    stores.catch_up().await;
    let part = Part::try_from(3).unwrap();
    let at = stores.checkpoints().await[&part];
    // The same head, and nothing new.
    sqlx::query("UPDATE event_log SET event_id = gen_random_uuid() WHERE part = 3 AND pos = $1")
        .bind(at.pos.0)
        .execute(&stores.primary.pool)
        .await
        .unwrap();
    assert_is_other(same_log(&stores.log, &[at]).await);
    let last = stores.log().await.into_iter().rfind(|e| e.event.part == part).unwrap();
    assert_is_other(stores.send(Some(stores.epoch().await), vec![last]).await);
    stores.write(50).await;
    stores.assert_refused(&[part]).await;
    // A part that has what meta knows goes on.
    let others = stores.log().await.into_iter().filter(|e| e.event.part != part).collect();
    assert!(stores.send(Some(stores.epoch().await), others).await.unwrap() > 0);
}

#[tokio::test]
async fn of_two_generations_the_one_that_is_further_is_held_against_the_log_too() {
    let stores = stores().await;
    stores.write(50).await;
    stores.catch_up().await;
    stores.write(50).await;
    sqlx::raw_sql(
        "INSERT INTO generation (projection_version) SELECT projection_version FROM generation;
         INSERT INTO checkpoint (generation, part, pos, epoch, event_id)
         SELECT 2, part, CASE WHEN part = 3 THEN pos + 2 ELSE pos END, epoch,
                CASE WHEN part = 3 THEN gen_random_uuid() ELSE event_id END FROM checkpoint",
    )
    .execute(&stores.meta.pool)
    .await
    .unwrap();
    let part = Part::try_from(3).unwrap();
    let lowest = stores.checkpoints().await[&part].pos;
    let before = stores.content().await;
    let log = stores.log().await;
    let message: Vec<LinkedEvent> =
        log.into_iter().filter(|e| e.event.part == part && e.event.pos.0 > lowest.0 - 2).collect();
    assert_is_other(stores.send(Some(stores.epoch().await), message).await);
    assert_eq!(stores.content().await, before);
}

#[tokio::test]
async fn a_restored_primary_is_refused_whether_it_is_behind_or_has_grown_until_meta_is_made_anew() {
    let stores = stores().await;
    stores.write(60).await;
    stores.catch_up().await;
    let dump = dump(&stores.primary).await;
    stores.write(60).await;
    stores.catch_up().await;
    stores.assert_meta_is_the_fold().await;
    let ahead = stores.content().await;
    stores.write(30).await;
    let old = stores.log().await;

    restore(&dump, &stores.primary).await;
    assert_is_other(look(&stores.log, &stores.projection).await);
    // It grows, but its heads are behind the checkpoints: what comes is dropped as known, or refused.
    stores.write(20).await;
    for (part, at) in stores.checkpoints().await {
        let log = stores.log().await;
        let new: Vec<LinkedEvent> = log.into_iter().filter(|e| e.event.part == part).collect();
        if let Some(last) = new.last() {
            assert!(last.event.pos < at.pos, "part {part} has grown past its checkpoint already");
            assert_eq!(stores.send(Some(stores.epoch().await), new).await.unwrap(), 0);
        }
    }
    assert_is_other(look(&stores.log, &stores.projection).await);
    assert_eq!(stores.content().await, ahead);

    stores.write(200).await;
    stores.assert_refused(&stores.parts().await).await;
    assert_eq!(stores.content().await, ahead);

    // Messages from before, still in the queues, follow the checkpoint: meta stays what it was, or that log's.
    stores.make_anew().await;
    stores.assert_meta_is_the_fold().await;
    let anew = stores.content().await;
    assert_eq!(stores.send(Some(stores.epoch().await), old.clone()).await.unwrap(), 0);
    assert_eq!(stores.content().await, anew, "events of the lost log were folded");
    stores.write(40).await;
    // The lost log's events in front of those that are: the broker has kept them.
    let mut batch = Batch::default();
    batch.add(Some(stores.epoch().await), stores.log().await);
    batch.add(Some(stores.epoch().await), old);
    assert!(project(&stores.log, &stores.folding, &batch).await.unwrap().events > 0);
    stores.catch_up().await;
    stores.assert_meta_is_the_fold().await;
    look(&stores.log, &stores.projection).await.unwrap();
}

impl Stores {
    /// `replay --fresh`, with nothing of the projector's at work but what is refused.
    async fn make_anew(&self) {
        let databases = replay::Stores { primary: self.primary.pool.clone(), meta: self.meta.pool.clone() };
        let plan = Plan::careful(None);
        let progress = Arc::new(Progress::default());
        let error = replay::replay(&databases, &plan, &progress).await.unwrap_err();
        assert!(error.is_other_log(), "{error:?}");

        let plan = Plan { fresh: true, ..plan };
        let replayed = replay::replay(&databases, &plan, &progress).await.unwrap();
        assert_eq!(replayed.compared.differing, 0, "{replayed:?}");
        assert!(replayed.swap.is_some());
        assert_eq!(products_of_meta(&self.meta.pool).await, fold_of_log(&self.primary.pool).await);
    }
}
