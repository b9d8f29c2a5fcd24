//! The oldest transaction of a database: as long as it lasts, no dead row that it might see goes away.

use serde::Serialize;
use sqlx::PgPool;
use std::time::Duration;
use utoipa::ToSchema;

/// The session whose transaction is the oldest of those that keep dead rows alive.
#[derive(Debug, Clone, Serialize, ToSchema, sqlx::FromRow)]
pub(super) struct Snapshot {
    pid: i32,
    application: String,
    age_seconds: f64,
}

impl Snapshot {
    pub(super) const fn pid(&self) -> i32 {
        self.pid
    }

    pub(super) fn age(&self) -> Duration {
        Duration::try_from_secs_f64(self.age_seconds).unwrap_or_default()
    }

    /// For a line of text.
    pub(super) fn line(&self) -> String {
        let Self { pid, application, age_seconds } = self;
        format!("{age_seconds:.1} s ago, by session {pid} ({application})")
    }
}

/// Whether the role sees what sessions of others do, and the oldest session of this database but this
/// one. Vacuums are left out: they keep no rows alive.
pub(super) async fn oldest(pool: &PgPool) -> Result<(bool, Option<Snapshot>), sqlx::Error> {
    // No table of ours: nothing that the checked macros could hold it against.
    let sees_all = sqlx::query_scalar(
        "-- server.sees_sessions\nSELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')",
    )
    .fetch_one(pool)
    .await?;
    let oldest = sqlx::query_as(
        "-- server.oldest_snapshot
        SELECT pid, coalesce(nullif(application_name, ''), backend_type, '') AS application,
               extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_seconds
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
          AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND backend_type <> 'autovacuum worker'
        ORDER BY xact_start LIMIT 1",
    )
    .fetch_optional(pool)
    .await?;
    Ok((sees_all, oldest))
}
