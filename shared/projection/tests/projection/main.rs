//! Batches against two real databases, without a broker: what a broker may do to messages
//! (lose, repeat, reorder) is done here to batches.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod golden;
mod left_out;
mod restore;

use domain::{Epoch, LinkedEvent, LogEvent, Position, log_parts};
use primary::{LogRange, VoteKind, pull_events, sequence_events};
use projection::{Batch, MetaConnection, ProjectError, Projected, project};
use sqlx::PgPool;
use testkit::{
    TestDatabase, assert_log_is_whole, define_characteristics, eventually, fold_of_log, meta_database,
    new_review, post, primary_database, product, products_of_meta, vote,
};
use tokio::task::JoinSet;

/// Two databases, and the projector's connections to them.
struct Stores {
    primary: TestDatabase,
    meta: TestDatabase,
    log: PgPool,
    projection: PgPool,
    folding: MetaConnection,
}

async fn stores() -> Stores {
    let (primary, meta) = (primary_database().await, meta_database().await);
    let (log, projection) = (primary.pool_of("reviews_projector"), meta.pool_of("reviews_projector"));
    let epoch = primary::log_epoch(&log).await.unwrap();
    meta::begin_first_generation(&projection, epoch).await.unwrap();
    let folding = MetaConnection::of(&projection);
    Stores { primary, meta, log, projection, folding }
}

impl Stores {
    /// Writes `count` events over ten products with two characteristics each, and sequences them.
    async fn write(&self, count: i64) {
        let pool = self.primary.pool_of("reviews_write");
        for id in 1..=10 {
            let there: i64 = sqlx::query_scalar("SELECT count(*) FROM characteristics WHERE product_id = $1")
                .bind(id)
                .fetch_one(&self.primary.pool)
                .await
                .unwrap();
            if there == 0 {
                let names = [(id * 10, "Fit"), (id * 10 + 1, "Size")];
                define_characteristics(&self.primary.pool, product(id), &names).await;
            }
        }
        for n in 0..count {
            let id = n % 10 + 1;
            let mut review = new_review(n % 5 + 1);
            let value = |at: i64| ((at).try_into().unwrap(), (n % 5 + 1).try_into().unwrap(), "".into());
            review.characteristics = vec![value(id * 10), value(id * 10 + 1)];
            let posted = post(&pool, product(id), &review).await;
            match n % 3 {
                0 => drop(vote(&pool, posted.review_id, VoteKind::Helpful).await),
                1 => drop(vote(&pool, posted.review_id, VoteKind::Report).await),
                _ => {}
            }
        }
        let mut connection = pool.acquire().await.unwrap();
        while !sequence_events(&mut connection).await.unwrap().is_empty() {}
        assert_log_is_whole(&self.primary.pool).await;
    }

    /// All events of the log, by part and position, as the relay sends them.
    async fn log(&self) -> Vec<LinkedEvent> {
        let range = |part| LogRange { part, after: Position(0), events_max: i64::from(i32::MAX) };
        let ranges: Vec<LogRange> = log_parts().map(range).collect();
        let mut last: Option<LogEvent> = None;
        let linked = |event: LogEvent| {
            let before = last.replace(event.clone()).filter(|before| before.part == event.part);
            LinkedEvent { event, previous: before.map(|before| before.event_id) }
        };
        pull_events(&self.log, &ranges).await.unwrap().events.into_iter().map(linked).collect()
    }

    /// Folds events that came in a message of the log as it is now.
    async fn project(
        &self,
        events: impl IntoIterator<Item = LinkedEvent>,
    ) -> Result<Projected, ProjectError> {
        let mut batch = Batch::default();
        batch.add(Some(self.epoch().await), events.into_iter().collect());
        project(&self.log, &self.folding, &batch).await
    }

    async fn epoch(&self) -> Epoch {
        primary::log_epoch(&self.log).await.unwrap()
    }

    /// Pulls until nothing is behind.
    async fn catch_up(&self) {
        let heads = primary::log_heads(&self.log).await.unwrap();
        loop {
            let mut batch = Batch::default();
            log_parts().for_each(|part| batch.ask(part, heads[part.index()]));
            if project(&self.log, &self.folding, &batch).await.unwrap().events == 0 {
                return;
            }
        }
    }

    async fn assert_meta_is_the_fold(&self) {
        let (log, meta) = (fold_of_log(&self.primary.pool).await, products_of_meta(&self.meta.pool).await);
        assert!(!log.is_empty());
        assert_eq!(meta, log);
    }

    /// The sum of all checkpoints.
    async fn positions(&self) -> i64 {
        let sum = sqlx::query_scalar("SELECT sum(pos)::bigint FROM checkpoint");
        sum.fetch_one(&self.meta.pool).await.unwrap()
    }

    async fn parked(&self) -> Vec<(i64, i64, String)> {
        let parked = sqlx::query_as("SELECT product_id, pos, reason FROM parked_product ORDER BY product_id");
        parked.fetch_all(&self.meta.pool).await.unwrap()
    }

    /// Appends an event to a product's log, in the way of a write, with any type and payload.
    async fn append(&self, product_id: i64, event_type: &str, payload: &str) {
        sqlx::query(
            "WITH s AS (INSERT INTO product_stream AS s (part, product_id, version) VALUES ($1::bigint % 64, $1, 1)
                        ON CONFLICT (part, product_id) DO UPDATE SET version = s.version + 1 RETURNING version)
             INSERT INTO outbox (part, product_id, version, event_id, type, payload)
             SELECT $1 % 64, $1, version, gen_random_uuid(), $2, $3::json FROM s",
        )
        .bind(product_id)
        .bind(event_type)
        .bind(payload)
        .execute(&self.primary.pool)
        .await
        .unwrap();
        let mut connection = self.primary.pool.acquire().await.unwrap();
        sequence_events(&mut connection).await.unwrap();
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

#[tokio::test]
async fn events_in_order_fold_once_and_again_change_nothing() {
    let stores = stores().await;
    stores.write(200).await;
    let log = stores.log().await;
    let first = stores.project(log.clone()).await.unwrap();
    assert_eq!((first.events, first.pulled, first.parkings.len()), (log.len(), 0, 0));
    stores.assert_meta_is_the_fold().await;
    let again = stores.project(log).await.unwrap();
    assert_eq!(again.events, 0);
    stores.assert_meta_is_the_fold().await;
}

#[tokio::test]
async fn messages_lost_repeated_and_reordered_end_in_the_fold_of_the_log() {
    let stores = stores().await;
    let mut dice = Dice(20_261_124);
    let mut pulled = 0;
    for _ in 0..6 {
        stores.write(80).await;
        let log = stores.log().await;
        for _ in 0..25 {
            // A message: some events after any place, whether they came before or are far ahead.
            let at = dice.below(log.len());
            let some: Vec<LinkedEvent> = log[at..].iter().take(dice.below(30) + 1).cloned().collect();
            pulled += stores.project(some).await.unwrap().pulled;
            let (log, meta) =
                (fold_of_log(&stores.primary.pool).await, products_of_meta(&stores.meta.pool).await);
            assert!(meta.iter().all(|(id, meta)| meta.version <= log[id].version));
        }
    }
    assert!(pulled > 0, "no gap was tried");
    stores.catch_up().await;
    stores.assert_meta_is_the_fold().await;
}

#[tokio::test]
async fn a_hole_in_a_message_is_pulled_at_once() {
    let stores = stores().await;
    stores.write(100).await;
    let of_part_1: Vec<LinkedEvent> =
        stores.log().await.into_iter().filter(|e| e.event.part.get() == 1).collect();
    let (first, rest) = (of_part_1[0].clone(), of_part_1[of_part_1.len() / 2..].to_vec());
    assert_eq!(stores.project([first]).await.unwrap().pulled, 0);
    let projected = stores.project(rest).await.unwrap();
    assert_eq!((projected.events, projected.pulled), (of_part_1.len() - 1, of_part_1.len() - 1));
    let meta = products_of_meta(&stores.meta.pool).await;
    assert_eq!(meta[&1], fold_of_log(&stores.primary.pool).await[&1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_while_it_waits_it_begins_again_where_it_stood() {
    let stores = stores().await;
    for (step, database, lock) in [
        ("locking the checkpoints", &stores.meta, "SELECT pos FROM checkpoint FOR UPDATE"),
        ("pulling", &stores.primary, "LOCK TABLE event_log"),
        ("loading the products", &stores.meta, "LOCK TABLE product_meta"),
        ("storing the products", &stores.meta, "LOCK TABLE product_meta IN SHARE MODE"),
        ("moving the checkpoints", &stores.meta, "LOCK TABLE checkpoint IN SHARE MODE"),
    ] {
        stores.write(40).await;
        // Every second event: the rest is pulled.
        let message: Vec<LinkedEvent> =
            stores.log().await.into_iter().filter(|e| e.event.pos.0 % 2 == 0).collect();
        let (meta, at) = (products_of_meta(&stores.meta.pool).await, stores.positions().await);

        let mut held = database.pool.begin().await.unwrap();
        sqlx::query(lock).execute(&mut *held).await.unwrap();
        let waits = eventually(step, || async {
            let waits = "SELECT count(*) FROM pg_stat_activity
                         WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let waits: i64 = sqlx::query_scalar(waits).fetch_one(&database.pool).await.unwrap();
            (waits > 0).then_some(())
        });
        tokio::select! {
            done = stores.project(message.clone()) => unreachable!("not held up while {step}: {done:?}"),
            () = waits => {}
        }
        held.rollback().await.unwrap();

        assert_eq!(products_of_meta(&stores.meta.pool).await, meta, "{step}");
        assert_eq!(stores.positions().await, at, "{step}");
        assert!(stores.project(message).await.unwrap().events > 0, "{step}");
        stores.catch_up().await;
        stores.assert_meta_is_the_fold().await;
    }
}

#[tokio::test]
async fn a_crash_between_any_two_steps_leaves_nothing_of_the_batch() {
    let stores = stores().await;
    stores.write(60).await;
    stores.catch_up().await;
    // The server process of the transaction ends itself where the trigger stands.
    sqlx::raw_sql(
        "CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
    )
    .execute(&stores.meta.pool)
    .await
    .unwrap();
    for (step, trigger) in [
        ("locked and folded", "CREATE TRIGGER crash BEFORE INSERT ON product_meta EXECUTE FUNCTION crash()"),
        ("stored", "CREATE TRIGGER crash AFTER INSERT ON product_meta EXECUTE FUNCTION crash()"),
        (
            "about to move the checkpoints",
            "CREATE TRIGGER crash BEFORE UPDATE ON checkpoint EXECUTE FUNCTION crash()",
        ),
        ("moved them", "CREATE TRIGGER crash AFTER UPDATE ON checkpoint EXECUTE FUNCTION crash()"),
        (
            "about to commit",
            "CREATE CONSTRAINT TRIGGER crash AFTER UPDATE ON checkpoint DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION crash()",
        ),
    ] {
        stores.write(60).await;
        let log = stores.log().await;
        let (meta, at) = (products_of_meta(&stores.meta.pool).await, stores.positions().await);
        sqlx::raw_sql(trigger).execute(&stores.meta.pool).await.unwrap();
        let crashed = stores.project(log.clone()).await;
        assert!(matches!(crashed, Err(ProjectError::Store(_))), "{step}: {crashed:?}");
        assert_eq!(products_of_meta(&stores.meta.pool).await, meta, "{step}");
        assert_eq!(stores.positions().await, at, "{step}");
        let drop = "DROP TRIGGER IF EXISTS crash ON product_meta; DROP TRIGGER IF EXISTS crash ON checkpoint";
        sqlx::raw_sql(drop).execute(&stores.meta.pool).await.unwrap();
        // Committed, but the acknowledgement was not heard: the message comes again.
        assert!(stores.project(log.clone()).await.unwrap().events > 0, "{step}");
        assert_eq!(stores.project(log).await.unwrap().events, 0, "{step}");
        stores.assert_meta_is_the_fold().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projectors_at_once_fold_each_event_once() {
    let stores = std::sync::Arc::new(stores().await);
    stores.write(300).await;
    let log = stores.log().await;
    let mut projectors = JoinSet::new();
    for projector in 0..4 {
        let (stores, log) = (stores.clone(), log.clone());
        projectors.spawn(async move {
            let mut dice = Dice(projector + 1);
            let mut folded = 0;
            for _ in 0..20 {
                let at = dice.below(log.len());
                let message: Vec<LinkedEvent> = log[at..].iter().take(50).cloned().collect();
                folded += stores.project(message).await.unwrap().events;
            }
            folded
        });
    }
    let folded: usize = projectors.join_all().await.into_iter().sum();
    let at = stores.positions().await;
    assert_eq!(i64::try_from(folded).unwrap(), at);
    stores.catch_up().await;
    stores.assert_meta_is_the_fold().await;
}

#[tokio::test]
async fn what_cannot_be_read_parks_its_product_and_no_other() {
    let stores = stores().await;
    stores.write(50).await;
    stores.append(3, "ReviewPosted.v9", "{}").await;
    stores.append(4, "ReviewPosted.v1", r#"{"review_id":1,"rating":9,"recommend":true}"#).await;
    let foreign = r#"{"review_id":1,"rating":5,"recommend":true,"characteristics":{"999":5}}"#;
    stores.append(5, "ReviewPosted.v1", foreign).await;
    stores.write(50).await;
    let before: i64 =
        sqlx::query_scalar("SELECT sum(head)::bigint FROM log_head").fetch_one(&stores.log).await.unwrap();
    stores.catch_up().await;

    let parked = stores.parked().await;
    assert_eq!(parked.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(parked[0].2, "event type \"ReviewPosted.v9\" is unknown to this version");
    assert!(
        parked[1].2.starts_with("payload of a ReviewPosted.v1 does not have its shape: "),
        "{}",
        parked[1].2
    );
    assert_eq!(parked[2].2, "characteristic 999 is not one of the product's");
    let at = stores.positions().await;
    assert_eq!(at, before, "the checkpoints go on");

    let answer = meta::product_answer(&stores.projection, product(3)).await.unwrap().unwrap();
    assert!(answer.parked && answer.meta.ratings.iter().sum::<i64>() == 5, "{answer:?}");
    let meta = products_of_meta(&stores.meta.pool).await;
    assert_eq!(meta.keys().copied().collect::<Vec<_>>(), [1, 2, 6, 7, 8, 9, 10]);
    assert!(meta.values().all(|meta| meta.ratings.iter().sum::<i64>() == 10));
}

#[tokio::test]
async fn what_the_database_does_not_take_parks_its_product_and_no_other() {
    let stores = stores().await;
    stores.write(20).await;
    let refuse = "ALTER TABLE product_meta ADD CONSTRAINT refuse CHECK (product_id <> 7 OR version < 5)";
    sqlx::raw_sql(refuse).execute(&stores.meta.pool).await.unwrap();
    stores.write(20).await;
    stores.catch_up().await;
    let parked = stores.parked().await;
    assert_eq!(parked.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [7]);
    assert!(parked[0].2.contains("refuse"), "{parked:?}");
    let meta = products_of_meta(&stores.meta.pool).await;
    assert_eq!(meta.len(), 9);
    assert!(meta.values().all(|meta| meta.ratings.iter().sum::<i64>() == 4));
}

#[tokio::test]
async fn a_character_that_no_column_holds_is_the_fault_of_its_event_and_of_none_after_it() {
    let stores = stores().await;
    stores.write(20).await;
    // JSON may say U+0000, which no text of the databases can hold.
    let payload = r#"{"characteristics":[{"id":777,"name":"a\u0000b"}]}"#;
    stores.append(7, "CharacteristicsDefined.v1", payload).await;
    let (part, head) = (product(7).part(), primary::log_heads(&stores.log).await.unwrap()[7]);
    stores.write(20).await;
    stores.catch_up().await;
    let reason = "a characteristic's name has the character U+0000, which the database cannot hold";
    assert_eq!(stores.parked().await, [(7, head.0, reason.to_owned())], "of part {part}");
    let meta = products_of_meta(&stores.meta.pool).await;
    assert_eq!(meta.len(), 9);
    assert!(meta.values().all(|meta| meta.ratings.iter().sum::<i64>() == 4));
    let answer = meta::product_answer(&stores.projection, product(7)).await.unwrap().unwrap();
    assert_eq!(answer.meta.ratings.iter().sum::<i64>(), 2, "as it was before that event");
}

#[tokio::test]
async fn a_product_that_meta_lost_is_rebuilt_from_the_log() {
    let stores = stores().await;
    stores.write(100).await;
    stores.catch_up().await;
    sqlx::query("DELETE FROM product_meta WHERE product_id = 6").execute(&stores.meta.pool).await.unwrap();
    stores.write(100).await;
    stores.catch_up().await;
    stores.assert_meta_is_the_fold().await;
}

#[tokio::test]
async fn a_product_whose_row_is_damaged_is_rebuilt_from_the_log_and_no_other_waits_for_it() {
    let stores = stores().await;
    stores.write(20).await;
    stores.catch_up().await;
    // All are valid for their columns; the last two stand still, and nothing says for what.
    for damage in [
        "UPDATE product_meta SET characteristics = '{}' WHERE product_id = 3",
        r#"UPDATE product_meta SET characteristics = '[{"id": 0}]', parked = true WHERE product_id = 4"#,
        "UPDATE product_meta SET parked = true WHERE product_id = 5",
    ] {
        assert_eq!(sqlx::query(damage).execute(&stores.meta.pool).await.unwrap().rows_affected(), 1);
    }
    stores.write(20).await;
    stores.catch_up().await;
    stores.assert_meta_is_the_fold().await;
    assert_eq!(stores.parked().await, []);
}

#[tokio::test]
async fn roles_can_do_their_work_and_no_more() {
    let stores = stores().await;
    let read = stores.meta.pool_of("reviews_read");
    assert!(meta::product_answer(&read, product(1)).await.unwrap().is_some());
    for statement in [
        "UPDATE product_meta SET version = 9",
        "DELETE FROM checkpoint",
        "UPDATE canary SET beat = 0",
        "INSERT INTO generation (projection_version) VALUES (1)",
    ] {
        let error = sqlx::query(statement).execute(&read).await.expect_err(statement);
        assert_eq!(error.as_database_error().and_then(|e| e.code()).as_deref(), Some("42501"), "{statement}");
    }
    let silent: Vec<String> = sqlx::query_scalar(
        "SELECT c.oid::regclass || coalesce('.' || a.attname, '')
         FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> '_sqlx_migrations'
           AND (obj_description(c.oid) IS NULL OR col_description(c.oid, a.attnum) IS NULL)",
    )
    .fetch_all(&stores.meta.pool)
    .await
    .unwrap();
    assert!(silent.is_empty(), "without a comment: {silent:?}");
}
