//! How long commands take to commit, as the write services measure it: for whoever must not be in
//! their way, and for people.

use sqlx::PgPool;
use std::time::Duration;
use uuid::Uuid;

/// The commands of one write service in the last seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommandLatency {
    /// How many there were; the times are 0 when none.
    pub commands: u32,
    /// Half of them took at most this.
    pub p50: Duration,
    /// Ninety-nine of a hundred took at most this.
    pub p99: Duration,
    /// The slowest.
    pub max: Duration,
}

/// The commands of all write services in the last seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteLatency {
    /// What ninety-nine of a hundred commands took at most in the service where they took longest;
    /// `None` when there were no commands.
    pub worst_p99: Option<Duration>,
    /// How many there were.
    pub commands: u64,
    /// Write services that have told of themselves in the last seconds.
    pub writers: u32,
    /// Those that did so before and not since: killed less than a minute ago, or so hard pressed that
    /// they do not come to it. Not a sign that all is quiet.
    pub silent: u32,
}

/// Says how long a write service's commands take.
///
/// # Errors
/// When the database cannot be reached.
pub async fn publish_write_latency(
    pool: &PgPool,
    writer: Uuid,
    latency: &CommandLatency,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- write_latency.publish
        INSERT INTO write_latency (writer, commands, p50_us, p99_us, max_us) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (writer) DO UPDATE SET at = now(), commands = excluded.commands, p50_us = excluded.p50_us,
                                           p99_us = excluded.p99_us, max_us = excluded.max_us",
        writer,
        i32::try_from(latency.commands).unwrap_or(i32::MAX),
        micros(latency.p50),
        micros(latency.p99),
        micros(latency.max),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Forgets the write service `writer`, which stops, and any that was not heard of for a minute.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget_writers(pool: &PgPool, writer: Option<Uuid>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- write_latency.forget
        DELETE FROM write_latency
        WHERE writer IN (SELECT writer FROM write_latency
                         WHERE writer = $1 OR at < now() - interval '1 minute' FOR UPDATE SKIP LOCKED)",
        writer,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Reads how long commands take. What a service said more than five seconds ago, by the server's
/// clock, does not count any more.
///
/// # Errors
/// When the database cannot be reached.
pub async fn write_latency(pool: &PgPool) -> Result<WriteLatency, sqlx::Error> {
    let row = sqlx::query!(
        r#"-- write_latency.read
        SELECT max(p99_us) FILTER (WHERE fresh AND commands > 0) AS "worst_p99_us?",
               coalesce(sum(commands) FILTER (WHERE fresh), 0) AS "commands!",
               count(*) FILTER (WHERE fresh) AS "writers!",
               count(*) FILTER (WHERE NOT fresh) AS "silent!"
        FROM (SELECT commands, p99_us, at > now() - interval '5 seconds' AS fresh FROM write_latency
              WHERE at > now() - interval '1 minute') w"#,
    )
    .fetch_one(pool)
    .await?;
    Ok(WriteLatency {
        worst_p99: row.worst_p99_us.map(|us| Duration::from_micros(us.unsigned_abs())),
        commands: row.commands.unsigned_abs(),
        writers: u32::try_from(row.writers).unwrap_or(u32::MAX),
        silent: u32::try_from(row.silent).unwrap_or(u32::MAX),
    })
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
