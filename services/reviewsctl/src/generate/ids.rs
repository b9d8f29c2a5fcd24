//! Ids as the data set has them: ascending by and large, with gaps and locally out of order.

use super::dice::Dice;

/// Ids are shuffled within windows of this many.
pub(crate) const WINDOW: usize = 64;
/// One in this many ids is never given out.
const SKIP_ONE_IN: u32 = 200;
/// One in this many ids changes places with another of its window.
const SWAP_ONE_IN: u32 = 16;

#[derive(Debug)]
pub(crate) struct Ids {
    dice: Dice,
    next: u64,
    window: [u64; WINDOW],
    at: usize,
}

impl Ids {
    /// Ids from `first` on, each at most once.
    pub(crate) fn new(dice: Dice, first: u64) -> Self {
        Self { dice, next: first, window: [0; WINDOW], at: WINDOW }
    }

    pub(crate) fn draw(&mut self) -> u64 {
        if self.at == WINDOW {
            self.refill();
        }
        let id = self.window[self.at];
        self.at += 1;
        id
    }

    fn refill(&mut self) {
        for slot in &mut self.window {
            while self.dice.one_in(SKIP_ONE_IN) {
                self.next += 1;
            }
            *slot = self.next;
            self.next += 1;
        }
        for at in 0..WINDOW {
            if self.dice.one_in(SWAP_ONE_IN) {
                let other = self.dice.index(WINDOW);
                self.window.swap(at, other);
            }
        }
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::dice::Purpose;

    #[test]
    fn they_are_unique_nearly_dense_and_nearly_in_order() {
        let mut ids = Ids::new(Dice::new(1, Purpose::ReviewIds), 1000);
        let drawn: Vec<u64> = (0..100_000).map(|_| ids.draw()).collect();
        let mut sorted = drawn.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), drawn.len());
        assert!(sorted[0] >= 1000);
        let skipped = sorted[sorted.len() - 1] - 1000 + 1 - 100_000;
        assert!((350..650).contains(&skipped), "{skipped} skipped");
        let steps_back = drawn.windows(2).filter(|w| w[1] < w[0]).count();
        assert!((5_000..25_000).contains(&steps_back), "{steps_back} steps back");
        let displaced = drawn.iter().zip(&sorted).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(displaced <= 2 * WINDOW as u64, "{displaced}");
    }
}
