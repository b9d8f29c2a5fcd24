//! No product is ever ahead of its generation's checkpoint, none is said to differ for an event that has no position
//! yet, and none stands still for an event that was given up.

use crate::plan;
use crate::world::{World, world};
use domain::Version;
use meta::{Over, Source, Swap, SwapReason, Swapped, Wanted};
use replay::{Asked, Plan, ReplayError, ask, rebuild_product, replay, verify};
use sqlx::AssertSqlSafe;
use std::sync::Arc;
use testkit::{eventually, new_review, post, product};

impl World {
    /// Stores a review that gets no position yet.
    async fn post(&self, id: i64) {
        post(&self.primary.pool, product(id), &new_review(4)).await;
    }

    async fn execute(&self, statement: String) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&self.meta.pool).await.unwrap();
    }

    async fn version_of(&self, id: i64, generation: i32) -> Version {
        let stored = meta::product_at(&self.meta.pool, generation, product(id)).await.unwrap();
        stored.0.meta.version
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn added_up_no_product_is_ahead_of_the_log() {
    let world = world().await;
    world.write(50).await;
    let projector = world.projector();
    world.caught_up().await;
    world.post(3).await;
    world.post(77).await;
    let replayed = replay(&world.stores, &plan(Source::Snapshot), &Arc::default()).await.unwrap();
    assert_eq!(
        (replayed.generation, replayed.compared.differing),
        (2, 0),
        "{:?}",
        replayed.compared.differences
    );
    assert_eq!(world.version_of(3, 2).await, world.version_of(3, 1).await);
    assert_eq!(world.version_of(77, 2).await, Version(0), "its only event has no position");
    world.assert_every_generation_is_the_fold().await;
    world.write(10).await;
    world.caught_up().await;
    projector.stop().await;
    world.assert_every_generation_is_the_fold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn made_anew_no_product_is_ahead_of_its_checkpoint() {
    let world = world().await;
    world.write(50).await;
    let projector = world.projector();
    world.caught_up().await;
    projector.stop().await;
    let before = world.version_of(3, 1).await;
    world.write(50).await;
    assert_eq!(rebuild_product(&world.stores, product(3)).await.unwrap().version, before);
    assert_eq!(world.version_of(3, 1).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_behind_in_one_part_is_not_swapped_in() {
    let world = world().await;
    world.write(50).await;
    let projector = world.projector();
    let stays = Plan { swap: false, ..plan(Source::Both) };
    replay(&world.stores, &stays, &Arc::default()).await.unwrap();
    world.caught_up().await;
    projector.stop().await;
    let mut connection = world.meta.pool.acquire().await.unwrap();
    let swap = Swap { from: 1, to: 2, reason: SwapReason::Replay, over: Over::Valid };
    world.execute("UPDATE checkpoint SET pos = pos - 1 WHERE generation = 2 AND part = 3".to_owned()).await;
    assert_eq!(meta::swap(&mut connection, swap).await.unwrap(), Swapped::Behind);
    assert_eq!(world.active().await, 1);
    world.execute("UPDATE checkpoint SET pos = pos + 1 WHERE generation = 2 AND part = 3".to_owned()).await;
    assert!(matches!(meta::swap(&mut connection, swap).await.unwrap(), Swapped::Yes(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_position_is_no_difference() {
    let world = world().await;
    world.write(50).await;
    let projector = world.projector();
    world.caught_up().await;
    projector.stop().await;
    // As a generation has it that was added up by an older program; and the product goes on.
    world.post(3).await;
    let ahead = "UPDATE product_meta SET version = version + 1, rating_4 = rating_4 + 1,
                 recommended_true = recommended_true + 1 WHERE product_id = 3";
    world.execute(ahead.to_owned()).await;
    world.post(3).await;
    let told = verify(&world.stores, None, None, &Arc::default()).await;
    assert!(
        matches!(told, Err(ReplayError::NoPositions { product_id, .. }) if product_id == product(3)),
        "{told:?}"
    );
    world.write(1).await;
    let verified = verify(&world.stores, None, None, &Arc::default()).await.unwrap();
    assert_eq!(verified.compared.differing, 0, "{:?}", verified.compared.differences);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_reviews_know_is_left_out_while_they_are_elsewhere_and_no_difference() {
    let world = world().await;
    world.write(50).await;
    let projector = world.projector();
    world.append_unreadable(3).await;
    world.write(20).await;
    world.caught_up().await;
    replay(&world.stores, &plan(Source::Snapshot), &Arc::default()).await.unwrap();
    projector.stop().await;
    let verified = async || verify(&world.stores, None, None, &Arc::default()).await.unwrap().compared;
    let at_rest = verified().await;
    assert_eq!((at_rest.differing, at_rest.parked), (0, Vec::new()), "the reviews are at its version");
    world.post(3).await;
    let beside = verified().await;
    assert_eq!((beside.differing, beside.parked), (0, vec![product(3)]), "{:?}", beside.differences);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_up_between_building_and_catching_up_the_product_goes_on() {
    for source in [Source::Log, Source::Snapshot, Source::Both] {
        let world = world().await;
        world.write(50).await;
        world.append_unreadable(3).await;
        world.write(20).await;
        let projector = world.projector();
        world.caught_up().await;
        world
            .execute(
                "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.wanted := 'pause'; RETURN NEW; END $$;
                 CREATE TRIGGER pause BEFORE UPDATE OF phase ON replay FOR EACH ROW WHEN (NEW.phase = 'catching-up')
                 EXECUTE FUNCTION pause()"
                    .to_owned(),
            )
            .await;
        let (stores, progress) = (world.stores.clone(), Arc::new(replay::Progress::default()));
        let shown = progress.clone();
        let work = tokio::spawn(async move { replay(&stores, &plan(source), &progress).await });
        eventually("it waits", || async { (shown.now().waiting == replay::Waiting::Paused).then_some(()) })
            .await;

        let parked = meta::parked_products(&world.meta.pool, Some(1), None, 10).await.unwrap();
        assert_eq!(parked.len(), 1);
        assert_eq!(
            meta::discard_parked(&world.meta.pool, product(3), parked[0].event_id, None).await.unwrap(),
            1
        );
        assert_eq!(rebuild_product(&world.stores, product(3)).await.unwrap().parked, None);
        world.execute("DROP TRIGGER pause ON replay".to_owned()).await;
        assert_eq!(ask(&world.stores, Wanted::Run).await.unwrap(), Asked::Yes(2));

        let replayed = work.await.unwrap().unwrap();
        assert_eq!((replayed.compared.differing, replayed.compared.parked.len()), (0, 0), "{replayed:?}");
        assert!(replayed.swap.is_some());
        world.caught_up().await;
        projector.stop().await;
        let meta = |generation| meta::product_at(&world.meta.pool, generation, product(3));
        assert_eq!(meta(1).await.unwrap(), meta(2).await.unwrap());
    }
}
