//! Waiting for something to become true.

use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Longest wait: far above what anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something to see, and returns it.
///
/// # Panics
/// When a minute has passed, naming what was waited for.
pub async fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < DEADLINE, "not within {} s: {what}", DEADLINE.as_secs());
        sleep(PAUSE).await;
    }
}
