//! Sees what no notice tells: another generation answers, a product was made anew at the same version, or the primary
//! was restored.

use crate::cache::Cache;
use contract::Store;
use service::Shutdown;
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;

/// How often it looks; as long may answers be as they were before.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until told to stop, and throws away what is of before.
pub(crate) async fn watch(primary: PgPool, meta: PgPool, cache: Arc<Cache>, shutdown: Shutdown) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut mended = None;
    while shutdown.unless_stopped(looks.tick()).await.is_some() {
        // A store that is away is said by whoever asks it, and does not change meanwhile.
        let log = async {
            if let Ok(log) = primary::log_epoch(&primary).await {
                cache.log_is(log);
            }
        };
        let look = async { tokio::join!(log, meta::answers_of(&meta)) };
        let Some(((), answers)) = shutdown.unless_stopped(look).await else { break };
        if let Ok(Some(answers)) = answers {
            cache.generation_answers(answers.generation);
            if mended.replace(answers.mended) != Some(answers.mended) {
                cache.flush(Store::Meta);
            }
        }
    }
}
