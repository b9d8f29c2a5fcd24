//! Reviews as readers see them, each answer in one statement with the product's version.

use crate::unfit;
use chrono::{DateTime, Utc};
use domain::{ListedReview, Photo, ProductId, Rating, ReviewId, Version};
use sqlx::PgExecutor;
use sqlx::types::Json;
use std::cmp::Reverse;

/// Order of a list. All end in the id, so that pages never shuffle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    /// Date descending.
    Newest,
    /// Helpful votes descending, then as `Newest`.
    Helpful,
    /// floor(log2(1 + helpful votes)) descending, then as `Newest`.
    Relevant,
}

/// Which reviews of a product, and how many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// The order.
    pub sort: Sort,
    /// Where the page begins.
    pub start: Start,
    /// Reviews of the page at most.
    pub count: i64,
    /// Only reviews with these stars; none given means all.
    pub ratings: Vec<Rating>,
    /// Whether to count all that are listed under the filter.
    pub total: bool,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// After this many rows.
    Offset(i64),
    /// After this row, wherever it stands by now.
    After(Place),
}

/// A row's place in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What the order looks at before the date: helpful votes, or their logarithm; 0 for `Newest`.
    pub rank: i32,
    /// The date.
    pub date: DateTime<Utc>,
    /// The id.
    pub review_id: ReviewId,
}

/// A page, and how far the product was when it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewPage {
    /// The product's version, 0 when it was never heard of.
    pub version: Version,
    /// The page's reviews, in order.
    pub reviews: Vec<ListedReview>,
    /// The last row's place, when there are more rows after it.
    pub next: Option<Place>,
    /// Number of reviews that are listed under the filter, if it was asked for.
    pub total: Option<i64>,
}

/// A review with its product.
#[derive(Debug, Clone, PartialEq)]
pub struct OneReview {
    /// Its product.
    pub product_id: ProductId,
    /// The product's version.
    pub version: Version,
    /// The review.
    pub review: ListedReview,
}

struct Row {
    version: Option<i64>,
    total: Option<i64>,
    relevance: Option<i16>,
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

/// The statement of a list: a row at least, even for a product never heard of. `$page` is what comes after the conditions that
/// all pages have.
macro_rules! list {
    ($name:tt, $total:tt, [$($page:tt)+], $product_id:expr, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            $name
                + r#"
            SELECT s.version AS "version?", "#
                + $total
                + r#" AS "total?",
                   r.relevance AS "relevance?", r.review_id AS "review_id?", r.rating AS "rating?", r.summary AS "summary?",
                   r.recommend AS "recommend?", r.response, r.body AS "body?", r.date AS "date?",
                   r.reviewer_name AS "reviewer_name?", r.helpfulness AS "helpfulness?",
                   r.photos AS "photos?: Json<Vec<Photo>>"
            FROM (VALUES (true)) one (one)
            LEFT JOIN product_stream s ON s.part = $1 AND s.product_id = $2
            LEFT JOIN LATERAL (
                SELECT review_id, rating, summary, recommend, response, body, date, reviewer_name, helpfulness, relevance, photos
                FROM reviews
                WHERE part = $1 AND product_id = $2 AND NOT hidden_by_reports AND NOT hidden_by_moderation
                "#
                + $($page)+
                + ") r ON true",
            $product_id.part().get(),
            $product_id.get(),
            $($argument),+
        )
    };
}

/// The first page of all reviews, which nearly everybody asks for. Without what other pages need it takes the server a ninth less.
macro_rules! first_page {
    ($name:tt, $order:tt, $product_id:expr, $page:expr) => {
        list!($name, "NULL::bigint", ["ORDER BY " + $order + " LIMIT $3"], $product_id, $page.limit)
    };
}

/// Any page. One that begins nowhere in particular begins after the highest row there can be, so that one index condition
/// serves both.
macro_rules! any_page {
    ($name:tt, $order:tt, $after:tt, $product_id:expr, $page:expr $(, $rank:expr)?) => {
        list!(
            $name,
            "CASE WHEN $6::boolean THEN (
                       SELECT count(*) FROM reviews
                       WHERE part = $1 AND product_id = $2 AND NOT hidden_by_reports AND NOT hidden_by_moderation
                         AND ($5::smallint[] = '{}' OR rating = ANY ($5))
                   ) END",
            ["AND ($5::smallint[] = '{}' OR rating = ANY ($5)) AND " + $after + " ORDER BY " + $order + " OFFSET $3 LIMIT $4"],
            $product_id,
            $page.offset,
            $page.limit,
            &$page.ratings,
            $page.total,
            $page.after_date,
            $page.after_id
            $(, $rank)?
        )
    };
}

/// A [`ListQuery`] as the statement takes it.
struct Page {
    offset: i64,
    limit: i64,
    ratings: Vec<i16>,
    total: bool,
    after_date: Option<DateTime<Utc>>,
    after_id: Option<i64>,
    after_rank: Option<i32>,
}

impl Page {
    fn of(query: &ListQuery) -> Self {
        let (offset, after) = match query.start {
            Start::Offset(offset) => (offset, None),
            Start::After(place) => (0, Some(place)),
        };
        Page {
            offset,
            // One more than asked for tells whether there are more.
            limit: if query.count > 0 { query.count + 1 } else { 0 },
            ratings: query.ratings.iter().map(|rating| rating.get()).collect(),
            total: query.total,
            after_date: after.map(|place| place.date),
            after_id: after.map(|place| place.review_id.get()),
            after_rank: after.map(|place| place.rank),
        }
    }

    /// Whether it is the first of all reviews, and nothing is counted.
    fn is_first(&self) -> bool {
        self.offset == 0 && self.after_id.is_none() && self.ratings.is_empty() && !self.total
    }
}

/// Reads a page of the reviews that are listed: neither reported too often nor hidden.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn list_reviews(
    store: impl PgExecutor<'_>,
    product_id: ProductId,
    query: &ListQuery,
) -> Result<ReviewPage, sqlx::Error> {
    let page = Page::of(query);
    let mut rows = match (query.sort, page.is_first()) {
        (Sort::Newest, true) => {
            first_page!("-- reviews.list.newest.first", "date DESC, review_id DESC", product_id, page)
                .fetch_all(store)
                .await?
        }
        (Sort::Newest, false) => {
            any_page!(
                "-- reviews.list.newest",
                "date DESC, review_id DESC",
                "(date, review_id) < (coalesce($7, 'infinity'::timestamptz), coalesce($8, 9223372036854775807))",
                product_id,
                page
            )
            .fetch_all(store)
            .await?
        }
        (Sort::Helpful, true) => {
            first_page!(
                "-- reviews.list.helpful.first",
                "helpfulness DESC, date DESC, review_id DESC",
                product_id,
                page
            )
            .fetch_all(store)
            .await?
        }
        (Sort::Helpful, false) => {
            any_page!(
                "-- reviews.list.helpful",
                "helpfulness DESC, date DESC, review_id DESC",
                "(helpfulness, date, review_id) < (coalesce($9, 2147483647), coalesce($7, 'infinity'::timestamptz), coalesce($8, 9223372036854775807))",
                product_id,
                page,
                page.after_rank
            )
            .fetch_all(store)
            .await?
        }
        (Sort::Relevant, true) => {
            first_page!(
                "-- reviews.list.relevant.first",
                "relevance DESC, date DESC, review_id DESC",
                product_id,
                page
            )
            .fetch_all(store)
            .await?
        }
        (Sort::Relevant, false) => {
            any_page!(
                "-- reviews.list.relevant",
                "relevance DESC, date DESC, review_id DESC",
                "(relevance, date, review_id) < (coalesce($9, 2147483647), coalesce($7, 'infinity'::timestamptz), coalesce($8, 9223372036854775807))",
                product_id,
                page,
                page.after_rank
            )
            .fetch_all(store)
            .await?
        }
    };
    // So they come, from one row joined to them; but no server promises that.
    rows.sort_by_key(|row| Reverse(order(query.sort, row)));
    let version = Version(rows.first().and_then(|row| row.version).unwrap_or(0));
    let total = rows.first().and_then(|row| row.total);
    let count = usize::try_from(query.count).unwrap_or(0);
    let next =
        if rows.len() > count { rows[..count].last().and_then(|row| place(query.sort, row)) } else { None };
    rows.truncate(count.max(1));
    let reviews = rows.into_iter().filter_map(listed).collect::<Result<_, _>>()?;
    Ok(ReviewPage { version, reviews, next, total })
}

/// What a row is ordered by: the highest first.
fn order(sort: Sort, row: &Row) -> (Option<i32>, Option<DateTime<Utc>>, Option<i64>) {
    (rank(sort, row), row.date, row.review_id)
}

fn rank(sort: Sort, row: &Row) -> Option<i32> {
    match sort {
        Sort::Newest => Some(0),
        Sort::Helpful => row.helpfulness,
        Sort::Relevant => row.relevance.map(i32::from),
    }
}

fn place(sort: Sort, row: &Row) -> Option<Place> {
    Some(Place { rank: rank(sort, row)?, date: row.date?, review_id: row.review_id?.try_into().ok()? })
}

/// Reads a review, if it is one that is listed.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn one_review(
    store: impl PgExecutor<'_>,
    review_id: ReviewId,
) -> Result<Option<OneReview>, sqlx::Error> {
    let row = sqlx::query!(
        r#"-- reviews.one
        SELECT r.product_id, s.version AS "version?", r.rating, r.summary, r.recommend, r.response, r.body, r.date,
               r.reviewer_name, r.helpfulness, r.photos AS "photos: Json<Vec<Photo>>"
        FROM reviews r
        LEFT JOIN product_stream s ON s.part = r.part AND s.product_id = r.product_id
        WHERE r.review_id = $1 AND NOT r.hidden_by_reports AND NOT r.hidden_by_moderation"#,
        review_id.get(),
    )
    .fetch_optional(store)
    .await?;
    row.map(|row| {
        let product_id = row.product_id;
        Ok(OneReview {
            product_id: product_id.try_into().map_err(|e| unfit("reviews", "product_id", product_id, e))?,
            version: Version(row.version.unwrap_or(0)),
            review: ListedReview {
                review_id,
                rating: row.rating,
                summary: row.summary,
                recommend: row.recommend,
                response: row.response,
                body: row.body,
                date: row.date,
                reviewer_name: row.reviewer_name,
                helpfulness: row.helpfulness,
                photos: row.photos.0,
            },
        })
    })
    .transpose()
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

/// The key that cursors are signed with.
///
/// # Errors
/// When the database cannot be reached.
pub async fn cursor_key(store: impl PgExecutor<'_>) -> Result<Vec<u8>, sqlx::Error> {
    sqlx::query_scalar!("-- cursor_key.read\nSELECT key FROM cursor_key").fetch_one(store).await
}
