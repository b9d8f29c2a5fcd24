//! One product folded anew from its first event, for several generations at once, each as far as its own checkpoint:
//! no I/O.

use crate::fold::Folding;
use domain::{Apply, EventRef, Position, ProductId, Version};
use meta::{Checkpoint, Discarded};

/// A product while it is folded anew. In no generation does it come past the checkpoint: readers would see it go back
/// at a swap to a generation that is as far, and there without what is ahead.
#[derive(Debug, Clone)]
pub struct Rebuild {
    product_id: ProductId,
    generations: Vec<OfGeneration>,
    discarded: Discarded,
    events: u64,
}

#[derive(Debug, Clone)]
struct OfGeneration {
    generation: i32,
    up_to: Position,
    passed: Version,
    folding: Folding,
}

impl Rebuild {
    /// Begins for generations, and passes over what was given up.
    pub fn of(product_id: ProductId, generations: &[(i32, Apply)], discarded: Discarded) -> Self {
        let of_generation = |(generation, apply): &(i32, Apply)| OfGeneration {
            generation: *generation,
            up_to: Position(0),
            passed: Version(0),
            folding: Folding::from_first(*apply, discarded.clone()),
        };
        Rebuild {
            product_id,
            generations: generations.iter().map(of_generation).collect(),
            discarded,
            events: 0,
        }
    }

    /// The generations for which it is folded.
    pub fn generations(&self) -> impl Iterator<Item = i32> {
        self.generations.iter().map(|of| of.generation)
    }

    /// What it passes over.
    pub fn discarded(&self) -> &Discarded {
        &self.discarded
    }

    /// Goes on up to the checkpoints, by more events of the product after [`Rebuild::after`].
    pub fn go_up_to(&mut self, checkpoints: &[Checkpoint]) {
        let part = self.product_id.part();
        for of in &mut self.generations {
            let own = |c: &&Checkpoint| c.generation == of.generation && c.part == part;
            of.up_to = checkpoints.iter().find(own).map_or(of.up_to, |c| c.pos);
        }
    }

    /// Leaves out the generations that have no checkpoint: they were dropped meanwhile.
    pub fn keep_those_of(&mut self, checkpoints: &[Checkpoint]) {
        self.generations.retain(|of| checkpoints.iter().any(|c| c.generation == of.generation));
    }

    /// The version after which there are events that some generation has not passed.
    pub fn after(&self) -> Version {
        self.generations.iter().map(|of| of.passed).min().unwrap_or_default()
    }

    /// The last version that some generation has passed.
    pub fn version(&self) -> Version {
        self.generations.iter().map(|of| of.passed).max().unwrap_or_default()
    }

    /// Events of the product that were read.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Folds an event in the generations that go up to it and have not passed it. Events come in order of version.
    pub fn pass(&mut self, event: EventRef<'_>) {
        // Where one generation is behind another, some are read twice.
        self.events += u64::from(event.version > self.version());
        for of in &mut self.generations {
            if event.pos <= of.up_to && event.version > of.passed {
                of.folding.fold(event);
                of.passed = event.version;
            }
        }
    }

    /// The product as each generation has it now.
    pub fn into_foldings(self) -> impl Iterator<Item = (i32, Folding)> {
        self.generations.into_iter().map(|of| (of.generation, of.folding))
    }
}
