//! Random draws made of integers only, so that a seed means the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// What a stream of draws is for. Streams of one seed are independent of each other, so that a file's ids do
/// not change when a text does. The numbers are part of the format: never renumber them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Counts = 1,
    Rows = 2,
    ReviewIds = 3,
    PhotoIds = 4,
    CharacteristicIds = 5,
    ValueIds = 6,
}

#[derive(Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64, purpose: Purpose) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(purpose as u64);
        Self(rng)
    }

    pub(crate) fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Evenly 0 to `n - 1`, `n` above 0; the bias is at most `n` in 2^32.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(n)) >> 32) as u32
    }

    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// True `n` times in a thousand.
    pub(crate) fn per_mille(&mut self, n: u32) -> bool {
        self.below(1000) < n
    }

    /// One of the items, each as likely. Not for an empty slice.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }

    /// Evenly 0 to `len - 1`. Not for an empty range or one above 2^32.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(u32::try_from(len).unwrap_or(u32::MAX)) as usize
    }

    /// An index of `weights`, as likely as its weight.
    pub(crate) fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        weights.len() - 1
    }

    /// A long-tailed number of 1 or more: evenly within 2^k to 2^(k+1) - 1, where each further k is `of`
    /// times less likely, up to `doublings_max`. The tail is Pareto's with exponent log2(`of`). `scale`
    /// multiplies the range before the even draw, for a finer grain.
    pub(crate) fn long_tail(&mut self, of: u32, doublings_max: u32, scale: u32) -> u32 {
        let mut doublings = 0;
        while doublings < doublings_max && self.one_in(of) {
            doublings += 1;
        }
        let low = scale << doublings;
        low + self.below(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed outside this crate, by the ChaCha definition: 8 rounds, the seed as the key's first eight
    /// bytes, the purpose as the nonce. A change here changes every data set that was ever described by its
    /// seed.
    #[test]
    fn the_first_words_of_a_seed_are_fixed() {
        let mut rows = Dice::new(7, Purpose::Rows);
        let mut counts = Dice::new(7, Purpose::Counts);
        assert_eq!([rows.word(), rows.word()], [0xb9e2_935b, 0x02cb_d593]);
        assert_eq!([counts.word(), counts.word()], [0x287e_548e, 0xef32_9c99]);
    }

    #[test]
    fn below_reaches_both_ends_and_is_even() {
        let mut dice = Dice::new(1, Purpose::Rows);
        let mut seen = [0u32; 6];
        for _ in 0..60_000 {
            seen[dice.below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|n| (9_500..10_500).contains(n)), "{seen:?}");
    }

    #[test]
    fn weighted_follows_its_weights_and_never_takes_a_zero() {
        let mut dice = Dice::new(2, Purpose::Rows);
        let mut seen = [0u32; 3];
        for _ in 0..40_000 {
            seen[dice.weighted(&[1, 0, 3])] += 1;
        }
        assert_eq!(seen[1], 0);
        assert!((9_500..10_500).contains(&seen[0]), "{seen:?}");
    }

    #[test]
    fn the_long_tail_halves_and_ends_at_its_bound() {
        let mut dice = Dice::new(3, Purpose::Rows);
        let draws: Vec<u32> = (0..80_000).map(|_| dice.long_tail(2, 5, 1)).collect();
        assert_eq!(draws.iter().min(), Some(&1));
        assert_eq!(draws.iter().max(), Some(&63));
        let at_least = |n| draws.iter().filter(|d| **d >= n).count();
        assert!((39_000..41_000).contains(&at_least(2)), "{}", at_least(2));
        assert!((19_300..20_700).contains(&at_least(4)), "{}", at_least(4));
    }
}
