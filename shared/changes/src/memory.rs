//! Which versions were heard of lately.

use contract::{ChangeNotice, Store};
use domain::{ProductId, Version};
use std::collections::HashMap;
use std::mem;
use std::time::{Duration, Instant};

/// How long what was heard is remembered at least: whoever begins to wait, or to load, earlier than a change by less than
/// this still learns of it.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Products remembered at most, twice: past it what is older goes early.
const REMEMBERED_PRODUCTS_MAX: usize = 100_000;

/// The highest version heard of each product, forgotten in two steps so that forgetting costs nothing.
#[derive(Debug)]
pub struct Memory {
    recent: HashMap<(Store, ProductId), Told>,
    older: HashMap<(Store, ProductId), Told>,
    since: Instant,
    forgotten: u64,
}

/// How far a product is said to be. The later is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    version: Version,
    /// That it stands still says less than that it is there.
    shown: bool,
}

/// A moment of a memory's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(u64);

impl Default for Memory {
    fn default() -> Self {
        Memory { recent: HashMap::new(), older: HashMap::new(), since: Instant::now(), forgotten: 0 }
    }
}

impl Memory {
    /// Takes in a notice that came `now`.
    pub fn hear(&mut self, notice: &ChangeNotice, now: Instant) {
        self.forget(now);
        for (product_id, version) in &notice.changes {
            let told = Told { version: *version, shown: !notice.standing_still.contains(product_id) };
            self.note_told(notice.store, *product_id, told);
        }
    }

    /// Forgets what is old.
    pub(crate) fn forget(&mut self, now: Instant) {
        if now.duration_since(self.since) >= REMEMBERED || self.recent.len() >= REMEMBERED_PRODUCTS_MAX {
            self.older = mem::take(&mut self.recent);
            self.since = now;
            self.forgotten += 1;
        }
    }

    pub(crate) fn note(&mut self, store: Store, product_id: ProductId, version: Version) {
        self.note_told(store, product_id, Told { version, shown: true });
    }

    fn note_told(&mut self, store: Store, product_id: ProductId, told: Told) {
        let highest = self.recent.entry((store, product_id)).or_insert(told);
        *highest = told.max(*highest);
    }

    fn told(&self, store: Store, product_id: ProductId) -> Option<Told> {
        let key = (store, product_id);
        self.recent.get(&key).max(self.older.get(&key)).copied()
    }

    /// The highest version heard lately.
    pub fn version(&self, store: Store, product_id: ProductId) -> Option<Version> {
        self.told(store, product_id).map(|told| told.version)
    }

    /// Whether readers show the highest version heard lately, and its product does not stand still before it.
    pub(crate) fn is_shown(&self, store: Store, product_id: ProductId) -> bool {
        self.told(store, product_id).is_some_and(|told| told.shown)
    }

    /// Now, to ask later whether everything heard since is remembered.
    pub fn moment(&self) -> Moment {
        Moment(self.forgotten)
    }

    /// Whether nothing that was heard after the moment is forgotten.
    pub fn goes_back_to(&self, moment: Moment) -> bool {
        self.forgotten - moment.0 <= 1
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn product(id: i64) -> ProductId {
        id.try_into().unwrap()
    }

    pub(crate) fn notice(id: i64, version: i64) -> ChangeNotice {
        ChangeNotice::of(Store::Meta, vec![(product(id), Version(version))])
    }

    #[test]
    fn what_was_heard_is_remembered_for_a_while_and_not_for_ever() {
        let mut memory = Memory::default();
        let begin = Instant::now();
        let moment = memory.moment();
        memory.hear(&notice(5, 7), begin);
        memory.hear(&notice(5, 6), begin);
        memory.hear(&notice(6, 1), begin + REMEMBERED);
        assert_eq!(memory.version(Store::Meta, product(5)), Some(Version(7)));
        assert_eq!(memory.version(Store::Primary, product(5)), None);
        assert!(memory.goes_back_to(moment));
        memory.hear(&notice(6, 2), begin + REMEMBERED * 2);
        assert_eq!(memory.version(Store::Meta, product(5)), None);
        assert!(!memory.goes_back_to(moment));
    }
}
