//! Folding events into products: no I/O, and all of the thinking in the fold of a generation's version,
//! [`domain::apply`] or the one before it.

use domain::{Apply, CannotApply, Event, EventId, EventRef, Position, ProductId, ProductMeta};
use meta::{Parking, StoredProduct};
use std::collections::{HashMap, HashSet};

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
    /// Events that were given up.
    discarded: HashSet<EventId>,
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
    /// The last event that was applied here.
    last: Option<(Position, EventId)>,
}

impl Entry {
    fn new(product_id: ProductId) -> Self {
        Entry::of(StoredProduct { product_id, meta: ProductMeta::default(), parked: false })
    }

    fn of(product: StoredProduct) -> Self {
        Entry { product, changed: false, hole: false, last: None }
    }
}

impl Folding {
    /// Begins with products as they are stored; others are empty.
    pub fn of(apply: Apply, stored: Vec<StoredProduct>) -> Self {
        let products = stored.into_iter().map(|product| (product.product_id, Entry::of(product))).collect();
        Folding { apply, from_first: false, discarded: HashSet::new(), products, parkings: Vec::new() }
    }

    /// Begins with nothing, for events from the first on, and passes over those that were given up.
    pub fn from_first(apply: Apply, discarded: HashSet<EventId>) -> Self {
        Folding { apply, from_first: true, discarded, products: HashMap::new(), parkings: Vec::new() }
    }

    /// Passes over events that were given up, from now on.
    pub fn discard(&mut self, discarded: HashSet<EventId>) {
        self.discarded = discarded;
    }

    /// Folds an event into its product. Passed over: an event that is in already, and one of a
    /// product that stands still.
    pub fn fold<'a>(&mut self, event: impl Into<EventRef<'a>>) {
        let event = event.into();
        let entry = self.products.entry(event.product_id).or_insert_with(|| Entry::new(event.product_id));
        let StoredProduct { meta, parked, .. } = &mut entry.product;
        if *parked || entry.hole || event.version <= meta.version {
            return;
        }
        if self.discarded.contains(&event.event_id) && event.version.0 == meta.version.0 + 1 {
            meta.version = event.version;
            entry.changed = true;
            return;
        }
        let read = match Event::read(event.event_type, event.payload) {
            Ok(read) => read,
            Err(unreadable) => return self.park(event, unreadable.to_string()),
        };
        // The database would refuse the product's row after whatever event is the last of a batch: this one is why.
        if !is_storable(&read) {
            return self.park(event, UNSTORABLE.to_owned());
        }
        match (self.apply)(meta, event.version, &read) {
            Ok(_) => {
                entry.changed = true;
                entry.last = Some((event.pos, event.event_id));
            }
            Err(CannotApply::Hole { .. }) if self.from_first => self.park(event, MISSING.to_owned()),
            Err(CannotApply::Hole { .. }) => entry.hole = true,
            Err(reason) => self.park(event, reason.to_string()),
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
            self.park(last, MISSING.to_owned());
        }
    }

    /// Makes a product stand still.
    pub fn park<'a>(&mut self, event: impl Into<EventRef<'a>>, reason: String) {
        let event = event.into();
        let entry = self.products.entry(event.product_id).or_insert_with(|| Entry::new(event.product_id));
        (entry.product.parked, entry.hole, entry.changed) = (true, false, true);
        self.parkings.push(Parking {
            product_id: event.product_id,
            pos: event.pos,
            version: event.version,
            event_id: event.event_id,
            reason,
        });
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
        let (pos, event_id) = entry.last?;
        Some(Parking { product_id, pos, version: entry.product.meta.version, event_id, reason })
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
