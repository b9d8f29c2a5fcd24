//! What the relay has still to offer to the broker.

use crate::log::Row;
use domain::{EventId, LinkedEvent, LogEvent, Part, Position};
use sqlx::PgConnection;

/// Key of the lock by which relays agree on one active publisher ("relay" in ASCII).
const RELAY_LOCK: i64 = 0x72_65_6c_61_79;

/// Takes the publisher's lock for the life of the connection, if no other holds it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn hold_relay_lock(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "held!""#, RELAY_LOCK)
        .fetch_one(connection)
        .await
}

/// The next events of every part that were not offered yet, at most `part_events_max` of each, by
/// part and position, each with the one before it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn unpublished_events(
    connection: &mut PgConnection,
    part_events_max: i64,
) -> Result<Vec<LinkedEvent>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- log.unpublished
        SELECT e.part, e.pos, e.product_id, e.version, e.event_id, e.type AS event_type, e.payload::text AS "payload!",
               e.traceparent, e.at, b.event_id AS "before?"
        FROM log_published p
        JOIN log_head h USING (part)
        LEFT JOIN event_log b ON b.part = p.part AND b.pos = p.published
        CROSS JOIN LATERAL (SELECT * FROM event_log l WHERE l.part = p.part AND l.pos > p.published
                            -- A limit that the planner cannot know: it would plan anew for each one it knows.
                            ORDER BY l.pos LIMIT (SELECT $1::bigint)) e
        WHERE h.head > p.published
        ORDER BY e.part, e.pos"#,
        part_events_max,
    )
    .fetch_all(connection)
    .await?;
    let mut last: Option<(i16, EventId)> = None;
    rows.into_iter()
        .map(|row| {
            let previous = match last {
                Some((part, event_id)) if part == row.part => Some(event_id),
                _ => row.before,
            };
            last = Some((row.part, row.event_id));
            let event = LogEvent::try_from(Row {
                part: row.part,
                pos: row.pos,
                product_id: row.product_id,
                version: row.version,
                event_id: row.event_id,
                event_type: row.event_type,
                payload: row.payload,
                traceparent: row.traceparent,
                at: row.at,
            })?;
            Ok(LinkedEvent { event, previous })
        })
        .collect()
}

/// Notes that each of the parts was offered up to a position.
///
/// # Errors
/// When the database cannot be reached.
pub async fn raise_published(
    connection: &mut PgConnection,
    offered: &[(Part, Position)],
) -> Result<(), sqlx::Error> {
    let parts: Vec<i16> = offered.iter().map(|(part, _)| part.get()).collect();
    let positions: Vec<i64> = offered.iter().map(|(_, pos)| pos.0).collect();
    sqlx::query!(
        "-- log.raise_published
        UPDATE log_published p SET published = o.pos
        FROM unnest($1::smallint[], $2::bigint[]) AS o (part, pos)
        WHERE p.part = o.part AND p.published < o.pos",
        &parts,
        &positions,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Leaves all but the last `part_events_max` unoffered events of each part to the projectors, who
/// pull what they miss, and returns how many were left: a long backlog (an import, a broker that
/// was away) goes faster that way and does not stand in front of what is new.
///
/// # Errors
/// When the database cannot be reached.
pub async fn skip_backlog(connection: &mut PgConnection, part_events_max: i64) -> Result<i64, sqlx::Error> {
    let skipped = sqlx::query_scalar!(
        r#"-- log.skip_backlog
        WITH behind AS (
            SELECT p.part, p.published, h.head - $1 AS kept_after
            FROM log_published p JOIN log_head h USING (part)
            WHERE h.head - p.published > $1
        ),
        skipped AS (
            UPDATE log_published p SET published = b.kept_after FROM behind b
            WHERE p.part = b.part AND p.published < b.kept_after
            RETURNING b.kept_after - b.published AS events
        )
        SELECT coalesce(sum(events), 0)::bigint AS "events!" FROM skipped"#,
        part_events_max,
    )
    .fetch_one(connection)
    .await?;
    Ok(skipped)
}
