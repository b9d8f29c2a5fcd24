//! Both databases, and the program asked about them.

use super::reviewsctl;
use domain::Position;
use meta::{Checkpoint, begin_first_generation, move_checkpoints, read_checkpoints};
use std::process::Command;
use testkit::{TestDatabase, meta_database, primary_database};

/// Nothing listens there.
pub(crate) const NO_BROKER: &str = "amqp://reviews@127.0.0.1:1/%2f";

/// `reviewsctl COMMAND ARGS`, to be run.
pub(crate) fn asked(primary: &str, meta: &str, broker: &str, command: &str, args: &[&str]) -> Command {
    let mut program = reviewsctl();
    program.env("PRIMARY_URL", primary).env("META_URL", meta).env("BROKER_URL", broker);
    program.arg(command).args(args);
    program
}

/// Gives every event a position and moves meta's checkpoints there, as a projector would.
pub(crate) async fn catch_up(primary: &TestDatabase, meta: &TestDatabase) {
    let mut connection = primary.pool.acquire().await.unwrap();
    while !primary::sequence_events(&mut connection).await.unwrap().is_empty() {}
    let mut moved = Vec::new();
    for checkpoint in read_checkpoints(&meta.pool).await.unwrap() {
        let last: Option<(i64, uuid::Uuid)> =
            sqlx::query_as("SELECT pos, event_id FROM event_log WHERE part = $1 ORDER BY pos DESC LIMIT 1")
                .bind(checkpoint.part.get())
                .fetch_optional(&mut *connection)
                .await
                .unwrap();
        if let Some((pos, event_id)) = last {
            moved.push(Checkpoint { pos: Position(pos), event_id: Some(event_id), ..checkpoint });
        }
    }
    move_checkpoints(&mut meta.pool.acquire().await.unwrap(), &moved).await.unwrap();
}

pub(crate) async fn databases() -> (TestDatabase, TestDatabase) {
    let (primary, meta) = (primary_database().await, meta_database().await);
    let epoch = primary::log_epoch(&primary.pool).await.unwrap();
    begin_first_generation(&meta.pool, epoch).await.unwrap();
    (primary, meta)
}
