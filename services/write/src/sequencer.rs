//! Gives positions to what was committed.

use crate::relay::STATEMENT_TIMEOUT;
use postgres::in_time;
use service::Shutdown;
use sqlx::{Connection, PgConnection};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// Pause between two rounds while there is something to do: events that come meanwhile share a
/// statement, a commit, a message and a batch of the projector.
const BUSY_TICK_MIN: Duration = Duration::from_millis(10);
/// Longest such pause.
const BUSY_TICK_MAX: Duration = Duration::from_millis(50);
/// The pause in times of what the round took: where rounds take long since the machine is busy, fewer and larger ones
/// leave more of it for what it is busy with.
const PAUSE_TO_ROUND: u32 = 4;
/// Longest pause when this process wrote nothing: what other write services commit waits this long.
const IDLE_TICK: Duration = Duration::from_millis(100);
/// How often the canary beats, however little there is to do.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);

/// Sequences until told to stop, and notifies `sequenced` after each round that moved something.
/// Only a round that succeeded is followed by a beat.
pub(crate) async fn run(
    mut connection: PgConnection,
    written: &Notify,
    sequenced: &Notify,
    shutdown: &Shutdown,
) -> Result<(), sqlx::Error> {
    let mut beaten: Option<Instant> = None;
    while !shutdown.is_stopped() {
        let begun = Instant::now();
        let heads = in_time(STATEMENT_TIMEOUT, primary::sequence_events(&mut connection)).await?;
        if beaten.is_none_or(|at| at.elapsed() >= BEAT_INTERVAL) {
            in_time(STATEMENT_TIMEOUT, primary::beat(&mut connection)).await?;
            beaten = Some(Instant::now());
        }
        if heads.is_empty() {
            let next = tokio::time::timeout(IDLE_TICK, written.notified());
            let _ = shutdown.unless_stopped(next).await;
        } else {
            sequenced.notify_one();
            let pause = (begun.elapsed() * PAUSE_TO_ROUND).clamp(BUSY_TICK_MIN, BUSY_TICK_MAX);
            let _ = shutdown.unless_stopped(sleep(pause)).await;
        }
    }
    connection.close().await
}

#[cfg(test)]
mod tests;
