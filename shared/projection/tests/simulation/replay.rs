//! A replay: its rows in meta, and the process that works at it, which may be killed between any two units of work.

use crate::meta::GivenUp;
use crate::projector::Target;
use crate::world::World;
use domain::{Apply, EventId, Part, Position, ProductId, ProductMeta, Version, projection};
use meta::{Checkpoint, Discarded, StoredProduct};
use projection::{Batch, Folding};
use std::collections::{BTreeMap, BTreeSet};

/// Events that may be left to the projector when it takes over.
const HAND_OVER_EVENTS_MAX: i64 = 3;

/// What a generation is built from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Log,
    Reviews,
}

/// The rows of a replay.
pub(crate) struct Replay {
    pub(crate) generation: i32,
    source: Source,
    targets: BTreeMap<Part, Position>,
    pub(crate) paused: bool,
    /// The step at which it began.
    begun: usize,
}

/// The process that works at it, with what it has in memory.
pub(crate) struct Process {
    active: i32,
    discarded: Discarded,
    at: Phase,
}

#[derive(Clone, Copy)]
enum Phase {
    Building,
    CatchingUp,
    HandedOver,
    Ready,
}

impl World {
    pub(crate) fn begin_replay(&mut self) -> bool {
        if self.replay.is_some() {
            return false;
        }
        let source = if self.dice.one_in(2) { Source::Log } else { Source::Reviews };
        // The reviews are what the current version gives.
        let version =
            if source == Source::Log && self.dice.one_in(3) { 1 } else { domain::PROJECTION_VERSION };
        self.happened(if version == 1 {
            "an older version was built"
        } else {
            "a current version was built"
        });
        let targets = self.primary.parts().into_iter().map(|part| (part, self.primary.head(part))).collect();
        let generation = self.meta.begin(version);
        self.replay = Some(Replay { generation, source, targets, paused: false, begun: self.step });
        self.start_process()
    }

    /// A process takes the replay up, from wherever the one before was killed.
    pub(crate) fn start_process(&mut self) -> bool {
        if self.replay.is_none() || self.process.is_some() {
            return false;
        }
        let discarded = self.meta.discarded_of(|_| true);
        self.process = Some(Process { active: self.meta.active, discarded, at: Phase::Building });
        true
    }

    /// One unit of work of the process.
    pub(crate) fn work(&mut self) -> bool {
        let Some(replay) = self.replay.as_ref().filter(|replay| !replay.paused) else { return false };
        let generation = replay.generation;
        let Some(process) = &self.process else { return false };
        if self.meta.active == generation {
            // Killed between the swap and the note of it.
            self.happened("a process found its generation swapped in");
            (self.replay, self.process) = (None, None);
            return true;
        }
        let next = match process.at {
            Phase::Building => self.build_group(generation),
            Phase::CatchingUp => self.catch_up(generation),
            Phase::HandedOver => self.finish(generation),
            Phase::Ready => return self.swap_in(generation),
        };
        match (&mut self.process, next) {
            (Some(process), Some(next)) => process.at = next,
            // Killed in the middle, or it found differences.
            (process, None) => *process = None,
            (None, _) => {}
        }
        true
    }

    /// Builds a group of parts, whole or not at all.
    fn build_group(&mut self, number: i32) -> Option<Phase> {
        let Replay { source, targets, .. } = self.replay.as_ref().unwrap();
        let (source, targets) = (*source, targets.clone());
        let built = &self.meta.generations[&number].checkpoints;
        let left: Vec<Part> = targets.keys().filter(|part| !built.contains_key(part)).copied().collect();
        if left.is_empty() {
            return Some(Phase::CatchingUp);
        }
        let group = &left[..left.len().min(self.dice.below(3) + 1)];
        let mut folding =
            Folding::from_first(self.apply_of(number), self.process.as_ref().unwrap().discarded.clone());
        let (mut checkpoints, mut added_up, mut healed) = (Vec::new(), Vec::new(), Vec::new());
        for part in group {
            let to = match source {
                Source::Log => targets[part],
                Source::Reviews => self.primary.head(*part),
            };
            if source == Source::Log {
                self.primary.up_to(*part, to).iter().for_each(|event| folding.fold(event));
            } else {
                self.add_up(*part, &mut folding, &mut added_up, &mut healed);
            }
            let event_id = self.primary.at(*part, to).map(|event| event.event_id);
            let epoch = self.primary.epoch;
            checkpoints.push(Checkpoint { generation: number, part: *part, pos: to, epoch, event_id });
        }
        if self.dice.one_in(8) {
            self.happened("a process was killed within a group");
            return None;
        }
        self.happened("a group was built");
        self.parked(folding.parkings.len());
        let generation = self.meta.generations.get_mut(&number).unwrap();
        generation.store(&folding);
        for stored in added_up {
            generation.products.insert(stored.product_id, stored);
        }
        generation.healed.extend(healed);
        for checkpoint in checkpoints {
            generation.checkpoints.insert(checkpoint.part, checkpoint);
        }
        self.check_all(number);
        Some(Phase::Building)
    }

    /// The reviews of a part, but for the products that are ahead of the log or of which an event was given up.
    fn add_up(
        &mut self,
        part: Part,
        folding: &mut Folding,
        added_up: &mut Vec<StoredProduct>,
        healed: &mut Vec<(ProductId, ProductMeta)>,
    ) {
        let mut folded = self.primary.ahead(part);
        if !folded.is_empty() {
            self.happened("reviews were ahead of the log");
        }
        folded.extend(self.meta.discarded.values().map(|given_up| given_up.product));
        let products: Vec<ProductId> =
            self.primary.products.keys().filter(|id| id.part() == part).copied().collect();
        for id in products {
            if folded.contains(&id) {
                self.primary.product_events(id, Version(0)).for_each(|event| folding.fold(event));
                continue;
            }
            let meta = self.primary.products[&id].reviews.clone();
            if meta.version == Version(0) {
                continue;
            }
            if !self.oracle.is_fold(id, &meta) {
                self.happened("reviews went on where the log cannot");
                healed.push((id, meta.clone()));
            }
            added_up.push(StoredProduct::of(id, meta));
        }
    }

    /// Folds what came meanwhile, and hands over when little is left.
    fn catch_up(&mut self, number: i32) -> Option<Phase> {
        let generation = &self.meta.generations[&number];
        if generation.live {
            return Some(Phase::HandedOver);
        }
        let mut batch = Batch::default();
        let mut left = 0;
        for part in self.primary.parts() {
            let (at, head) = (generation.position(part), self.primary.head(part));
            if head > at {
                left += head.0 - at.0;
                batch.ask(part, head);
            }
        }
        if left <= HAND_OVER_EVENTS_MAX {
            self.happened(if left > 0 {
                "a generation was handed over behind"
            } else {
                "a generation was handed over"
            });
            self.meta.generations.get_mut(&number).unwrap().live = true;
            return Some(Phase::HandedOver);
        }
        self.happened("a generation caught up");
        self.project(&batch, Target::Built(number), false);
        Some(Phase::CatchingUp)
    }

    /// Waits until the projector has it nowhere behind; goes on where something was given up; verifies.
    fn finish(&mut self, number: i32) -> Option<Phase> {
        let active = self.process.as_ref().unwrap().active;
        if !self.meta.generations.contains_key(&active) {
            return None;
        }
        if self.meta.is_behind(active, number) {
            return Some(Phase::HandedOver);
        }
        for id in self.given_up_since(number) {
            self.happened("a replay went on after an event was given up");
            let rebuild = self.begin_rebuild(id, Some(number));
            self.end_rebuild(id, rebuild);
        }
        let generation = &self.meta.generations[&number];
        assert!(
            generation.unsettled.is_empty(),
            "products {:?} of generation {number} are about to answer as before an event was given up",
            generation.unsettled
        );
        if generation.damaged().next().is_some() {
            self.happened("verification found differences");
            return None;
        }
        self.check_all(number);
        Some(Phase::Ready)
    }

    /// What the statement of the same name reads.
    fn given_up_since(&self, number: i32) -> BTreeSet<ProductId> {
        let (begun, parked) = (self.replay.as_ref().unwrap().begun, &self.meta.generations[&number].parked);
        let stands_still =
            |event: &EventId, id: &ProductId| parked.get(id).is_some_and(|p| p.event_id == *event);
        let since = |(event, given_up): &(&EventId, &GivenUp)| {
            given_up.step >= begun || stands_still(event, &given_up.product)
        };
        self.meta.discarded.iter().filter(since).map(|(_, given_up)| given_up.product).collect()
    }

    fn swap_in(&mut self, number: i32) -> bool {
        let process = self.process.take().unwrap();
        if self.meta.active != process.active || self.meta.is_behind(process.active, number) {
            self.happened("a swap was refused");
            return true;
        }
        self.swap(number);
        self.happened("a replay was swapped in");
        // Now and then it is killed before it notes that.
        if !self.dice.one_in(4) {
            self.replay = None;
        }
        true
    }

    pub(crate) fn swap(&mut self, to: i32) {
        self.meta.previous = Some(self.meta.active);
        self.meta.active = to;
        self.check_all(to);
        self.readers.look(&self.primary.products.keys().copied().collect(), &self.meta);
    }

    /// The generation that answered before answers again, if it is nowhere behind.
    pub(crate) fn roll_back(&mut self) -> bool {
        let live = |to: &i32| self.meta.generations.get(to).is_some_and(|generation| generation.live);
        let Some(to) = self.meta.previous.filter(live) else { return false };
        if self.meta.is_behind(self.meta.active, to) {
            self.happened("a rollback was refused");
            return true;
        }
        self.happened("a generation was rolled back to");
        self.swap(to);
        true
    }

    /// Gives the replay up, with a process at it or without; one that was swapped in stays.
    pub(crate) fn cancel(&mut self) -> bool {
        let Some(replay) = self.replay.take() else { return false };
        self.process = None;
        if replay.generation != self.meta.active {
            self.meta.generations.remove(&replay.generation);
            self.happened("a replay was cancelled");
        }
        true
    }

    /// Deletes the generations that neither answer nor are built.
    pub(crate) fn prune(&mut self) -> bool {
        let kept = |number: i32| {
            number == self.meta.active
                || self.replay.as_ref().is_some_and(|replay| replay.generation == number)
        };
        let old: Vec<i32> = self.meta.generations.keys().copied().filter(|number| !kept(*number)).collect();
        old.iter().for_each(|number| drop(self.meta.generations.remove(number)));
        !old.is_empty()
    }

    pub(crate) fn apply_of(&self, generation: i32) -> Apply {
        projection(self.meta.generations[&generation].version).unwrap()
    }
}
