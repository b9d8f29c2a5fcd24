//! How many parts are worked at together.

use crate::run::PRODUCTS_AT_ONCE;
use domain::PARTS;
use primary::TableEstimates;

/// Reviews of a group that is added up, about: its snapshot lives for about a second.
const GROUP_REVIEWS: i64 = 1_000_000;

/// What there is of each group in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Groups {
    /// Workers: at one group all of them, or, where reviews are added up, each at a group of its own.
    pub(crate) workers: usize,
    /// Products of all groups in memory at once, about.
    pub(crate) products_at_once: i64,
    /// Whether reviews are added up: each group is then one snapshot.
    pub(crate) from_reviews: bool,
}

impl Groups {
    /// Groups whose reviews are added up.
    pub(crate) const fn of_reviews(workers: usize) -> Self {
        Groups { workers, products_at_once: PRODUCTS_AT_ONCE, from_reviews: true }
    }

    /// Parts of a group: as many as fit. The more they are, the less often each page is read, as pages hold rows
    /// of nearly all parts.
    pub(crate) fn parts(self, there: TableEstimates) -> usize {
        let parts = i64::from(PARTS);
        let workers = i64::try_from(self.workers).unwrap_or(1);
        let of_products = parts * self.products_at_once / there.products.max(1);
        if !self.from_reviews {
            return usize::try_from(of_products.clamp(1, parts)).unwrap_or(1);
        }
        let of_reviews = parts * GROUP_REVIEWS / there.reviews.max(1);
        let fit = (of_products / workers).min(of_reviews).clamp(1, parts);
        usize::try_from(fit).unwrap_or(1).min(usize::from(PARTS).div_ceil(self.workers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_parts_as_fit() {
        let parts = |from_reviews, products, reviews| {
            let groups = Groups { workers: 2, products_at_once: 250_000, from_reviews };
            groups.parts(TableEstimates { products, reviews })
        };
        assert_eq!(parts(false, 100_000, 100_000_000), 64, "everything at once");
        assert_eq!(parts(false, 1_000_000, 0), 16);
        assert_eq!(parts(false, 100_000_000, 0), 1);
        assert_eq!(parts(true, 100_000, 1_000_000), 32);
        assert_eq!(parts(true, 100_000, 10_000_000), 6);
        assert_eq!(parts(true, 0, 0), 32);
    }
}
