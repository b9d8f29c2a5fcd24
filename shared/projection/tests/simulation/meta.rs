//! Meta in memory: generations with their checkpoints and products, and what people gave up.

use domain::{Apply, EventId, Part, Position, ProductId, ProductMeta, ReviewId, Version, projection};
use meta::{Checkpoint, Discarded, Parking, StoredProduct};
use projection::Folding;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(crate) struct Meta {
    pub(crate) generations: BTreeMap<i32, Generation>,
    pub(crate) active: i32,
    /// The one that answered before the last swap.
    pub(crate) previous: Option<i32>,
    /// Events that were given up.
    pub(crate) discarded: BTreeMap<EventId, GivenUp>,
    last: i32,
}

/// An event that was given up.
pub(crate) struct GivenUp {
    pub(crate) product: ProductId,
    pub(crate) version: Version,
    /// The review that it would have added.
    pub(crate) review: Option<ReviewId>,
    /// The step at which it was.
    pub(crate) step: usize,
}

#[derive(Clone)]
pub(crate) struct Generation {
    /// Version of its fold.
    pub(crate) version: i32,
    /// The projector keeps it up to date.
    pub(crate) live: bool,
    pub(crate) checkpoints: BTreeMap<Part, Checkpoint>,
    pub(crate) products: BTreeMap<ProductId, StoredProduct>,
    pub(crate) parked: BTreeMap<ProductId, Parking>,
    /// Products that somebody removed, until their next event.
    pub(crate) lost: BTreeSet<ProductId>,
    /// Products that somebody changed by hand, until they are made anew.
    pub(crate) spoilt: BTreeSet<ProductId>,
    /// Products of which an event was given up, until they are made anew.
    pub(crate) unsettled: BTreeSet<ProductId>,
    /// Products that were added up from the reviews though their events cannot be folded, as they were then.
    pub(crate) healed: BTreeMap<ProductId, ProductMeta>,
}

impl Meta {
    pub(crate) fn begin(&mut self, version: i32) -> i32 {
        self.last += 1;
        let generation = Generation {
            version,
            live: false,
            checkpoints: BTreeMap::new(),
            products: BTreeMap::new(),
            parked: BTreeMap::new(),
            lost: BTreeSet::new(),
            spoilt: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            healed: BTreeMap::new(),
        };
        self.generations.insert(self.last, generation);
        self.last
    }

    /// The generations that the projector writes, each with its fold.
    pub(crate) fn live(&self) -> Vec<(i32, Apply)> {
        let live = self.generations.iter().filter(|(_, generation)| generation.live);
        live.map(|(number, generation)| (*number, projection(generation.version).unwrap())).collect()
    }

    pub(crate) fn checkpoints_of(
        &self,
        generations: &[i32],
        parts: impl Fn(Part) -> bool,
    ) -> Vec<Checkpoint> {
        let of = generations.iter().filter_map(|number| self.generations.get(number));
        of.flat_map(|generation| generation.checkpoints.values()).filter(|c| parts(c.part)).copied().collect()
    }

    /// What was given up of some products.
    pub(crate) fn discarded_of(&self, products: impl Fn(ProductId) -> bool) -> Discarded {
        let mut discarded = Discarded::default();
        self.discarded.iter().filter(|(_, given_up)| products(given_up.product)).for_each(
            |(event, given_up)| discarded.add((given_up.product, given_up.version), *event, given_up.review),
        );
        discarded
    }

    /// Whether `to` is in some part behind `from`: the condition of a swap.
    pub(crate) fn is_behind(&self, from: i32, to: i32) -> bool {
        let to = &self.generations[&to].checkpoints;
        let lacks =
            |c: &Checkpoint| to.get(&c.part).is_none_or(|own| own.pos < c.pos || own.epoch != c.epoch);
        self.generations[&from].checkpoints.values().any(lacks)
    }
}

impl Generation {
    /// Products that are not what they should be, by somebody's hand.
    pub(crate) fn damaged(&self) -> impl Iterator<Item = ProductId> {
        self.lost.union(&self.spoilt).copied()
    }

    pub(crate) fn is_damaged(&self, id: ProductId) -> bool {
        self.lost.contains(&id) || self.spoilt.contains(&id)
    }

    pub(crate) fn position(&self, part: Part) -> Position {
        self.checkpoints.get(&part).map_or(Position(0), |c| c.pos)
    }

    pub(crate) fn version_of(&self, id: ProductId) -> Version {
        self.products.get(&id).map_or(Version(0), |stored| stored.meta.version)
    }

    /// What its products are, as they are stored.
    pub(crate) fn load(&self, products: &[ProductId]) -> Vec<StoredProduct> {
        products.iter().filter_map(|id| self.products.get(id)).cloned().collect()
    }

    /// Stores what was folded, as the transaction of the same does.
    pub(crate) fn store(&mut self, folding: &Folding) {
        for stored in folding.changed() {
            self.products.insert(stored.product_id, stored.clone());
        }
        for parking in &folding.parkings {
            self.parked.entry(parking.product_id).or_insert_with(|| parking.clone());
        }
    }

    /// Removes a product, for whoever stores it anew in the same transaction.
    pub(crate) fn remove(&mut self, id: ProductId) {
        self.products.remove(&id);
        self.parked.remove(&id);
        self.is_anew(id);
    }

    /// A product was folded from its first event.
    pub(crate) fn is_anew(&mut self, id: ProductId) {
        self.lost.remove(&id);
        self.spoilt.remove(&id);
        self.unsettled.remove(&id);
        self.healed.remove(&id);
    }

    /// Moves the checkpoints, which never go back.
    pub(crate) fn move_to(&mut self, moved: Vec<Checkpoint>) {
        for checkpoint in moved {
            let before = self.checkpoints.insert(checkpoint.part, checkpoint);
            let before = before.map_or(Position(0), |before| before.pos);
            assert!(checkpoint.pos > before, "a checkpoint moved from {before} to {checkpoint:?}");
        }
    }
}
