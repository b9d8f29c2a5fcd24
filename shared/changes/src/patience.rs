//! Whether waiting pays.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Waits in a row that may come to nothing before nobody waits any more.
const FRUITLESS_WAITS_MAX: u32 = 3;
/// Waits that are watched at one time while nobody waits, to learn when it pays again.
const WATCHED_WAITS_MAX: usize = 8;

/// After a few waits in a row that came to nothing, whoever was to announce the change is away:
/// nobody waits then until one wait, watched aside, comes to something. Clones share what they learn.
#[derive(Debug, Clone)]
pub struct Patience {
    fruitless: Arc<AtomicU32>,
    watched: Arc<Semaphore>,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { fruitless: Arc::default(), watched: Arc::new(Semaphore::new(WATCHED_WAITS_MAX)) }
    }
}

impl Patience {
    /// Whether waiting pays at the moment.
    pub fn pays(&self) -> bool {
        self.fruitless.load(Ordering::Relaxed) < FRUITLESS_WAITS_MAX
    }

    /// Waits for `change`, at most `limit`, if that pays. Returns what came; `None` when it did not come in time.
    pub async fn wait<T: Send + 'static>(
        &self,
        limit: Duration,
        change: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        if self.pays() {
            return self.try_out(limit, change).await;
        }
        if let Ok(watched) = self.watched.clone().try_acquire_owned() {
            let patience = self.clone();
            tokio::spawn(async move {
                patience.try_out(limit, change).await;
                drop(watched);
            });
        }
        None
    }

    async fn try_out<T>(&self, limit: Duration, change: impl Future<Output = T>) -> Option<T> {
        let came = timeout(limit, change).await.ok();
        if came.is_some() {
            let fruitless = self.fruitless.swap(0, Ordering::Relaxed);
            if fruitless >= FRUITLESS_WAITS_MAX {
                tracing::info!("changes come round in time again: answers wait for them");
            }
        } else if self.fruitless.fetch_add(1, Ordering::Relaxed) + 1 == FRUITLESS_WAITS_MAX {
            tracing::warn!("changes do not come round in time: answers no longer wait for them");
        }
        came
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    const SHORT: Duration = Duration::from_millis(5);
    const FOR_EVER: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn after_three_fruitless_waits_nobody_waits_until_one_would_have_paid() {
        let patience = Patience::default();
        for _ in 0..FRUITLESS_WAITS_MAX {
            assert_eq!(patience.wait(SHORT, pending::<()>()).await, None);
        }
        // These would take hours; all but a few are not even watched.
        let (change, told) = tokio::sync::oneshot::channel::<()>();
        let told = async { drop(told.await) };
        assert_eq!(patience.wait(FOR_EVER, told).await, None);
        for _ in 0..100 {
            assert_eq!(patience.wait(FOR_EVER, pending::<()>()).await, None);
        }
        assert_eq!(patience.watched.available_permits(), 0);
        change.send(()).unwrap();
        let learnt = async {
            while patience.fruitless.load(Ordering::Relaxed) != 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), learnt).await.expect("the watched change was noticed");
        assert_eq!(patience.wait(FOR_EVER, ready(7)).await, Some(7), "still does not wait");
    }

    #[tokio::test]
    async fn a_wait_that_pays_makes_up_for_those_before() {
        let patience = Patience::default();
        for _ in 0..10 {
            assert_eq!(patience.wait(SHORT, pending::<()>()).await, None);
            assert_eq!(patience.wait(SHORT, pending::<()>()).await, None);
            assert_eq!(patience.wait(FOR_EVER, ready(7)).await, Some(7));
        }
    }
}
