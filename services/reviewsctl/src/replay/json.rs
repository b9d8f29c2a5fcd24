//! What a replay and a rebuild came to, for programs.

use replay::{Rebuilt, Replayed};
use serde::Serialize;
use utoipa::ToSchema;

/// What a replay came to.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Replayed)]
pub(crate) struct ReplayedJson {
    generation: i32,
    /// `log`, `snapshot` or `both`.
    source: &'static str,
    /// Events that building covers.
    events: i64,
    /// Time spent building, over all processes that did.
    seconds: f64,
    events_per_second: f64,
    /// Null without a swap.
    swap_ms: Option<f64>,
    /// Products that differ; then nothing was swapped in.
    differences: u64,
    /// Products compared.
    products: u64,
    /// Products that were left out: they or their events stand still.
    parked: usize,
    /// Whether it went on with a replay that was begun before.
    resumed: bool,
    total_seconds: f64,
}

impl ReplayedJson {
    pub(crate) fn of(replayed: &Replayed) -> Self {
        ReplayedJson {
            generation: replayed.generation,
            source: replayed.source.name(),
            events: replayed.events,
            seconds: replayed.building.as_secs_f64(),
            events_per_second: rate(replayed),
            swap_ms: replayed.swap.map(|took| took.as_secs_f64() * 1000.0),
            differences: replayed.compared.differing,
            products: replayed.compared.products,
            parked: replayed.compared.parked.len(),
            resumed: replayed.resumed,
            total_seconds: replayed.took.as_secs_f64(),
        }
    }
}

/// Events built in a second; 0 when no time is known.
#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
pub(super) fn rate(replayed: &Replayed) -> f64 {
    match replayed.building.as_secs_f64() {
        0.0 => 0.0,
        seconds => replayed.events as f64 / seconds,
    }
}

/// What rebuilding a product came to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rebuilt)]
pub(crate) struct RebuiltJson {
    product: i64,
    /// Its version now.
    version: i64,
    /// Generations in which it was made anew.
    generations: Vec<i32>,
    /// Generations that keep what they have, which is further than its events can be applied.
    kept: Vec<i32>,
    /// Events folded.
    events: u64,
    seconds: f64,
    /// How long the projector was held up.
    held_ms: f64,
    /// Why it stands still, if it does.
    parked: Option<String>,
}

impl RebuiltJson {
    pub(crate) fn of(rebuilt: &Rebuilt) -> Self {
        RebuiltJson {
            product: rebuilt.product_id.get(),
            version: rebuilt.version.0,
            generations: rebuilt.generations.clone(),
            kept: rebuilt.kept.clone(),
            events: rebuilt.events,
            seconds: rebuilt.took.as_secs_f64(),
            held_ms: rebuilt.held.as_secs_f64() * 1000.0,
            parked: rebuilt.parked.clone(),
        }
    }
}
