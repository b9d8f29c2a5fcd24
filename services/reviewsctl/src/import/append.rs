//! Appending what was checked, part by part.

use super::lanes;
use super::stop::Stop;
use crate::progress;
use anyhow::Context as _;
use domain::log_parts;
use primary::import::{CHUNK_EVENTS_MAX, append_chunk, plan_part};
use sqlx::PgPool;

/// Appends everything that is new and returns the number of events.
pub(crate) async fn append(pool: &PgPool, stop: &Stop) -> anyhow::Result<u64> {
    let parts = lanes::each(log_parts(), stop, async |part| {
        plan_part(pool, part, CHUNK_EVENTS_MAX).await.with_context(|| format!("cannot plan part {part}"))
    })
    .await?;
    let events: u64 = parts.iter().flatten().map(|chunk| chunk.events.unsigned_abs()).sum();
    let bar = progress::items("appending", "events", events);
    // Chunks of a part one after the other: they wait for each other's head of the log anyway.
    lanes::each(parts, stop, async |chunks| {
        for chunk in chunks {
            stop.check()?;
            append_chunk(pool, &chunk)
                .await
                .context("cannot append; what was imported so far is whole: run the same command again")?;
            bar.inc(chunk.events.unsigned_abs());
        }
        Ok(())
    })
    .await?;
    bar.finish_and_clear();
    Ok(events)
}
