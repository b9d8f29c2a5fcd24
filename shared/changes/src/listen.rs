//! Hearing that products moved, and waiting for it.

use crate::heard::{Heard, Ticket, Wait};
use crate::origins::Origins;
use crate::receipts::Receipts;
use crate::rounds::Rounds;
use crate::{CONNECT_PAUSE_MAX, CONNECT_PAUSE_MIN};
use broker::{BrokerAddress, BrokerError, ChangeReceiver, Receives, Told};
use contract::{ChangeNotice, Store};
use domain::{ProductId, Version};
use service::{Shutdown, log_chain};
use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Longest silence about a store: announcers show each second that they are there.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How often it is looked for.
const SILENCE_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps what changes make worthless, and is told everything that is heard, in order, before whoever waits for it.
pub trait Keeper: Debug + Send + Sync + 'static {
    /// Products moved.
    fn hear(&self, notice: &ChangeNotice);
    /// Changes may have been missed: nothing that is kept is certain any more.
    fn missed(&self);
    /// Whether changes in a store are heard of from now on.
    fn hears(&self, store: Store, hears: bool);
}

/// Hears what is announced. Clones all hear the same.
#[derive(Debug, Clone)]
pub struct Listener(Arc<Inner>);

#[derive(Debug, Default)]
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

    /// Waits until a product is said to have reached a version in a store, or was so lately. Returns whether readers
    /// show it, and its product does not stand still before it. Without a limit of its own.
    pub async fn reached(&self, store: Store, product_id: ProductId, version: Version) -> bool {
        let wait = self.0.heard().wait((store, product_id), version);
        let (ticket, told) = match wait {
            Wait::Heard { shown } => return shown,
            Wait::Begun(ticket, told) => (ticket, told),
        };
        let _place = Place { inner: &self.0, ticket };
        told.await.unwrap_or(false)
    }
}

/// The receiving end as a task, and the listener that it feeds, for who answers when changes show: heard is what every
/// reader has taken in.
pub fn listener(
    broker: BrokerAddress,
    name: &'static str,
    shutdown: Shutdown,
) -> (impl Future<Output = ()> + Send + 'static, Listener) {
    let inner = Arc::new(Inner::default());
    let ear = Ear { inner: inner.clone(), reader: None };
    (async move { ear.run(&broker, name, &shutdown).await }, Listener(inner))
}

/// The same for a reader, which keeps what changes make worthless: heard is what its keeper has taken in, and receipts
/// are sent for it.
pub fn reader(
    broker: BrokerAddress,
    name: &'static str,
    keeper: Arc<dyn Keeper>,
    shutdown: Shutdown,
) -> (impl Future<Output = ()> + Send + 'static, Listener) {
    let inner = Arc::new(Inner::default());
    let receipts = Arc::new(Receipts::new());
    let ear = Ear { inner: inner.clone(), reader: Some((keeper, receipts.clone())) };
    let tasks = async move {
        tokio::join!(ear.run(&broker, name, &shutdown), receipts.run(&broker, name, &shutdown));
    };
    (tasks, Listener(inner))
}

/// Where what is told goes.
#[derive(Debug)]
struct Ear {
    inner: Arc<Inner>,
    /// Of a reader.
    reader: Option<(Arc<dyn Keeper>, Arc<Receipts>)>,
}

impl Ear {
    async fn run(&self, broker: &BrokerAddress, name: &'static str, shutdown: &Shutdown) {
        let receives = if self.reader.is_some() { Receives::Notices } else { Receives::Receipts };
        let mut pause = CONNECT_PAUSE_MIN;
        while !shutdown.is_stopped() {
            let connect = shutdown.unless_stopped(ChangeReceiver::connect(broker, name, receives)).await;
            let failure = match connect {
                None => break,
                Some(Err(failure)) => failure,
                Some(Ok(mut receiver)) => {
                    pause = CONNECT_PAUSE_MIN;
                    self.inner.connected.store(true, Ordering::Relaxed);
                    let ended = shutdown.unless_stopped(self.listen(&mut receiver)).await;
                    self.inner.connected.store(false, Ordering::Relaxed);
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

    async fn listen(&self, receiver: &mut ChangeReceiver) -> BrokerError {
        match &self.reader {
            Some((keeper, receipts)) => {
                receipts.begin();
                let failure = self.take_in(receiver, &**keeper, receipts).await;
                for store in Store::ALL {
                    keeper.hears(store, false);
                }
                failure
            }
            None => self.go_round(receiver).await,
        }
    }

    /// Hears until the connection ends, and returns why it did: each notice when it has been round.
    async fn go_round(&self, receiver: &mut ChangeReceiver) -> BrokerError {
        let mut rounds = Rounds::default();
        loop {
            let round = match receiver.next().await {
                Ok(Told::Notice(notice)) => rounds.notice(notice, Instant::now()),
                Ok(Told::Receipt(receipt)) => rounds.receipt(receipt, Instant::now()),
                Err(error) => return error,
            };
            for notice in round {
                self.inner.heard().hear(&notice, Instant::now());
            }
        }
    }

    /// Takes notices in until the connection ends, and returns why it did. Only after a first notice of a store is it sure
    /// that changes there are announced at all, and again after a silence.
    async fn take_in(
        &self,
        receiver: &mut ChangeReceiver,
        keeper: &dyn Keeper,
        receipts: &Receipts,
    ) -> BrokerError {
        let (mut origins, mut heard) = (Origins::default(), HashMap::new());
        loop {
            let told = timeout(SILENCE_LOOK_INTERVAL, receiver.next()).await;
            let now = Instant::now();
            for (store, _) in heard.extract_if(|_, at| now.duration_since(*at) > SILENCE_MAX) {
                keeper.hears(store, false);
            }
            let notice = match told {
                Ok(Ok(Told::Notice(notice))) => notice,
                Ok(Ok(Told::Receipt(_))) | Err(_) => continue,
                Ok(Err(error)) => return error,
            };
            let missed = notice.origin.is_some_and(|origin| origins.missed(origin));
            let first = heard.insert(notice.store, now).is_none();
            if missed || first {
                keeper.missed();
                keeper.hears(notice.store, true);
            }
            keeper.hear(&notice);
            if let Some(origin) = notice.origin.filter(|origin| origin.receipt) {
                receipts.taken_in(origin);
            }
            self.inner.heard().hear(&notice, now);
        }
    }
}
