//! A page of a product's reviews, in one statement with the product's version.

use crate::unfit;
use chrono::{DateTime, Utc};
use domain::{ListedReview, Photo, ProductId, Version};
use sqlx::PgPool;
use sqlx::types::Json;

/// Order of a list. All end in the id, so that pages never shuffle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Date descending.
    Newest,
    /// Helpful votes descending, then as `Newest`.
    Helpful,
    /// floor(log2(1 + helpful votes)) descending, then as `Newest`.
    Relevant,
}

/// Which rows of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Rows before the page.
    pub offset: i64,
    /// Rows of the page at most.
    pub count: i64,
}

/// A page, and how far the product was when it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewPage {
    /// The product's version, 0 when it was never heard of.
    pub version: Version,
    /// The page's reviews, in order.
    pub reviews: Vec<ListedReview>,
}

struct Row {
    version: Option<i64>,
    review_id: Option<i64>,
    rating: Option<i16>,
    summary: Option<String>,
    recommend: Option<bool>,
    response: Option<String>,
    body: Option<String>,
    date: Option<DateTime<Utc>>,
    reviewer_name: Option<String>,
    helpfulness: Option<i32>,
    photos: Option<Json<Vec<Photo>>>,
}

/// The one statement of all orders: a row at least, even for a product never heard of.
macro_rules! list {
    ($name:tt, $order:tt, $product_id:expr, $page:expr) => {
        sqlx::query_as!(
            Row,
            $name
                + r#"
            SELECT s.version AS "version?", r.review_id AS "review_id?", r.rating AS "rating?", r.summary AS "summary?",
                   r.recommend AS "recommend?", r.response, r.body AS "body?", r.date AS "date?",
                   r.reviewer_name AS "reviewer_name?", r.helpfulness AS "helpfulness?",
                   r.photos AS "photos?: Json<Vec<Photo>>"
            FROM (VALUES (true)) one (one)
            LEFT JOIN product_stream s ON s.part = $1 AND s.product_id = $2
            LEFT JOIN LATERAL (
                SELECT * FROM (
                    SELECT review_id, rating, summary, recommend, response, body, date, reviewer_name, helpfulness,
                           relevance, photos
                    FROM reviews
                    WHERE part = $1 AND product_id = $2 AND NOT hidden_by_reports AND NOT hidden_by_moderation
                    ORDER BY "#
                + $order
                + r#" OFFSET $3 LIMIT $4
                ) page
            ) r ON true
            ORDER BY "#
                + $order,
            $product_id.part().get(),
            $product_id.get(),
            $page.offset,
            $page.count,
        )
    };
}

/// Reads a page of the reviews that are listed: neither reported too often nor hidden.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn list_reviews(
    pool: &PgPool,
    product_id: ProductId,
    sort: Sort,
    page: Page,
) -> Result<ReviewPage, sqlx::Error> {
    let rows = match sort {
        Sort::Newest => {
            list!("-- reviews.list.newest", "date DESC, review_id DESC", product_id, page)
                .fetch_all(pool)
                .await?
        }
        Sort::Helpful => {
            list!("-- reviews.list.helpful", "helpfulness DESC, date DESC, review_id DESC", product_id, page)
                .fetch_all(pool)
                .await?
        }
        Sort::Relevant => {
            list!("-- reviews.list.relevant", "relevance DESC, date DESC, review_id DESC", product_id, page)
                .fetch_all(pool)
                .await?
        }
    };
    let version = Version(rows.first().and_then(|row| row.version).unwrap_or(0));
    let reviews = rows.into_iter().filter_map(listed).collect::<Result<_, _>>()?;
    Ok(ReviewPage { version, reviews })
}

/// The row's review; `None` for the row that stands for an empty page.
fn listed(row: Row) -> Option<Result<ListedReview, sqlx::Error>> {
    let review_id = row.review_id?;
    Some(match review_id.try_into() {
        Err(problem) => Err(unfit("reviews", "review_id", review_id, problem)),
        Ok(review_id) => Ok(ListedReview {
            review_id,
            rating: row.rating?,
            summary: row.summary?,
            recommend: row.recommend?,
            response: row.response,
            body: row.body?,
            date: row.date?,
            reviewer_name: row.reviewer_name?,
            helpfulness: row.helpfulness?,
            photos: row.photos?.0,
        }),
    })
}
