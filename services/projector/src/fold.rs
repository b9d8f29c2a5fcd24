//! Folding events into products: no I/O, and all of the thinking in [`domain::apply`].

use domain::{CannotApply, Event, LogEvent, ProductId, ProductMeta, apply};
use meta::{Parking, StoredProduct};
use std::collections::{BTreeMap, BTreeSet};

/// Products while events are folded into them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Folding {
    products: BTreeMap<ProductId, StoredProduct>,
    changed: BTreeSet<ProductId>,
    /// Products that events are missing of: they must be rebuilt.
    pub(crate) holes: BTreeSet<ProductId>,
    /// Events that could not be applied, the first of each product.
    pub(crate) parkings: Vec<Parking>,
}

impl Folding {
    /// Begins with products as they are stored; others are empty.
    pub(crate) fn of(stored: Vec<StoredProduct>) -> Self {
        let products = stored.into_iter().map(|product| (product.product_id, product)).collect();
        Folding { products, ..Self::default() }
    }

    /// Folds an event into its product. Passed over: an event that is in already, and one of a
    /// product that stands still.
    pub(crate) fn fold(&mut self, log_event: &LogEvent) {
        let id = log_event.product_id;
        let product = self.products.entry(id).or_insert_with(|| empty(id));
        if product.parked || log_event.version <= product.meta.version || self.holes.contains(&id) {
            return;
        }
        let event = match Event::read(&log_event.event_type, &log_event.payload) {
            Ok(event) => event,
            Err(unreadable) => return self.park(log_event, unreadable.to_string()),
        };
        match apply(&mut product.meta, log_event.version, &event) {
            Ok(_) => {
                self.changed.insert(id);
            }
            Err(CannotApply::Hole { .. }) => {
                self.holes.insert(id);
            }
            Err(reason) => self.park(log_event, reason.to_string()),
        }
    }

    /// Forgets what is known of a product, to fold its events from the first.
    pub(crate) fn begin_again(&mut self, id: ProductId) {
        self.products.insert(id, empty(id));
        self.holes.remove(&id);
    }

    /// Makes a product stand still.
    pub(crate) fn park(&mut self, event: &LogEvent, reason: String) {
        let id = event.product_id;
        let product = self.products.entry(id).or_insert_with(|| empty(id));
        product.parked = true;
        self.holes.remove(&id);
        self.changed.insert(id);
        self.parkings.push(Parking { event: event.clone(), reason });
    }

    /// Products that are not as they were stored.
    pub(crate) fn changed(&self) -> Vec<StoredProduct> {
        self.changed.iter().filter_map(|id| self.products.get(id)).cloned().collect()
    }
}

fn empty(product_id: ProductId) -> StoredProduct {
    StoredProduct { product_id, meta: ProductMeta::default(), parked: false }
}
