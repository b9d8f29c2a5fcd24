//! Giving positions. An event gets its position after its commit, by whoever moves its row from
//! the outbox to the log; so positions are dense, and a transaction that stays open holds nobody up.

use domain::{Part, Position};
use sqlx::PgConnection;

/// Events of one part moved by one statement at most: one limit over all parts would starve the
/// high parts behind a backlog of the low ones.
pub const SEQUENCE_EVENTS_MAX: i64 = 200;

/// Moves what the outbox holds into the log, and returns the new head of each part that grew. Any
/// number of callers may do this at once: a part that another is at is passed over.
///
/// # Errors
/// When the database cannot be reached.
pub async fn sequence_events(connection: &mut PgConnection) -> Result<Vec<(Part, Position)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- log.sequence
        WITH h AS MATERIALIZED (
            SELECT part, head FROM log_head
            WHERE part IN (SELECT DISTINCT part FROM outbox)
            ORDER BY part
            FOR UPDATE SKIP LOCKED
        ),
        d AS (
            DELETE FROM outbox o
            USING (SELECT k.part, k.tie
                   FROM h CROSS JOIN LATERAL (SELECT part, tie FROM outbox o2 WHERE o2.part = h.part
                                              ORDER BY tie LIMIT $1) k) k
            WHERE (o.part, o.tie) = (k.part, k.tie)
            RETURNING o.*
        ),
        i AS (
            INSERT INTO event_log (part, pos, product_id, version, event_id, type, payload, traceparent, at)
            SELECT d.part, h.head + row_number() OVER (PARTITION BY d.part ORDER BY d.tie),
                   d.product_id, d.version, d.event_id, d.type, d.payload, d.traceparent, d.at
            FROM d JOIN h USING (part)
            RETURNING part, pos
        )
        UPDATE log_head l SET head = x.head
        FROM (SELECT part, max(pos) AS head FROM i GROUP BY part) x
        WHERE l.part = x.part
        RETURNING l.part, l.head"#,
        SEQUENCE_EVENTS_MAX,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let part =
                row.part.try_into().map_err(|e| crate::unfit("log_head", "part", i64::from(row.part), e))?;
            Ok((part, Position(row.head)))
        })
        .collect()
}

/// The same for one part whose head the transaction holds already, without a limit: for whoever
/// appends events of its own and must put those that wait before them.
///
/// # Errors
/// When the database cannot be reached.
pub async fn sequence_part(connection: &mut PgConnection, part: Part) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"-- log.sequence_part
        WITH h AS MATERIALIZED (SELECT part, head FROM log_head WHERE part = $1 FOR UPDATE),
        d AS (DELETE FROM outbox o USING h WHERE o.part = h.part RETURNING o.*),
        i AS (
            INSERT INTO event_log (part, pos, product_id, version, event_id, type, payload, traceparent, at)
            SELECT d.part, h.head + row_number() OVER (ORDER BY d.tie),
                   d.product_id, d.version, d.event_id, d.type, d.payload, d.traceparent, d.at
            FROM d JOIN h USING (part)
            RETURNING part, pos
        )
        UPDATE log_head l SET head = x.head
        FROM (SELECT part, max(pos) AS head FROM i GROUP BY part) x
        WHERE l.part = x.part"#,
        part.get(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
