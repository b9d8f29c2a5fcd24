//! What a product and a review are like: the distributions that the module's page gives.

use super::dice::Dice;
use super::phrases;

/// The original's six characteristics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Characteristic {
    Size,
    Width,
    Comfort,
    Quality,
    Length,
    Fit,
}

impl Characteristic {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Size => "Size",
            Self::Width => "Width",
            Self::Comfort => "Comfort",
            Self::Quality => "Quality",
            Self::Length => "Length",
            Self::Fit => "Fit",
        }
    }
}

use Characteristic::{Comfort, Fit, Length, Quality, Size, Width};

/// How many products in a hundred have 1, 2, ... 6 characteristics: 3.41 on average.
const CHARACTERISTICS_WEIGHTS: [u32; 6] = [13, 9, 20, 45, 8, 5];
const FOOTWEAR: [&[Characteristic]; 6] = [
    &[Quality],
    &[Comfort, Quality],
    &[Size, Width, Quality],
    &[Size, Width, Comfort, Quality],
    &[Size, Width, Length, Comfort, Quality],
    &[Size, Width, Length, Fit, Comfort, Quality],
];
const CLOTHES: [&[Characteristic]; 6] = [
    &[Quality],
    &[Comfort, Quality],
    &[Fit, Length, Quality],
    &[Fit, Length, Comfort, Quality],
    &[Fit, Length, Size, Comfort, Quality],
    &[Fit, Length, Size, Width, Comfort, Quality],
];

/// Ratings 1 to 5 in a hundred, of liked, mixed and disliked products.
const RATING_WEIGHTS: [[u32; 5]; 3] = [[4, 4, 9, 27, 56], [10, 11, 20, 26, 33], [26, 17, 21, 18, 18]];
const MOOD_WEIGHTS: [u32; 3] = [60, 30, 10];

/// Recommended by rating 1 to 5, in a thousand.
const RECOMMEND_PER_MILLE: [u32; 5] = [30, 120, 500, 900, 970];
const REPORTED_PER_MILLE: u32 = 10;

/// 0.151 of the reviews times 3.14 photos make 0.475 photos a review.
const PHOTOS_PER_MILLE: u32 = 151;
/// One to five photos, and last the few reviews with many.
const PHOTOS_WEIGHTS: [u32; 6] = [35, 22, 17, 11, 10, 5];
const PHOTOS_MANY_MIN: u32 = 6;
const PHOTOS_MANY_MAX: u32 = 30;

const VALUE_MISSING_PER_MILLE: u32 = 20;
/// Size, Width, Length and Fit: 3 is right, 1 and 5 are far off.
const SCATTER_WEIGHTS: [u32; 5] = [6, 17, 50, 19, 8];
/// Comfort and Quality: one below the rating, the rating, one above.
const FOLLOW_WEIGHTS: [u32; 3] = [20, 60, 20];

const UNHELPFUL_PER_MILLE: u32 = 300;
const HELPFUL_DOUBLINGS_MAX: u32 = 11;

/// A product, as far as its reviews depend on it.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) id: u64,
    pub(crate) characteristics: &'static [Characteristic],
    /// The ids of `characteristics`, in their order; 0 beyond them and until the ids are drawn.
    pub(crate) characteristic_ids: [u64; 6],
    /// What its reviews call it.
    pub(crate) item: &'static str,
    rating_weights: &'static [u32; 5],
}

pub(crate) fn product(dice: &mut Dice, id: u64) -> Product {
    let (kind, items) =
        if dice.one_in(2) { (&FOOTWEAR, phrases::FOOTWEAR) } else { (&CLOTHES, phrases::CLOTHES) };
    Product {
        id,
        characteristics: kind[dice.weighted(&CHARACTERISTICS_WEIGHTS)],
        characteristic_ids: [0; 6],
        item: dice.pick(items),
        rating_weights: &RATING_WEIGHTS[dice.weighted(&MOOD_WEIGHTS)],
    }
}

/// 1 to 5.
pub(crate) fn rating(dice: &mut Dice, product: &Product) -> u8 {
    stars(dice.weighted(product.rating_weights))
}

pub(crate) fn recommend(dice: &mut Dice, rating: u8) -> bool {
    dice.per_mille(RECOMMEND_PER_MILLE[usize::from(rating) - 1])
}

pub(crate) fn reported(dice: &mut Dice) -> bool {
    dice.per_mille(REPORTED_PER_MILLE)
}

pub(crate) fn helpfulness(dice: &mut Dice) -> u32 {
    if dice.per_mille(UNHELPFUL_PER_MILLE) { 0 } else { dice.long_tail(2, HELPFUL_DOUBLINGS_MAX, 1) }
}

/// How many photos a review has.
pub(crate) fn photos(dice: &mut Dice) -> u32 {
    if !dice.per_mille(PHOTOS_PER_MILLE) {
        return 0;
    }
    match dice.weighted(&PHOTOS_WEIGHTS) {
        5 => PHOTOS_MANY_MIN + dice.below(PHOTOS_MANY_MAX - PHOTOS_MANY_MIN + 1),
        few => u32::from(stars(few)),
    }
}

/// 1 to 5, or none where the reviewer left this one out.
pub(crate) fn value(dice: &mut Dice, characteristic: Characteristic, rating: u8) -> Option<u8> {
    if dice.per_mille(VALUE_MISSING_PER_MILLE) {
        return None;
    }
    Some(match characteristic {
        Comfort | Quality => {
            let rating = usize::from(rating);
            stars((rating + dice.weighted(&FOLLOW_WEIGHTS)).saturating_sub(2).min(4))
        }
        Size | Width | Length | Fit => stars(dice.weighted(&SCATTER_WEIGHTS)),
    })
}

/// 1 to 5 for an index of 0 to 4.
fn stars(index: usize) -> u8 {
    [1, 2, 3, 4, 5][index]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::dice::Purpose;

    fn dice() -> Dice {
        Dice::new(11, Purpose::Rows)
    }

    fn mean_per_mille(n: u32, mut draw: impl FnMut() -> u32) -> u64 {
        (0..n).map(|_| u64::from(draw())).sum::<u64>() * 1000 / u64::from(n)
    }

    #[test]
    fn a_product_has_one_to_six_different_characteristics() {
        for kinds in [FOOTWEAR, CLOTHES] {
            for (n, names) in kinds.iter().enumerate() {
                let mut texts: Vec<_> = names.iter().map(|c| c.as_str()).collect();
                texts.sort_unstable();
                texts.dedup();
                assert_eq!(texts.len(), n + 1);
            }
        }
        let mut dice = dice();
        let mean =
            mean_per_mille(100_000, || u32::try_from(product(&mut dice, 1).characteristics.len()).unwrap());
        assert!((3_380..3_440).contains(&mean), "{mean}");
    }

    #[test]
    fn ratings_are_mostly_four_and_five_and_recommendations_follow() {
        let mut dice = dice();
        let mut seen = [0u32; 6];
        let mut recommended = [0u32; 6];
        for id in 0..100_000 {
            let product = product(&mut dice, id);
            let rating = rating(&mut dice, &product);
            seen[usize::from(rating)] += 1;
            recommended[usize::from(rating)] += u32::from(recommend(&mut dice, rating));
        }
        assert_eq!(seen[0], 0);
        assert!((68_000..74_000).contains(&(seen[4] + seen[5])), "{seen:?}");
        assert!(
            recommended[5] * 10 > seen[5] * 9 && recommended[1] * 10 < seen[1],
            "{recommended:?} of {seen:?}"
        );
    }

    #[test]
    fn photos_are_clumped() {
        let mut dice = dice();
        let drawn: Vec<u32> = (0..200_000).map(|_| photos(&mut dice)).collect();
        let sum: u32 = drawn.iter().sum();
        assert!((92_000..98_000).contains(&sum), "{sum}");
        assert_eq!(drawn.iter().max(), Some(&30));
        let none = drawn.iter().filter(|n| **n == 0).count();
        assert!((168_000..172_000).contains(&none), "{none}");
    }

    #[test]
    fn values_stay_within_one_to_five_and_some_are_missing() {
        let mut dice = dice();
        for characteristic in [Quality, Size] {
            for rating in 1..=5 {
                let drawn: Vec<_> = (0..10_000).map(|_| value(&mut dice, characteristic, rating)).collect();
                let missing = drawn.iter().filter(|v| v.is_none()).count();
                assert!((140..260).contains(&missing), "{missing}");
                assert!(drawn.iter().flatten().all(|v| (1..=5).contains(v)));
            }
        }
    }

    #[test]
    fn helpfulness_is_long_tailed() {
        let mut dice = dice();
        let mut drawn: Vec<u32> = (0..100_000).map(|_| helpfulness(&mut dice)).collect();
        drawn.sort_unstable();
        assert_eq!(drawn[29_000], 0);
        assert!((1..=3).contains(&drawn[50_000]), "{}", drawn[50_000]);
        assert!((2_048..4_096).contains(&drawn[99_999]), "{}", drawn[99_999]);
    }
}
