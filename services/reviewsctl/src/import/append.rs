//! Appending what was checked, chunk by chunk.

use super::lanes;
use super::stop::Stop;
use crate::progress;
use anyhow::Context as _;
use domain::log_parts;
use primary::import::{CHUNK_EVENTS_MAX, ImportChunk, append_chunk, plan_part};
use sqlx::PgPool;

/// Appends everything that is new and returns the number of events.
pub(crate) async fn append(pool: &PgPool, stop: &Stop) -> anyhow::Result<u64> {
    let parts = lanes::each(log_parts(), stop, async |part| {
        plan_part(pool, part, CHUNK_EVENTS_MAX).await.with_context(|| format!("cannot plan part {part}"))
    })
    .await?;
    let events: u64 = parts.iter().flatten().map(|chunk| chunk.events.unsigned_abs()).sum();
    let bar = progress::items("appending", "events", events);
    for wave in waves(parts) {
        lanes::each(wave, stop, async |chunk| {
            append_chunk(pool, &chunk)
                .await
                .context("cannot append; what was imported so far is whole: run the same command again")?;
            bar.inc(chunk.events.unsigned_abs());
            Ok(())
        })
        .await?;
    }
    bar.finish_and_clear();
    Ok(events)
}

/// The first chunks of all parts, then the second ones, and so on. Those of a part stay in their
/// order, and those beside each other are of neighbouring products: they find each other's pages of
/// the indexes still in memory.
fn waves(parts: Vec<Vec<ImportChunk>>) -> Vec<Vec<ImportChunk>> {
    let mut waves: Vec<Vec<ImportChunk>> = Vec::new();
    for (nth, chunk) in parts.into_iter().flat_map(|chunks| chunks.into_iter().enumerate()) {
        if waves.len() <= nth {
            waves.resize_with(nth + 1, Vec::new);
        }
        waves[nth].push(chunk);
    }
    waves
}
