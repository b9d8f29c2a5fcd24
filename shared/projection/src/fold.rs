//! Folding events into products: no I/O, and all of the thinking in the fold of a generation's version,
//! [`domain::apply`] or the one before it.

use domain::{Apply, CannotApply, Event, EventRef, ProductId, ProductMeta, Version};
use meta::{Parking, StoredProduct};
use std::collections::HashMap;

/// Products while events are folded into them.
#[derive(Debug, Clone)]
pub struct Folding {
    apply: Apply,
    products: HashMap<ProductId, Entry>,
    /// Events that could not be applied, the first of each product.
    pub parkings: Vec<Parking>,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    meta: ProductMeta,
    parked: bool,
    changed: bool,
    /// Events are missing: the product must be rebuilt.
    hole: bool,
}

impl Folding {
    /// Begins with products as they are stored; others are empty.
    pub fn of(apply: Apply, stored: Vec<StoredProduct>) -> Self {
        let entry = |StoredProduct { product_id, meta, parked }| {
            (product_id, Entry { meta, parked, changed: false, hole: false })
        };
        Folding { apply, products: stored.into_iter().map(entry).collect(), parkings: Vec::new() }
    }

    /// Folds an event into its product. Passed over: an event that is in already, and one of a
    /// product that stands still.
    pub fn fold<'a>(&mut self, event: impl Into<EventRef<'a>>) {
        let event = event.into();
        let entry = self.products.entry(event.product_id).or_default();
        if entry.parked || entry.hole || event.version <= entry.meta.version {
            return;
        }
        let read = match Event::read(event.event_type, event.payload) {
            Ok(read) => read,
            Err(unreadable) => return self.park(event, unreadable.to_string()),
        };
        match (self.apply)(&mut entry.meta, event.version, &read) {
            Ok(_) => entry.changed = true,
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
        self.products.insert(id, Entry::default());
    }

    /// Makes a product stand still.
    pub fn park<'a>(&mut self, event: impl Into<EventRef<'a>>, reason: String) {
        let event = event.into();
        let entry = self.products.entry(event.product_id).or_default();
        (entry.parked, entry.hole, entry.changed) = (true, false, true);
        self.parkings.push(parking(&event, reason));
    }

    /// Products that are not as they were stored, by id.
    pub fn changed(&self) -> Vec<StoredProduct> {
        let changed = self.products.iter().filter(|(_, entry)| entry.changed);
        by_id(changed.map(|(id, entry)| (*id, entry.clone())))
    }

    /// All products, by id.
    pub fn into_products(self) -> Vec<StoredProduct> {
        by_id(self.products.into_iter())
    }

    /// How far a product is.
    pub fn version(&self, id: ProductId) -> Version {
        self.products.get(&id).map(|entry| entry.meta.version).unwrap_or_default()
    }

}

fn by_id(products: impl Iterator<Item = (ProductId, Entry)>) -> Vec<StoredProduct> {
    let stored = |(product_id, entry): (ProductId, Entry)| StoredProduct {
        product_id,
        meta: entry.meta,
        parked: entry.parked,
    };
    let mut products: Vec<StoredProduct> = products.map(stored).collect();
    products.sort_unstable_by_key(|product| product.product_id);
    products
}

pub(crate) fn parking(event: &EventRef<'_>, reason: String) -> Parking {
    Parking {
        product_id: event.product_id,
        pos: event.pos,
        version: event.version,
        event_id: event.event_id,
        reason,
    }
}
