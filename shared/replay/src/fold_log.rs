//! A group of parts folded from the log. Windows of positions are copied out by several workers at once, and folded in
//! turn: a page of the log holds events of nearly all parts, and is read once.

use crate::build::{Build, all};
use crate::error::{self, ReplayError};
use domain::{EventId, Part, Position};
use primary::CopyRange;
use projection::{Folding, ReadEvent};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::{MutexGuard, watch};

/// Some of a group's parts, while they are folded and stored by one worker at a time.
#[derive(Debug)]
pub(crate) struct Shard {
    /// Window whose events are next.
    turn: watch::Sender<u64>,
    folded: tokio::sync::Mutex<Folded>,
}

/// Events of a window, read but not folded.
type Window = primary::CopiedLog<ReadEvent>;

/// What was folded, and of each part the event at its target, none in an empty part.
pub(crate) type Folded = (Folding, BTreeMap<Part, Option<EventId>>);

impl Shard {
    fn new(job: &Build, parts: &[Part]) -> Self {
        let folding = Folding::from_first(job.apply, job.discarded.clone());
        let last = parts.iter().map(|part| (*part, None)).collect();
        Shard { turn: watch::Sender::new(0), folded: tokio::sync::Mutex::new((folding, last)) }
    }

    /// Folds a window when it is its turn. Returns the number of its events.
    async fn fold(&self, job: &Build, window: u64, copied: &Window) -> Result<u64, ReplayError> {
        // Fails only when the sender is gone, which is here.
        let _ = self.turn.subscribe().wait_for(|turn| *turn == window).await;
        let events = fold_now(job, copied, &mut *self.folded.lock().await)?;
        self.turn.send_replace(window + 1);
        Ok(events)
    }

    /// What was folded.
    pub(crate) async fn folded(&self) -> MutexGuard<'_, Folded> {
        self.folded.lock().await
    }
}

fn fold_now(job: &Build, copied: &Window, (folding, last): &mut Folded) -> Result<u64, ReplayError> {
    let ours: Vec<Part> = last.keys().copied().collect();
    let (mut broken, mut events) = (None, 0);
    copied.each(
        |part| ours.contains(&part),
        |part, pos, event| match event {
            Some(event) => {
                events += 1;
                folding.fold_read(event);
                if pos == job.targets[part.index()] {
                    last.insert(part, Some(event.event_id()));
                }
            }
            None => broken = broken.or(Some((part, pos))),
        },
    );
    broken.map_or(Ok(events), |(part, pos)| Err(ReplayError::LogBroken { part, pos }))
}

/// Windows of a group that nobody has taken yet.
#[derive(Debug)]
struct Windows {
    parts: Vec<Part>,
    /// Number of the next, and the position before it.
    next: Mutex<(u64, Position)>,
    end: Position,
}

impl Windows {
    fn of(job: &Build, parts: &[Part]) -> Self {
        let end = parts.iter().map(|part| job.targets[part.index()]).max().unwrap_or_default();
        Windows { parts: parts.to_vec(), next: Mutex::new((0, Position(0))), end }
    }

    fn is_left(&self) -> bool {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).1 < self.end
    }

    /// The next window and its ranges.
    fn take(&self, job: &Build) -> Option<(u64, Vec<CopyRange>)> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let (window, after) = *next;
        if after >= self.end {
            return None;
        }
        let through = Position(after.0 + job.gate.range_events(self.parts.len()));
        *next = (window + 1, through);
        let range =
            |part: &Part| CopyRange { part: *part, after, through: job.targets[part.index()].min(through) };
        Some((window, self.parts.iter().map(range).filter(|range| range.through > after).collect()))
    }
}

/// A group in work.
#[derive(Debug)]
struct Group {
    shards: Vec<Arc<Shard>>,
    windows: Windows,
}

/// Folds the log's events of some parts, from the first to the targets.
pub(crate) async fn fold_log(
    job: &Arc<Build>,
    parts: &[Part],
    workers: usize,
) -> Result<Vec<Arc<Shard>>, ReplayError> {
    let shard = |parts: &[Part]| Arc::new(Shard::new(job, parts));
    let shards: Vec<_> = parts.chunks(parts.len().div_ceil(workers)).map(shard).collect();
    let group = Arc::new(Group { shards: shards.clone(), windows: Windows::of(job, parts) });
    all((0..workers).map(|number| work(job.clone(), group.clone(), number))).await?;
    Ok(shards)
}

async fn work(job: Arc<Build>, group: Arc<Group>, number: usize) -> Result<(), ReplayError> {
    let mut primary = job.stores.connect_primary().await?;
    error::primary(primary::prefer_ranges(&mut primary).await)?;
    if error::primary(primary::log_epoch(&mut primary).await)? != job.epoch {
        return Err(ReplayError::LogChanged(job.generation));
    }
    loop {
        job.gate.pass_as(number, || group.windows.is_left()).await?;
        let Some((window, ranges)) = group.windows.take(&job) else { return Ok(()) };
        let began = Instant::now();
        let copied = error::primary(primary::copy_log(&mut primary, ranges, ReadEvent::of).await)?;
        for shard in &group.shards {
            job.progress.add(shard.fold(&job, window, &copied).await?);
        }
        drop(copied);
        job.gate.rest(began.elapsed()).await?;
    }
}
