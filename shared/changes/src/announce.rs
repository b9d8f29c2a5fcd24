//! Saying that products moved.

use crate::memory::Memory;
use crate::pace::Pace;
use crate::{CONNECT_PAUSE_MAX, CONNECT_PAUSE_MIN};
use broker::{BrokerAddress, BrokerError, ChangeSender};
use contract::{ChangeNotice, Origin, Store};
use domain::{ProductId, Version};
use service::{Shutdown, log_chain};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until, timeout};
use uuid::Uuid;

/// Changes that wait to be announced at most; more are not announced, as a lost notice does no harm.
const WAITING_CHANGES_MAX: usize = 20_000;
/// Changes in one notice at most.
const NOTICE_CHANGES_MAX: usize = 500;

/// Time between two notices, by how long it takes to send one: the first after a rest goes at once, and what comes meanwhile
/// goes together.
const NOTICE_PACE: Pace = Pace { min: Duration::from_millis(8), max: Duration::from_millis(16) };
/// How often an announcer that has nothing to say shows that it is there.
const SIGN_OF_LIFE_INTERVAL: Duration = Duration::from_secs(1);

/// A change to be announced, and whether somebody waits until readers have taken it in.
#[derive(Debug, Clone, Copy)]
struct Change {
    store: Store,
    product_id: ProductId,
    version: Version,
    /// Readers show it; otherwise its product stands still before it.
    shown: bool,
    awaited: bool,
}

/// Takes changes to be announced. Clones all lead to the same connection.
#[derive(Debug, Clone)]
pub struct Announcer {
    changes: mpsc::Sender<Change>,
    /// Whether a change could not be taken, which receivers must learn.
    missed: Arc<AtomicBool>,
    /// What was announced lately.
    told: Arc<Mutex<Memory>>,
}

impl Announcer {
    /// Announces that a product has reached a version in a store. Never waits.
    pub fn announce(&self, store: Store, product_id: ProductId, version: Version) {
        self.take(Change { store, product_id, version, shown: true, awaited: false });
    }

    /// The same for somebody who waits until readers have taken it in.
    pub fn announce_awaited(&self, store: Store, product_id: ProductId, version: Version) {
        self.take(Change { store, product_id, version, shown: true, awaited: true });
    }

    /// Announces that a store is past a version of a product that stands still before it: readers will not show it, and
    /// whoever waits for that need not go on.
    pub fn announce_standing(&self, store: Store, product_id: ProductId, version: Version) {
        self.take(Change { store, product_id, version, shown: false, awaited: true });
    }

    /// The same as [`Announcer::announce`] for somebody who cannot know whether it was announced before: not again, if it was.
    pub fn announce_once(&self, store: Store, product_id: ProductId, version: Version) {
        let told = self.told().version(store, product_id);
        // What could not be announced is told by the gap that it leaves.
        if told.is_none_or(|told| told < version) {
            self.announce(store, product_id, version);
        }
    }

    fn told(&self) -> MutexGuard<'_, Memory> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, change: Change) {
        let mut told = self.told();
        told.forget(Instant::now());
        told.note(change.store, change.product_id, change.version);
        drop(told);
        if self.changes.try_send(change).is_err() {
            self.missed.store(true, Ordering::Relaxed);
        }
    }
}

/// The sending end as a task, and where it takes changes; above all those of `store`, of which it shows that somebody
/// announces them.
pub fn announcer(
    broker: BrokerAddress,
    name: &'static str,
    store: Store,
    shutdown: Shutdown,
) -> (impl Future<Output = ()> + Send + 'static, Announcer) {
    let (sender, changes) = mpsc::channel(WAITING_CHANGES_MAX);
    let missed = Arc::new(AtomicBool::new(false));
    let announcer = Announcer { changes: sender, missed: missed.clone(), told: Arc::default() };
    (run(broker, name, store, changes, missed, shutdown), announcer)
}

async fn run(
    broker: BrokerAddress,
    name: &'static str,
    store: Store,
    mut changes: mpsc::Receiver<Change>,
    missed: Arc<AtomicBool>,
    shutdown: Shutdown,
) {
    let mut pause = CONNECT_PAUSE_MIN;
    while !shutdown.is_stopped() {
        let connect = shutdown.unless_stopped(ChangeSender::connect(&broker, name)).await;
        let failure = match connect {
            None => break,
            Some(Err(failure)) => failure,
            Some(Ok(sender)) => {
                pause = CONNECT_PAUSE_MIN;
                // What waited while there was no connection is told by the first notice of a new announcer.
                while changes.try_recv().is_ok() {}
                let sending =
                    Sending { sender, store, announcer: Uuid::now_v7(), number: 0, missed: &missed };
                match shutdown.unless_stopped(sending.send(&mut changes)).await {
                    Some(Err(failure)) => failure,
                    Some(Ok(())) | None => break,
                }
            }
        };
        tracing::debug!(cause = log_chain(&failure), "changes cannot be announced at the moment");
        shutdown.unless_stopped(sleep(pause)).await;
        pause = (pause * 2).min(CONNECT_PAUSE_MAX);
    }
}

/// What is sent over one connection.
struct Sending<'a> {
    sender: ChangeSender,
    store: Store,
    announcer: Uuid,
    number: u64,
    missed: &'a AtomicBool,
}

impl Sending<'_> {
    /// Sends what comes in, together what came in together, and now and then that it is there, until all announcers are
    /// gone.
    async fn send(mut self, changes: &mut mpsc::Receiver<Change>) -> Result<(), BrokerError> {
        let mut together = Vec::with_capacity(NOTICE_CHANGES_MAX);
        // At once, so that receivers know of this announcer before they need to.
        self.notify(sign_of_life(self.store), true).await?;
        loop {
            match timeout(SIGN_OF_LIFE_INTERVAL, changes.recv_many(&mut together, NOTICE_CHANGES_MAX)).await {
                Ok(0) => break,
                Ok(_) => {
                    let begun = tokio::time::Instant::now();
                    let awaited = together.iter().any(|change| change.awaited);
                    for notice in notices(&mut together) {
                        self.notify(notice, awaited).await?;
                    }
                    sleep_until(begun + NOTICE_PACE.after(begun.elapsed())).await;
                }
                Err(_) => self.notify(sign_of_life(self.store), true).await?,
            }
        }
        self.sender.close().await;
        Ok(())
    }

    async fn notify(&mut self, mut notice: ChangeNotice, receipt: bool) -> Result<(), BrokerError> {
        // A number left out tells that changes were.
        let missed = self.missed.swap(false, Ordering::Relaxed);
        self.number += if missed { 2 } else { 1 };
        notice.origin = Some(Origin { announcer: self.announcer, number: self.number, receipt });
        match notice.write() {
            Ok(body) => self.sender.send(&body).await,
            Err(error) => {
                tracing::error!(cause = log_chain(&error), "a notice of a change cannot be written");
                Ok(())
            }
        }
    }
}

/// Shows that a store's announcer is there, and asks readers whether they are.
fn sign_of_life(store: Store) -> ChangeNotice {
    ChangeNotice::of(store, Vec::new())
}

/// One notice for each store, of several versions of a product only the highest.
fn notices(changes: &mut Vec<Change>) -> Vec<ChangeNotice> {
    let (mut primary, mut meta) = (BTreeMap::new(), BTreeMap::new());
    for Change { store, product_id, version, shown, .. } in changes.drain(..) {
        let of_store = if store == Store::Primary { &mut primary } else { &mut meta };
        let highest = of_store.entry(product_id).or_insert((version, shown));
        *highest = (version, shown).max(*highest);
    }
    [(Store::Primary, primary), (Store::Meta, meta)]
        .into_iter()
        .filter(|(_, changes)| !changes.is_empty())
        .map(|(store, changes)| {
            let standing_still = changes.iter().filter(|(_, (_, shown))| !shown).map(|(id, _)| *id).collect();
            let changes =
                changes.into_iter().map(|(product_id, (version, _))| (product_id, version)).collect();
            ChangeNotice { standing_still, ..ChangeNotice::of(store, changes) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_announced_is_not_announced_again_by_the_way() {
        let (sender, mut changes) = mpsc::channel(10);
        let announcer = Announcer { changes: sender, missed: Arc::default(), told: Arc::default() };
        let product = ProductId::try_from(5).unwrap();
        announcer.announce(Store::Primary, product, Version(3));
        for (store, version) in
            [(Store::Primary, 2), (Store::Primary, 3), (Store::Meta, 3), (Store::Primary, 4)]
        {
            announcer.announce_once(store, product, Version(version));
        }
        drop(announcer);
        let told: Vec<_> =
            std::iter::from_fn(|| changes.try_recv().ok()).map(|c| (c.store, c.version.0)).collect();
        assert_eq!(told, [(Store::Primary, 3), (Store::Meta, 3), (Store::Primary, 4)]);
    }

    #[test]
    fn what_cannot_be_taken_is_noted() {
        let (sender, _changes) = mpsc::channel(1);
        let announcer = Announcer { changes: sender, missed: Arc::default(), told: Arc::default() };
        let product = ProductId::try_from(5).unwrap();
        announcer.announce(Store::Primary, product, Version(1));
        assert!(!announcer.missed.load(Ordering::Relaxed));
        announcer.announce(Store::Primary, product, Version(2));
        assert!(announcer.missed.load(Ordering::Relaxed));
    }

    #[test]
    fn of_several_versions_the_highest_is_told() {
        let product = |id: i64| ProductId::try_from(id).unwrap();
        let change = |store, id, version| Change {
            store,
            product_id: product(id),
            version: Version(version),
            shown: true,
            awaited: false,
        };
        let mut changes = vec![
            change(Store::Meta, 5, 3),
            change(Store::Primary, 5, 4),
            change(Store::Primary, 4, 1),
            change(Store::Primary, 5, 2),
            Change { shown: false, ..change(Store::Meta, 5, 2) },
            change(Store::Meta, 6, 1),
            Change { shown: false, ..change(Store::Meta, 6, 2) },
        ];
        let primary =
            ChangeNotice::of(Store::Primary, vec![(product(4), Version(1)), (product(5), Version(4))]);
        let meta = ChangeNotice {
            standing_still: vec![product(6)],
            ..ChangeNotice::of(Store::Meta, vec![(product(5), Version(3)), (product(6), Version(2))])
        };
        assert_eq!(notices(&mut changes), [primary, meta]);
        assert!(changes.is_empty());
    }
}
