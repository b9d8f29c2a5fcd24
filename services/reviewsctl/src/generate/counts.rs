//! How many reviews each product gets: a long tail that adds up exactly, in constant memory.
//!
//! The weights are drawn twice from the same stream: once for their sum, once to share the reviews out. A
//! product's share is the difference of two rounded running totals, so the shares add up whatever the
//! rounding.

use super::dice::{Dice, Purpose};

const UNREVIEWED_PER_MILLE: u32 = 50;
/// A Pareto tail of exponent log2(4) = 2: long, but no product alone bends the means of a set of a thousand.
const TAIL_OF: u32 = 4;
/// Keeps the hottest of a million products at about ten thousand reviews.
const TAIL_DOUBLINGS_MAX: u32 = 12;
const TAIL_SCALE: u32 = 16;

/// The number of reviews of one product after the other, in the products' order.
#[derive(Debug)]
pub(crate) struct Counts {
    dice: Dice,
    products: u64,
    /// Given to each reviewed product ahead of its share: 1, or 0 where there are too few reviews for that.
    each: u64,
    shared: u64,
    weight_sum: u128,
    at: u64,
    weight_so_far: u128,
    shared_so_far: u64,
}

impl Counts {
    pub(crate) fn new(seed: u64, products: u64, reviews: u64) -> Self {
        let mut dice = Dice::new(seed, Purpose::Counts);
        let mut reviewed = 0;
        let mut weight_sum = 0;
        for at in 0..products {
            let weight = weight(&mut dice, at);
            reviewed += u64::from(weight > 0);
            weight_sum += u128::from(weight);
        }
        let each = u64::from(reviews >= reviewed);
        let (shared, weight_sum) =
            if each == 1 { (reviews - reviewed, weight_sum) } else { (reviews, u128::from(reviewed)) };
        let dice = Dice::new(seed, Purpose::Counts);
        Self { dice, products, each, shared, weight_sum, at: 0, weight_so_far: 0, shared_so_far: 0 }
    }
}

impl Iterator for Counts {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.at == self.products {
            return None;
        }
        let weight = weight(&mut self.dice, self.at);
        self.at += 1;
        if weight == 0 {
            return Some(0);
        }
        self.weight_so_far += if self.each == 1 { u128::from(weight) } else { 1 };
        let shared = u128::from(self.shared) * self.weight_so_far / self.weight_sum;
        let shared = u64::try_from(shared).unwrap_or(u64::MAX);
        let count = self.each + shared - self.shared_so_far;
        self.shared_so_far = shared;
        Some(count)
    }
}

/// 0 for a product without reviews; the first product always has some, so that there is one to give them to.
fn weight(dice: &mut Dice, at: u64) -> u32 {
    let unreviewed = dice.per_mille(UNREVIEWED_PER_MILLE);
    let weight = dice.long_tail(TAIL_OF, TAIL_DOUBLINGS_MAX, TAIL_SCALE);
    if unreviewed && at > 0 { 0 } else { weight }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(seed: u64, products: u64, reviews: u64) -> Vec<u64> {
        Counts::new(seed, products, reviews).collect()
    }

    #[test]
    fn they_add_up_exactly() {
        for seed in 0..50 {
            for (products, reviews) in
                [(1, 0), (1, 1), (1, 999), (7, 3), (100, 94), (100, 95), (100, 96), (999, 6001)]
            {
                let counts = counts(seed, products, reviews);
                assert_eq!(counts.len() as u64, products);
                assert_eq!(counts.iter().sum::<u64>(), reviews, "seed {seed}, {products} products");
            }
        }
    }

    #[test]
    fn about_one_in_twenty_products_has_none() {
        let counts = counts(4, 100_000, 600_000);
        let none = counts.iter().filter(|c| **c == 0).count();
        assert!((4_700..5_300).contains(&none), "{none}");
    }

    #[test]
    fn the_tail_is_long() {
        let mut counts = counts(5, 100_000, 600_000);
        counts.sort_unstable();
        assert!((3..=5).contains(&counts[50_000]), "median {}", counts[50_000]);
        assert!((18..60).contains(&counts[99_000]), "99th percentile {}", counts[99_000]);
        assert!((300..10_000).contains(&counts[99_999]), "largest {}", counts[99_999]);
    }

    #[test]
    fn with_too_few_reviews_no_product_gets_two() {
        assert_eq!(counts(6, 1000, 500).into_iter().max(), Some(1));
    }
}
