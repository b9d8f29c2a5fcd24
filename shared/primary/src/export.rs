//! What is held of a person: their reviews, found by their e-mail address.

use crate::unfit;
use chrono::{DateTime, Utc};
use domain::{Photo, ReviewId};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::types::Json;

/// Reviews looked through in one statement: no snapshot lives long, and a statement is far from its
/// limit even when each of its rows is read from another place of a slow disk.
const SCANNED_REVIEWS_MAX: i64 = 20_000;

/// A review with everything that is stored of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportedReview {
    /// Its id.
    pub review_id: i64,
    /// Its product.
    pub product_id: i64,
    /// Stars.
    pub rating: i16,
    /// When it was written.
    pub date: DateTime<Utc>,
    /// Headline, empty when there is none.
    pub summary: String,
    /// Text.
    pub body: String,
    /// Whether the product is recommended.
    pub recommend: bool,
    /// Name shown with it.
    pub reviewer_name: String,
    /// The address as it was sent.
    pub reviewer_email: String,
    /// The shop's answer.
    pub response: Option<String>,
    /// Photos, by id.
    pub photos: Vec<Photo>,
    /// Values of the product's characteristics, by id.
    pub characteristics: Vec<ExportedValue>,
    /// Helpful votes of others.
    pub helpfulness: i32,
    /// Reports of others.
    pub reports: i32,
    /// Votes and reports that are stored with a visitor's id, which is not exported: it is another person's.
    pub votes_with_visitor: i64,
    /// Not listed because of reports.
    pub hidden_by_reports: bool,
    /// Not listed by a moderator or by the import.
    pub hidden_by_moderation: bool,
}

/// A characteristic's value in a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedValue {
    /// The characteristic.
    pub id: i64,
    /// Its name, as `Fit`.
    pub name: Option<String>,
    /// 1 to 5.
    pub value: i16,
}

/// The reviews that came with an e-mail address, letters' case and blanks around it aside, by id. `seen` hears
/// how many more were looked at.
///
/// There is no index on addresses, which no service looks for: all reviews are looked through, a piece at a
/// time in the order of their key, which never changes, so that none is missed that was there at the start.
///
/// # Errors
/// When the database cannot be reached.
pub async fn reviews_of(
    pool: &PgPool,
    email: &str,
    mut seen: impl FnMut(u64),
) -> Result<Vec<ReviewId>, sqlx::Error> {
    let mut found = Vec::new();
    let mut after = (-1, 0);
    loop {
        let piece = sqlx::query!(
            r#"-- reviews.of_email
            WITH piece AS MATERIALIZED (
                SELECT part, review_id, reviewer_email FROM reviews
                WHERE (part, review_id) > ($2, $3) ORDER BY part, review_id LIMIT $4
            ),
            last AS (SELECT part, review_id FROM piece ORDER BY part DESC, review_id DESC LIMIT 1)
            SELECT l.part, l.review_id, (SELECT count(*) FROM piece) AS "seen!",
                   ARRAY(SELECT review_id FROM piece
                         WHERE lower(btrim(reviewer_email, E' \t\r\n')) = lower(btrim($1, E' \t\r\n'))) AS "found!: Vec<i64>"
            FROM last l"#,
            email,
            after.0,
            after.1,
            SCANNED_REVIEWS_MAX,
        )
        .fetch_optional(pool)
        .await?;
        let Some(piece) = piece else { break };
        after = (piece.part, piece.review_id);
        for id in piece.found {
            found.push(id.try_into().map_err(|e| unfit("reviews", "review_id", id, e))?);
        }
        seen(piece.seen.unsigned_abs());
    }
    found.sort_unstable();
    Ok(found)
}

/// Everything that is stored of these reviews, in their order; those that were erased, or are unknown, are
/// left out.
///
/// # Errors
/// When the database cannot be reached.
pub async fn export_reviews(pool: &PgPool, reviews: &[ReviewId]) -> Result<Vec<ExportedReview>, sqlx::Error> {
    let ids: Vec<i64> = reviews.iter().map(|id| id.get()).collect();
    let rows = sqlx::query!(
        r#"-- reviews.export
        SELECT r.review_id, r.product_id, r.rating, r.date, r.summary, r.body, r.recommend, r.reviewer_name,
               r.reviewer_email, r.response, r.photos AS "photos: Json<Vec<Photo>>",
               coalesce((
                   SELECT jsonb_agg(jsonb_build_object('id', v.key::bigint, 'name', c.name, 'value', v.value::smallint)
                                    ORDER BY v.key::bigint)
                   FROM jsonb_each_text(r.characteristics) AS v (key, value)
                   LEFT JOIN characteristics c ON c.part = r.part AND c.product_id = r.product_id
                                              AND c.characteristic_id = v.key::bigint
               ), '[]') AS "characteristics!: Json<Vec<ExportedValue>>",
               r.helpfulness, r.reports,
               (SELECT count(*) FROM votes v WHERE v.part = r.part AND v.review_id = r.review_id) AS "votes_with_visitor!",
               r.hidden_by_reports, r.hidden_by_moderation
        FROM unnest($1::bigint[]) WITH ORDINALITY AS wanted (id, n)
        JOIN reviews r ON r.review_id = wanted.id
        WHERE r.erased_at IS NULL
        ORDER BY wanted.n"#,
        &ids,
    )
    .fetch_all(pool)
    .await?;
    let exported = rows.into_iter().map(|row| ExportedReview {
        review_id: row.review_id,
        product_id: row.product_id,
        rating: row.rating,
        date: row.date,
        summary: row.summary,
        body: row.body,
        recommend: row.recommend,
        reviewer_name: row.reviewer_name,
        reviewer_email: row.reviewer_email,
        response: row.response,
        photos: row.photos.0,
        characteristics: row.characteristics.0,
        helpfulness: row.helpfulness,
        reports: row.reports,
        votes_with_visitor: row.votes_with_visitor,
        hidden_by_reports: row.hidden_by_reports,
        hidden_by_moderation: row.hidden_by_moderation,
    });
    Ok(exported.collect())
}
