//! What a batch does, without I/O: which events it needs that did not come, which of those it has are new to a
//! generation, and where that generation then stands. [`project`](crate::project()) calls these between its
//! statements; the simulation calls the same ones between its crashes.

use crate::batch::{Batch, Came};
use crate::project::ProjectError;
use domain::{Epoch, EventId, LogEvent, Part, Position, ProductId};
use meta::Checkpoint;
use primary::{LogRange, Pulled};
use std::collections::{BTreeMap, BTreeSet};

/// Events by part, from the lowest checkpoint on and without a hole.
pub type Whole = BTreeMap<Part, Vec<LogEvent>>;

/// What a batch can be folded from: the parts of which nothing is missing, and what must be pulled of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    whole: Whole,
    ranges: Vec<LogRange>,
    foreign: Vec<Part>,
}

/// Plans a batch on checkpoints, the lowest of each part counting; `pull_events_max` events may be pulled, over
/// all parts.
pub fn plan(batch: &Batch, checkpoints: &[Checkpoint], pull_events_max: i64) -> Plan {
    let mut plan = Plan::default();
    for (part, wanted) in &batch.0 {
        let of_part: Vec<Checkpoint> = checkpoints.iter().filter(|c| c.part == *part).copied().collect();
        let Some(lowest) = of_part.iter().min_by_key(|c| c.pos) else { continue };
        match wanted.came_after(lowest, &of_part) {
            Came::Whole(events) => {
                plan.whole.insert(*part, events);
                continue;
            }
            Came::Missing => {}
            Came::Foreign => plan.foreign.push(*part),
        }
        // What came is then only a hint that there is something.
        let events_max = (wanted.up_to.0 - lowest.pos.0).max(0);
        plan.ranges.push(LogRange { part: *part, after: lowest.pos, events_max });
    }
    let share = (pull_events_max / i64::try_from(plan.ranges.len()).unwrap_or(1).max(1)).max(1);
    for range in &mut plan.ranges {
        range.events_max = range.events_max.min(share);
    }
    plan
}

impl Plan {
    /// What must be pulled, as far as one transaction may go.
    pub fn ranges(&self) -> &[LogRange] {
        &self.ranges
    }

    /// Parts of which something came that does not belong to the log of the checkpoints.
    pub fn foreign(&self) -> &[Part] {
        &self.foreign
    }

    /// The batch's events when nothing must be pulled.
    pub fn whole(self) -> Whole {
        self.whole
    }

    /// The batch's events with those that were pulled, if they are of the log that the checkpoints were made from.
    ///
    /// # Errors
    /// [`ProjectError::OtherLog`] and [`ProjectError::LogBroken`].
    pub fn with(self, pulled: Pulled, checkpoints: &[Checkpoint]) -> Result<Whole, ProjectError> {
        let Plan { mut whole, ranges, .. } = self;
        let places: BTreeSet<(Part, Position)> = checkpoints.iter().map(|c| (c.part, c.pos)).collect();
        let (mut there, mut ends) = (pulled.before, BTreeMap::new());
        for event in &pulled.events {
            ends.insert(event.part, event.pos);
            if places.contains(&(event.part, event.pos)) {
                there.push((event.part, event.pos, event.event_id));
            }
        }
        for range in &ranges {
            let end = ends.get(&range.part).copied().unwrap_or(range.after);
            // Nothing of this is new to a generation whose checkpoint is past the end.
            let counts = |c: &&Checkpoint| c.part == range.part && (c.pos <= end || c.epoch != pulled.epoch);
            checkpoints.iter().filter(counts).try_for_each(|c| is_of(c, pulled.epoch, &there))?;
        }
        for event in pulled.events {
            whole.entry(event.part).or_default().push(event);
        }
        for range in &ranges {
            let mut pos = range.after;
            for event in whole.get(&range.part).into_iter().flatten() {
                pos = pos.next();
                if event.pos != pos {
                    return Err(ProjectError::LogBroken { part: range.part, pos });
                }
            }
        }
        Ok(whole)
    }
}

/// Whether a checkpoint was made from the log `epoch` whose events at the checkpoints' positions are
/// `before`.
pub(crate) fn is_of(
    checkpoint: &Checkpoint,
    epoch: Epoch,
    before: &[(Part, Position, EventId)],
) -> Result<(), ProjectError> {
    let at = |(part, pos, _): &&(Part, Position, EventId)| *part == checkpoint.part && *pos == checkpoint.pos;
    let there = before.iter().find(at).map(|(.., id)| *id);
    if epoch == checkpoint.epoch && (checkpoint.pos == Position(0) || there == checkpoint.event_id) {
        return Ok(());
    }
    let event = |id: Option<EventId>| id.map_or_else(|| "no event".to_owned(), |id| format!("event {id}"));
    Err(ProjectError::OtherLog {
        generation: checkpoint.generation,
        part: checkpoint.part,
        pos: checkpoint.pos,
        ours: format!("{} of log {}", event(checkpoint.event_id), checkpoint.epoch),
        theirs: format!("{} of log {epoch}", event(there)),
    })
}

/// Those of the events that one generation's checkpoints do not cover.
pub fn new_events<'a>(at: &[Checkpoint], whole: &'a Whole) -> Vec<&'a LogEvent> {
    at.iter()
        .flat_map(|c| whole.get(&c.part).into_iter().flatten().filter(|event| event.pos > c.pos))
        .collect()
}

/// The products of events, by id.
pub fn products_of(events: &[&LogEvent]) -> Vec<ProductId> {
    let products: BTreeSet<ProductId> = events.iter().map(|event| event.product_id).collect();
    products.into_iter().collect()
}

/// One generation's checkpoints after its new events.
pub fn moved(at: &[Checkpoint], new: &[&LogEvent]) -> Vec<Checkpoint> {
    let last: BTreeMap<Part, &LogEvent> = new.iter().map(|event| (event.part, *event)).collect();
    at.iter()
        .filter_map(|c| {
            last.get(&c.part).map(|e| Checkpoint { pos: e.pos, event_id: Some(e.event_id), ..*c })
        })
        .collect()
}

/// What is pulled though no message asked for it: parts that are behind the log and stay so.
#[derive(Debug, Clone, Default)]
pub struct Looks {
    /// Where parts that were behind stood at the last look.
    behind: BTreeMap<Part, Position>,
}

impl Looks {
    /// What to pull, with the checkpoints of all generations and the log's heads by part. While messages come in,
    /// one may be under way to a part that has moved since the last look: that part has until the next.
    pub fn ask(&mut self, checkpoints: &[Checkpoint], heads: &[Position], connected: bool) -> Batch {
        let mut lowest: BTreeMap<Part, Position> = BTreeMap::new();
        for checkpoint in checkpoints {
            let pos = lowest.entry(checkpoint.part).or_insert(checkpoint.pos);
            *pos = (*pos).min(checkpoint.pos);
        }
        let mut batch = Batch::default();
        let mut behind = BTreeMap::new();
        for (part, at) in lowest {
            let Some(head) = heads.get(part.index()).copied().filter(|head| *head > at) else { continue };
            if !connected || self.behind.get(&part) == Some(&at) {
                batch.ask(part, head);
            }
            behind.insert(part, at);
        }
        self.behind = behind;
        batch
    }

    /// Notes where the parts of a batch now stand. Returns whether one of them has more to pull.
    pub fn pulled(&mut self, batch: &Batch, positions: &BTreeMap<Part, Position>) -> bool {
        let mut more = false;
        for (part, wanted) in &batch.0 {
            let at = positions.get(part).copied().unwrap_or_default();
            more |= at < wanted.up_to;
            self.behind.insert(*part, at);
        }
        more
    }
}
