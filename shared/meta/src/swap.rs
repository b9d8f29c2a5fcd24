//! Which generation answers: one compare-and-set.

use sqlx::{Connection, PgConnection, PgPool};
use std::time::{Duration, Instant};

/// Number of no generation.
const NONE: i32 = 0;

/// Why the generation that answers was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapReason {
    /// A replay built the new one.
    Replay,
    /// The one before answers again.
    Rollback,
}

impl SwapReason {
    const fn name(self) -> &'static str {
        match self {
            SwapReason::Replay => "replay",
            SwapReason::Rollback => "rollback",
        }
    }
}

/// What the generation is worth that a swap replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It is of the same log: `to` must be nowhere behind it.
    Valid,
    /// Its checkpoints do not fit the log: they say nothing of where `to` must be.
    Invalid,
    /// It is of another log, and so is every other generation than `to`: all are taken out of use.
    OtherLog,
}

/// What a swap is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap {
    /// The generation that must answer now.
    pub from: i32,
    /// The generation that is to answer.
    pub to: i32,
    /// Why.
    pub reason: SwapReason,
    /// What `from` is worth.
    pub over: Over,
}

/// What a swap came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swapped {
    /// `to` answers. How long the transaction took, waiting for the projector included.
    Yes(Duration),
    /// Another generation answers than the one expected; none at 0.
    Other(i32),
    /// `to` is not kept up to date, or does not exist.
    NotLive,
    /// `to` has not folded all that `from` has: readers would see products go back.
    Behind,
}

/// Makes `to` answer instead of `from`, if `from` answers and `to` is nowhere behind it. Holds the projector
/// up for as long as it takes, so that nothing is folded into one and not the other meanwhile.
///
/// # Errors
/// When the database cannot be reached; nothing has changed then, or a commit was not heard of.
pub async fn swap(connection: &mut PgConnection, swap: Swap) -> Result<Swapped, sqlx::Error> {
    rehearse(connection).await?;
    let began = Instant::now();
    let mut transaction = connection.begin().await?;
    // Whatever stops it, the locks end with it: dropped, a transaction would keep them until its connection is used again.
    if let Some(refused) = refused(&mut transaction, swap).await? {
        transaction.rollback().await?;
        return Ok(refused);
    }
    transaction.commit().await?;
    Ok(Swapped::Yes(began.elapsed()))
}

/// Has the server parse and plan every statement of a swap, and look its tables up, before it holds anybody up: on a
/// connection that has just been opened that takes longer than the swap.
async fn rehearse(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    hold(&mut transaction, NONE, NONE).await?;
    is_behind(&mut transaction, NONE, NONE).await?;
    set(&mut transaction, NONE, NONE, SwapReason::Replay).await?;
    transaction.rollback().await
}

/// Does it all but the commit. Returns what is in the way.
async fn refused(connection: &mut PgConnection, swap: Swap) -> Result<Option<Swapped>, sqlx::Error> {
    let Swap { from, to, reason, over } = swap;
    if !hold(connection, from, to).await? {
        return Ok(Some(Swapped::NotLive));
    }
    if over == Over::Valid && is_behind(connection, from, to).await? {
        return Ok(Some(Swapped::Behind));
    }
    if !set(connection, from, to, reason).await? {
        let active = sqlx::query_scalar!("-- swap.active\nSELECT generation FROM active_generation");
        return Ok(Some(Swapped::Other(active.fetch_optional(connection).await?.unwrap_or(0))));
    }
    if over == Over::OtherLog {
        drop_others(connection, to).await?;
    }
    Ok(None)
}

/// Keeps both generations from being dropped, and `from` from being moved on. Returns whether `to` is live.
async fn hold(connection: &mut PgConnection, from: i32, to: i32) -> Result<bool, sqlx::Error> {
    let live = sqlx::query_scalar!(
        "-- swap.lock_generations
        SELECT generation FROM generation WHERE generation IN ($1, $2) AND state = 'live' ORDER BY generation FOR SHARE",
        from,
        to,
    )
    .fetch_all(&mut *connection)
    .await?;
    // In the order in which the projector locks them. Not those of `to`: its positions only rise.
    sqlx::query!(
        "-- swap.lock_checkpoints
        SELECT part FROM checkpoint WHERE generation = $1 ORDER BY part FOR UPDATE",
        from,
    )
    .fetch_all(&mut *connection)
    .await?;
    Ok(live.contains(&to))
}

/// Whether `to` lacks anything that `from` has.
async fn is_behind(connection: &mut PgConnection, from: i32, to: i32) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- swap.compare
        SELECT EXISTS (SELECT FROM checkpoint o
                       LEFT JOIN checkpoint n ON n.generation = $2 AND n.part = o.part
                       WHERE o.generation = $1 AND (n.pos IS NULL OR n.pos < o.pos OR n.epoch <> o.epoch)) AS "behind!""#,
        from,
        to,
    )
    .fetch_one(connection)
    .await
}

/// The compare-and-set. Returns whether `from` answered.
async fn set(
    connection: &mut PgConnection,
    from: i32,
    to: i32,
    reason: SwapReason,
) -> Result<bool, sqlx::Error> {
    let set = sqlx::query!(
        "-- swap.set
        WITH a AS (UPDATE active_generation SET generation = $2 WHERE generation = $1 RETURNING generation)
        INSERT INTO swap (from_generation, to_generation, why) SELECT $1, generation, $3 FROM a",
        from,
        to,
        reason.name(),
    )
    .execute(connection)
    .await?;
    Ok(set.rows_affected() > 0)
}

/// Takes every other generation out of use: the projector cannot go on with them.
async fn drop_others(connection: &mut PgConnection, kept: i32) -> Result<(), sqlx::Error> {
    let others = sqlx::query_scalar!(
        "-- swap.others
        SELECT generation FROM generation WHERE generation <> $1 ORDER BY generation",
        kept,
    )
    .fetch_all(&mut *connection)
    .await?;
    for generation in others {
        crate::drop_generation(connection, generation).await?;
    }
    Ok(())
}

/// The generation that answered before the last swap; `None` when there was none.
///
/// # Errors
/// When the database cannot be reached.
pub async fn previous_generation(pool: &PgPool) -> Result<Option<i32>, sqlx::Error> {
    sqlx::query_scalar!("-- swap.previous\nSELECT from_generation FROM swap ORDER BY swap DESC LIMIT 1")
        .fetch_optional(pool)
        .await
}
