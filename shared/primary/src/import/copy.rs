//! Lines of the files in Postgres's binary COPY format: the server parses no text of ours.

use chrono::{DateTime, Utc};
use domain::{CharacteristicId, PhotoId, ProductId, Rating, ReviewId};

/// Signature, flags and length of an extension, as the format begins.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Where a row's number of columns would be, as the format ends.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// Postgres counts microseconds from 2000-01-01; this is that day by the Unix clock.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

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
    bytes: Vec<u8>,
}

impl CopyRows {
    /// No rows yet.
    pub fn new(table: StagingTable) -> Self {
        Self { table, bytes: HEADER.to_vec() }
    }

    /// The table that the rows are of.
    pub const fn table(&self) -> StagingTable {
        self.table
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER.len()
    }

    /// Size of the rows, encoded.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a row of reviews.csv.
    pub fn review(&mut self, row: &StagedReview<'_>) {
        self.columns(14);
        self.smallint(row.product_id.part().get());
        self.bigint(row.line);
        self.bigint(row.review_id.get());
        self.bigint(row.product_id.get());
        self.smallint(row.rating.get());
        self.bigint(row.date.timestamp_micros() - POSTGRES_EPOCH_US);
        self.text(row.summary);
        self.text(row.body);
        self.boolean(row.recommend);
        self.boolean(row.hidden);
        self.text(row.reviewer_name);
        self.text(row.reviewer_email);
        match row.response {
            Some(text) => self.text(text),
            None => self.null(),
        }
        self.integer(row.helpfulness);
    }

    /// Adds a row of reviews_photos.csv.
    pub fn photo(&mut self, row: &StagedPhoto<'_>) {
        self.columns(4);
        self.bigint(row.line);
        self.bigint(row.photo_id.get());
        self.bigint(row.review_id.get());
        self.text(row.url);
    }

    /// Adds a row of characteristics.csv.
    pub fn characteristic(&mut self, row: &StagedCharacteristic<'_>) {
        self.columns(5);
        self.smallint(row.product_id.part().get());
        self.bigint(row.line);
        self.bigint(row.characteristic_id.get());
        self.bigint(row.product_id.get());
        self.text(row.name);
    }

    /// Adds a row of characteristic_reviews.csv.
    pub fn value(&mut self, row: &StagedValue) {
        self.columns(4);
        self.bigint(row.line);
        self.bigint(row.characteristic_id.get());
        self.bigint(row.review_id.get());
        self.smallint(row.value.get());
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&TRAILER);
        self.bytes
    }

    fn columns(&mut self, number: i16) {
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    fn field(&mut self, bytes: &[u8]) {
        // A text is at most a record of a file, which is far below the format's 2^31.
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    fn null(&mut self) {
        self.bytes.extend_from_slice(&(-1_i32).to_be_bytes());
    }

    fn boolean(&mut self, value: bool) {
        self.field(&[u8::from(value)]);
    }

    fn smallint(&mut self, value: i16) {
        self.field(&value.to_be_bytes());
    }

    fn integer(&mut self, value: i32) {
        self.field(&value.to_be_bytes());
    }

    fn bigint(&mut self, value: i64) {
        self.field(&value.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.field(text.as_bytes());
    }
}
