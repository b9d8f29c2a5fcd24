//! Replays: what they were told, how far they are, and the products they bring.

use crate::checkpoint::Checkpoint;
use chrono::{DateTime, Utc};
use domain::{Epoch, EventId, Position};
use sqlx::{PgConnection, PgPool};
use std::time::Duration;

/// Key of the lock that whoever works at a replay holds, in a session of its own ("replay" in ASCII).
const REPLAY_LOCK: i64 = 0x72_65_70_6c_61_79;

/// What a generation is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The events, folded.
    Log,
    /// The reviews, added up.
    Snapshot,
    /// The events, and then every product is compared with the reviews.
    Both,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Products are made, part by part.
    Building,
    /// What came meanwhile is folded.
    CatchingUp,
    /// Products are compared.
    Verifying,
    /// Verified, and kept up to date, but not swapped in.
    Ready,
    /// Verification found differences.
    Differs,
    /// It answers, or has answered.
    Swapped,
    /// Given up.
    Cancelled,
}

/// What the process that works at a replay is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Go on.
    Run,
    /// Wait.
    Pause,
    /// Give up.
    Cancel,
}

macro_rules! named {
    ($type:ident, $column:literal, $($variant:ident = $name:literal),+) => {
        impl $type {
            /// As it is stored and shown.
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name),+ }
            }

            /// Reads the stored form.
            fn read(name: &str) -> Result<Self, sqlx::Error> {
                match name {
                    $($name => Ok($type::$variant),)+
                    unknown => Err(sqlx::Error::Decode(format!(concat!($column, ": {:?} is unknown"), unknown).into())),
                }
            }
        }
    };
}
named!(Source, "replay.source", Log = "log", Snapshot = "snapshot", Both = "both");
named!(Wanted, "replay.wanted", Run = "run", Pause = "pause", Cancel = "cancel");
named!(
    Phase,
    "replay.phase",
    Building = "building",
    CatchingUp = "catching-up",
    Verifying = "verifying",
    Ready = "ready",
    Differs = "differs",
    Swapped = "swapped",
    Cancelled = "cancelled"
);

/// A replay as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The generation that it builds.
    pub generation: i32,
    /// Version of the fold.
    pub projection_version: i32,
    /// What it is made from.
    pub source: Source,
    /// It begins anew with another log.
    pub fresh: bool,
    /// How far it is.
    pub phase: Phase,
    /// What was asked of the process that does it.
    pub wanted: Wanted,
    /// By part, the position that building goes up to.
    pub targets: Vec<Position>,
    /// When it began.
    pub begun_at: DateTime<Utc>,
    /// When it was swapped in or cancelled.
    pub ended_at: Option<DateTime<Utc>>,
    /// Time spent building.
    pub building: Duration,
    /// Products that verification found to differ.
    pub differences: Option<i64>,
    /// How long the swap took.
    pub swap: Option<Duration>,
    /// Events of the parts that are built.
    pub done: i64,
    /// Whether a process works at it.
    pub worked_at: bool,
}

impl Replay {
    /// Events to be built.
    pub fn total(&self) -> i64 {
        self.targets.iter().map(|target| target.0).sum()
    }
}

/// What a replay is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReplay {
    /// Version of the fold.
    pub projection_version: i32,
    /// What it is made from.
    pub source: Source,
    /// It begins anew with another log.
    pub fresh: bool,
    /// By part, the log's head.
    pub targets: Vec<Position>,
}

/// Begins a replay and its generation; `None` when one that has not ended is there.
///
/// # Errors
/// When the database cannot be reached.
pub async fn begin_replay(pool: &PgPool, new: &NewReplay) -> Result<Option<i32>, sqlx::Error> {
    let targets: Vec<i64> = new.targets.iter().map(|target| target.0).collect();
    let begun = sqlx::query_scalar!(
        "-- replay.begin
        WITH g AS (INSERT INTO generation (projection_version, state) VALUES ($1, 'building') RETURNING generation)
        INSERT INTO replay (generation, projection_version, source, fresh, targets)
        SELECT generation, $1, $2, $3, $4 FROM g RETURNING generation",
        new.projection_version,
        new.source.name(),
        new.fresh,
        &targets,
    )
    .fetch_one(pool)
    .await;
    match begun {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(None),
        begun => begun.map(Some),
    }
}

/// Every replay, the last one first, at most `replays_max`.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn replays(pool: &PgPool, replays_max: i64) -> Result<Vec<Replay>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- replay.list
        SELECT r.generation, r.projection_version, r.source, r.fresh, r.phase, r.wanted, r.targets, r.begun_at, r.ended_at,
               r.building_us, r.differences, r.swap_us,
               CASE WHEN r.phase = 'building'
                    THEN (SELECT coalesce(sum(c.pos), 0)::bigint FROM checkpoint c WHERE c.generation = r.generation)
                    ELSE (SELECT sum(t)::bigint FROM unnest(r.targets) AS t) END AS "done!",
               r.ended_at IS NULL AND EXISTS (
                   SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                   WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database() AND l.objsubid = 1
                     AND (l.classid::bigint << 32 | l.objid::bigint) = $2) AS "worked_at!"
        FROM replay r ORDER BY r.generation DESC LIMIT $1"#,
        replays_max,
        REPLAY_LOCK,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Replay {
                generation: row.generation,
                projection_version: row.projection_version,
                source: Source::read(&row.source)?,
                fresh: row.fresh,
                phase: Phase::read(&row.phase)?,
                wanted: Wanted::read(&row.wanted)?,
                targets: row.targets.into_iter().map(Position).collect(),
                begun_at: row.begun_at,
                ended_at: row.ended_at,
                building: micros(row.building_us),
                differences: row.differences,
                swap: row.swap_us.map(micros),
                done: row.done,
                worked_at: row.worked_at,
            })
        })
        .collect()
}

/// The replay that has not ended, if there is one.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn unended_replay(pool: &PgPool) -> Result<Option<Replay>, sqlx::Error> {
    Ok(replays(pool, 1).await?.into_iter().find(|replay| replay.ended_at.is_none()))
}

fn micros(us: i64) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap_or(0))
}

fn as_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Takes the lock of whoever works at a replay, for the session's life; `false` when another has it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn lock_replay(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let locked =
        sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "locked!" -- replay.lock"#, REPLAY_LOCK);
    locked.fetch_one(connection).await
}

/// Gives the lock back: a session that is closed keeps its locks until the server notices.
///
/// # Errors
/// When the database cannot be reached; the server then gives it back with the session.
pub async fn unlock_replay(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let unlocked =
        sqlx::query_scalar!(r#"SELECT pg_advisory_unlock($1) AS "unlocked!" -- replay.unlock"#, REPLAY_LOCK);
    unlocked.fetch_one(connection).await.map(drop)
}

/// Asks the process that works at a replay to run, pause or give up; `false` when the replay has ended.
///
/// # Errors
/// When the database cannot be reached.
pub async fn want(pool: &PgPool, generation: i32, wanted: Wanted) -> Result<bool, sqlx::Error> {
    let asked = sqlx::query!(
        "-- replay.want
        UPDATE replay SET wanted = $2 WHERE generation = $1 AND ended_at IS NULL",
        generation,
        wanted.name(),
    )
    .execute(pool)
    .await?;
    Ok(asked.rows_affected() == 1)
}

/// What is asked of the process that works at the replay; `Cancel` when it has ended.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn wanted(pool: &PgPool, generation: i32) -> Result<Wanted, sqlx::Error> {
    let name = sqlx::query_scalar!(
        "-- replay.wanted
        SELECT wanted FROM replay WHERE generation = $1 AND ended_at IS NULL",
        generation,
    )
    .fetch_optional(pool)
    .await?;
    name.map_or(Ok(Wanted::Cancel), |name| Wanted::read(&name))
}

/// What a phase of a replay came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PhaseResult {
    /// Products that verification found to differ.
    pub differences: Option<i64>,
    /// How long the swap took.
    pub swap: Option<Duration>,
}

/// Moves a replay on to a phase.
///
/// # Errors
/// When the database cannot be reached.
pub async fn enter_phase(
    pool: &PgPool,
    generation: i32,
    phase: Phase,
    result: PhaseResult,
) -> Result<(), sqlx::Error> {
    let ended = matches!(phase, Phase::Swapped | Phase::Cancelled);
    sqlx::query!(
        "-- replay.enter
        UPDATE replay SET phase = $2, ended_at = CASE WHEN $3 THEN now() END,
                          differences = coalesce($4, differences), swap_us = coalesce($5, swap_us)
        WHERE generation = $1",
        generation,
        phase.name(),
        ended,
        result.differences,
        result.swap.map(as_micros),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Notes how long building has taken so far.
///
/// # Errors
/// When the database cannot be reached.
pub async fn note_building(pool: &PgPool, generation: i32, spent: Duration) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- replay.note_building
        UPDATE replay SET building_us = greatest(building_us, $2) WHERE generation = $1",
        generation,
        as_micros(spent),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Hands a generation over to the projector, which keeps it up to date from now on.
///
/// # Errors
/// When the database cannot be reached.
pub async fn make_live(pool: &PgPool, generation: i32) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- generation.make_live
        UPDATE generation SET state = 'live' WHERE generation = $1 AND state = 'building'",
        generation,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Adds the checkpoints of parts that are being built in this transaction. First of all, since a second
/// process at the same parts fails here.
///
/// # Errors
/// When the database cannot be reached, or a part has one already.
pub async fn add_checkpoints(
    connection: &mut PgConnection,
    checkpoints: &[Checkpoint],
) -> Result<(), sqlx::Error> {
    let generations: Vec<i32> = checkpoints.iter().map(|c| c.generation).collect();
    let parts: Vec<i16> = checkpoints.iter().map(|c| c.part.get()).collect();
    let positions: Vec<i64> = checkpoints.iter().map(|c| c.pos.0).collect();
    let epochs: Vec<Epoch> = checkpoints.iter().map(|c| c.epoch).collect();
    let event_ids: Vec<Option<EventId>> = checkpoints.iter().map(|c| c.event_id).collect();
    sqlx::query!(
        "-- checkpoint.add
        INSERT INTO checkpoint (generation, part, pos, epoch, event_id)
        SELECT * FROM unnest($1::integer[], $2::smallint[], $3::bigint[], $4::uuid[], $5::uuid[])",
        &generations,
        &parts,
        &positions,
        &epochs,
        &event_ids as &[Option<EventId>],
    )
    .execute(connection)
    .await?;
    Ok(())
}
