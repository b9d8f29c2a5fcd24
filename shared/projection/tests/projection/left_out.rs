//! A generation that does not fit the log must not hold up the one that answers, which does.

use super::{Stores, stores};
use domain::{Part, Position, log_parts};
use projection::{Batch, ProjectError, leave_out, project, same_log};

/// A second generation beside the one that answers, as far as it is.
const BESIDE: &str = "
    INSERT INTO generation (projection_version) SELECT projection_version FROM generation;
    INSERT INTO checkpoint (generation, part, pos, epoch, event_id)
    SELECT 2, part, pos, epoch, event_id FROM checkpoint;
    INSERT INTO product_meta SELECT (jsonb_populate_record(m, '{\"generation\": 2}')).* FROM product_meta m";

impl Stores {
    async fn execute(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.meta.pool).await.unwrap();
    }

    async fn pull(&self) -> Result<usize, ProjectError> {
        let mut batch = Batch::default();
        log_parts().for_each(|part| batch.ask(part, Position(i64::from(i32::MAX))));
        project(&self.log, &self.folding, &batch).await.map(|projected| projected.events)
    }

    async fn leave_out(&self, error: &ProjectError) -> Result<Vec<i32>, ProjectError> {
        leave_out(&self.log, &self.projection, error).await
    }

    async fn states(&self) -> Vec<(i32, String, Option<String>)> {
        sqlx::query_as("SELECT generation, state, invalid_because FROM generation ORDER BY generation")
            .fetch_all(&self.meta.pool)
            .await
            .unwrap()
    }

    /// Everything is folded into the generation that answers, and no more is there to fold.
    async fn assert_goes_on(&self) {
        while self.pull().await.unwrap() > 0 {}
        self.execute("DELETE FROM product_meta WHERE generation = 2").await;
        self.assert_meta_is_the_fold().await;
    }
}

#[tokio::test]
async fn a_damaged_checkpoint_of_one_that_does_not_answer_holds_nothing_up() {
    for damage in [
        "UPDATE checkpoint SET pos = pos - 2 WHERE generation = 2 AND part = 3",
        "UPDATE checkpoint SET pos = pos + 1000 WHERE generation = 2 AND part = 3",
        "UPDATE checkpoint SET event_id = gen_random_uuid() WHERE generation = 2 AND part = 3",
        "UPDATE checkpoint SET epoch = gen_random_uuid() WHERE generation = 2 AND part = 3",
    ] {
        let stores = stores().await;
        stores.write(50).await;
        stores.catch_up().await;
        stores.execute(BESIDE).await;
        stores.execute(damage).await;
        stores.write(50).await;
        // However it comes across it: while it folds, or when it compares.
        let found = match stores.pull().await {
            Err(error) => error,
            Ok(_) => {
                let checkpoints = meta::read_checkpoints(&stores.projection).await.unwrap();
                same_log(&stores.log, &checkpoints).await.unwrap_err()
            }
        };
        assert!(matches!(found, ProjectError::OtherLog { generation: 2, .. }), "{damage}: {found:?}");
        assert_eq!(stores.leave_out(&found).await.unwrap(), [2], "{damage}");
        let [first, second] = stores.states().await.try_into().unwrap();
        assert_eq!(first, (1, "live".to_owned(), None));
        assert_eq!((second.0, second.1.as_str()), (2, "invalid"));
        assert!(second.2.unwrap().starts_with("part 3 stands at position "), "{damage}");
        // Once is enough.
        assert!(stores.leave_out(&found).await.unwrap().is_empty());
        stores.assert_goes_on().await;
    }
}

#[tokio::test]
async fn where_the_one_that_answers_does_not_fit_none_is_left_out() {
    let stores = stores().await;
    stores.write(50).await;
    stores.catch_up().await;
    stores.execute(BESIDE).await;
    stores.execute("UPDATE checkpoint SET event_id = gen_random_uuid() WHERE part = 3").await;
    stores.write(50).await;
    let at = |generation| {
        let checkpoints = meta::checkpoints_of(&stores.projection, generation);
        async { same_log(&stores.log, &checkpoints.await.unwrap()).await.unwrap_err() }
    };
    // It is the one that has to be mended, whichever was met first.
    let told = stores.leave_out(&at(2).await).await.unwrap_err();
    assert!(matches!(told, ProjectError::OtherLog { generation: 1, .. }), "{told:?}");
    assert!(stores.leave_out(&at(1).await).await.unwrap().is_empty());
    assert!(stores.states().await.iter().all(|(_, state, _)| state == "live"));
}

#[tokio::test]
async fn a_hole_that_the_one_that_answers_is_past_holds_nothing_up() {
    let stores = stores().await;
    stores.write(50).await;
    stores.catch_up().await;
    stores.execute(BESIDE).await;
    stores.write(50).await;
    let part = Part::try_from(3).unwrap();
    let hole = {
        let checkpoints = meta::checkpoints_of(&stores.projection, 1).await.unwrap();
        checkpoints[part.index()].pos.next()
    };
    sqlx::query("DELETE FROM event_log WHERE part = 3 AND pos = $1")
        .bind(hole.0)
        .execute(&stores.primary.pool)
        .await
        .unwrap();
    let found = stores.pull().await.unwrap_err();
    assert!(matches!(found, ProjectError::LogBroken { pos, .. } if pos == hole), "{found:?}");
    // It holds both up.
    assert!(stores.leave_out(&found).await.unwrap().is_empty());
    // Made from the reviews, one is past it.
    sqlx::query("UPDATE checkpoint SET pos = $1, event_id = $2 WHERE generation = 1 AND part = 3")
        .bind(hole.0 + 1)
        .bind(stores.event_at(hole.next()).await)
        .execute(&stores.meta.pool)
        .await
        .unwrap();
    assert_eq!(stores.leave_out(&found).await.unwrap(), [2]);
    assert!(stores.pull().await.unwrap() > 0);
    let because = stores.states().await[1].2.clone().unwrap();
    assert!(because.starts_with("the log has no event at position "), "{because}");
}

impl Stores {
    async fn event_at(&self, pos: Position) -> uuid::Uuid {
        sqlx::query_scalar("SELECT event_id FROM event_log WHERE part = 3 AND pos = $1")
            .bind(pos.0)
            .fetch_one(&self.primary.pool)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn one_answers_again_when_none_does_the_one_that_did_last() {
    let stores = stores().await;
    stores.execute(BESIDE).await;
    let again = || meta::see_to_an_answer(&stores.projection);
    assert_eq!(again().await.unwrap(), None, "one does");
    stores.execute("DELETE FROM active_generation").await;
    assert!(
        !meta::invalidate_generation(&stores.projection, 2, "a test").await.unwrap(),
        "it may have to answer"
    );
    assert_eq!(again().await.unwrap(), Some(1), "the first, when none was ever swapped in");
    stores
        .execute(
            "INSERT INTO swap (from_generation, to_generation, why) VALUES (1, 2, 'replay');
             DELETE FROM active_generation",
        )
        .await;
    assert_eq!(again().await.unwrap(), Some(2), "the one that was swapped in last");
    stores
        .execute(
            "DELETE FROM active_generation; UPDATE generation SET state = 'dropped' WHERE generation = 2",
        )
        .await;
    assert_eq!(again().await.unwrap(), Some(1), "the one before it");
    stores.execute("DELETE FROM active_generation; UPDATE generation SET state = 'building'").await;
    assert_eq!(again().await.unwrap(), None, "there is none");
    meta::begin_first_generation(&stores.projection, stores.epoch().await).await.unwrap();
    let active = meta::active_generation(&stores.projection).await.unwrap();
    assert_eq!(active.map(|(generation, _)| generation), Some(3), "one is begun, as on the first day");
    stores.write(20).await;
    while stores.pull().await.unwrap() > 0 {}
    stores.assert_meta_is_the_fold().await;
}
