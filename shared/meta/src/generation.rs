//! Generations: complete projections, side by side.

use chrono::{DateTime, Utc};
use domain::{Epoch, PROJECTION_VERSION};
use sqlx::{PgConnection, PgPool};

/// Begins a first generation, at the start of the log `epoch`, and makes it the one that answers, unless one does or could:
/// those that are being built, or are out of use, cannot.
///
/// # Errors
/// When the database cannot be reached.
pub async fn begin_first_generation(pool: &PgPool, epoch: Epoch) -> Result<(), sqlx::Error> {
    let begun = sqlx::query!(
        "-- generation.begin_first
        WITH g AS (
            INSERT INTO generation (projection_version)
            SELECT $1 WHERE NOT EXISTS (SELECT FROM generation WHERE state = 'live') AND NOT EXISTS (SELECT FROM active_generation)
            RETURNING generation
        ),
        c AS (
            INSERT INTO checkpoint (generation, part, pos, epoch)
            SELECT generation, part, 0, $2 FROM g CROSS JOIN generate_series(0, 63) AS part
        )
        INSERT INTO active_generation (generation) SELECT generation FROM g",
        PROJECTION_VERSION,
        epoch,
    )
    .execute(pool)
    .await;
    match begun {
        // Another projector was quicker: there is one row, and it has it.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(()),
        begun => begun.map(|_| ()),
    }
}

/// Has a generation answer again when none does though there are some, as after a deletion by hand: the one that last
/// did, if it is still kept up to date, else the one before it, else the first. Returns which, if one was chosen.
///
/// # Errors
/// When the database cannot be reached.
pub async fn see_to_an_answer(pool: &PgPool) -> Result<Option<i32>, sqlx::Error> {
    let chosen = sqlx::query_scalar!(
        "-- generation.answer_again
        INSERT INTO active_generation (generation)
        SELECT g.generation FROM generation g
        LEFT JOIN (SELECT from_generation, to_generation FROM swap ORDER BY swap DESC LIMIT 1) s ON true
        WHERE g.state = 'live' AND NOT EXISTS (SELECT FROM active_generation)
        ORDER BY g.generation IS NOT DISTINCT FROM s.to_generation DESC,
                 g.generation IS NOT DISTINCT FROM s.from_generation DESC, g.generation
        LIMIT 1
        RETURNING generation"
    )
    .fetch_optional(pool)
    .await;
    match chosen {
        // Another projector was quicker.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(None),
        chosen => chosen,
    }
}

/// A generation that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenGeneration {
    /// The generation.
    pub generation: i32,
    /// The version of the fold that may write it.
    pub projection_version: i32,
    /// Whether readers answer from it.
    pub answers: bool,
}

/// The generations that are kept up to date.
///
/// # Errors
/// When the database cannot be reached.
pub async fn live_generations(connection: &mut PgConnection) -> Result<Vec<WrittenGeneration>, sqlx::Error> {
    let generations = sqlx::query_as!(
        WrittenGeneration,
        r#"-- generation.live
        SELECT g.generation, g.projection_version, a.generation IS NOT NULL AS "answers!"
        FROM generation g LEFT JOIN active_generation a USING (generation) WHERE g.state = 'live' ORDER BY g.generation"#
    );
    generations.fetch_all(connection).await
}

/// A generation that a replay is filling, in the form of [`live_generations`]; none when it is that no more.
///
/// # Errors
/// When the database cannot be reached.
pub async fn built_generation(
    connection: &mut PgConnection,
    generation: i32,
) -> Result<Vec<WrittenGeneration>, sqlx::Error> {
    let generations = sqlx::query_as!(
        WrittenGeneration,
        r#"-- generation.built
        SELECT generation, projection_version, false AS "answers!"
        FROM generation WHERE generation = $1 AND state = 'building'"#,
        generation,
    );
    generations.fetch_all(connection).await
}

/// The generation that answers and the version of its fold; `None` while there is none yet.
///
/// # Errors
/// When the database cannot be reached.
pub async fn active_generation(pool: &PgPool) -> Result<Option<(i32, i32)>, sqlx::Error> {
    let row = sqlx::query!(
        "-- generation.active
        SELECT g.generation, g.projection_version FROM active_generation a JOIN generation g USING (generation)"
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| (row.generation, row.projection_version)))
}

/// What a generation is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationState {
    /// A replay fills it.
    Building,
    /// The projector keeps it up to date.
    Live,
    /// It was found not to fit the log: nobody keeps it up to date or swaps it in any more.
    Invalid,
    /// Its rows are being deleted.
    Dropped,
}

impl GenerationState {
    /// As it is stored.
    pub const fn name(self) -> &'static str {
        match self {
            GenerationState::Building => "building",
            GenerationState::Live => "live",
            GenerationState::Invalid => "invalid",
            GenerationState::Dropped => "dropped",
        }
    }

    fn read(name: &str) -> Result<Self, sqlx::Error> {
        let all = [
            GenerationState::Building,
            GenerationState::Live,
            GenerationState::Invalid,
            GenerationState::Dropped,
        ];
        let state = all.into_iter().find(|state| state.name() == name);
        state.ok_or_else(|| sqlx::Error::Decode(format!("generation.state: {name:?} is unknown").into()))
    }
}

/// A generation, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationInfo {
    /// The generation.
    pub generation: i32,
    /// Version of the fold that writes it.
    pub projection_version: i32,
    /// What it is at the moment.
    pub state: GenerationState,
    /// Where it does not fit the log, of one that is invalid.
    pub invalid_because: Option<String>,
    /// Whether it is the one that answers.
    pub active: bool,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// Events folded into it.
    pub applied: i64,
    /// Products of it that stand still.
    pub parked: i64,
}

/// Every generation.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn generations(pool: &PgPool) -> Result<Vec<GenerationInfo>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- generation.list
        SELECT g.generation, g.projection_version, g.state, g.invalid_because, g.created_at,
               EXISTS (SELECT FROM active_generation a WHERE a.generation = g.generation) AS "active!",
               (SELECT coalesce(sum(c.pos), 0)::bigint FROM checkpoint c WHERE c.generation = g.generation) AS "applied!",
               (SELECT count(*) FROM parked_product p WHERE p.generation = g.generation) AS "parked!"
        FROM generation g ORDER BY g.generation"#
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(GenerationInfo {
                generation: row.generation,
                projection_version: row.projection_version,
                state: GenerationState::read(&row.state)?,
                invalid_because: row.invalid_because,
                active: row.active,
                created_at: row.created_at,
                applied: row.applied,
                parked: row.parked,
            })
        })
        .collect()
}

/// Generations that are kept up to date for nothing: neither do they answer, nor would they after a rollback, nor does a
/// replay go on with them. Each is one more write with every event. None while no generation answers: then any may have to.
///
/// # Errors
/// When the database cannot be reached.
pub async fn surplus_generations(pool: &PgPool) -> Result<Vec<i32>, sqlx::Error> {
    sqlx::query_scalar!(
        "-- generation.surplus
        SELECT g.generation FROM generation g
        WHERE g.state = 'live' AND EXISTS (SELECT FROM active_generation)
          AND NOT EXISTS (SELECT FROM active_generation a WHERE a.generation = g.generation)
          AND g.generation IS DISTINCT FROM (SELECT s.from_generation FROM swap s ORDER BY s.swap DESC LIMIT 1)
          AND NOT EXISTS (SELECT FROM replay r WHERE r.generation = g.generation AND r.ended_at IS NULL)
        ORDER BY g.generation"
    )
    .fetch_all(pool)
    .await
}

/// Generations that are left out, each with where it does not fit the log.
///
/// # Errors
/// When the database cannot be reached.
pub async fn invalid_generations(pool: &PgPool) -> Result<Vec<(i32, String)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- generation.invalid
        SELECT generation, invalid_because AS "because!" FROM generation WHERE state = 'invalid' ORDER BY generation"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.generation, row.because)).collect())
}

/// Leaves a generation out that does not fit the log, so that those that do go on without it. Refused, by `false`, for the
/// one that answers, and for one that is not kept up to date anyway.
///
/// # Errors
/// When the database cannot be reached.
pub async fn invalidate_generation(
    pool: &PgPool,
    generation: i32,
    because: &str,
) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    lock_generation(&mut transaction, generation).await?;
    let invalid = sqlx::query!(
        "-- generation.invalidate
        UPDATE generation SET state = 'invalid', invalid_because = $2
        WHERE generation = $1 AND state = 'live' AND EXISTS (SELECT FROM active_generation)
          AND NOT EXISTS (SELECT FROM active_generation a WHERE a.generation = $1)",
        generation,
        because,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(invalid.rows_affected() > 0)
}

/// Locks a generation's row, so that this and a swap, which locks it too, cannot pass each other. Returns whether there
/// is one.
async fn lock_generation(connection: &mut PgConnection, generation: i32) -> Result<bool, sqlx::Error> {
    let locked = sqlx::query_scalar!(
        "-- generation.lock
        SELECT generation FROM generation WHERE generation = $1 FOR UPDATE",
        generation,
    )
    .fetch_optional(connection)
    .await?;
    Ok(locked.is_some())
}

/// Takes a generation out of use: nobody reads, writes or swaps it in any more. Refused, by `false`, for the one
/// that answers. Returns when no batch that writes it is under way; its rows are then deleted by
/// [`delete_generation`].
///
/// # Errors
/// When the database cannot be reached.
pub async fn drop_generation(connection: &mut PgConnection, generation: i32) -> Result<bool, sqlx::Error> {
    let locked = lock_generation(connection, generation).await?;
    let dropped = sqlx::query!(
        "-- generation.drop
        UPDATE generation SET state = 'dropped'
        WHERE generation = $1 AND NOT EXISTS (SELECT FROM active_generation a WHERE a.generation = $1)",
        generation,
    )
    .execute(&mut *connection)
    .await?;
    if !locked || dropped.rows_affected() == 0 {
        return Ok(false);
    }
    // Whoever writes holds the checkpoint of what it writes: one that is gone cannot be held.
    sqlx::query!(
        "-- generation.drop_checkpoints
        DELETE FROM checkpoint WHERE (generation, part) IN (
            SELECT generation, part FROM checkpoint WHERE generation = $1 ORDER BY part FOR UPDATE)",
        generation,
    )
    .execute(&mut *connection)
    .await?;
    Ok(true)
}

/// Deletes the rows of a generation that was taken out of use, part by part, and at last the generation.
///
/// # Errors
/// When the database cannot be reached; what was deleted stays deleted.
pub async fn delete_generation(pool: &PgPool, generation: i32) -> Result<(), sqlx::Error> {
    for part in domain::log_parts() {
        sqlx::query!(
            "-- generation.delete_part
            WITH g AS (SELECT generation FROM generation WHERE generation = $1 AND state = 'dropped'),
            p AS (DELETE FROM parked_product p USING g WHERE p.generation = g.generation AND p.part = $2)
            DELETE FROM product_meta m USING g WHERE m.generation = g.generation AND m.part = $2",
            generation,
            part.get(),
        )
        .execute(pool)
        .await?;
    }
    sqlx::query!(
        "-- generation.delete
        DELETE FROM generation WHERE generation = $1 AND state = 'dropped'",
        generation,
    )
    .execute(pool)
    .await?;
    Ok(())
}
