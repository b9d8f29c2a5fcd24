//! Whether notices were missed.

use contract::Origin;
use std::collections::HashMap;
use uuid::Uuid;

/// Announcers remembered at most; past it all are forgotten, and each seems new once.
const ANNOUNCERS_MAX: usize = 1_000;

/// The last notice of each announcer.
#[derive(Debug, Default)]
pub(crate) struct Origins(HashMap<Uuid, u64>);

impl Origins {
    /// Takes in a notice's origin. Returns whether others may have been missed before it: an announcer never heard of may
    /// have had changes that it could not announce, or another may have before it.
    pub(crate) fn missed(&mut self, origin: Origin) -> bool {
        if self.0.len() >= ANNOUNCERS_MAX && !self.0.contains_key(&origin.announcer) {
            self.0.clear();
        }
        let before = self.0.insert(origin.announcer, origin.number);
        before.is_none_or(|before| origin.number != before + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(announcer: u128, number: u64) -> Origin {
        Origin { announcer: Uuid::from_u128(announcer), number, receipt: false }
    }

    #[test]
    fn a_new_announcer_or_a_gap_says_that_something_was_missed() {
        let mut origins = Origins::default();
        let mut missed = |announcer, number| origins.missed(origin(announcer, number));
        assert!(missed(1, 1), "its first");
        assert!(!missed(1, 2));
        assert!(missed(2, 9), "one that is already counting");
        assert!(!missed(1, 3) && !missed(2, 10), "each counts by itself");
        assert!(missed(1, 5), "4 was lost");
        assert!(!missed(1, 6));
        assert!(missed(1, 6), "told again: its order means nothing any more");
    }

    #[test]
    fn announcers_that_are_gone_are_forgotten() {
        let mut origins = Origins::default();
        for announcer in 0..=ANNOUNCERS_MAX {
            assert!(origins.missed(origin(announcer as u128, 1)));
        }
        assert!(origins.0.len() <= ANNOUNCERS_MAX);
    }
}
