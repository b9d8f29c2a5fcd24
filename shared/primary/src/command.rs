//! What all commands have in common.

use crate::unfit;
use domain::{Epoch, EventId, ProductId, Version};
use sqlx::PgPool;
use std::future::Future;

/// What comes with a command, whatever it orders.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// Identity of the event that it causes.
    pub event_id: EventId,
    /// W3C trace context of the request.
    pub traceparent: Option<&'a str>,
    /// The key under which it is carried out only once.
    pub key: Option<IdempotencyKey<'a>>,
}

impl Command<'_> {
    /// A command without a trace and without a key.
    pub const fn plain(event_id: EventId) -> Self {
        Command { event_id, traceparent: None, key: None }
    }
}

/// A client's name for a request that it may send more than once.
#[derive(Debug, Clone, Copy)]
pub struct IdempotencyKey<'a> {
    /// The name, 1 to 255 characters.
    pub key: &'a str,
    /// SHA-256 of what was sent.
    pub request: [u8; 32],
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It was carried out now.
    Done(T),
    /// Nothing was to be done: it was carried out before.
    Before(T, Age),
    /// The first request with its key is not answered yet.
    UnderWay,
    /// Its key belongs to another request.
    KeyTaken,
}

/// How long ago a command was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Within the last seconds: readers may not know of it yet.
    Recent,
    /// Before that.
    Old,
}

impl Age {
    pub(crate) fn of(recent: bool) -> Self {
        if recent { Age::Recent } else { Age::Old }
    }
}

impl<T> Outcome<T> {
    /// What was done now; `None` in all other cases.
    pub fn done(self) -> Option<T> {
        match self {
            Outcome::Done(done) => Some(done),
            _ => None,
        }
    }
}

/// How far a product is, and in which log: what a client brings back as a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The log that the version belongs to.
    pub epoch: Epoch,
    /// The product.
    pub product_id: ProductId,
    /// Its version.
    pub version: Version,
}

/// A product's place by the columns that say so.
pub(crate) fn reached(epoch: Epoch, product_id: i64, version: i64) -> Result<Reached, sqlx::Error> {
    let product_id =
        product_id.try_into().map_err(|e| unfit("product_stream", "product_id", product_id, e))?;
    Ok(Reached { epoch, product_id, version: Version(version) })
}

/// How often a statement begins again since a twin with the same key committed after it had begun, or its
/// review was erased then.
const TWIN_RETRIES_MAX: u32 = 3;

/// Runs the statement of a command: again while other transactions are in its way, and again when a
/// request with the same key, or the erasing of its review, was quicker, which it then sees.
pub(crate) async fn carry_out<T, F>(statement: impl Fn() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let mut retries = 0;
    loop {
        match postgres::retry_conflicts(&statement).await {
            Err(error) if another_was_quicker(&error) && retries < TWIN_RETRIES_MAX => retries += 1,
            result => return result,
        }
    }
}

/// The statement refuses null here: there is a row of the same key, or its review is erased, which it
/// could not see at its start.
fn another_was_quicker(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().as_deref() == Some("23502") && matches!(error.table(), Some("idempotency" | "reviews"))
}

/// Forgets keys whose time is over, at most `rows_max` of them, and returns how many.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget_keys(pool: &PgPool, rows_max: i64) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "-- idempotency.forget
        DELETE FROM idempotency
        WHERE (part, operation, subject, key) IN (
            SELECT part, operation, subject, key FROM idempotency
            WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )",
        rows_max,
    )
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}
