//! What must be so: every product as the fold of its events says, by its generation's version, up to its checkpoint.
//! Folded here event by event as each gets its position, from what it says and not from its text.

use crate::meta::{Generation, Meta};
use crate::primary::{Committed, Primary};
use domain::{
    Apply, Event, EventId, PROJECTION_VERSIONS, ProductId, ProductMeta, ReviewId, Version, projection,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

/// What each product is after each of its events, at version 0 too, by version of the fold; nothing where it stands
/// still.
#[derive(Default)]
pub(crate) struct Oracle {
    after: BTreeMap<(ProductId, i32), Vec<Option<Rc<ProductMeta>>>>,
}

impl Oracle {
    /// Folds the events of a product that got positions.
    pub(crate) fn learn(&mut self, id: ProductId, primary: &Primary, discarded: &HashSet<EventId>) {
        let given_up = GivenUp::of(id, primary, discarded);
        for version in PROJECTION_VERSIONS {
            let after = self.after.entry((id, version)).or_insert_with(|| vec![Some(Rc::default())]);
            let events = primary.products[&id].events.iter().skip(after.len() - 1);
            for event in events.take_while(|event| event.pos.is_some()) {
                let next =
                    step(after.last().unwrap().as_ref(), event, projection(version).unwrap(), &given_up);
                after.push(next);
            }
        }
    }

    /// Folds a product again: an event of it was given up.
    pub(crate) fn forget(&mut self, id: ProductId) {
        PROJECTION_VERSIONS.iter().for_each(|version| drop(self.after.remove(&(id, *version))));
    }

    fn at(&self, id: ProductId, version: i32, events: usize) -> Option<&ProductMeta> {
        match self.after.get(&(id, version)) {
            Some(after) => after[events].as_deref(),
            None => None,
        }
    }

    /// How many of a product's events a generation's checkpoint covers.
    fn covered(id: ProductId, generation: &Generation, primary: &Primary) -> usize {
        let at = generation.position(id.part());
        primary.products[&id].events.partition_point(|event| event.pos.is_some_and(|pos| pos <= at))
    }

    /// What the reviews add up to is what the events do; or the events cannot be folded.
    pub(crate) fn is_fold(&self, id: ProductId, meta: &ProductMeta) -> bool {
        let events = usize::try_from(meta.version.0).unwrap();
        self.at(id, *PROJECTION_VERSIONS.last().unwrap(), events).is_some_and(|fold| fold == meta)
    }

    /// Whether a product is as it must be; one that is damaged, or not settled yet, may be anything.
    pub(crate) fn check(&self, id: ProductId, number: i32, meta: &Meta, primary: &Primary) {
        let generation = &meta.generations[&number];
        if generation.is_damaged(id) || generation.unsettled.contains(&id) {
            return;
        }
        let covered = Self::covered(id, generation, primary);
        let named = || format!("product {id} of generation {number} (version {})", generation.version);
        if covered == 0 {
            assert!(!generation.products.contains_key(&id), "{}: there without an event", named());
            return;
        }
        let stored = generation.products.get(&id).unwrap_or_else(|| panic!("{}: is not there", named()));
        let expected = match generation.healed.get(&id) {
            Some(healed) => {
                let mut now = Some(Rc::new(healed.clone()));
                let apply = projection(generation.version).unwrap();
                let passed = usize::try_from(healed.version.0).unwrap();
                let discarded = meta.discarded_of(|of| of == id).events;
                let given_up = GivenUp::of(id, primary, &discarded);
                for event in &primary.products[&id].events[passed..covered] {
                    now = step(now.as_ref(), event, apply, &given_up);
                }
                now
            }
            None => self.after[&(id, generation.version)][covered].clone(),
        };
        match expected {
            Some(expected) => {
                assert_eq!(stored.meta, *expected, "{}: is not the fold of {covered} events", named());
                let parking = generation.parked.get(&id);
                assert!(!stored.parked && parking.is_none(), "{}: stands still: {parking:?}", named());
            }
            None => {
                assert!(stored.parked, "{}: goes on after an event that cannot be applied", named());
                let parking = generation.parked.get(&id);
                let parking = parking.unwrap_or_else(|| panic!("{}: stands still without a name", named()));
                assert_eq!(parking.version.0, stored.meta.version.0 + 1, "{}: {parking:?}", named());
                let events = &primary.products[&id].events;
                let passed = usize::try_from(stored.meta.version.0).unwrap();
                assert_eq!(parking.event_id, events[passed].event_id, "{}: another event", named());
                if !generation.healed.contains_key(&id) {
                    let (before, next) = (self.at(id, generation.version, passed), passed + 1);
                    assert_eq!(Some(&stored.meta), before, "{}: is not the fold of {passed} events", named());
                    assert_eq!(
                        self.at(id, generation.version, next),
                        None,
                        "{}: stands still too early",
                        named()
                    );
                }
            }
        }
    }
}

/// What was given up of a product: events, and the reviews that those would have added.
struct GivenUp<'e> {
    events: &'e HashSet<EventId>,
    /// Each with the version at which.
    reviews: BTreeMap<ReviewId, Version>,
}

impl<'e> GivenUp<'e> {
    fn of(id: ProductId, primary: &Primary, events: &'e HashSet<EventId>) -> Self {
        let given_up = (1..).zip(&primary.products[&id].events).filter(|(_, e)| events.contains(&e.event_id));
        // Of two the first counts.
        let reviews = given_up.filter_map(|(version, event)| Some((event.adds?, Version(version))));
        GivenUp { events, reviews: reviews.collect::<Vec<_>>().into_iter().rev().collect() }
    }
}

fn step(
    before: Option<&Rc<ProductMeta>>,
    event: &Committed,
    apply: Apply,
    given_up: &GivenUp<'_>,
) -> Option<Rc<ProductMeta>> {
    let mut next = ProductMeta::clone(before?);
    let version = Version(next.version.0 + 1);
    if given_up.events.contains(&event.event_id) {
        next.version = version;
        return Some(Rc::new(next));
    }
    let says: &Event = event.says.as_ref()?;
    if says.review_id().and_then(|id| given_up.reviews.get(&id)).is_some_and(|added| *added < version) {
        next.version = version;
        return Some(Rc::new(next));
    }
    apply(&mut next, version, says).ok()?;
    Some(Rc::new(next))
}

/// The newest version of each product that readers have seen.
#[derive(Default)]
pub(crate) struct Readers {
    seen: BTreeMap<ProductId, Version>,
}

impl Readers {
    /// Looks at some products of the generation that answers: none goes back, but those that stand still or were
    /// damaged.
    pub(crate) fn look(&mut self, products: &BTreeSet<ProductId>, meta: &Meta) {
        let generation = &meta.generations[&meta.active];
        for id in products {
            let excepted =
                generation.is_damaged(*id) || generation.products.get(id).is_some_and(|stored| stored.parked);
            if !excepted {
                let (version, seen) = (generation.version_of(*id), self.seen.entry(*id).or_default());
                assert!(
                    version >= *seen,
                    "readers saw product {id} go back from version {seen} to {version}"
                );
                *seen = version;
            }
        }
    }
}
