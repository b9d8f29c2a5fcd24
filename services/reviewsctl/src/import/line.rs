//! Reading one line of each of the four files.

use super::csv_file::Record;
use super::field::{date, filled, given_id, helpfulness, id, optional, rating, text, truth};
use domain::{BODY_CHARS_MAX, EMAIL_CHARS_MAX, NAME_CHARS_MAX, PHOTO_URL_CHARS_MAX, SUMMARY_CHARS_MAX};
use primary::import::{CopyRows, StagedCharacteristic, StagedPhoto, StagedReview, StagedValue, StagingTable};

/// Longest name of a characteristic, in characters.
const CHARACTERISTIC_CHARS_MAX: usize = 30;

/// One of the four files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Reviews,
    Photos,
    Characteristics,
    Values,
}

/// The ids of a line by which the checks go through the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LineIds {
    pub(crate) review: Option<i64>,
    pub(crate) photo: Option<i64>,
    pub(crate) characteristic: Option<i64>,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Reviews, Self::Photos, Self::Characteristics, Self::Values];

    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Reviews => "reviews.csv",
            Self::Photos => "reviews_photos.csv",
            Self::Characteristics => "characteristics.csv",
            Self::Values => "characteristic_reviews.csv",
        }
    }

    /// The columns that are read, in the order in which the functions below count them.
    pub(crate) const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Reviews => &[
                "id",
                "product_id",
                "rating",
                "date",
                "summary",
                "body",
                "recommend",
                "reported",
                "reviewer_name",
                "reviewer_email",
                "response",
                "helpfulness",
            ],
            Self::Photos => &["id", "review_id", "url"],
            Self::Characteristics => &["id", "product_id", "name"],
            Self::Values => &["id", "characteristic_id", "review_id", "value"],
        }
    }

    pub(crate) const fn table(self) -> StagingTable {
        match self {
            Self::Reviews => StagingTable::Reviews,
            Self::Photos => StagingTable::Photos,
            Self::Characteristics => StagingTable::Characteristics,
            Self::Values => StagingTable::Values,
        }
    }

    /// Adds a record to the rows, or says why it cannot be taken.
    pub(crate) fn read(self, record: &Record<'_>, rows: &mut CopyRows) -> Result<LineIds, String> {
        match self {
            Self::Reviews => review(record, rows),
            Self::Photos => photo(record, rows),
            Self::Characteristics => characteristic(record, rows),
            Self::Values => value(record, rows),
        }
    }
}

fn review(record: &Record<'_>, rows: &mut CopyRows) -> Result<LineIds, String> {
    let row = StagedReview {
        line: record.line,
        review_id: given_id("id", record.column(0))?,
        product_id: id("product_id", record.column(1))?,
        rating: rating("rating", record.column(2))?,
        date: date("date", record.column(3))?,
        summary: text("summary", record.column(4), SUMMARY_CHARS_MAX)?,
        body: text("body", record.column(5), BODY_CHARS_MAX)?,
        recommend: truth("recommend", record.column(6))?,
        hidden: truth("reported", record.column(7))?,
        reviewer_name: text("reviewer_name", record.column(8), NAME_CHARS_MAX)?,
        reviewer_email: text("reviewer_email", record.column(9), EMAIL_CHARS_MAX)?,
        response: optional("response", record.column(10), BODY_CHARS_MAX)?,
        helpfulness: helpfulness("helpfulness", record.column(11))?,
    };
    rows.review(&row);
    Ok(LineIds { review: Some(row.review_id.get()), ..LineIds::default() })
}

fn photo(record: &Record<'_>, rows: &mut CopyRows) -> Result<LineIds, String> {
    let row = StagedPhoto {
        line: record.line,
        photo_id: given_id("id", record.column(0))?,
        review_id: id("review_id", record.column(1))?,
        url: filled("url", record.column(2), PHOTO_URL_CHARS_MAX)?,
    };
    rows.photo(&row);
    let (review, photo) = (Some(row.review_id.get()), Some(row.photo_id.get()));
    Ok(LineIds { review, photo, ..LineIds::default() })
}

fn characteristic(record: &Record<'_>, rows: &mut CopyRows) -> Result<LineIds, String> {
    let row = StagedCharacteristic {
        line: record.line,
        characteristic_id: given_id("id", record.column(0))?,
        product_id: id("product_id", record.column(1))?,
        name: filled("name", record.column(2), CHARACTERISTIC_CHARS_MAX)?,
    };
    rows.characteristic(&row);
    Ok(LineIds { characteristic: Some(row.characteristic_id.get()), ..LineIds::default() })
}

/// A value's own id says nothing that is kept.
fn value(record: &Record<'_>, rows: &mut CopyRows) -> Result<LineIds, String> {
    let row = StagedValue {
        line: record.line,
        characteristic_id: id("characteristic_id", record.column(1))?,
        review_id: id("review_id", record.column(2))?,
        value: rating("value", record.column(3))?,
    };
    rows.value(&row);
    Ok(LineIds { review: Some(row.review_id.get()), ..LineIds::default() })
}
