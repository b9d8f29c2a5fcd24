//! Random draws of a seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Evenly 0 to `limit - 1`.
    pub(crate) fn below(&mut self, limit: i64) -> i64 {
        i64::try_from(self.0.next_u64() >> 1).unwrap() % limit
    }

    pub(crate) fn one_in(&mut self, count: i64) -> bool {
        self.below(count) == 0
    }

    /// One of the items, none of an empty slice.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        let count = i64::try_from(items.len()).unwrap();
        if count == 0 { None } else { Some(items[usize::try_from(self.below(count)).unwrap()]) }
    }
}
