//! The checks, in the order in which they need each other, over ranges of ids and over parts.

use super::lanes;
use super::line::Kind;
use super::stage::Samples;
use super::stop::Stop;
use crate::progress;
use anyhow::Context as _;
use domain::log_parts;
use indicatif::ProgressBar;
use primary::import::{
    Gathered, IdRange, check_characteristic_names, check_characteristics, check_photos, check_reviews,
    check_stored_photos, gather, index_gathered, raise_sequences,
};
use sqlx::PgPool;

/// Sampled lines of a range: with one line of 1024 sampled, about 300,000 lines and a second of
/// the server's time.
const SAMPLES_PER_RANGE: usize = 300;

/// How many lines are stored already.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Already {
    reviews: i64,
    characteristics: i64,
    photos: i64,
    values: i64,
}

impl Already {
    pub(crate) fn of(&self, kind: Kind) -> u64 {
        let lines = match kind {
            Kind::Reviews => self.reviews,
            Kind::Photos => self.photos,
            Kind::Characteristics => self.characteristics,
            Kind::Values => self.values,
        };
        u64::try_from(lines).unwrap_or(0)
    }
}

/// Runs all checks.
pub(crate) async fn check(pool: &PgPool, samples: Samples, stop: &Stop) -> anyhow::Result<Already> {
    let reviews = ranges(samples.reviews);
    let photos = ranges(samples.photos);
    let characteristics = ranges(samples.characteristics);
    let parts: Vec<_> = log_parts().collect();
    let steps = characteristics.len() + parts.len() + reviews.len() * 2 + photos.len();
    let bar = progress::items("checking", "steps", steps as u64);

    // Before the look at what is stored: afterwards no live writer can take an id of the files.
    let raised = raise_sequences(pool).await.context(
        "cannot raise new ids above those of the files: if this is about a lock, a transaction that writes reviews \
         stays open",
    )?;
    let mut already = Already {
        characteristics: sum(
            each(&characteristics, stop, &bar, |range| check_characteristics(pool, range)).await?
        ),
        ..Already::default()
    };
    each(&parts, stop, &bar, |part| check_characteristic_names(pool, part)).await?;
    already.reviews = sum(each(&reviews, stop, &bar, |range| check_reviews(pool, range)).await?);
    if raised.photos_may_overlap {
        bar.inc_length(parts.len() as u64);
        each(&parts, stop, &bar, |part| check_stored_photos(pool, part)).await?;
    }
    each(&photos, stop, &bar, |range| check_photos(pool, range)).await?;
    for Gathered { photos_already, values_already } in
        each(&reviews, stop, &bar, |range| gather(pool, range)).await?
    {
        already.photos += photos_already;
        already.values += values_already;
    }
    index_gathered(pool).await.context("cannot index what was gathered")?;
    bar.finish_and_clear();
    Ok(already)
}

/// Runs a check for each item and moves the bar on.
async fn each<I: Copy, T, F>(
    items: &[I],
    stop: &Stop,
    bar: &ProgressBar,
    check: impl Fn(I) -> F,
) -> anyhow::Result<Vec<T>>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    lanes::each(items.iter().copied(), stop, async |item| {
        let found = check(item).await.context("cannot check the lines")?;
        bar.inc(1);
        Ok(found)
    })
    .await
}

fn sum(counts: Vec<i64>) -> i64 {
    counts.into_iter().sum()
}

/// Ranges that hold about equally many lines and together all ids.
fn ranges(mut sample: Vec<i64>) -> Vec<IdRange> {
    sample.sort_unstable();
    let mut ends: Vec<i64> =
        sample.chunks_exact(SAMPLES_PER_RANGE).filter_map(|chunk| chunk.last().copied()).collect();
    ends.dedup();
    ends.push(i64::MAX);
    let starts = std::iter::once(0).chain(ends.clone());
    starts.zip(ends).map(|(after, through)| IdRange { after, through }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_all_ids_each_once() {
        for sample in [vec![], vec![5], vec![7; 1000], (0..1000).rev().map(|n| n * n).collect()] {
            let ranges = ranges(sample);
            assert_eq!((ranges[0].after, ranges[ranges.len() - 1].through), (0, i64::MAX));
            assert!(ranges.iter().all(|range| range.after < range.through), "{ranges:?}");
            assert!(ranges.windows(2).all(|pair| pair[0].through == pair[1].after), "{ranges:?}");
        }
        assert_eq!(ranges((0..1000).collect()).len(), 4);
    }
}
