//! Lines of the files in Postgres's binary COPY format: the server parses no text of ours.

use chrono::{DateTime, Utc};
use domain::{CharacteristicId, PhotoId, ProductId, Rating, ReviewId};
use postgres::BinaryRows;

/// Which table of `staging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StagingTable {
    /// reviews.csv
    Reviews,
    /// reviews_photos.csv
    Photos,
    /// characteristics.csv
    Characteristics,
    /// characteristic_reviews.csv
    Values,
}

impl StagingTable {
    pub(super) const fn copy_statement(self) -> &'static str {
        match self {
            Self::Reviews => {
                "COPY staging.reviews (part, line, review_id, product_id, rating, date, summary, body, recommend, \
                 hidden, reviewer_name, reviewer_email, response, helpfulness) FROM STDIN (FORMAT binary)"
            }
            Self::Photos => "COPY staging.photos (line, photo_id, review_id, url) FROM STDIN (FORMAT binary)",
            Self::Characteristics => {
                "COPY staging.characteristics (part, line, characteristic_id, product_id, name) \
                 FROM STDIN (FORMAT binary)"
            }
            Self::Values => {
                "COPY staging.values (line, characteristic_id, review_id, value) FROM STDIN (FORMAT binary)"
            }
        }
    }
}

/// A line of reviews.csv.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedReview<'a> {
    /// Line in the file.
    pub line: i64,
    /// Column id.
    pub review_id: ReviewId,
    /// Column product_id.
    pub product_id: ProductId,
    /// Column rating.
    pub rating: Rating,
    /// Column date, to the millisecond.
    pub date: DateTime<Utc>,
    /// Column summary.
    pub summary: &'a str,
    /// Column body.
    pub body: &'a str,
    /// Column recommend.
    pub recommend: bool,
    /// Column reported.
    pub hidden: bool,
    /// Column reviewer_name.
    pub reviewer_name: &'a str,
    /// Column reviewer_email.
    pub reviewer_email: &'a str,
    /// Column response.
    pub response: Option<&'a str>,
    /// Column helpfulness.
    pub helpfulness: i32,
}

/// A line of reviews_photos.csv.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagedPhoto<'a> {
    /// Line in the file.
    pub line: i64,
    /// Column id.
    pub photo_id: PhotoId,
    /// Column review_id.
    pub review_id: ReviewId,
    /// Column url.
    pub url: &'a str,
}

/// A line of characteristics.csv.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagedCharacteristic<'a> {
    /// Line in the file.
    pub line: i64,
    /// Column id.
    pub characteristic_id: CharacteristicId,
    /// Column product_id.
    pub product_id: ProductId,
    /// Column name.
    pub name: &'a str,
}

/// A line of characteristic_reviews.csv.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagedValue {
    /// Line in the file.
    pub line: i64,
    /// Column characteristic_id.
    pub characteristic_id: CharacteristicId,
    /// Column review_id.
    pub review_id: ReviewId,
    /// Column value.
    pub value: Rating,
}

/// Rows of one table, encoded.
#[derive(Debug)]
pub struct CopyRows {
    table: StagingTable,
    rows: BinaryRows,
}

impl CopyRows {
    /// No rows yet.
    pub fn new(table: StagingTable) -> Self {
        Self { table, rows: BinaryRows::default() }
    }

    /// The table that the rows are of.
    pub const fn table(&self) -> StagingTable {
        self.table
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Size of the rows, encoded.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a row of reviews.csv.
    pub fn review(&mut self, row: &StagedReview<'_>) {
        let to = &mut self.rows;
        to.row(14);
        to.smallint(row.product_id.part().get());
        to.bigint(row.line);
        to.bigint(row.review_id.get());
        to.bigint(row.product_id.get());
        to.smallint(row.rating.get());
        to.timestamptz(row.date);
        to.text(row.summary);
        to.text(row.body);
        to.boolean(row.recommend);
        to.boolean(row.hidden);
        to.text(row.reviewer_name);
        to.text(row.reviewer_email);
        match row.response {
            Some(text) => to.text(text),
            None => to.null(),
        }
        to.integer(row.helpfulness);
    }

    /// Adds a row of reviews_photos.csv.
    pub fn photo(&mut self, row: &StagedPhoto<'_>) {
        let to = &mut self.rows;
        to.row(4);
        to.bigint(row.line);
        to.bigint(row.photo_id.get());
        to.bigint(row.review_id.get());
        to.text(row.url);
    }

    /// Adds a row of characteristics.csv.
    pub fn characteristic(&mut self, row: &StagedCharacteristic<'_>) {
        let to = &mut self.rows;
        to.row(5);
        to.smallint(row.product_id.part().get());
        to.bigint(row.line);
        to.bigint(row.characteristic_id.get());
        to.bigint(row.product_id.get());
        to.text(row.name);
    }

    /// Adds a row of characteristic_reviews.csv.
    pub fn value(&mut self, row: &StagedValue) {
        let to = &mut self.rows;
        to.row(4);
        to.bigint(row.line);
        to.bigint(row.characteristic_id.get());
        to.bigint(row.review_id.get());
        to.smallint(row.value.get());
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.rows.finish()
    }
}
