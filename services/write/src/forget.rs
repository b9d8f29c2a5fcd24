//! Forgets idempotency keys whose time is over.

use service::{Shutdown, log_chain};
use sqlx::PgPool;
use std::time::Duration;
use tokio::time::sleep;

/// How often keys are looked through.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);
/// Keys forgotten in one statement at most, so that it holds no rows for long.
const FORGOTTEN_KEYS_MAX: i64 = 5_000;

/// Forgets until told to stop. Several services may do so at once.
pub(crate) async fn run(primary: PgPool, shutdown: Shutdown) -> anyhow::Result<()> {
    while shutdown.unless_stopped(sleep(FORGET_INTERVAL)).await.is_some() {
        loop {
            match primary::forget_keys(&primary, FORGOTTEN_KEYS_MAX).await {
                Ok(forgotten) if forgotten >= FORGOTTEN_KEYS_MAX.unsigned_abs() && !shutdown.is_stopped() => {
                }
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(cause = log_chain(&error), "idempotency keys could not be looked through");
                    break;
                }
            }
        }
    }
    Ok(())
}
