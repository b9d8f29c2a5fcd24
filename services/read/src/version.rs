//! Says when answers are of another version of the fold than this program's.

use meta::VersionWatch;
use service::Shutdown;
use sqlx::PgPool;
use std::time::Duration;

/// How often it is looked at, after the start.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Looks until told to stop.
pub(crate) async fn watch(meta: PgPool, shutdown: Shutdown) {
    let (mut watch, mut looks) = (VersionWatch::default(), tokio::time::interval(LOOK_EVERY));
    while shutdown.unless_stopped(looks.tick()).await.is_some() {
        // A store that is away is said by whoever asks it.
        if let Some(Ok(Some(said))) = shutdown.unless_stopped(watch.look(&meta)).await {
            tracing::warn!("{said}");
        }
    }
}
