//! Replays of two real databases, with a projector beside them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod exact;
mod world;

use domain::{PROJECTION_VERSION, ProductMeta};
use meta::{Phase, Source, Wanted};
use replay::{
    Asked, Plan, ReplayError, Throttle, ask, cancel, prune, rebuild_product, repair, replay, rollback,
    verify, verify_products,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use testkit::{eventually, fold_of_log, product, products_of_meta};
use world::world;

fn plan(source: Source) -> Plan {
    Plan { source, ..Plan::careful(None) }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_gives_the_fold_of_the_log_and_answers_afterwards() {
    let world = world().await;
    world.write(400).await;
    let projector = world.projector();
    for (number, source) in [(2, Source::Log), (3, Source::Snapshot), (4, Source::Both)] {
        let replayed = replay(&world.stores, &plan(source), &Arc::default()).await.unwrap();
        assert_eq!((replayed.generation, replayed.source, replayed.resumed), (number, source, false));
        assert_eq!((replayed.compared.differing, replayed.compared.parked.len()), (0, 0));
        assert!(replayed.swap.is_some() && replayed.compared.products == 10);
        assert_eq!(world.active().await, number);
        assert_eq!(products_of_meta(&world.meta.pool).await, fold_of_log(&world.primary.pool).await);
    }
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_live_writers_nothing_is_missing_and_nothing_twice() {
    let world = world().await;
    world.write(200).await;
    let (projector, writer) = (world.projector(), world.writer());
    for source in [Source::Log, Source::Snapshot, Source::Both] {
        let replayed = replay(&world.stores, &plan(source), &Arc::default()).await.unwrap();
        assert_eq!(replayed.compared.differing, 0, "{:?}", replayed.compared.differences);
    }
    let verified = verify(&world.stores, None, None, &Arc::default()).await.unwrap();
    assert_eq!(verified.compared.differing, 0, "{:?}", verified.compared.differences);
    writer.stop().await;
    world.caught_up().await;
    projector.stop().await;
    world.assert_every_generation_is_the_fold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rolled_back_the_one_before_answers_and_has_everything() {
    let world = world().await;
    world.write(100).await;
    let projector = world.projector();
    assert!(matches!(rollback(&world.stores).await, Err(ReplayError::NoPrevious)));
    replay(&world.stores, &plan(Source::Both), &Arc::default()).await.unwrap();
    world.write(100).await;
    world.caught_up().await;
    let back = rollback(&world.stores).await.unwrap();
    assert_eq!((back.from, back.to, world.active().await), (2, 1, 1));
    assert_eq!(products_of_meta(&world.meta.pool).await, fold_of_log(&world.primary.pool).await);
    let forward = rollback(&world.stores).await.unwrap();
    assert_eq!((forward.from, forward.to), (1, 2));
    assert_eq!(prune(&world.stores, false).await.unwrap(), [1]);
    assert!(matches!(rollback(&world.stores).await, Err(ReplayError::NoPrevious)));
    assert_eq!(prune(&world.stores, false).await.unwrap(), Vec::<i32>::new());
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM product_meta WHERE generation = 1")
        .fetch_one(&world.meta.pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
    world.write(50).await;
    world.caught_up().await;
    projector.stop().await;
    world.assert_every_generation_is_the_fold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_groups_it_goes_on_where_it_stood() {
    let world = world().await;
    world.write(300).await;
    let projector = world.projector();
    // Whoever builds waits for a lock as soon as so many parts are built.
    sqlx::raw_sql(
        "CREATE TABLE hold (parts integer); INSERT INTO hold VALUES (0);
         CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF (SELECT count(*) FROM checkpoint WHERE generation = 2) >= (SELECT parts FROM hold) THEN
                 PERFORM pg_advisory_xact_lock(77);
             END IF;
             RETURN NULL;
         END $$;
         CREATE TRIGGER hold BEFORE INSERT ON checkpoint EXECUTE FUNCTION hold()",
    )
    .execute(&world.meta.pool)
    .await
    .unwrap();
    for parts in [0, 4, 24, 48] {
        sqlx::query("UPDATE hold SET parts = $1").bind(parts).execute(&world.meta.pool).await.unwrap();
        let mut held = world.meta.pool.begin().await.unwrap();
        sqlx::query("SELECT pg_advisory_xact_lock(77)").execute(&mut *held).await.unwrap();
        let plan = Plan { products_at_once: 1, ..plan(Source::Both) };
        let progress = Arc::default();
        tokio::select! {
            done = replay(&world.stores, &plan, &progress) => unreachable!("not held up after {parts} parts: {done:?}"),
            () = world.somebody_waits() => {}
        }
        held.rollback().await.unwrap();
        world.nobody_waits().await;
        assert!(world.parts_of(2).await >= parts, "what was built is kept");
        assert!(world.parts_of(2).await < 64);
    }
    let replayed = replay(&world.stores, &plan(Source::Both), &Arc::default()).await.unwrap();
    assert_eq!((replayed.generation, replayed.resumed, replayed.compared.differing), (2, true, 0));
    projector.stop().await;
    world.assert_every_generation_is_the_fold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_it_waits_resumed_it_goes_on_and_cancelled_nothing_is_left() {
    let world = world().await;
    world.write(100).await;
    assert_eq!(ask(&world.stores, Wanted::Pause).await.unwrap(), Asked::NoReplay);
    assert_eq!(cancel(&world.stores).await.unwrap(), None);
    let projector = world.projector();
    // Without a swap, so that it has not ended.
    let stays = Plan { swap: false, ..plan(Source::Both) };
    replay(&world.stores, &stays, &Arc::default()).await.unwrap();
    assert_eq!(world.active().await, 1);
    assert_eq!(ask(&world.stores, Wanted::Pause).await.unwrap(), Asked::NobodyWorks(2));
    let other = replay(&world.stores, &plan(Source::Log), &Arc::default()).await.unwrap_err();
    assert!(matches!(other, ReplayError::Unended { generation: 2, .. }), "{other}");

    // Whoever goes on is told to wait before it can swap.
    let (stores, swaps) = (world.stores.clone(), plan(Source::Both));
    sqlx::raw_sql(
        "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.wanted := 'pause'; RETURN NEW; END $$;
         CREATE TRIGGER pause BEFORE UPDATE OF phase ON replay FOR EACH ROW WHEN (NEW.phase = 'catching-up')
         EXECUTE FUNCTION pause()",
    )
    .execute(&world.meta.pool)
    .await
    .unwrap();
    let progress = Arc::new(replay::Progress::default());
    let shown = progress.clone();
    let work = tokio::spawn(async move { replay(&stores, &swaps, &progress).await });
    eventually("it waits", || async { (shown.now().waiting == replay::Waiting::Paused).then_some(()) }).await;
    assert!(matches!(
        replay(&world.stores, &plan(Source::Both), &Arc::default()).await,
        Err(ReplayError::Busy { generation: Some(2), paused: true })
    ));
    assert_eq!(world.active().await, 1);
    sqlx::raw_sql("DROP TRIGGER pause ON replay").execute(&world.meta.pool).await.unwrap();
    assert_eq!(ask(&world.stores, Wanted::Run).await.unwrap(), Asked::Yes(2));
    assert!(work.await.unwrap().unwrap().swap.is_some());
    assert_eq!(world.active().await, 2);

    let again = replay(&world.stores, &stays, &Arc::default()).await.unwrap();
    assert_eq!(again.generation, 3);
    assert_eq!(cancel(&world.stores).await.unwrap(), Some(3));
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM product_meta WHERE generation = 3)
              + (SELECT count(*) FROM checkpoint WHERE generation = 3)
              + (SELECT count(*) FROM generation WHERE generation = 3)",
    )
    .fetch_one(&world.meta.pool)
    .await
    .unwrap();
    assert_eq!(left, 0);
    let phases: Vec<Phase> =
        meta::replays(&world.stores.meta, 10).await.unwrap().into_iter().map(|replay| replay.phase).collect();
    assert_eq!(phases, [Phase::Cancelled, Phase::Swapped]);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_named_with_both_values_repaired_and_not_swapped_in() {
    let world = world().await;
    world.write(200).await;
    let projector = world.projector();
    world.caught_up().await;
    projector.stop().await;
    let fold = fold_of_log(&world.primary.pool).await;
    for damage in [
        "UPDATE product_meta SET rating_3 = rating_3 + 1 WHERE product_id = 1",
        "DELETE FROM product_meta WHERE product_id = 2",
        "UPDATE product_meta SET version = version - 1 WHERE product_id = 3",
        "UPDATE product_meta SET characteristics = '[]' WHERE product_id = 4",
        "UPDATE product_meta SET version = version + 5 WHERE product_id = 5",
        "UPDATE product_meta SET characteristics = '{}' WHERE product_id = 6",
        "UPDATE product_meta SET parked = true WHERE product_id = 7",
        "INSERT INTO product_meta (generation, part, product_id, version) VALUES (1, 20, 84, 3)",
    ] {
        sqlx::query(damage).execute(&world.meta.pool).await.unwrap();
    }
    let verified = verify(&world.stores, None, None, &Arc::default()).await.unwrap();
    assert_eq!((verified.generation, verified.compared.products, verified.compared.differing), (1, 11, 8));
    let expected: BTreeMap<i64, ProductMeta> =
        verified.compared.differences.iter().map(|d| (d.product_id.get(), d.expected.clone())).collect();
    assert_eq!(expected.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 84]);
    for id in 1..=7 {
        assert_eq!(expected[&id], fold[&id], "product {id}");
    }
    let first = &verified.compared.differences[0];
    assert_eq!(first.stored.ratings[2], first.expected.ratings[2] + 1);
    let damaged = verified.compared.differences.iter().filter(|d| d.damaged).map(|d| d.product_id.get());
    assert_eq!(damaged.collect::<Vec<_>>(), [6, 7]);
    let sampled = verify(&world.stores, Some(100), None, &Arc::default()).await.unwrap();
    assert_eq!(
        (sampled.sampled, sampled.compared.products, sampled.compared.differing),
        (true, 10, 7),
        "the primary knows no product 84"
    );
    let all = verify(&world.stores, Some(101), None, &Arc::default()).await.unwrap();
    assert_eq!((all.sampled, all.compared.products, all.compared.differing), (false, 11, 8));

    // A replay of the same log is right, whatever the generation that answers has.
    let repaired = repair(&world.stores, &verified.compared).await.unwrap();
    assert_eq!((repaired.rebuilt.len(), repaired.unmended.len()), (8, 0), "{repaired:?}");
    let verified = verify(&world.stores, None, None, &Arc::default()).await.unwrap();
    assert_eq!((verified.compared.products, verified.compared.differing, verified.behind), (10, 0, 0));
    assert_eq!(products_of_meta(&world.meta.pool).await, fold);

    // What it has is right, and it says how much it lacks.
    world.write(10).await;
    let verified = verify(&world.stores, None, None, &Arc::default()).await.unwrap();
    assert_eq!((verified.compared.differing, verified.behind), (0, 17), "10 reviews and 7 votes");
    testkit::post(&world.primary.pool_of("reviews_write"), product(3), &testkit::new_review(4)).await;
    let verified = verify(&world.stores, None, None, &Arc::default()).await.unwrap();
    assert_eq!((verified.compared.differing, verified.behind), (0, 18), "and one without a position");

    // Where log and reviews say different things, nothing is swapped in.
    sqlx::query("UPDATE reviews SET rating = 6 - rating WHERE rating <> 3 AND product_id = 7")
        .execute(&world.primary.pool)
        .await
        .unwrap();
    let projector = world.projector();
    let replayed = replay(&world.stores, &plan(Source::Both), &Arc::default()).await.unwrap();
    assert_eq!((replayed.swap, replayed.compared.differing), (None, 1));
    assert_eq!(replayed.compared.differences[0].product_id, product(7));
    assert_eq!(world.active().await, 1);
    // Nor is it called mended.
    let verified = verify(&world.stores, None, None, &Arc::default()).await.unwrap();
    let repaired = repair(&world.stores, &verified.compared).await.unwrap();
    assert_eq!((repaired.rebuilt.len(), repaired.unmended.len()), (1, 1), "{repaired:?}");
    assert!(repaired.is_unmended(product(7)) && !repaired.is_unmended(product(3)));
    projector.stop().await;
}

/// An event is damaged after it was folded: whoever makes its product anew can only make it worse.
#[tokio::test(flavor = "multi_thread")]
async fn what_answers_does_not_get_worse_unless_that_is_wanted() {
    let world = world().await;
    world.write(100).await;
    let projector = world.projector();
    world.caught_up().await;
    let in_generation = |generation| meta::product_at(&world.meta.pool, generation, product(3));
    let good = in_generation(1).await.unwrap();
    sqlx::query(
        "UPDATE event_log SET type = 'ReviewPosted.v9' WHERE product_id = 3 AND version =
             (SELECT max(version) FROM event_log WHERE product_id = 3)",
    )
    .execute(&world.primary.pool)
    .await
    .unwrap();

    let parked_anew = |error| matches!(error, Err(ReplayError::ParkedAnew { generation: 2, first, products: 1 }) if first == product(3));
    for _ in 0..2 {
        assert!(parked_anew(replay(&world.stores, &plan(Source::Both), &Arc::default()).await));
        assert_eq!(world.active().await, 1);
        let rebuilt = rebuild_product(&world.stores, product(3)).await.unwrap();
        assert_eq!((rebuilt.generations, rebuilt.kept), (vec![2], vec![1]));
        assert!(rebuilt.parked.unwrap().contains("ReviewPosted.v9"));
        assert_eq!(in_generation(1).await.unwrap(), good);
        assert!(in_generation(2).await.unwrap().0.parked);
    }
    let wanted = Plan { with_parked: true, ..plan(Source::Both) };
    assert!(replay(&world.stores, &wanted, &Arc::default()).await.unwrap().swap.is_some());
    assert_eq!(world.active().await, 2);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_product_is_made_anew_beside_live_writers() {
    let world = world().await;
    world.write(200).await;
    let projector = world.projector();
    world.caught_up().await;
    replay(&world.stores, &plan(Source::Both), &Arc::default()).await.unwrap();
    let writer = world.writer();
    for round in 0..20_i64 {
        let id = round % 10 + 1;
        sqlx::query("UPDATE product_meta SET rating_1 = rating_1 + 100 WHERE product_id = $1")
            .bind(id)
            .execute(&world.meta.pool)
            .await
            .unwrap();
        let rebuilt = rebuild_product(&world.stores, product(id)).await.unwrap();
        assert_eq!((rebuilt.generations, rebuilt.parked), (vec![1, 2], None));
        assert!(rebuilt.version.0 > 0 && rebuilt.events >= rebuilt.version.0.unsigned_abs());
    }
    writer.stop().await;
    world.caught_up().await;
    projector.stop().await;
    world.assert_every_generation_is_the_fold().await;
    assert_eq!(rebuild_product(&world.stores, product(999)).await.unwrap().version.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_generation_goes_on_beside_its_successor_and_back() {
    let world = world().await;
    sqlx::query("UPDATE generation SET projection_version = 1").execute(&world.meta.pool).await.unwrap();
    world.write(100).await;
    let projector = world.projector();
    let replayed = replay(&world.stores, &plan(Source::Both), &Arc::default()).await.unwrap();
    assert_eq!(replayed.compared.differing, 0);
    let versions: Vec<(i32, i32)> =
        sqlx::query_as("SELECT generation, projection_version FROM generation ORDER BY generation")
            .fetch_all(&world.meta.pool)
            .await
            .unwrap();
    assert_eq!(versions, [(1, 1), (2, PROJECTION_VERSION)]);
    world.write(100).await;
    world.caught_up().await;
    rollback(&world.stores).await.unwrap();
    assert_eq!(products_of_meta(&world.meta.pool).await, fold_of_log(&world.primary.pool).await);

    // What only the newer version can fold stands still in the older one, and goes on in the newer.
    world.erase_one().await;
    world.caught_up().await;
    let parked: Vec<i32> = sqlx::query_scalar("SELECT generation FROM parked_product")
        .fetch_all(&world.meta.pool)
        .await
        .unwrap();
    assert_eq!(parked, [1]);
    rollback(&world.stores).await.unwrap();
    assert_eq!(products_of_meta(&world.meta.pool).await, fold_of_log(&world.primary.pool).await);
    let verified = verify(&world.stores, None, None, &Arc::default()).await.unwrap();
    assert_eq!(verified.compared.differing, 0);

    // A generation of a version that nobody here knows is left alone.
    sqlx::query("UPDATE generation SET projection_version = 99 WHERE generation = 1")
        .execute(&world.meta.pool)
        .await
        .unwrap();
    world.write(50).await;
    world.caught_up().await;
    let behind: bool = sqlx::query_scalar(
        "SELECT bool_or(a.pos < b.pos) FROM checkpoint a JOIN checkpoint b USING (part) WHERE a.generation = 1 AND b.generation = 2",
    )
    .fetch_one(&world.meta.pool)
    .await
    .unwrap();
    assert!(behind);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_another_log_ends_beside_writers() {
    let world = world().await;
    world.write(50).await;
    let projector = world.projector();
    world.caught_up().await;
    projector.stop().await;
    sqlx::query("UPDATE log_identity SET epoch = gen_random_uuid()")
        .execute(&world.primary.pool)
        .await
        .unwrap();
    let writer = world.writer();
    let fresh = Plan { fresh: true, ..plan(Source::Both) };
    let progress = Arc::default();
    let replayed = replay(&world.stores, &fresh, &progress);
    let replayed = tokio::time::timeout(Duration::from_secs(60), replayed).await.unwrap().unwrap();
    assert_eq!((replayed.generation, replayed.compared.differing), (2, 0), "{:?}", replayed.compared);
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_is_for_another_log_only() {
    let world = world().await;
    world.write(50).await;
    let projector = world.projector();
    world.caught_up().await;
    let fresh = Plan { fresh: true, ..plan(Source::Both) };
    assert!(matches!(replay(&world.stores, &fresh, &Arc::default()).await, Err(ReplayError::SameLog)));
    projector.stop().await;
    sqlx::query("UPDATE log_identity SET epoch = gen_random_uuid()")
        .execute(&world.primary.pool)
        .await
        .unwrap();
    let refused = replay(&world.stores, &plan(Source::Both), &Arc::default()).await;
    assert!(refused.as_ref().is_err_and(ReplayError::is_other_log), "{refused:?}");
    let refused = verify(&world.stores, None, None, &Arc::default()).await;
    assert!(refused.as_ref().is_err_and(ReplayError::is_other_log), "{refused:?}");
    let refused = verify_products(&world.stores, &[product(1)]).await;
    assert!(refused.as_ref().is_err_and(ReplayError::is_other_log), "{refused:?}");
    let replayed = replay(&world.stores, &fresh, &Arc::default()).await.unwrap();
    assert_eq!((replayed.generation, replayed.compared.differing), (2, 0));
    let states: Vec<(i32, String)> =
        sqlx::query_as("SELECT generation, state FROM generation ORDER BY generation")
            .fetch_all(&world.meta.pool)
            .await
            .unwrap();
    assert_eq!(states, [(1, "dropped".to_owned()), (2, "live".to_owned())]);
    let projector = world.projector();
    world.write(50).await;
    world.caught_up().await;
    projector.stop().await;
    assert_eq!(prune(&world.stores, false).await.unwrap(), [1]);
    world.assert_every_generation_is_the_fold().await;
}

/// Changes a checkpoint by hand, and is back as it was afterwards.
async fn with_checkpoint<T>(world: &world::World, damage: &'static str, work: impl Future<Output = T>) -> T {
    for statement in ["CREATE TABLE kept AS SELECT * FROM checkpoint", damage] {
        sqlx::query(statement).execute(&world.meta.pool).await.unwrap();
    }
    let done = work.await;
    sqlx::raw_sql(
        "UPDATE checkpoint c SET pos = k.pos, event_id = k.event_id, epoch = k.epoch FROM kept k
         WHERE (k.generation, k.part) = (c.generation, c.part);
         DROP TABLE kept",
    )
    .execute(&world.meta.pool)
    .await
    .unwrap();
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn rolled_back_is_from_a_damaged_generation_and_never_to_one() {
    let world = world().await;
    world.write(50).await;
    let projector = world.projector();
    replay(&world.stores, &plan(Source::Log), &Arc::default()).await.unwrap();
    world.caught_up().await;
    projector.stop().await;
    let back = || rollback(&world.stores);
    let damage = "UPDATE checkpoint SET event_id = gen_random_uuid() WHERE generation = 2 AND part = 3";
    let refused = with_checkpoint(&world, damage, prune(&world.stores, false)).await.unwrap_err();
    assert!(refused.is_other_log(), "the other one is the way back: {refused}");
    let refused = with_checkpoint(
        &world,
        "UPDATE checkpoint SET event_id = gen_random_uuid() WHERE generation = 1 AND part = 3",
        back(),
    );
    let refused = refused.await.unwrap_err();
    assert!(refused.is_other_log() && refused.to_string().contains("generation 1 of meta"), "{refused}");
    assert_eq!(world.active().await, 2);
    // Far ahead of the one before, by what it says, which counts for nothing.
    let damage = "UPDATE checkpoint SET pos = pos + 1000 WHERE generation = 2 AND part = 3";
    let rolled = with_checkpoint(&world, damage, back()).await.unwrap();
    assert_eq!((rolled.from, rolled.to, world.active().await), (2, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_none_answers_nothing_is_pruned_and_a_replay_has_one_answer_first() {
    let world = world().await;
    world.write(50).await;
    let projector = world.projector();
    replay(&world.stores, &plan(Source::Log), &Arc::default()).await.unwrap();
    sqlx::query("DELETE FROM active_generation").execute(&world.meta.pool).await.unwrap();
    assert!(meta::surplus_generations(&world.meta.pool).await.unwrap().is_empty());
    for keep_previous in [false, true] {
        let refused = prune(&world.stores, keep_previous).await;
        assert!(matches!(refused, Err(ReplayError::NoneAnswers)), "{refused:?}");
    }
    let replayed = replay(&world.stores, &plan(Source::Log), &Arc::default()).await.unwrap();
    assert_eq!((replayed.generation, world.active().await), (3, 3));
    assert_eq!(meta::previous_generation(&world.meta.pool).await.unwrap(), Some(2));
    assert_eq!(prune(&world.stores, true).await.unwrap(), [1]);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_live_writers_it_takes_small_bites_and_comes_to_its_end() {
    let world = world().await;
    world.write(200).await;
    let latency = primary::CommandLatency {
        commands: 100,
        p99: Duration::from_millis(3),
        max: Duration::from_millis(3),
        ..Default::default()
    };
    let busy = world.busy_writer(latency).await;
    let projector = world.projector();
    let throttled = Plan { throttle: Some(Throttle::new(Duration::from_millis(20))), ..plan(Source::Both) };
    let (stores, progress) = (world.stores.clone(), Arc::new(replay::Progress::default()));
    let shown = progress.clone();
    let work = tokio::spawn(async move { replay(&stores, &throttled, &progress).await });
    eventually("it stores part by part", || async {
        let replay::At { stage, done, total, .. } = shown.now();
        (stage == replay::Stage::Storing && (1..64).contains(&done)).then(|| assert_eq!(total, 64))
    })
    .await;
    assert_eq!(work.await.unwrap().unwrap().compared.differing, 0);
    projector.stop().await;
    busy.stop().await;
}

/// Whoever asks for the same as a replay that ends while it waits is not given another generation.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_replay_that_waited_for_the_first_does_not_begin_another() {
    let world = world().await;
    world.write(50).await;
    let projector = world.projector();
    let held = world.hold_at("ready").await;
    let begin = || {
        let stores = world.stores.clone();
        tokio::spawn(async move { replay(&stores, &plan(Source::Both), &Arc::default()).await })
    };
    let first = begin();
    world.somebody_waits().await;
    let second = begin();
    eventually("the second has found the first at work", || async {
        let tried = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND query LIKE 'SELECT pg_try_advisory_lock%'";
        let tried: i64 = sqlx::query_scalar(tried).fetch_one(&world.meta.pool).await.unwrap();
        (tried == 2).then_some(())
    })
    .await;
    held.rollback().await.unwrap();
    assert!(first.await.unwrap().unwrap().swap.is_some());
    let second = second.await.unwrap();
    let ended = ReplayError::EndedMeanwhile { generation: 2, ended: Phase::Swapped };
    assert_eq!(second.unwrap_err().to_string(), ended.to_string());
    let generations: i64 =
        sqlx::query_scalar("SELECT count(*) FROM generation").fetch_one(&world.meta.pool).await.unwrap();
    assert_eq!((generations, world.active().await), (2, 2));
    // Asked again, it is what is wanted.
    assert_eq!(replay(&world.stores, &plan(Source::Both), &Arc::default()).await.unwrap().generation, 3);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_count_as_built_when_they_are_stored() {
    let world = world().await;
    world.write(50).await;
    let projector = world.projector();
    sqlx::raw_sql(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NEW; END $$;
         CREATE TRIGGER hold BEFORE INSERT ON checkpoint FOR EACH ROW EXECUTE FUNCTION hold()",
    )
    .execute(&world.meta.pool)
    .await
    .unwrap();
    let mut held = world.meta.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(77)").execute(&mut *held).await.unwrap();
    let (stores, progress) = (world.stores.clone(), Arc::new(replay::Progress::default()));
    let shown = progress.clone();
    let work = tokio::spawn(async move { replay(&stores, &plan(Source::Snapshot), &progress).await });
    world.somebody_waits().await;
    let replay::At { stage, done, total, .. } = shown.now();
    assert_eq!((stage, done), (replay::Stage::Building, 0));
    assert!(total > 0);
    held.rollback().await.unwrap();
    let replayed = work.await.unwrap().unwrap();
    assert_eq!(replayed.events.unsigned_abs(), total);
    let replay::At { stage, done, total, .. } = shown.now();
    assert_eq!((stage, done, total), (replay::Stage::Verifying, 10, 10));
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_projector_it_says_that_it_waits_for_one() {
    let world = world().await;
    world.write(50).await;
    let projector = world.projector();
    world.caught_up().await;
    let held = world.hold_at("catching-up").await;
    let (stores, progress) = (world.stores.clone(), Arc::new(replay::Progress::default()));
    let shown = progress.clone();
    let work = tokio::spawn(async move { replay(&stores, &plan(Source::Both), &progress).await });
    world.somebody_waits().await;
    // The one that answers goes on, and nobody brings the new one there.
    world.write(5).await;
    world.caught_up().await;
    projector.stop().await;
    held.rollback().await.unwrap();
    let at = eventually("it says so", || async {
        let at = shown.now();
        (at.waiting == replay::Waiting::Projector).then_some(at)
    })
    .await;
    assert!(at.stage == replay::Stage::CatchingUp && at.done < at.total, "{at:?}");
    let projector = world.projector();
    assert!(work.await.unwrap().unwrap().swap.is_some());
    projector.stop().await;
}

/// The reviews know what an event said that is gone from the log.
#[tokio::test(flavor = "multi_thread")]
async fn over_a_hole_in_the_log_the_reviews_help() {
    let world = world().await;
    world.write(100).await;
    let projector = world.projector();
    world.caught_up().await;
    projector.stop().await;
    let checkpoints = meta::checkpoints_of(&world.meta.pool, 1).await.unwrap();
    world.write(20).await;
    let next = checkpoints.iter().find(|c| c.part == product(5).part()).unwrap().pos.next();
    let lost = sqlx::query("DELETE FROM event_log WHERE part = 5 AND pos = $1").bind(next.0);
    assert_eq!(lost.execute(&world.primary.pool).await.unwrap().rows_affected(), 1);

    let broken = replay(&world.stores, &plan(Source::Both), &Arc::default()).await.unwrap_err();
    assert!(matches!(broken, ReplayError::LogBroken { .. }), "{broken}");
    assert!(broken.to_string().contains("`reviewsctl replay --source snapshot`"), "{broken}");
    assert_eq!(cancel(&world.stores).await.unwrap(), Some(2));
    let replayed = replay(&world.stores, &plan(Source::Snapshot), &Arc::default()).await.unwrap();
    assert!(replayed.swap.is_some() && replayed.compared.differing == 0, "{replayed:?}");
    // The one before cannot go on, and holds the projector up.
    world.write_beside_a_hole(20).await;
    let folding = projection::MetaConnection::of(&world.meta.pool);
    let mut batch = projection::Batch::default();
    let heads = primary::log_heads(&world.primary.pool).await.unwrap();
    domain::log_parts().for_each(|part| batch.ask(part, heads[part.index()]));
    let stuck = projection::project(&world.primary.pool, &folding, &batch).await;
    assert!(matches!(stuck, Err(projection::ProjectError::LogBroken { .. })), "{stuck:?}");
    assert_eq!(prune(&world.stores, false).await.unwrap(), [1]);
    let projector = world.projector();
    world.caught_up().await;
    projector.stop().await;
    for id in 1..=10 {
        let reviews = primary::product_meta(&world.primary.pool, product(id)).await.unwrap();
        assert_eq!(products_of_meta(&world.meta.pool).await[&id], reviews, "product {id}");
    }
}
