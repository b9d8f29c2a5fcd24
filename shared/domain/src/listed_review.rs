//! A review as readers see it.

use crate::ReviewId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What is shown of a review.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedReview {
    /// Its id.
    pub review_id: ReviewId,
    /// Stars.
    pub rating: i16,
    /// Headline.
    pub summary: String,
    /// Whether the reviewer recommends the product.
    pub recommend: bool,
    /// The shop's answer.
    pub response: Option<String>,
    /// Text.
    pub body: String,
    /// When it was written.
    pub date: DateTime<Utc>,
    /// Name to show.
    pub reviewer_name: String,
    /// Number of helpful votes.
    pub helpfulness: i32,
    /// Its photos, by id.
    pub photos: Vec<Photo>,
}

/// A photo of a review, as stored and as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Photo {
    /// Its id.
    pub id: i64,
    /// Where it is.
    pub url: String,
}
