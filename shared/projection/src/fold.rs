//! Folding events into products: no I/O, and all of the thinking in the fold of a generation's version,
//! [`domain::apply`] or the one before it.

use domain::{Apply, Event, EventId, EventRef, Part, Position, ProductId, ProductMeta, Version};
use meta::{Discarded, Parking, StoredProduct};
use std::borrow::Cow;
use std::collections::HashMap;

/// Why a product stands still whose events are not all there.
const MISSING: &str = "events of the product are missing in the log itself";

/// Why a product stands still whose characteristic's name no text column can hold.
const UNSTORABLE: &str = "a characteristic's name has the character U+0000, which the database cannot hold";

/// Products while events are folded into them.
#[derive(Debug, Clone)]
pub struct Folding {
    apply: Apply,
    /// Nothing was folded before: what is missing is missing in the log itself.
    from_first: bool,
    /// What was given up.
    discarded: Discarded,
    products: HashMap<ProductId, Entry>,
    /// Events that could not be applied, the first of each product.
    pub parkings: Vec<Parking>,
}

#[derive(Debug, Clone)]
struct Entry {
    product: StoredProduct,
    changed: bool,
    /// Events are missing: the product must be rebuilt.
    hole: bool,
    /// The last event that was applied here. Its own version, since an event that was given up raises the product's.
    last: Option<(Position, Version, EventId)>,
}

/// Which event of which product.
#[derive(Debug, Clone, Copy)]
struct At {
    pos: Position,
    product_id: ProductId,
    version: Version,
    event_id: EventId,
}

impl At {
    fn of(event: &EventRef<'_>) -> Self {
        let EventRef { pos, product_id, version, event_id, .. } = *event;
        At { pos, product_id, version, event_id }
    }
}

/// An event whose payload was read, or why it could not be.
#[derive(Debug, Clone)]
pub struct ReadEvent {
    at: At,
    event: Result<Event, String>,
}

impl ReadEvent {
    /// Reads an event's payload.
    pub fn of(event: EventRef<'_>) -> Self {
        let read = Event::read(event.event_type, event.payload).map_err(|unreadable| unreadable.to_string());
        ReadEvent { at: At::of(&event), event: read }
    }

    /// Its identity.
    pub const fn event_id(&self) -> EventId {
        self.at.event_id
    }
}

impl Entry {
    fn new(product_id: ProductId) -> Self {
        Entry::of(StoredProduct::of(product_id, ProductMeta::default()))
    }

    fn of(product: StoredProduct) -> Self {
        // One that is damaged has nothing that could be gone on from.
        let hole = product.damaged;
        Entry { product, changed: false, hole, last: None }
    }
}

impl Folding {
    /// Begins with products as they are stored, of those that are damaged all events are missing, others are empty;
    /// and passes over what was given up.
    pub fn of(apply: Apply, stored: Vec<StoredProduct>, discarded: Discarded) -> Self {
        let products = stored.into_iter().map(|product| (product.product_id, Entry::of(product))).collect();
        Folding { apply, from_first: false, discarded, products, parkings: Vec::new() }
    }

    /// Begins with nothing, for events from the first on, and passes over what was given up.
    pub fn from_first(apply: Apply, discarded: Discarded) -> Self {
        Folding { apply, from_first: true, discarded, products: HashMap::new(), parkings: Vec::new() }
    }

    /// Folds an event into its product. Passed over: an event that is in already, and one of a
    /// product that stands still.
    pub fn fold<'a>(&mut self, event: impl Into<EventRef<'a>>) {
        let event = event.into();
        self.fold_at(At::of(&event), || {
            Event::read(event.event_type, event.payload).map(Cow::Owned).map_err(|e| e.to_string())
        });
    }

    /// Folds an event that was read before.
    pub fn fold_read(&mut self, event: &ReadEvent) {
        self.fold_at(event.at, || event.event.as_ref().map(Cow::Borrowed).map_err(Clone::clone));
    }

    fn fold_at<'e>(&mut self, at: At, read: impl FnOnce() -> Result<Cow<'e, Event>, String>) {
        let entry = self.products.entry(at.product_id).or_insert_with(|| Entry::new(at.product_id));
        let StoredProduct { meta, parked, .. } = &mut entry.product;
        if *parked || entry.hole || at.version <= meta.version {
            return;
        }
        // Before it is read: one that cannot be read must not hide that events before it are missing.
        if at.version.0 != meta.version.0 + 1 {
            if self.from_first {
                self.park_at(at, MISSING.to_owned());
            } else {
                entry.hole = true;
            }
            return;
        }
        if self.discarded.events.contains(&at.event_id) {
            meta.version = at.version;
            entry.changed = true;
            return;
        }
        let event = match read() {
            Ok(event) => event,
            Err(unreadable) => return self.park_at(at, unreadable),
        };
        if self.discarded.has_review_of((at.product_id, at.version), &event) {
            meta.version = at.version;
            entry.changed = true;
            return;
        }
        // The database would refuse the product's row after whatever event is the last of a batch: this one is why.
        if !is_storable(&event) {
            return self.park_at(at, UNSTORABLE.to_owned());
        }
        match (self.apply)(meta, at.version, &event) {
            Ok(_) => {
                entry.changed = true;
                entry.last = Some((at.pos, at.version, at.event_id));
            }
            Err(reason) => self.park_at(at, reason.to_string()),
        }
    }

    /// Products that events are missing of.
    pub fn holes(&self) -> Vec<ProductId> {
        self.products.iter().filter(|(_, entry)| entry.hole).map(|(id, _)| *id).collect()
    }

    /// Forgets what is known of a product, to fold its events from the first.
    pub fn begin_again(&mut self, id: ProductId) {
        self.products.insert(id, Entry::new(id));
    }

    /// Ends that with the last event there is: a product of which some are missing still stands still.
    pub fn end_again<'a>(&mut self, last: impl Into<EventRef<'a>>) {
        let last = last.into();
        if self.products.get(&last.product_id).is_some_and(|entry| entry.hole) {
            self.park_at(At::of(&last), MISSING.to_owned());
        }
    }

    /// Makes a product stand still.
    fn park_at(&mut self, At { pos, product_id, version, event_id }: At, reason: String) {
        let entry = self.products.entry(product_id).or_insert_with(|| Entry::new(product_id));
        (entry.product.parked, entry.hole, entry.changed) = (true, false, true);
        self.parkings.push(Parking { product_id, pos, version, event_id, reason });
    }

    /// Takes the products of a part out, with why some of them stand still.
    pub fn take_part(&mut self, part: Part) -> Folding {
        let products = self.products.extract_if(|id, _| id.part() == part).collect();
        let parkings = self.parkings.extract_if(.., |parking| parking.product_id.part() == part).collect();
        let Folding { apply, from_first, ref discarded, .. } = *self;
        Folding { apply, from_first, discarded: discarded.clone(), products, parkings }
    }

    /// Products that are not as they were stored, in no order.
    pub fn changed(&self) -> Vec<&StoredProduct> {
        self.products.values().filter(|entry| entry.changed).map(|entry| &entry.product).collect()
    }

    /// A product as it is now.
    pub fn product(&self, id: ProductId) -> Option<&StoredProduct> {
        self.products.get(&id).map(|entry| &entry.product)
    }

    /// Why a product stands still that the database refused: its last event is what it did not take.
    pub fn refused(&self, product_id: ProductId, reason: String) -> Option<Parking> {
        let entry = self.products.get(&product_id)?;
        let (pos, version, event_id) = entry.last?;
        Some(Parking { product_id, pos, version, event_id, reason })
    }
}

fn is_storable(event: &Event) -> bool {
    match event {
        Event::CharacteristicsDefined { characteristics } => {
            characteristics.iter().all(|characteristic| !characteristic.name.contains('\0'))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::projection;

    fn event(number: i64, event_type: &str, payload: &str) -> domain::LogEvent {
        let product_id = ProductId::try_from(1).unwrap();
        domain::LogEvent {
            part: product_id.part(),
            pos: Position(number + 10),
            product_id,
            version: Version(number),
            event_id: EventId::from_u128(number.try_into().unwrap()),
            event_type: event_type.to_owned(),
            payload: payload.to_owned(),
            traceparent: None,
            at: Default::default(),
        }
    }

    #[test]
    fn given_a_product_that_is_damaged_then_it_is_folded_from_its_first_event() {
        let stored = |parked| {
            let product = StoredProduct::of(ProductId::try_from(1).unwrap(), ProductMeta::default());
            StoredProduct { parked, damaged: true, ..product }
        };
        let events = [1, 2].map(|number| event(number, "ReviewReported.v1", r#"{"review_id":7}"#));
        for parked in [false, true] {
            let apply = projection(domain::PROJECTION_VERSION).unwrap();
            let mut folding = Folding::of(apply, vec![stored(parked)], Discarded::default());
            folding.fold(&events[1]);
            assert_eq!((folding.holes(), folding.changed().len()), (vec![events[1].product_id], 0));
            folding.begin_again(events[1].product_id);
            events.iter().for_each(|event| folding.fold(event));
            folding.end_again(&events[1]);
            let product = folding.changed()[0];
            assert_eq!((product.meta.version, product.parked, product.damaged), (Version(2), false, false));
        }
    }

    #[test]
    fn given_events_that_are_missing_before_one_that_cannot_be_read_then_they_are_what_is_wrong() {
        let apply = projection(domain::PROJECTION_VERSION).unwrap();
        let unreadable = event(3, "ReviewReported.v9", "{}");
        let mut folding = Folding::of(apply, Vec::new(), Discarded::default());
        folding.fold(&unreadable);
        assert_eq!((folding.holes(), folding.parkings.len()), (vec![unreadable.product_id], 0));
    }

    #[test]
    fn a_part_is_taken_out_with_its_parkings_and_the_others_stay() {
        let mut folding =
            Folding::from_first(projection(domain::PROJECTION_VERSION).unwrap(), Discarded::default());
        let ids = [1, 2, 65].map(|id| ProductId::try_from(id).unwrap());
        for product_id in ids {
            folding.fold(&domain::LogEvent {
                product_id,
                part: product_id.part(),
                ..event(1, "ReviewReported.v9", "{}")
            });
        }
        let taken = folding.take_part(ids[0].part());
        let known = |folding: &Folding| ids.map(|id| folding.product(id).is_some());
        assert_eq!((known(&taken), taken.parkings.len()), ([true, false, true], 2));
        assert_eq!((known(&folding), folding.parkings.len()), ([false, true, false], 1));
    }

    #[test]
    fn given_up_with_the_review_it_added_then_what_comes_later_of_the_review_takes_nothing_away() {
        let posted = |number, review_id| {
            let payload = format!(r#"{{"review_id":{review_id},"rating":4,"recommend":true}}"#);
            event(number, "ReviewPosted.v1", &payload)
        };
        let erased = |number, review_id| {
            let payload = format!(r#"{{"review_id":{review_id},"rating":4,"recommend":true}}"#);
            event(number, "ReviewErased.v1", &payload)
        };
        let given_up = event(2, "ReviewPosted.v9", r#"{"review_id":8}"#);
        let mut discarded = Discarded::default();
        discarded.add(
            (given_up.product_id, given_up.version),
            given_up.event_id,
            Event::added_review(&given_up.event_type, &given_up.payload),
        );
        let mut folding = Folding::from_first(projection(domain::PROJECTION_VERSION).unwrap(), discarded);
        for event in [posted(1, 7), given_up, erased(3, 8)] {
            folding.fold(&event);
        }
        let [product] = folding.changed()[..] else { panic!("one product") };
        assert_eq!(
            (product.meta.version, product.meta.ratings, product.parked),
            (Version(3), [0, 0, 0, 1, 0], false)
        );
        folding.fold(&erased(4, 7));
        assert_eq!(folding.changed()[0].meta.ratings, [0; 5]);
    }

    #[test]
    fn given_a_refusal_after_an_event_that_was_given_up_then_the_event_before_it_is_named() {
        let applied = event(1, "ReviewReported.v1", r#"{"review_id":7}"#);
        let given_up = event(2, "ReviewReported.v9", "{}");
        let apply = projection(domain::PROJECTION_VERSION).unwrap();
        let mut discarded = Discarded::default();
        discarded.add((given_up.product_id, given_up.version), given_up.event_id, None);
        let mut folding = Folding::of(apply, Vec::new(), discarded);
        folding.fold(&applied);
        folding.fold(&given_up);
        assert_eq!(folding.changed()[0].meta.version, given_up.version);
        let parking = folding.refused(applied.product_id, "refused".to_owned()).unwrap();
        let named = (parking.pos, parking.version, parking.event_id);
        assert_eq!(named, (applied.pos, applied.version, applied.event_id));
    }
}
