//! The projector's transaction, without its statements: what they read and write is in memory.

use crate::world::World;
use domain::{Apply, LogEvent, Part, Position, ProductId, Version};
use meta::Checkpoint;
use projection::{Batch, Folding, Rebuild, moved, new_events, plan, products_of};
use std::collections::{BTreeMap, BTreeSet};

/// Events pulled for one transaction at most: few, so that it often takes several.
const PULL_EVENTS_MAX: i64 = 24;

/// Which generations a batch is folded into.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    Live,
    Built(i32),
}

/// What a transaction would store in one generation.
struct Staged {
    generation: i32,
    folding: Folding,
    moved: Vec<Checkpoint>,
    rebuilt: Vec<ProductId>,
    touched: BTreeSet<ProductId>,
}

impl World {
    /// Folds a batch; cut off before its commit, nothing of it has happened. Returns where each part of it stands.
    pub(crate) fn project(
        &mut self,
        batch: &Batch,
        target: Target,
        cut_off: bool,
    ) -> BTreeMap<Part, Position> {
        let ours = match target {
            Target::Live => self.meta.live(),
            Target::Built(generation) => vec![(generation, self.apply_of(generation))],
        };
        let numbers: Vec<i32> = ours.iter().map(|(generation, _)| *generation).collect();
        let checkpoints = self.meta.checkpoints_of(&numbers, |part| batch.0.contains_key(&part));
        let plan = plan(batch, &checkpoints, PULL_EVENTS_MAX);
        if !plan.foreign().is_empty() {
            self.happened("a message of another log was seen through");
        }
        let whole = if plan.ranges().is_empty() {
            plan.whole()
        } else {
            self.happened("events were pulled");
            let pulled = self.primary.pull_events(plan.ranges());
            plan.with(pulled, &checkpoints).unwrap()
        };
        let staged: Vec<Staged> = ours
            .into_iter()
            .map(|(generation, apply)| {
                let of = |c: &&Checkpoint| c.generation == generation;
                let at: Vec<Checkpoint> = checkpoints.iter().filter(of).copied().collect();
                self.fold_into(generation, apply, &at, &new_events(&at, &whole))
            })
            .collect();
        if cut_off {
            self.happened("a projector was cut off before its commit");
            return BTreeMap::new();
        }
        let mut positions = BTreeMap::new();
        for staged in staged {
            self.parked(staged.folding.parkings.len());
            let generation = self.meta.generations.get_mut(&staged.generation).unwrap();
            staged.rebuilt.iter().for_each(|id| generation.remove(*id));
            generation.store(&staged.folding);
            // One that was lost is there again with its next event, as it must be.
            generation.lost.retain(|id| !staged.touched.contains(id));
            for checkpoint in &staged.moved {
                let at = positions.entry(checkpoint.part).or_insert(checkpoint.pos);
                *at = checkpoint.pos.min(*at);
            }
            generation.move_to(staged.moved);
            self.check(staged.generation, &staged.touched);
        }
        positions
    }

    fn fold_into(&mut self, number: i32, apply: Apply, at: &[Checkpoint], new: &[&LogEvent]) -> Staged {
        let products = products_of(new);
        let discarded = self.meta.discarded_of(|id| products.contains(&id));
        let mut folding = Folding::of(apply, self.meta.generations[&number].load(&products), discarded);
        new.iter().for_each(|event| folding.fold(*event));
        let rebuilt = folding.holes();
        for product in &rebuilt {
            self.happened("a hole was filled from the log");
            let last = new.iter().rev().find(|event| event.product_id == *product).unwrap();
            folding.begin_again(*product);
            for event in self.primary.product_events(*product, Version(0)) {
                if event.pos <= last.pos {
                    folding.fold(event);
                }
            }
            folding.end_again(*last);
        }
        let moved = moved(at, new);
        for checkpoint in &moved {
            let there = self.primary.at(checkpoint.part, checkpoint.pos).unwrap();
            assert_eq!(checkpoint.event_id, Some(there.event_id), "{checkpoint:?} names another event");
        }
        Staged { generation: number, folding, moved, rebuilt, touched: products.into_iter().collect() }
    }

    /// Begins to make a product anew: what the checkpoints cover now is folded without their lock.
    pub(crate) fn begin_rebuild(&self, id: ProductId, only: Option<i32>) -> Rebuild {
        let wanted = |(generation, _): &(i32, Apply)| only.is_none_or(|only| only == *generation);
        let live: Vec<(i32, Apply)> = self.meta.live().into_iter().filter(wanted).collect();
        let numbers: Vec<i32> = live.iter().map(|(generation, _)| *generation).collect();
        let mut rebuild = Rebuild::of(id, &live, self.meta.discarded_of(|of| of == id));
        rebuild.go_up_to(&self.meta.checkpoints_of(&numbers, |part| part == id.part()));
        self.read_on(id, &mut rebuild);
        rebuild
    }

    /// Ends it under the lock of the checkpoints, however much has happened meanwhile.
    pub(crate) fn end_rebuild(&mut self, id: ProductId, mut rebuild: Rebuild) {
        let numbers: Vec<i32> = rebuild.generations().collect();
        let checkpoints = self.meta.checkpoints_of(&numbers, |part| part == id.part());
        let discarded = self.meta.discarded_of(|of| of == id);
        if discarded != *rebuild.discarded() {
            let known: Vec<(i32, Apply)> = numbers
                .iter()
                .filter(|number| self.meta.generations.contains_key(number))
                .map(|number| (*number, self.apply_of(*number)))
                .collect();
            rebuild = Rebuild::of(id, &known, discarded);
            self.happened("a product was given up while it was made anew");
        }
        rebuild.keep_those_of(&checkpoints);
        rebuild.go_up_to(&checkpoints);
        self.read_on(id, &mut rebuild);
        for (number, folding) in rebuild.into_foldings() {
            let generation = self.meta.generations.get_mut(&number).unwrap();
            generation.remove(id);
            generation.store(&folding);
            self.check(number, &BTreeSet::from([id]));
        }
    }

    fn read_on(&self, id: ProductId, rebuild: &mut Rebuild) {
        for event in self.primary.product_events(id, rebuild.after()) {
            rebuild.pass(event.into());
        }
    }
}
