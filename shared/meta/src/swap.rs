//! Which generation answers: one compare-and-set.

use sqlx::{Connection, PgConnection, PgPool};
use std::time::{Duration, Instant};

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

/// What a swap is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap {
    /// The generation that must answer now.
    pub from: i32,
    /// The generation that is to answer.
    pub to: i32,
    /// Why.
    pub reason: SwapReason,
    /// The log is another one than `from` was made from: positions cannot be compared, and every generation
    /// of another log than `to` is taken out of use.
    pub fresh: bool,
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
    let began = Instant::now();
    let mut transaction = connection.begin().await?;
    let (from, to) = (swap.from, swap.to);
    // Keeps either from being dropped meanwhile.
    let live = sqlx::query_scalar!(
        "-- swap.lock_generations
        SELECT generation FROM generation WHERE generation IN ($1, $2) AND state = 'live' ORDER BY generation FOR SHARE",
        from,
        to,
    )
    .fetch_all(&mut *transaction)
    .await?;
    // Whatever stops it, the locks end with it: dropped, a transaction would keep them until its connection is used again.
    if !live.contains(&to) {
        transaction.rollback().await?;
        return Ok(Swapped::NotLive);
    }
    // In the order in which the projector locks them.
    sqlx::query!(
        "-- swap.lock_checkpoints
        SELECT part FROM checkpoint WHERE generation IN ($1, $2) ORDER BY part, generation FOR UPDATE",
        from,
        to,
    )
    .fetch_all(&mut *transaction)
    .await?;
    let behind = sqlx::query_scalar!(
        r#"-- swap.compare
        SELECT EXISTS (SELECT FROM checkpoint o
                       LEFT JOIN checkpoint n ON n.generation = $2 AND n.part = o.part
                       WHERE o.generation = $1 AND (n.pos IS NULL OR n.pos < o.pos OR n.epoch <> o.epoch)) AS "behind!""#,
        from,
        to,
    )
    .fetch_one(&mut *transaction)
    .await?;
    if behind && !swap.fresh {
        transaction.rollback().await?;
        return Ok(Swapped::Behind);
    }
    let set = sqlx::query!(
        "-- swap.set
        WITH a AS (UPDATE active_generation SET generation = $2 WHERE generation = $1 RETURNING generation)
        INSERT INTO swap (from_generation, to_generation, why) SELECT $1, generation, $3 FROM a",
        from,
        to,
        swap.reason.name(),
    )
    .execute(&mut *transaction)
    .await?;
    if set.rows_affected() == 0 {
        let active = sqlx::query_scalar!("-- swap.active\nSELECT generation FROM active_generation");
        let active = active.fetch_optional(&mut *transaction).await?;
        transaction.rollback().await?;
        return Ok(Swapped::Other(active.unwrap_or(0)));
    }
    if swap.fresh {
        drop_others(&mut transaction, to).await?;
    }
    transaction.commit().await?;
    Ok(Swapped::Yes(began.elapsed()))
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
