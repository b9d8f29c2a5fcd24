//! Two databases, somebody who writes, and somebody who plays the projector.

use domain::{Event, PARTS, ProductMeta, Version, log_parts, projection};
use primary::{VoteKind, sequence_events};
use projection::{Batch, MetaConnection, project};
use replay::Stores;
use sqlx::{PgPool, Row};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::{
    TestDatabase, assert_log_is_whole, define_characteristics, eventually, meta_database, new_review, post,
    primary_database, product, vote,
};
use tokio::task::JoinHandle;

pub(crate) struct World {
    pub(crate) primary: TestDatabase,
    pub(crate) meta: TestDatabase,
    /// As the operations tool has them.
    pub(crate) stores: Stores,
}

/// Something that goes on until it is told to stop.
pub(crate) struct Working {
    ended: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Working {
    pub(crate) async fn stop(self) {
        self.ended.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

pub(crate) async fn world() -> World {
    let (primary, meta) = (primary_database().await, meta_database().await);
    let stores = Stores { primary: primary.pool.clone(), meta: meta.pool.clone() };
    let epoch = primary::log_epoch(&primary.pool).await.unwrap();
    meta::begin_first_generation(&meta.pool, epoch).await.unwrap();
    for id in 1..=10 {
        define_characteristics(&primary.pool, product(id), &[(id * 10, "Fit"), (id * 10 + 1, "Size")]).await;
    }
    World { primary, meta, stores }
}

impl World {
    /// Writes so many reviews, and votes, over ten products, and sequences them.
    pub(crate) async fn write(&self, count: i64) {
        self.write_beside_a_hole(count).await;
        assert_log_is_whole(&self.primary.pool).await;
    }

    /// The same, of a log of which something is gone.
    pub(crate) async fn write_beside_a_hole(&self, count: i64) {
        let pool = self.primary.pool_of("reviews_write");
        for n in 0..count {
            write_one(&pool, n).await;
        }
        sequence(&pool).await;
    }

    /// Writes and sequences until it is told to stop.
    pub(crate) fn writer(&self) -> Working {
        let pool = self.primary.pool_of("reviews_write");
        working(move |ended| async move {
            for n in 0.. {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                write_one(&pool, n).await;
                sequence(&pool).await;
            }
        })
    }

    /// Says that commands take so long, until it is told to stop.
    pub(crate) async fn busy_writer(&self, latency: primary::CommandLatency) -> Working {
        let pool = self.primary.pool_of("reviews_write");
        let writer = uuid::Uuid::now_v7();
        primary::publish_write_latency(&pool, writer, &latency).await.unwrap();
        working(move |ended| async move {
            while !ended.load(Ordering::Relaxed) {
                primary::publish_write_latency(&pool, writer, &latency).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    }

    /// Folds what is behind until it is told to stop, with the rights of the projector.
    pub(crate) fn projector(&self) -> Working {
        let (log, meta) = (self.primary.pool_of("reviews_projector"), self.meta.pool_of("reviews_projector"));
        working(move |ended| async move {
            let folding = MetaConnection::of(&meta);
            while !ended.load(Ordering::Relaxed) {
                let heads = primary::log_heads(&log).await.unwrap();
                let mut batch = Batch::default();
                log_parts().for_each(|part| batch.ask(part, heads[part.index()]));
                project(&log, &folding, &batch).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    }

    /// Until the generation that answers has all that is in the log.
    pub(crate) async fn caught_up(&self) {
        let heads: i64 = sqlx::query_scalar("SELECT sum(head)::bigint FROM log_head")
            .fetch_one(&self.primary.pool)
            .await
            .unwrap();
        eventually("everything is folded", || async {
            let applied = "SELECT sum(pos)::bigint FROM checkpoint JOIN active_generation USING (generation)";
            let applied: i64 = sqlx::query_scalar(applied).fetch_one(&self.meta.pool).await.unwrap();
            (applied >= heads).then_some(())
        })
        .await;
    }

    pub(crate) async fn active(&self) -> i32 {
        sqlx::query_scalar("SELECT generation FROM active_generation")
            .fetch_one(&self.meta.pool)
            .await
            .unwrap()
    }

    pub(crate) async fn parts_of(&self, generation: i32) -> i64 {
        let parts =
            sqlx::query_scalar("SELECT count(*) FROM checkpoint WHERE generation = $1").bind(generation);
        parts.fetch_one(&self.meta.pool).await.unwrap()
    }

    /// Whoever enters a phase of a replay waits for a lock as long as this transaction holds it.
    pub(crate) async fn hold_at(&self, phase: &str) -> sqlx::Transaction<'static, sqlx::Postgres> {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "CREATE FUNCTION hold_phase() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NEW; END $$;
             CREATE TRIGGER hold_phase BEFORE UPDATE OF phase ON replay FOR EACH ROW WHEN (NEW.phase = '{phase}')
             EXECUTE FUNCTION hold_phase()"
        )))
        .execute(&self.meta.pool)
        .await
        .unwrap();
        let mut held = self.meta.pool.begin().await.unwrap();
        sqlx::query("SELECT pg_advisory_xact_lock(77)").execute(&mut *held).await.unwrap();
        held
    }

    pub(crate) async fn somebody_waits(&self) {
        self.waiting(true).await;
    }

    /// Until the server has noticed that whoever was killed is gone: what it had sent may come to the lock only later.
    pub(crate) async fn nobody_waits(&self) {
        self.waiting(false).await;
        eventually("no transaction of the killed one is left", || async {
            let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user
                        AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
            let left: i64 = sqlx::query_scalar(left).fetch_one(&self.meta.pool).await.unwrap();
            (left == 0).then_some(())
        })
        .await;
    }

    async fn waiting(&self, wanted: bool) {
        eventually("a lock is waited for, or is not", || async {
            let waits = "SELECT count(*) > 0 FROM pg_stat_activity
                         WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'";
            let waits: bool = sqlx::query_scalar(waits).fetch_one(&self.meta.pool).await.unwrap();
            (waits == wanted).then_some(())
        })
        .await;
    }

    /// Erases the first review.
    pub(crate) async fn erase_one(&self) {
        let id: i64 = sqlx::query_scalar("SELECT min(review_id) FROM reviews")
            .fetch_one(&self.primary.pool)
            .await
            .unwrap();
        primary::erase_review(&self.primary.pool, id.try_into().unwrap(), uuid::Uuid::now_v7())
            .await
            .unwrap();
        sequence(&self.primary.pool_of("reviews_write")).await;
    }

    /// Appends an event that nobody can read, in the way of a write.
    pub(crate) async fn append_unreadable(&self, id: i64) {
        sqlx::query(
            "WITH s AS (UPDATE product_stream SET version = version + 1 WHERE part = $1 % 64 AND product_id = $1
                        RETURNING version)
             INSERT INTO outbox (part, product_id, version, event_id, type, payload)
             SELECT $1 % 64, $1, version, gen_random_uuid(), 'ReviewPraised.v1', '{}' FROM s",
        )
        .bind(id)
        .execute(&self.primary.pool)
        .await
        .unwrap();
    }

    /// Every generation that is kept up to date is the fold of the log up to its checkpoints, by the fold of its
    /// version.
    pub(crate) async fn assert_every_generation_is_the_fold(&self) {
        let generations: Vec<(i32, i32)> =
            sqlx::query_as("SELECT generation, projection_version FROM generation WHERE state = 'live'")
                .fetch_all(&self.meta.pool)
                .await
                .unwrap();
        assert!(!generations.is_empty());
        for (generation, version) in generations {
            assert_eq!(self.parts_of(generation).await, i64::from(PARTS));
            let stored = self.products_of(generation).await;
            assert_eq!(stored, self.fold_for(generation, version, &stored).await, "generation {generation}");
        }
    }

    async fn products_of(&self, generation: i32) -> BTreeMap<i64, ProductMeta> {
        let mut connection = self.meta.pool.acquire().await.unwrap();
        let mut products = BTreeMap::new();
        let parts: Vec<_> = log_parts().collect();
        let each = |stored: meta::StoredProduct| drop(products.insert(stored.product_id.get(), stored.meta));
        meta::copy_out_products(&mut connection, generation, &parts, each).await.unwrap();
        products
    }

    /// What the events up to the checkpoints, and up to where a product is, add up to.
    async fn fold_for(
        &self,
        generation: i32,
        version: i32,
        stored: &BTreeMap<i64, ProductMeta>,
    ) -> BTreeMap<i64, ProductMeta> {
        let apply = projection(version).unwrap();
        let checkpoints = meta::checkpoints_of(&self.meta.pool, generation).await.unwrap();
        let rows = sqlx::query(
            "SELECT part, pos, product_id, version, type, payload::text AS payload FROM event_log ORDER BY part, pos",
        )
        .fetch_all(&self.primary.pool)
        .await
        .unwrap();
        let mut products: BTreeMap<i64, ProductMeta> = BTreeMap::new();
        for row in rows {
            let (part, pos): (i16, i64) = (row.get("part"), row.get("pos"));
            let (id, version): (i64, i64) = (row.get("product_id"), row.get("version"));
            let covered = checkpoints.iter().any(|c| c.part.get() == part && c.pos.0 >= pos);
            if covered || stored.get(&id).is_some_and(|meta| meta.version.0 >= version) {
                let event = Event::read(row.get("type"), row.get("payload")).unwrap();
                apply(products.entry(id).or_default(), Version(version), &event).unwrap();
            }
        }
        products
    }
}

fn working<F: Future<Output = ()> + Send + 'static>(work: impl FnOnce(Arc<AtomicBool>) -> F) -> Working {
    let ended = Arc::new(AtomicBool::new(false));
    Working { task: tokio::spawn(work(ended.clone())), ended }
}

async fn write_one(pool: &PgPool, n: i64) {
    let id = n % 10 + 1;
    let mut review = new_review(n % 5 + 1);
    let value = |at: i64| ((at).try_into().unwrap(), (n % 5 + 1).try_into().unwrap(), "".into());
    review.characteristics = vec![value(id * 10), value(id * 10 + 1)];
    let posted = post(pool, product(id), &review).await;
    match n % 3 {
        0 => drop(vote(pool, posted.review_id, VoteKind::Helpful).await),
        1 => drop(vote(pool, posted.review_id, VoteKind::Report).await),
        _ => {}
    }
}

async fn sequence(pool: &PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    while !sequence_events(&mut connection).await.unwrap().is_empty() {}
}
