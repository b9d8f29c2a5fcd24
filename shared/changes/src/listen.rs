//! Hearing that products moved, and waiting for it.

use crate::heard::{Heard, Ticket};
use crate::{CONNECT_PAUSE_MAX, CONNECT_PAUSE_MIN};
use broker::{BrokerAddress, BrokerError, ChangeReceiver};
use contract::Store;
use domain::{ProductId, Version};
use service::{Shutdown, log_chain};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::time::sleep;

/// Hears what is announced. Clones all hear the same.
#[derive(Debug, Clone)]
pub struct Listener(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connected: AtomicBool,
    heard: Mutex<Heard>,
}

impl Inner {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves the others waiting when its wait is given up.
struct Place<'a> {
    inner: &'a Inner,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.inner.heard().leave(&self.ticket);
    }
}

impl Listener {
    /// Whether anything can be heard at the moment.
    pub fn is_connected(&self) -> bool {
        self.0.connected.load(Ordering::Relaxed)
    }

    /// Waits until a product is said to have reached a version in a store, or was so lately. Without
    /// a limit of its own.
    pub async fn reached(&self, store: Store, product_id: ProductId, version: Version) {
        let Some((ticket, told)) = self.0.heard().wait((store, product_id), version) else { return };
        let _place = Place { inner: &self.0, ticket };
        let _ = told.await;
    }
}

/// The receiving end as a task, and the listener that it feeds.
pub fn listener(
    broker: BrokerAddress,
    name: &'static str,
    shutdown: Shutdown,
) -> (impl Future<Output = ()> + Send + 'static, Listener) {
    let inner = Arc::new(Inner { connected: AtomicBool::new(false), heard: Mutex::new(Heard::new()) });
    (run(broker, name, inner.clone(), shutdown), Listener(inner))
}

async fn run(broker: BrokerAddress, name: &'static str, inner: Arc<Inner>, shutdown: Shutdown) {
    let mut pause = CONNECT_PAUSE_MIN;
    while !shutdown.is_stopped() {
        let connect = shutdown.unless_stopped(ChangeReceiver::connect(&broker, name)).await;
        let failure = match connect {
            None => break,
            Some(Err(failure)) => failure,
            Some(Ok(mut receiver)) => {
                pause = CONNECT_PAUSE_MIN;
                inner.connected.store(true, Ordering::Relaxed);
                let ended = shutdown.unless_stopped(hear(&mut receiver, &inner)).await;
                inner.connected.store(false, Ordering::Relaxed);
                match ended {
                    Some(failure) => failure,
                    None => {
                        receiver.close().await;
                        break;
                    }
                }
            }
        };
        tracing::warn!(
            cause = log_chain(&failure),
            "the broker is away: changes are not heard of until it is back"
        );
        shutdown.unless_stopped(sleep(pause)).await;
        pause = (pause * 2).min(CONNECT_PAUSE_MAX);
    }
}

/// Hears until the connection ends, and returns why it did.
async fn hear(receiver: &mut ChangeReceiver, inner: &Inner) -> BrokerError {
    loop {
        match receiver.next().await {
            Ok(notice) => inner.heard().hear(&notice, Instant::now()),
            Err(error) => return error,
        }
    }
}
