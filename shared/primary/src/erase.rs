//! Erasing a review: a person's right. The row stays, without anything personal in it, so that its id is
//! never given again and no import brings it back.

use crate::command::{Reached, reached};
use domain::{EventId, ReviewId};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use std::time::Duration;

/// Longest wait for a lock: live writers and imports hold theirs for a fraction of a second.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest statement, and so the longest snapshot, of an operation of people beside live writers.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections of such an operation: one statement at a time.
const CONNECTIONS_MAX: u32 = 1;
/// Wait for its connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// What became of a review that was to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// It is erased now, and its product is so far.
    Done(Reached),
    /// It was erased before.
    Before,
    /// There is no such review.
    Unknown,
}

/// Connections for [`erase_review`] and for looking for a person's reviews, on which nothing waits long.
pub fn operations_pool(options: PgConnectOptions) -> PgPool {
    let options = options.options([
        ("lock_timeout", LOCK_TIMEOUT.as_millis()),
        ("statement_timeout", STATEMENT_TIMEOUT.as_millis()),
        ("idle_in_transaction_session_timeout", STATEMENT_TIMEOUT.as_millis()),
    ]);
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options)
}

/// Takes everything personal out of a review and the keys and votes that belong to it, and the review out
/// of its product's meta by an event `event_id`, which says what to subtract. Once only: erased again, a
/// review causes no second event.
///
/// One transaction. Its first statement does all of it in the order of locks of a vote (votes, review,
/// product), but for a vote that another transaction commits while it waits: that one it cannot see. None
/// can be added once it holds the review, so a second statement sees them all.
///
/// # Errors
/// When the database cannot be reached, a lock cannot be had in time, or several reviews have this id.
pub async fn erase_review(
    pool: &PgPool,
    review_id: ReviewId,
    event_id: EventId,
) -> Result<Erased, sqlx::Error> {
    postgres::retry_conflicts(|| async {
        let mut transaction = pool.begin().await?;
        let erased = erase(&mut transaction, review_id, event_id).await?;
        if let Erased::Done(_) = erased {
            erase_traces(&mut transaction, review_id).await?;
        }
        transaction.commit().await?;
        Ok(erased)
    })
    .await
}

async fn erase(
    connection: &mut PgConnection,
    review_id: ReviewId,
    event_id: EventId,
) -> Result<Erased, sqlx::Error> {
    let row = sqlx::query!(
        r#"-- reviews.erase
        WITH target AS MATERIALIZED (
            SELECT part, review_id, product_id, erased_at FROM reviews WHERE review_id = $1
        ),
        forgotten AS (
            DELETE FROM votes v USING target t
            WHERE t.erased_at IS NULL AND v.part = t.part AND v.review_id = t.review_id
            RETURNING v.review_id
        ),
        erased AS (
            UPDATE reviews r
            SET summary = '', body = '', reviewer_name = '', reviewer_email = '', response = NULL, photos = '[]',
                hidden_by_moderation = true, erased_at = now()
            -- Counting the votes that went makes them go before the review is locked.
            WHERE (r.part, r.review_id) = (SELECT part, review_id FROM target WHERE (SELECT count(*) FROM forgotten) >= 0)
              AND r.erased_at IS NULL
            RETURNING r.part, r.product_id, r.review_id, r.rating, r.recommend, r.characteristics
        ),
        stream AS (
            INSERT INTO product_stream AS s (part, product_id, version)
            SELECT part, product_id, 1 FROM erased
            ON CONFLICT (part, product_id) DO UPDATE SET version = s.version + 1
            RETURNING version
        ),
        event AS (
            INSERT INTO outbox (part, product_id, version, event_id, type, payload)
            SELECT e.part, e.product_id, s.version, $2, 'ReviewErased.v1',
                   json_build_object('review_id', e.review_id, 'rating', e.rating, 'recommend', e.recommend,
                                     'characteristics', e.characteristics)
            FROM erased e CROSS JOIN stream s
            RETURNING version
        )
        SELECT i.epoch, t.product_id, e.version AS "version?"
        FROM log_identity i CROSS JOIN target t LEFT JOIN event e ON true"#,
        review_id.get(),
        event_id,
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(Erased::Unknown) };
    let Some(version) = row.version else { return Ok(Erased::Before) };
    Ok(Erased::Done(reached(row.epoch, row.product_id, version)?))
}

/// What is kept of an erased review elsewhere: votes that came while it was waited for, and keys. Of a key
/// goes the hash of what was sent; the key itself stays until its time is over, so that its request sent
/// again is refused as another one and does not bring the review back. Nobody waits for the product's row
/// with a key's row held, so keys can come last here.
async fn erase_traces(connection: &mut PgConnection, review_id: ReviewId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- reviews.erase_traces
        WITH target AS MATERIALIZED (
            SELECT part, review_id, product_id FROM reviews WHERE review_id = $1
        ),
        forgotten AS (
            DELETE FROM votes v USING target t WHERE v.part = t.part AND v.review_id = t.review_id
        )
        UPDATE idempotency i SET request = ''
        FROM target t
        CROSS JOIN LATERAL (VALUES ('post', t.product_id), ('helpful', t.review_id), ('report', t.review_id))
            AS k (operation, subject)
        WHERE i.part = t.part AND i.operation = k.operation AND i.subject = k.subject AND i.review_id = t.review_id",
        review_id.get(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
