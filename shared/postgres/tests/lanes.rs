//! Connections that are handed on, against a real server: none is kept that failed, was cut off, or has ended.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use postgres::{Lanes, retry_lost};
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;
use std::time::Duration;
use testkit::{TestDatabase, eventually, meta_database};
use tokio::sync::Barrier;
use tokio::time::timeout;

const CONNECTIONS: u32 = 4;

async fn pool(database: &TestDatabase) -> PgPool {
    postgres::pool(database.url_of("reviews_projector").parse().unwrap(), CONNECTIONS)
}

async fn pid(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await
}

#[tokio::test]
async fn a_connection_goes_from_one_statement_to_the_next() {
    let database = meta_database().await;
    let lanes = Lanes::of(pool(&database).await);
    let first = lanes.on(pid).await.unwrap();
    for _ in 0..20 {
        assert_eq!(lanes.on(pid).await.unwrap(), first);
    }
}

#[tokio::test]
async fn all_but_one_of_the_pool_are_used_at_once_and_that_one_is_the_pool_s() {
    let database = meta_database().await;
    let pool = pool(&database).await;
    let lanes = Arc::new(Lanes::of(pool.clone()));
    let together = Arc::new(Barrier::new(CONNECTIONS as usize));
    let held: Vec<_> = (1..CONNECTIONS)
        .map(|_| {
            let (lanes, together) = (lanes.clone(), together.clone());
            let work = async move |connection: &mut PgConnection| {
                let pid = pid(connection).await?;
                together.wait().await;
                together.wait().await;
                Ok(pid)
            };
            tokio::spawn(async move { lanes.on(work).await.unwrap() })
        })
        .collect();
    together.wait().await;
    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await.unwrap();
    assert_eq!(one, 1);
    // One more waits for its turn.
    let mut more = Box::pin(lanes.on(pid));
    assert!(timeout(Duration::from_millis(50), &mut more).await.is_err());
    together.wait().await;
    let mut pids = Vec::new();
    for one in held {
        pids.push(one.await.unwrap());
    }
    let more = more.await.unwrap();
    assert!(pids.contains(&more), "{more} is none of {pids:?}");
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 3);
}

/// As in the first moments of a service: whoever opens connections ahead stands in nobody's way.
#[tokio::test]
async fn while_connections_are_opened_ahead_everybody_is_answered() {
    let database = meta_database().await;
    for _ in 0..5 {
        let pool = pool(&database).await;
        let lanes = Arc::new(Lanes::of(pool.clone()));
        let opening = tokio::spawn({
            let lanes = lanes.clone();
            async move { lanes.open().await }
        });
        let asking: Vec<_> = (0..12)
            .map(|_| {
                let lanes = lanes.clone();
                tokio::spawn(async move { lanes.on(pid).await })
            })
            .collect();
        sqlx::query("SELECT 1").execute(&pool).await.unwrap();
        opening.await.unwrap();
        for one in asking {
            one.await.unwrap().unwrap();
        }
        assert_eq!(pool.size(), CONNECTIONS, "all are open");
    }
}

#[tokio::test]
async fn what_failed_or_was_cut_off_is_not_handed_on_as_it_is() {
    let database = meta_database().await;
    let lanes = Lanes::of(pool(&database).await);
    let failed = lanes.on(async |connection| sqlx::query("SELECT 1 / 0").execute(connection).await).await;
    assert!(failed.is_err());
    lanes.on(pid).await.unwrap();
    for _ in 0..2 * CONNECTIONS {
        let cut_off = async |connection: &mut PgConnection| -> Result<i32, sqlx::Error> {
            sqlx::query_scalar("SELECT 7 FROM pg_sleep(0.02)").fetch_one(connection).await
        };
        assert!(timeout(Duration::from_millis(5), lanes.on(cut_off)).await.is_err());
        let answer: i32 = lanes
            .on(async |connection| sqlx::query_scalar("SELECT 8").fetch_one(connection).await)
            .await
            .unwrap();
        assert_eq!(answer, 8, "the answer of a statement that was cut off");
    }
}

#[tokio::test]
async fn a_connection_that_the_server_has_ended_is_replaced() {
    let database = meta_database().await;
    let lanes = Lanes::of(pool(&database).await);
    let end = async |pid: i32| {
        let ended: bool = sqlx::query_scalar("SELECT pg_terminate_backend($1)")
            .bind(pid)
            .fetch_one(&database.pool)
            .await
            .unwrap();
        assert!(ended);
        eventually("it has ended", || async {
            let there = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE pid = $1").bind(pid);
            let there: i64 = there.fetch_one(&database.pool).await.unwrap();
            (there == 0).then_some(())
        })
        .await;
    };
    for _ in 0..3 {
        let before = lanes.on(pid).await.unwrap();
        end(before).await;
        let after = retry_lost(|| lanes.on(pid)).await.unwrap();
        assert_ne!(before, after);
    }
}
