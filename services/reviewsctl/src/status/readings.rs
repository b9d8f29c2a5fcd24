//! What is read for the status, store by store. What cannot be read says why.

use super::origin::{self, Origin};
use super::snapshot::{self, Snapshot};
use super::state::Seen;
use super::{CONNECTION_NAME, Stores, Unmigrated, applied};
use broker::QueueDepth;
use contract::DEAD_LETTER_QUEUE;
use domain::{PARTS, Position};
use meta::{GenerationInfo, GenerationState, ProjectionStatus};
use primary::{PartStatus, WriteLatency};
use std::time::Duration;
use tokio::time::{Instant, interval};

/// How long meta is watched when its canary is old: a batch of a backlog takes part of a second.
const WATCH: Duration = Duration::from_secs(3);
/// Time between two looks of that.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Something that was read, or why it could not be.
pub(super) type Reading<T> = Result<T, String>;

/// All of it.
#[derive(Debug)]
pub(super) struct Readings {
    pub(super) projection: Reading<Option<ProjectionStatus>>,
    /// Generations that are kept up to date without need.
    pub(super) surplus: Reading<Vec<i32>>,
    /// Generations that are left out, and where they do not fit the log.
    pub(super) invalid: Reading<Vec<(i32, String)>>,
    pub(super) canary_in_meta: Reading<meta::Canary>,
    pub(super) snapshot_of_meta: Reading<(bool, Option<Snapshot>)>,
    pub(super) log: Reading<Vec<PartStatus>>,
    /// Not asked for while there is no generation.
    pub(super) origin: Reading<Option<Origin>>,
    pub(super) canary_in_primary: Reading<primary::Canary>,
    pub(super) writers: Reading<WriteLatency>,
    pub(super) snapshot_of_primary: Reading<(bool, Option<Snapshot>)>,
    pub(super) queues: Reading<Vec<QueueDepth>>,
    /// Stores that answer, but lack their tables.
    pub(super) unmigrated: Unmigrated,
    /// Whether meta came on while it was watched; it is not, when there is no need.
    pub(super) moves: bool,
}

impl Readings {
    pub(super) async fn take(stores: &Stores) -> Self {
        let projection = said(stores.projection().await);
        // Without meta there is nothing to compare with, but the log still has a head.
        let positions = projection
            .as_ref()
            .map(|p| applied(p.as_ref()))
            .unwrap_or_else(|_| vec![Position(0); usize::from(PARTS)]);
        let log = said(stores.log(&positions).await);
        let origin = origin(stores, &projection, &log).await;
        let canary_in_primary = then(&log, stores.of_primary(primary::canary(&stores.primary))).await;
        // After that of the primary: it cannot seem to be behind by the time between the two.
        let canary_in_meta = then(&projection, stores.of_meta(meta::canary(&stores.meta))).await;
        let surplus = then(&projection, stores.of_meta(meta::surplus_generations(&stores.meta))).await;
        let invalid = then(&projection, stores.of_meta(meta::invalid_generations(&stores.meta))).await;
        let writers = then(&log, stores.of_primary(primary::write_latency(&stores.primary))).await;
        let snapshot_of_primary = then(&log, stores.of_primary(snapshot::oldest(&stores.primary))).await;
        let snapshot_of_meta = then(&projection, stores.of_meta(snapshot::oldest(&stores.meta))).await;
        let queues = broker::queue_depths(&stores.broker, CONNECTION_NAME).await;
        let queues = said(queues.map_err(|error| stores.named.broker.broker_failed(error)));
        Self {
            projection,
            surplus,
            invalid,
            canary_in_meta,
            snapshot_of_meta,
            log,
            origin,
            canary_in_primary,
            writers,
            snapshot_of_primary,
            queues,
            unmigrated: stores.unmigrated(),
            moves: false,
        }
    }

    /// What counts for the state.
    pub(super) fn seen(&self) -> Seen {
        let generation = self.projection.as_ref().ok().and_then(Option::as_ref);
        let dead = |queues: &Vec<QueueDepth>| {
            queues.iter().filter(|q| q.queue == DEAD_LETTER_QUEUE).map(|q| q.messages).sum()
        };
        let behind = |log: &Vec<PartStatus>| {
            let positions = applied(generation);
            let events = log.iter().map(|p| events_behind(p, positions[p.part.index()])).sum();
            (events, log.iter().filter_map(|p| p.oldest_age).max())
        };
        Seen {
            primary: self.log.is_ok() && self.canary_in_primary.is_ok() && self.writers.is_ok(),
            meta: self.projection.is_ok() && self.canary_in_meta.is_ok(),
            broker: self.queues.is_ok(),
            projection_version: generation.map(|p| p.projection_version),
            origin: self.origin.as_ref().ok().cloned().flatten(),
            behind: self.log.as_ref().map(behind).unwrap_or_default(),
            canary_in_primary: self.canary_in_primary.as_ref().ok().map(|c| (c.beat, c.age)),
            canary_in_meta: self.canary_in_meta.as_ref().ok().map(|c| c.beat),
            moves: self.moves,
            commands: self.writers.as_ref().map_or(0, |w| w.commands),
            invalid: self.invalid.as_ref().map_or(0, Vec::len),
            parked: generation.map_or(0, |p| p.parked.len()),
            dead_letters: self.queues.as_ref().map_or(0, dead),
            snapshot: self.oldest_snapshot().map(|(_, snapshot)| snapshot.age()),
        }
    }

    /// The oldest transaction that has a snapshot, and in which database.
    pub(super) fn oldest_snapshot(&self) -> Option<(&'static str, &Snapshot)> {
        let both = [("primary", &self.snapshot_of_primary), ("meta", &self.snapshot_of_meta)];
        let read =
            both.into_iter().filter_map(|(name, reading)| Some((name, reading.as_ref().ok()?.1.as_ref()?)));
        read.max_by_key(|(_, snapshot)| snapshot.age())
    }
}

/// Events of a part after a position, those without one among them.
pub(super) fn events_behind(part: &PartStatus, applied: Position) -> i64 {
    (part.head.0 - applied.0).max(0) + part.unsequenced
}

/// Whether meta comes on, in its checkpoints or its canary, while one looks.
pub(super) async fn moves(stores: &Stores, before: &Readings) -> bool {
    let Ok(projection) = &before.projection else { return false };
    let Ok(canary) = &before.canary_in_meta else { return false };
    let until = Instant::now() + WATCH;
    let mut looks = interval(LOOK_EVERY);
    while Instant::now() < until {
        looks.tick().await;
        let (Ok(now), Ok(canary_now)) =
            (stores.projection().await, stores.of_meta(meta::canary(&stores.meta)).await)
        else {
            return false;
        };
        if applied(now.as_ref()) != applied(projection.as_ref()) || canary_now.beat != canary.beat {
            return true;
        }
    }
    false
}

/// Compares meta's checkpoints with the log, when both are there.
async fn origin(
    stores: &Stores,
    projection: &Reading<Option<ProjectionStatus>>,
    log: &Reading<Vec<PartStatus>>,
) -> Reading<Option<Origin>> {
    let (projection, log) = match (projection, log) {
        (Ok(Some(projection)), Ok(log)) => (projection, log),
        (Ok(None), Ok(_)) => return Ok(None),
        (Err(why), _) | (_, Err(why)) => return Err(why.clone()),
    };
    let ranges = origin::ranges(&projection.checkpoints);
    let pulled = said(stores.of_primary(primary::pull_events(&stores.primary, &ranges)).await)?;
    if let Some(other) = origin::other_log(&projection.checkpoints, &pulled) {
        // What cannot be told of the one before is no sign that it is better.
        let fits = previous_fits(stores).await.unwrap_or(false);
        return Ok(Some(if fits { Origin::DamagedGeneration(other) } else { Origin::OtherLog(other) }));
    }
    let ahead = origin::ahead(&projection.checkpoints, log);
    let hole = said(stores.of_primary(primary::log_hole(&stores.primary, &ahead)).await)?;
    Ok(Some(hole.map_or(Origin::SameLog, origin::broken)))
}

/// Whether a rollback would let a generation answer that was made from the log.
async fn previous_fits(stores: &Stores) -> anyhow::Result<bool> {
    let previous = stores.of_meta(meta::previous_generation(&stores.meta)).await?;
    let generations = stores.of_meta(meta::generations(&stores.meta)).await?;
    let live = |g: &&GenerationInfo| Some(g.generation) == previous && g.state == GenerationState::Live;
    let Some(live) = generations.iter().find(live) else { return Ok(false) };
    let checkpoints = stores.of_meta(meta::checkpoints_of(&stores.meta, live.generation)).await?;
    let ranges = origin::ranges(&checkpoints);
    let pulled = stores.of_primary(primary::pull_events(&stores.primary, &ranges)).await?;
    Ok(origin::other_log(&checkpoints, &pulled).is_none())
}

/// Another reading of a store that answered; one that did not is not waited for again.
async fn then<T, U>(first: &Reading<U>, reading: impl Future<Output = anyhow::Result<T>>) -> Reading<T> {
    match first {
        Ok(_) => said(reading.await),
        Err(why) => Err(why.clone()),
    }
}

fn said<T>(reading: anyhow::Result<T>) -> Reading<T> {
    reading.map_err(|error| format!("{error:#}"))
}
