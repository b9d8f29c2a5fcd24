//! The primary in memory: outbox, log and reviews. Writers commit in any order, positions come after the commit.

use crate::dice::Dice;
use crate::facts::{self, Fact};
use domain::{
    Epoch, Event, EventId, LinkedEvent, LogEvent, Part, Position, PostedReview, ProductId, ProductMeta,
    ReviewId, Version, apply,
};
use primary::{LogRange, Pulled};
use std::collections::{BTreeMap, BTreeSet};

/// Ids of products; the first ones share a part, and are written to most.
pub(crate) const PRODUCTS: [i64; 7] = [1, 65, 129, 2, 66, 9, 10];

pub(crate) struct Primary {
    pub(crate) epoch: Epoch,
    pub(crate) products: BTreeMap<ProductId, Product>,
    /// Statements under way: the product's row is locked, and nobody sees the event.
    open: BTreeMap<ProductId, (i64, Fact)>,
    /// Committed events by part and tie.
    outbox: BTreeMap<Part, BTreeMap<i64, LogEvent>>,
    log: BTreeMap<Part, Vec<LogEvent>>,
    pub(crate) published: BTreeMap<Part, Position>,
    next: i64,
}

/// A product as writers see it.
#[derive(Default)]
pub(crate) struct Product {
    /// What its reviews add up to, at the version of its last committed command.
    pub(crate) reviews: ProductMeta,
    posted: Vec<PostedReview>,
    /// Its committed events, by version.
    pub(crate) events: Vec<Committed>,
}

/// An event with what it says.
pub(crate) struct Committed {
    pub(crate) event_id: EventId,
    pub(crate) says: Option<Event>,
    /// The review that it says was added, whether or not the rest can be applied.
    pub(crate) adds: Option<ReviewId>,
    /// Its place in the log, if it has one.
    pub(crate) pos: Option<Position>,
}

impl Primary {
    pub(crate) fn new() -> Self {
        let ids = PRODUCTS.map(|id| ProductId::try_from(id).unwrap());
        let parts: BTreeSet<Part> = ids.iter().map(|id| id.part()).collect();
        Primary {
            epoch: Epoch::from_u128(1),
            products: ids.iter().map(|id| (*id, Product::default())).collect(),
            open: BTreeMap::new(),
            outbox: parts.iter().map(|part| (*part, BTreeMap::new())).collect(),
            log: parts.iter().map(|part| (*part, Vec::new())).collect(),
            published: parts.iter().map(|part| (*part, Position(0))).collect(),
            next: 1,
        }
    }

    pub(crate) fn parts(&self) -> Vec<Part> {
        self.log.keys().copied().collect()
    }

    pub(crate) fn head(&self, part: Part) -> Position {
        Position(i64::try_from(self.log[&part].len()).unwrap())
    }

    /// A command begins: it has the product's lock and its tie. `false` when another one has the lock.
    pub(crate) fn begin(&mut self, dice: &mut Dice) -> Option<ProductId> {
        let id = PRODUCTS[dice.below(PRODUCTS.len()).min(dice.below(PRODUCTS.len()))].try_into().unwrap();
        if self.open.contains_key(&id) {
            return None;
        }
        let tie = self.draw();
        let product = &self.products[&id];
        let characteristics = i64::try_from(product.reviews.characteristics.len()).unwrap();
        let fact = facts::next(dice, id.get(), characteristics, &product.posted, tie);
        self.open.insert(id, (tie, fact));
        Some(id)
    }

    /// A command under way, if there is one.
    pub(crate) fn under_way(&self, dice: &mut Dice) -> Option<ProductId> {
        dice.pick(&self.open.keys().copied().collect::<Vec<_>>())
    }

    /// The command for a product commits: review, version and event at once.
    pub(crate) fn commit(&mut self, id: ProductId) {
        let (tie, fact) = self.open.remove(&id).unwrap();
        let product = self.products.get_mut(&id).unwrap();
        let version = Version(product.reviews.version.0 + 1);
        if let Some(did) = &fact.did {
            apply(&mut product.reviews, version, did).unwrap();
            match did {
                Event::ReviewPosted(review) => product.posted.push(review.clone()),
                Event::ReviewErased(review) => product.posted.retain(|old| old.review_id != review.review_id),
                _ => {}
            }
        }
        product.reviews.version = version;
        let event_id = EventId::from_u128(1_000 + u128::try_from(tie).unwrap());
        product.events.push(Committed { event_id, says: fact.says, adds: fact.adds, pos: None });
        let event = LogEvent {
            part: id.part(),
            pos: Position(0),
            product_id: id,
            version,
            event_id,
            event_type: fact.event_type,
            payload: fact.payload,
            traceparent: None,
            at: Default::default(),
        };
        self.outbox.get_mut(&id.part()).unwrap().insert(tie, event);
    }

    /// Gives positions to at most so many events of a part; returns the products that they are of.
    pub(crate) fn sequence(&mut self, part: Part, events_max: usize) -> Vec<ProductId> {
        let mut sequenced = Vec::new();
        for _ in 0..events_max {
            let Some((_, mut event)) = self.outbox.get_mut(&part).unwrap().pop_first() else { break };
            event.pos = self.head(part).next();
            let of = &mut self.products.get_mut(&event.product_id).unwrap().events;
            let version = usize::try_from(event.version.0).unwrap();
            of[version - 1].pos = Some(event.pos);
            let placed = of.iter().filter(|event| event.pos.is_some()).count();
            assert_eq!(placed, version, "versions of product {} are not dense in the log", event.product_id);
            sequenced.push(event.product_id);
            self.log.get_mut(&part).unwrap().push(event);
        }
        sequenced
    }

    /// Parts with events that have no position.
    pub(crate) fn waiting(&self) -> Vec<Part> {
        self.outbox.iter().filter(|(_, events)| !events.is_empty()).map(|(part, _)| *part).collect()
    }

    /// Products whose reviews are ahead of the log.
    pub(crate) fn ahead(&self, part: Part) -> BTreeSet<ProductId> {
        self.outbox[&part].values().map(|event| event.product_id).collect()
    }

    /// The events of a part after a position, as the relay sends them.
    pub(crate) fn linked(&self, part: Part, after: Position, events_max: usize) -> Vec<LinkedEvent> {
        let at = usize::try_from(after.0).unwrap();
        let log = &self.log[&part];
        let linked = |n: usize| LinkedEvent {
            event: log[n].clone(),
            previous: n.checked_sub(1).map(|before| log[before].event_id),
        };
        (at..log.len().min(at + events_max)).map(linked).collect()
    }

    /// What the statement of the same name reads.
    pub(crate) fn pull_events(&self, ranges: &[LogRange]) -> Pulled {
        let mut pulled = Pulled { epoch: self.epoch, before: Vec::new(), events: Vec::new() };
        for range in ranges {
            if let Some(before) = self.at(range.part, range.after) {
                pulled.before.push((range.part, range.after, before.event_id));
            }
            let count = usize::try_from(range.events_max).unwrap();
            let after = usize::try_from(range.after.0).unwrap();
            pulled.events.extend(self.log[&range.part].iter().skip(after).take(count).cloned());
        }
        pulled
    }

    /// The event at a position.
    pub(crate) fn at(&self, part: Part, pos: Position) -> Option<&LogEvent> {
        self.log[&part].get(usize::try_from(pos.0 - 1).ok()?)
    }

    /// The events of a part up to a position.
    pub(crate) fn up_to(&self, part: Part, pos: Position) -> &[LogEvent] {
        &self.log[&part][..usize::try_from(pos.0).unwrap()]
    }

    /// A product's events in the log after a version, in order.
    pub(crate) fn product_events(&self, id: ProductId, after: Version) -> impl Iterator<Item = &LogEvent> {
        let after = usize::try_from(after.0).unwrap();
        let placed = self.products[&id].events.iter().skip(after).map_while(|event| event.pos);
        placed.map(move |pos| self.at(id.part(), pos).unwrap())
    }

    fn draw(&mut self) -> i64 {
        self.next += 1;
        self.next
    }
}
