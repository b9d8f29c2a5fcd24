//! Existing front ends read straight after a write and bring nothing along that says what they must
//! see: so the answer to a command waits until its change has come round to the readers.

use changes::{Announcer, Listener, Patience};
use contract::Store;
use domain::{ProductId, Version};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How changes come round, and how long to wait for that.
#[derive(Debug, Clone)]
pub(crate) struct Visibility {
    pub(crate) announcer: Announcer,
    pub(crate) listener: Listener,
    pub(crate) timeout: Duration,
    /// Told after each commit, so that the relay need not wait for its tick.
    pub(crate) written: Arc<Notify>,
    pub(crate) of_primary: Patience,
    pub(crate) of_meta: Patience,
}

impl Visibility {
    /// Says that a product has changed, and whether somebody waits until readers show it.
    pub(crate) fn committed(&self, product_id: ProductId, version: Version, awaited: bool) {
        self.written.notify_one();
        if awaited {
            self.announcer.announce_awaited(Store::Primary, product_id, version);
        } else {
            self.announcer.announce(Store::Primary, product_id, version);
        }
    }

    /// Whether changes come round at the moment, so that one of a while ago has.
    pub(crate) fn is_likely(&self, in_meta: bool) -> bool {
        self.listener.is_connected() && self.of_primary.pays() && (!in_meta || self.of_meta.pays())
    }

    /// Waits until a change is heard of from the stores that show it: the primary, and meta `in_meta`.
    /// Returns whether it was, and they do: of a product that stands still they go on showing what was before.
    pub(crate) async fn wait(&self, product_id: ProductId, version: Version, in_meta: bool) -> bool {
        if self.timeout.is_zero() || !self.listener.is_connected() {
            return false;
        }
        let change = |store| {
            let listener = self.listener.clone();
            async move { listener.reached(store, product_id, version).await }
        };
        let in_primary = self.of_primary.wait(self.timeout, change(Store::Primary));
        if !in_meta {
            return in_primary.await == Some(true);
        }
        let in_meta = self.of_meta.wait(self.timeout, change(Store::Meta));
        tokio::join!(in_primary, in_meta) == (Some(true), Some(true))
    }
}
