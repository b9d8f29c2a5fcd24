//! `reviewsctl generate`: a data set of any size, in the four files that `import` reads.
//!
//! The same arguments give the same bytes on every machine: ChaCha8 seeded by `--seed`, integer arithmetic
//! only, no clock, no hash order. Rows are streamed; memory does not grow with the size of the set. The four
//! files appear together at the end, so that an interrupted run leaves nothing that looks finished.
//!
//! # Shape
//!
//! The full set is about `--products 1000000 --reviews 5775000`; its published row counts are on the right.
//!
//! | file | rows per | this generator | full set |
//! |---|---|---|---|
//! | reviews.csv | in all | exactly `--reviews` | 5,774,952 |
//! | reviews_photos.csv | review | 0.475 | 2,742,540 (0.475) |
//! | characteristics.csv | product | 3.41 | 3,347,679 (3.35) |
//! | characteristic_reviews.csv | review | 3.34 | 19,327,575 (3.35) |
//!
//! - **Products**: ids without gaps from `--first-product-id`, every one with 1 to 6 characteristics: Quality
//!   alone (13 %), with Comfort (9 %), with one pair (20 %), Comfort and Quality with one pair (45 %), the
//!   same and one name of the other pair (8 %), all six (5 %). The pair is Size and Width (footwear) or Fit
//!   and Length (clothes), half each.
//! - **Reviews per product**: 95 % of the products have at least one; the counts above one are long-tailed
//!   (Pareto, exponent 2, see [`counts`]): half have up to 5, one in a hundred more than 28, the hottest of a
//!   million about 4,000. With fewer reviews than that many products, each is given at most one.
//! - **Ratings**: 5 to 1 at about 45, 26, 14, 7 and 8 %; products differ (60 % liked, 30 % mixed, 10 %
//!   disliked). Recommended: 97, 90, 50, 12 and 3 % of them. Comfort and Quality follow the rating, the other
//!   four scatter about 3. 2 % of the values are left out.
//! - **Helpfulness**: 30 % zero, the rest doubling with halving probability, up to 4095. Reported: 1 %.
//!   A shop's response: 7 %.
//! - **Photos**: 15 % of the reviews have some: mostly 1 to 5, one in twenty of them 6 to 30.
//! - **Dates**: evenly over 2018-07-01 to 2021-06-30.
//!
//! # Dirt
//!
//! Every row is good for import; what a naive reader stumbles over is here on purpose.
//!
//! | dirt | rate |
//! |---|---|
//! | no response, as the bare word `null` / as nothing | half each |
//! | summary above 60 characters / missing | 6 % / 0.5 % |
//! | body under 50 characters | 6 % meant, about 13 % in all |
//! | two spaces between sentences | 1 in 4 |
//! | quotes inside a quoted field | 3 % of bodies, 1 % of summaries, 0.5 % of names |
//! | line breaks inside a quoted field (LF, two LF, CRLF) | 3 % of bodies |
//! | other scripts, accents, emoji, right-to-left | 4 % of bodies, 2 % of summaries, 3 % of names |
//! | ids skipped, in all files but the products' own | 1 in 200 |
//! | ids out of order, within 64 | about 1 in 8 |
//!
//! # Editions
//!
//! 2019: `date` as `"2019-01-01"`; `recommend` and `reported` as `true`/`false`, one in four as `1`/`0`.
//! 2021: `date` as epoch milliseconds, with `true`/`false`. A seed gives the same reviews in both.

mod counts;
mod dice;
mod files;
mod ids;
mod phrases;
mod shape;
mod text;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{Days, NaiveDate};
use indicatif::ProgressBar;

use counts::Counts;
use dice::{Dice, Purpose};
use files::{DataSet, Written};
use ids::Ids;
use shape::Product;

/// Above every id that the arguments allow there is room up to 2^53 - 1, the largest that the HTTP contract
/// takes.
const FIRST_ID_MAX: u64 = 1 << 52;
/// More products than any shop has, and a bound that keeps every id below 2^53.
const PRODUCTS_MAX: u64 = 1_000_000_000;
const REVIEWS_MAX: u64 = 100_000_000_000;

const DATES_FIRST: NaiveDate = NaiveDate::from_ymd_opt(2018, 7, 1).unwrap();
const DATES_DAYS: u32 = 3 * 365 + 1;
const DAY_MS: u32 = 24 * 60 * 60 * 1000;

/// The progress bar is moved each time this many reviews were written.
const PROGRESS_REVIEWS: u64 = 4096;

/// Write a data set of any size: four CSV files, the same bytes for the same arguments
#[derive(Debug, clap::Args)]
pub(crate) struct GenerateArgs {
    /// Folder for the four CSV files; made if missing, must be empty
    pub(crate) dir: PathBuf,
    /// How many products, exactly
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=PRODUCTS_MAX))]
    pub(crate) products: u64,
    /// How many reviews, exactly
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(0..=REVIEWS_MAX))]
    pub(crate) reviews: u64,
    /// The same seed and sizes give the same bytes
    #[arg(long, value_name = "S")]
    pub(crate) seed: u64,
    /// How dates and truth values are written
    #[arg(long, value_enum, default_value = "2019")]
    pub(crate) edition: Edition,
    /// Lowest product id
    #[arg(long, value_name = "ID", default_value_t = 1, value_parser = first_id())]
    pub(crate) first_product_id: u64,
    /// Lowest review id
    #[arg(long, value_name = "ID", default_value_t = 1, value_parser = first_id())]
    pub(crate) first_review_id: u64,
    /// Lowest photo id
    #[arg(long, value_name = "ID", default_value_t = 1, value_parser = first_id())]
    pub(crate) first_photo_id: u64,
    /// Lowest characteristic id
    #[arg(long, value_name = "ID", default_value_t = 1, value_parser = first_id())]
    pub(crate) first_characteristic_id: u64,
    /// Lowest id of a characteristic's value
    #[arg(long, value_name = "ID", default_value_t = 1, value_parser = first_id())]
    pub(crate) first_value_id: u64,
    /// Replace the data set that the folder holds
    #[arg(long)]
    pub(crate) force: bool,
}

fn first_id() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=FIRST_ID_MAX)
}

/// The two spellings in which the data set circulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Edition {
    /// Dates as 2019-01-01; truth values true/false and 1/0 mixed
    #[value(name = "2019")]
    Y2019,
    /// Dates as epoch milliseconds; truth values true/false
    #[value(name = "2021")]
    Y2021,
}

/// What a run wrote, file by file, and how long it took.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) files: Vec<Written>,
    pub(crate) elapsed: Duration,
}

impl Summary {
    /// Rows of all four files, header lines not counted.
    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().map(|f| f.rows).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.bytes).sum()
    }
}

/// A line for each file, then the totals and the rate.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Written { name, rows, bytes } in &self.files {
            writeln!(f, "{name:<26} {rows:>11} rows {bytes:>13} bytes")?;
        }
        let seconds = self.elapsed.as_secs_f64();
        let (rows, bytes) = (self.rows(), self.bytes());
        let rate = u128::from(rows) * 1_000_000 / self.elapsed.as_micros().max(1);
        write!(f, "{:<26} {rows:>11} rows {bytes:>13} bytes in {seconds:.2} s, {rate} rows/s", "in all")
    }
}

/// Writes the data set that `args` describes; `progress` counts reviews.
///
/// # Errors
/// When the folder holds anything and `--force` was not given, when another run is writing there, or when a
/// file cannot be written. Nothing that looks finished is left then.
pub(crate) fn run(args: &GenerateArgs, progress: &ProgressBar) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let set = DataSet::create(&args.dir, args.force)?;
    let mut writer = Writer::new(args, set)?;
    progress.set_length(args.reviews);
    let mut done = 0;
    let mut shown = 0;
    for (product_id, reviews) in
        (args.first_product_id..).zip(Counts::new(args.seed, args.products, args.reviews))
    {
        let product = writer.product(product_id)?;
        for _ in 0..reviews {
            writer.review(&product)?;
            done += 1;
            if done - shown >= PROGRESS_REVIEWS {
                shown = done;
                progress.set_position(done);
            }
        }
    }
    progress.set_position(done);
    let files = writer.set.finish()?;
    Ok(Summary { files, elapsed: started.elapsed() })
}

/// A day of the dates' range: its text, and the epoch milliseconds of its first moment.
struct Day {
    text: String,
    epoch_ms: u64,
}

struct Writer {
    edition: Edition,
    set: DataSet,
    dice: Dice,
    days: Vec<Day>,
    review_ids: Ids,
    photo_ids: Ids,
    characteristic_ids: Ids,
    value_ids: Ids,
    /// The text under way, reused from row to row.
    scratch: String,
}

impl Writer {
    fn new(args: &GenerateArgs, set: DataSet) -> anyhow::Result<Self> {
        let ids = |purpose, first| Ids::new(Dice::new(args.seed, purpose), first);
        Ok(Self {
            edition: args.edition,
            set,
            dice: Dice::new(args.seed, Purpose::Rows),
            days: days()?,
            review_ids: ids(Purpose::ReviewIds, args.first_review_id),
            photo_ids: ids(Purpose::PhotoIds, args.first_photo_id),
            characteristic_ids: ids(Purpose::CharacteristicIds, args.first_characteristic_id),
            value_ids: ids(Purpose::ValueIds, args.first_value_id),
            scratch: String::with_capacity(4096),
        })
    }

    /// Writes a product's characteristics.
    fn product(&mut self, product_id: u64) -> anyhow::Result<Product> {
        let mut product = shape::product(&mut self.dice, product_id);
        for (name, id) in product.characteristics.iter().zip(&mut product.characteristic_ids) {
            *id = self.characteristic_ids.draw();
            self.set.characteristics.number(*id).number(product_id).text(name.as_str()).end()?;
        }
        Ok(product)
    }

    /// Writes one review of the product, with its photos and values.
    fn review(&mut self, product: &Product) -> anyhow::Result<()> {
        let id = self.review_ids.draw();
        let rating = shape::rating(&mut self.dice, product);
        self.review_row(id, rating, product)?;
        for _ in 0..shape::photos(&mut self.dice) {
            text::photo_url(&mut self.dice, &mut self.scratch);
            self.set.photos.number(self.photo_ids.draw()).number(id).text(&self.scratch).end()?;
        }
        for (name, characteristic_id) in product.characteristics.iter().zip(product.characteristic_ids) {
            if let Some(value) = shape::value(&mut self.dice, *name, rating) {
                let sheet = &mut self.set.values;
                sheet
                    .number(self.value_ids.draw())
                    .number(characteristic_id)
                    .number(id)
                    .number(value.into())
                    .end()?;
            }
        }
        Ok(())
    }

    fn review_row(&mut self, id: u64, rating: u8, product: &Product) -> anyhow::Result<()> {
        let Self { edition, set, dice, days, scratch, .. } = self;
        let sheet = &mut set.reviews;
        sheet.number(id).number(product.id).number(rating.into());
        let day = &days[dice.index(days.len())];
        let ms = dice.below(DAY_MS);
        match edition {
            Edition::Y2019 => sheet.text(&day.text),
            Edition::Y2021 => sheet.number(day.epoch_ms + u64::from(ms)),
        };
        if text::summary(dice, rating, product.item, scratch) {
            sheet.text(scratch)
        } else {
            sheet.bare("")
        };
        text::body(dice, rating, product.item, scratch);
        sheet.text(scratch);
        let recommend = shape::recommend(dice, rating);
        let reported = shape::reported(dice);
        sheet.bare(truth(dice, *edition, recommend)).bare(truth(dice, *edition, reported));
        text::reviewer_name(dice, scratch);
        sheet.text(scratch);
        text::reviewer_email(dice, scratch);
        sheet.text(scratch);
        match text::response(dice) {
            text::Response::Text(response) => sheet.text(response),
            text::Response::Null => sheet.bare("null"),
            text::Response::Nothing => sheet.bare(""),
        };
        sheet.number(shape::helpfulness(dice).into()).end()
    }
}

/// The draw is made in both editions, so that they hold the same reviews.
fn truth(dice: &mut Dice, edition: Edition, value: bool) -> &'static str {
    let as_number = dice.one_in(4) && edition == Edition::Y2019;
    match (as_number, value) {
        (true, true) => "1",
        (true, false) => "0",
        (false, true) => "true",
        (false, false) => "false",
    }
}

fn days() -> anyhow::Result<Vec<Day>> {
    (0..DATES_DAYS)
        .map(|n| {
            let date =
                DATES_FIRST.checked_add_days(Days::new(n.into())).context("a date out of chrono's range")?;
            let epoch_ms = date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
            Ok(Day { text: date.to_string(), epoch_ms: u64::try_from(epoch_ms)? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_run_from_july_2018_to_june_2021() {
        let days = days().unwrap();
        assert_eq!(
            days.first().map(|d| (d.text.as_str(), d.epoch_ms)),
            Some(("2018-07-01", 1_530_403_200_000))
        );
        assert_eq!(
            days.last().map(|d| (d.text.as_str(), d.epoch_ms)),
            Some(("2021-06-30", 1_625_011_200_000))
        );
    }

    #[test]
    fn the_2021_edition_never_writes_truth_as_a_number() {
        let mut dice = Dice::new(1, Purpose::Rows);
        let mut seen = |edition| {
            let mut seen: Vec<_> = (0..200).map(|n| truth(&mut dice, edition, n % 2 == 0)).collect();
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        assert_eq!(seen(Edition::Y2019), ["0", "1", "false", "true"]);
        assert_eq!(seen(Edition::Y2021), ["false", "true"]);
    }
}
