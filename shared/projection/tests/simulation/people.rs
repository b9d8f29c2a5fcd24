//! What people do, or have done to them: products made anew, events given up, rows lost; and at last, rest.

use crate::meta::{Generation, GivenUp};
use crate::primary::PRODUCTS;
use crate::world::World;
use domain::{Event, Version};
use meta::Checkpoint;

impl World {
    /// Begins to make a product anew, or ends it: one of which an event was given up, that is damaged, or any.
    pub(crate) fn make_anew(&mut self) -> bool {
        if let Some((id, rebuild)) = self.rebuild.take() {
            self.end_rebuild(id, rebuild);
            return true;
        }
        let damaged = self.meta.generations.values().filter(|g| g.live).flat_map(|g| g.damaged()).next();
        let id = match self.given_up.pop_first() {
            Some(id) => {
                self.happened("a product was redriven");
                id
            }
            None if damaged.is_some() && self.dice.one_in(2) => {
                self.happened("a product was repaired");
                damaged.unwrap()
            }
            None => PRODUCTS[self.dice.below(PRODUCTS.len())].try_into().unwrap(),
        };
        self.rebuild = Some((id, self.begin_rebuild(id, None)));
        true
    }

    /// Gives up the event for which a product of the generation that answers stands still.
    pub(crate) fn give_up(&mut self) -> bool {
        let parked = self.meta.generations[&self.meta.active].parked.values();
        let parked: Vec<_> = parked.map(|p| (p.product_id, p.event_id, p.version)).collect();
        let Some((id, event_id, version)) = self.dice.pick(&parked) else { return false };
        let event = self.primary.product_events(id, Version(version.0 - 1)).next().unwrap();
        let review = Event::added_review(&event.event_type, &event.payload);
        let given_up = GivenUp { product: id, version, review, step: self.step };
        if self.meta.discarded.insert(event_id, given_up).is_some() {
            return false;
        }
        self.oracle.forget(id);
        self.oracle.learn(id, &self.primary, &self.meta.discarded_of(|of| of == id).events);
        self.given_up.insert(id);
        for generation in self.meta.generations.values_mut() {
            let parked = generation.parked.get(&id).is_some_and(|p| p.event_id == event_id);
            if !generation.live || parked || generation.version_of(id) >= version {
                generation.unsettled.insert(id);
            }
        }
        true
    }

    /// Somebody loses a product of a generation, or changes it by hand.
    pub(crate) fn damage(&mut self) -> bool {
        let live: Vec<i32> = self.meta.live().iter().map(|(generation, _)| *generation).collect();
        let Some(number) = self.dice.pick(&live) else { return false };
        let generation = self.meta.generations.get_mut(&number).unwrap();
        let Some(id) = self.dice.pick(&generation.products.keys().copied().collect::<Vec<_>>()) else {
            return false;
        };
        if self.dice.one_in(3) {
            generation.products.get_mut(&id).unwrap().meta.ratings[2] += 1;
            generation.spoilt.insert(id);
        } else {
            generation.products.remove(&id);
            generation.spoilt.remove(&id);
            generation.lost.insert(id);
        }
        true
    }

    /// Everything comes to its end; then every generation is the fold of the whole log by its version, and whatever
    /// stands still has a name.
    pub(crate) fn come_to_rest(&mut self) {
        while let Some(id) = self.primary.under_way(&mut self.dice) {
            self.primary.commit(id);
        }
        for part in self.primary.parts() {
            self.give_positions(part, usize::MAX);
        }
        let mut rounds = 0;
        while !self.is_at_rest() {
            rounds += 1;
            assert!(rounds < 10_000, "it does not come to rest");
            self.deliver();
            self.look();
            self.pause(false);
            self.start_process();
            self.work();
            if self.rebuild.is_some() || !self.given_up.is_empty() || self.is_damaged() {
                self.make_anew();
            }
        }
        for number in self.meta.generations.keys().copied().collect::<Vec<_>>() {
            let generation = &self.meta.generations[&number];
            assert!(generation.unsettled.is_empty(), "generation {number}: {:?}", generation.unsettled);
            self.check_all(number);
        }
    }

    fn is_damaged(&self) -> bool {
        self.meta.generations.values().any(|generation| generation.damaged().next().is_some())
    }

    fn is_at_rest(&self) -> bool {
        let at_head = |c: &Checkpoint| c.pos == self.primary.head(c.part);
        let all = |generation: &Generation| generation.checkpoints.values().all(at_head);
        self.replay.is_none()
            && self.rebuild.is_none()
            && self.given_up.is_empty()
            && !self.is_damaged()
            && self.meta.generations.values().all(all)
    }
}
