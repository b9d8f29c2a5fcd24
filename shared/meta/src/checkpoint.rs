//! How far each generation has come.

use crate::unfit;
use domain::{Epoch, EventId, PROJECTION_VERSIONS, Part, Position};
use sqlx::{PgConnection, PgPool};

/// A generation's place in one part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The generation.
    pub generation: i32,
    /// The part.
    pub part: Part,
    /// Last position folded.
    pub pos: Position,
    /// The log that the position belongs to.
    pub epoch: Epoch,
    /// The event at that position, none at 0.
    pub event_id: Option<EventId>,
}

struct Row {
    generation: i32,
    part: i16,
    pos: i64,
    epoch: Epoch,
    event_id: Option<EventId>,
}

impl TryFrom<Row> for Checkpoint {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let part = row.part.try_into().map_err(|e| unfit("checkpoint", "part", row.part.into(), e))?;
        let Row { generation, pos, epoch, event_id, .. } = row;
        Ok(Checkpoint { generation, part, pos: Position(pos), epoch, event_id })
    }
}

/// Locks the checkpoints of the given parts in the given generations, in order of part. The lock is what
/// keeps two projectors from folding the same events. A generation that is being dropped has none.
///
/// # Errors
/// When the database cannot be reached.
pub async fn lock_checkpoints(
    connection: &mut PgConnection,
    generations: &[i32],
    parts: &[Part],
) -> Result<Vec<Checkpoint>, sqlx::Error> {
    let parts: Vec<i16> = parts.iter().map(|part| part.get()).collect();
    let rows = sqlx::query_as!(
        Row,
        "-- checkpoint.lock
        SELECT generation, part, pos, epoch, event_id
        FROM checkpoint
        WHERE generation = ANY ($1) AND part = ANY ($2)
        ORDER BY part, generation
        FOR UPDATE",
        generations,
        &parts,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Checkpoint::try_from).collect()
}

/// Every checkpoint of the generations that are kept up to date and that this program writes, without a lock.
///
/// # Errors
/// When the database cannot be reached.
pub async fn read_checkpoints(pool: &PgPool) -> Result<Vec<Checkpoint>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "-- checkpoint.read
        SELECT c.generation, c.part, c.pos, c.epoch, c.event_id
        FROM checkpoint c JOIN generation g USING (generation)
        WHERE g.state = 'live' AND g.projection_version = ANY ($1)
        ORDER BY c.part, c.generation",
        &PROJECTION_VERSIONS,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Checkpoint::try_from).collect()
}

/// Moves checkpoints that the transaction has locked.
///
/// # Errors
/// When the database cannot be reached.
pub async fn move_checkpoints(connection: &mut PgConnection, to: &[Checkpoint]) -> Result<(), sqlx::Error> {
    let generations: Vec<i32> = to.iter().map(|c| c.generation).collect();
    let parts: Vec<i16> = to.iter().map(|c| c.part.get()).collect();
    let positions: Vec<i64> = to.iter().map(|c| c.pos.0).collect();
    let event_ids: Vec<Option<EventId>> = to.iter().map(|c| c.event_id).collect();
    sqlx::query!(
        "-- checkpoint.move
        UPDATE checkpoint c SET pos = t.pos, event_id = t.event_id
        FROM unnest($1::integer[], $2::smallint[], $3::bigint[], $4::uuid[]) AS t (generation, part, pos, event_id)
        WHERE c.generation = t.generation AND c.part = t.part",
        &generations,
        &parts,
        &positions,
        &event_ids as &[Option<EventId>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The checkpoints of one generation, by part: of one that is being built, those of the parts that are.
///
/// # Errors
/// When the database cannot be reached, or a stored value breaks a rule.
pub async fn checkpoints_of(pool: &PgPool, generation: i32) -> Result<Vec<Checkpoint>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "-- checkpoint.of_generation
        SELECT generation, part, pos, epoch, event_id FROM checkpoint WHERE generation = $1 ORDER BY part",
        generation,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Checkpoint::try_from).collect()
}
