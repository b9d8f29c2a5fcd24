//! One import at a time.

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Executor};
use std::time::Duration;

/// Key of the lock that the one import holds ("import" in ASCII).
const IMPORT_LOCK: i64 = 0x69_6d_70_6f_72_74;
/// Key of the lock that every working connection of an import shares ("impwrk" in ASCII).
const WORKERS_LOCK: i64 = 0x69_6d_70_77_72_6b;
/// A working connection may wait for the next piece of a file or for another one's locks.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(60);

/// Takes the import's lock for the life of the connection that is returned; `None` when another
/// import holds it. An import that was killed may have statements under way for a moment: they have
/// ended when this returns.
///
/// # Errors
/// When the database cannot be reached, or statements of a killed import do not end within a minute.
pub async fn lock_import(options: &PgConnectOptions) -> Result<Option<PgConnection>, sqlx::Error> {
    let mut connection = options.connect().await?;
    let held = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "held!""#, IMPORT_LOCK)
        .fetch_one(&mut connection)
        .await?;
    if !held {
        return Ok(None);
    }
    sqlx::query!("SET lock_timeout = '60s'").execute(&mut connection).await?;
    sqlx::query!("SELECT pg_advisory_lock($1)", WORKERS_LOCK).execute(&mut connection).await?;
    sqlx::query_scalar!("SELECT pg_advisory_unlock($1)", WORKERS_LOCK).fetch_one(&mut connection).await?;
    Ok(Some(connection))
}

/// The import's working connections, whose statements are planned for sets.
pub fn import_pool(options: PgConnectOptions, connections_max: u32) -> PgPool {
    // Its statements are long by design: no warnings about them.
    let options = options.disable_statement_logging().options([
        // A range's bounds decide its plan.
        ("plan_cache_mode", "force_custom_plan"),
        // Room for a range's hash tables and sorts, on each of two connections.
        ("work_mem", "64MB"),
        ("maintenance_work_mem", "256MB"),
        ("random_page_cost", "1.1"),
        ("jit", "off"),
    ]);
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(None)
        .idle_timeout(None)
        .after_connect(|connection, _| {
            Box::pin(async move {
                let locked = sqlx::query!("SELECT pg_advisory_lock_shared($1)", WORKERS_LOCK);
                connection.execute(locked).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options)
}
