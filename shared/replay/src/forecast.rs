//! What a replay would do, and how long it would take: measured on a piece of the same log.

use crate::error::{self, ReplayError};
use crate::run::Plan;
use crate::run::may_begin;
use crate::stores::Stores;
use domain::{PROJECTION_VERSION, Part, Position, log_parts, projection};
use meta::Source;
use primary::CopyRange;
use projection::{Folding, ReadEvent};
use std::time::{Duration, Instant};

/// Events of the piece that is folded to measure, of the longest part.
const PROBE_EVENTS: i64 = 50_000;

/// What a replay would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// The generation that it would go on with.
    pub resumes: Option<i32>,
    /// The generation that answers.
    pub active: i32,
    /// Events to build.
    pub events: i64,
    /// Events of them that are built.
    pub events_done: i64,
    /// Products.
    pub products: i64,
    /// How long building would take, on an idle system.
    pub building: Duration,
    /// How long verifying would take.
    pub verifying: Duration,
    /// Live commands come in, or a write service does not say whether: building would stand back for them.
    pub writers_busy: bool,
}

/// Says what a replay would do, and changes nothing.
///
/// # Errors
/// [`ReplayError`], also where the replay itself would be refused.
pub async fn forecast(stores: &Stores, plan: &Plan) -> Result<Forecast, ReplayError> {
    let active = error::meta(meta::active_generation(&stores.meta).await)?;
    let (active, _) = active.ok_or(ReplayError::NoGeneration)?;
    let unended = error::meta(meta::unended_replay(&stores.meta).await)?;
    let (resumes, targets, events_done) = match unended {
        Some(replay) if (replay.source, replay.fresh) == (plan.source, plan.fresh) => {
            (Some(replay.generation), replay.targets, replay.done)
        }
        Some(meta::Replay { generation, source: made_from, fresh, .. }) => {
            return Err(ReplayError::Unended { generation, made_from, fresh });
        }
        None => {
            may_begin(stores, plan.fresh).await?;
            (None, error::primary(primary::log_heads(&stores.primary).await)?, 0)
        }
    };
    let events: i64 = targets.iter().map(|target| target.0).sum();
    let counts = error::primary(primary::table_estimates(&stores.primary).await)?;
    let fullest = log_parts().max_by_key(|part| targets[part.index()]);
    let (folding, adding) = match fullest {
        Some(part) => {
            (fold_piece(stores, part, targets[part.index()]).await?, add_piece(stores, part).await?)
        }
        None => (0.0, 0.0),
    };
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let left = (events - events_done) as f64 * folding;
    let verifying = Duration::from_secs_f64(adding * f64::from(domain::PARTS));
    let building = if plan.source == Source::Snapshot { verifying } else { Duration::from_secs_f64(left) };
    let latency = error::primary(primary::write_latency(&stores.primary).await)?;
    let writers_busy = plan.throttle.is_some() && (latency.worst_p99.is_some() || latency.silent > 0);
    Ok(Forecast {
        resumes,
        active,
        events,
        events_done,
        products: counts.products,
        building,
        verifying,
        writers_busy,
    })
}

/// Seconds that an event takes.
async fn fold_piece(stores: &Stores, part: Part, target: Position) -> Result<f64, ReplayError> {
    let Some(apply) = projection(PROJECTION_VERSION) else { return Ok(0.0) };
    let mut primary = stores.connect_primary().await?;
    error::primary(primary::prefer_ranges(&mut primary).await)?;
    let mut folding = Folding::from_first(apply, meta::Discarded::default());
    let through = target.min(Position(PROBE_EVENTS));
    let began = Instant::now();
    let range = CopyRange { part, after: Position(0), through };
    let copied = error::primary(primary::copy_log(&mut primary, vec![range], ReadEvent::of).await)?;
    copied.each(
        |_| true,
        |_, _, event| {
            if let Some(event) = event {
                folding.fold_read(event);
            }
        },
    );
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    Ok(began.elapsed().as_secs_f64() / through.0.max(1) as f64)
}

/// Seconds that a part's reviews take.
async fn add_piece(stores: &Stores, part: Part) -> Result<f64, ReplayError> {
    let mut primary = stores.connect_primary().await?;
    let began = Instant::now();
    error::primary(primary::sum_reviews(&mut primary, &[part]).await)?;
    Ok(began.elapsed().as_secs_f64())
}
