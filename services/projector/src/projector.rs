//! The loop: fold what comes in, and pull what does not.

use crate::canary::Canary;
use crate::consume::Inbox;
use crate::metrics::Metrics;
use broker::Delivery;
use changes::Announcer;
use contract::{QUEUE_COUNT, Store, read_batch};
use meta::VersionWatch;
use postgres::{Fault, fault, in_time};
use primary::HeadsAtBeat;
use projection::{Batch, Looks, MetaConnection, ProjectError, Projected, leave_out, look, project, same_log};
use service::{Shutdown, log_chain};
use sqlx::PgPool;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Events of messages that are folded in one transaction, at most; the last message may pass it.
const BATCH_EVENTS_MAX: usize = 5_000;
/// The pause after a batch, in times of what the batch took, and at most: where it took long since the machine is busy,
/// fewer and larger ones leave more of it for what it is busy with.
const PAUSE_TO_BATCH: u32 = 3;
const BATCH_PAUSE_MAX: Duration = Duration::from_millis(50);
/// How often the log's heads are looked at: while the broker is away every event waits for this, with
/// it only those that it lost.
const PULL_TICK_AWAY: Duration = Duration::from_millis(100);
const PULL_TICK_CONNECTED: Duration = Duration::from_millis(500);
/// How often checkpoints are compared with the log, and it is seen to that a generation answers.
const SAME_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Longest wait for a batch, or for a look at the log: several statements, each with the servers' own
/// limit.
const WORK_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause before a batch is tried again when a store is away.
const STORE_AWAY_PAUSE: Duration = Duration::from_millis(250);
/// Pause before it is tried again when it takes a person to mend.
const HALTED_PAUSE: Duration = Duration::from_secs(5);

/// Folds the log into meta.
#[derive(Debug)]
pub(crate) struct Projector {
    primary: PgPool,
    meta: PgPool,
    folding: MetaConnection,
    announcer: Announcer,
    /// Whether the last thing tried worked.
    works: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    /// What is behind the log.
    looks: Looks,
    canary: Canary,
    version: VersionWatch,
}

impl Projector {
    pub(crate) fn new(
        primary: PgPool,
        meta: PgPool,
        announcer: Announcer,
        works: Arc<AtomicBool>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let folding = MetaConnection::of(&meta);
        Projector {
            primary,
            meta,
            folding,
            announcer,
            works,
            metrics,
            looks: Looks::default(),
            canary: Canary::default(),
            version: VersionWatch::default(),
        }
    }

    /// Folds until told to stop.
    pub(crate) async fn run(mut self, mut inbox: Inbox, shutdown: Shutdown) -> anyhow::Result<()> {
        if self.until_it_works(&shutdown, || begin(&self.primary, &self.meta)).await.is_none() {
            return Ok(());
        }
        self.say_version().await;
        let (mut checked, mut looked) = (Instant::now(), Instant::now());
        while !shutdown.is_stopped() {
            let connected = inbox.connected.load(Ordering::Relaxed);
            let tick = if connected { PULL_TICK_CONNECTED } else { PULL_TICK_AWAY };
            let delivery = tokio::select! {
                delivery = inbox.deliveries.recv() => delivery,
                () = tokio::time::sleep_until(looked + tick) => None,
                () = shutdown.stopped() => break,
            };
            if let Some(first) = delivery {
                let begun = Instant::now();
                let (batch, deliveries) = collect(first, &mut inbox).await;
                if self.fold(&batch, &shutdown).await.is_none() {
                    break;
                }
                acknowledge(&deliveries).await;
                // Of more messages than a relay sends at a time, more are waiting.
                if deliveries.len() <= usize::from(QUEUE_COUNT) {
                    let pause = (begun.elapsed() * PAUSE_TO_BATCH).min(BATCH_PAUSE_MAX);
                    let _ = shutdown.unless_stopped(sleep(pause)).await;
                }
            }
            if looked.elapsed() >= tick {
                let more = self.pull(connected, &shutdown).await;
                // A part that has more than one transaction may take goes on at once.
                looked = if more { Instant::now() - tick } else { Instant::now() };
            }
            if checked.elapsed() >= SAME_LOG_INTERVAL {
                if self.until_it_works(&shutdown, || begin(&self.primary, &self.meta)).await.is_none() {
                    break;
                }
                self.say_version().await;
                checked = Instant::now();
            }
        }
        Ok(())
    }

    /// Folds a batch, however long the stores are away; `None` when told to stop meanwhile.
    async fn fold(&self, batch: &Batch, shutdown: &Shutdown) -> Option<Projected> {
        let projected =
            self.until_it_works(shutdown, || project(&self.primary, &self.folding, batch)).await?;
        for (product_id, version) in &projected.products {
            // One that stands still is announced too: nobody need wait for it.
            if projected.standing_still.contains(product_id) {
                self.announcer.announce_standing(Store::Meta, *product_id, *version);
            } else {
                self.announcer.announce_awaited(Store::Meta, *product_id, *version);
            }
        }
        for parking in &projected.parkings {
            tracing::error!(product.id = %parking.product_id, log.part = %parking.product_id.part(),
                            log.pos = %parking.pos, event.id = %parking.event_id, reason = parking.reason,
                            "the product stands still");
        }
        self.metrics.folded.inc_by(count(projected.events));
        self.metrics.pulled.inc_by(count(projected.pulled));
        self.metrics.parked.inc_by(count(projected.parkings.len()));
        tracing::debug!(events = projected.events, pulled = projected.pulled, "folded");
        Some(projected)
    }

    /// Pulls what the log has and no message brought. Returns whether there is more to pull.
    async fn pull(&mut self, connected: bool, shutdown: &Shutdown) -> bool {
        let look = || look(&self.primary, &self.meta);
        let Some((seen, checkpoints)) = self.until_it_works(shutdown, look).await else { return false };
        let batch = self.looks.ask(&checkpoints, &seen.heads, connected);
        if self.show_life(seen, shutdown).await.is_none() {
            return false;
        }
        if batch.0.is_empty() {
            return false;
        }
        let Some(projected) = self.fold(&batch, shutdown).await else { return false };
        self.looks.pulled(&batch, &projected.positions)
    }

    /// Carries the canary on to meta, when meta has what was before it; `None` when told to stop meanwhile.
    async fn show_life(&mut self, seen: HeadsAtBeat, shutdown: &Shutdown) -> Option<()> {
        let Some(target) = self.canary.target(seen) else { return Some(()) };
        let store = || async { Ok(meta::store_beat(&self.meta, target.beat, &target.heads).await?) };
        if self.until_it_works(shutdown, store).await? {
            self.canary.reached();
        }
        Some(())
    }

    /// Says when meta was made by another version of the fold than this program's.
    async fn say_version(&mut self) {
        // A store that is away is said by whoever works on it.
        if let Ok(Some(said)) = in_time(WORK_TIMEOUT, self.version.look(&self.meta)).await {
            tracing::warn!("{said}");
        }
    }

    /// Runs `work` until it succeeds; `None` when told to stop meanwhile.
    async fn until_it_works<T, F>(&self, shutdown: &Shutdown, work: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, ProjectError>>,
    {
        loop {
            let error = match shutdown.unless_stopped(in_time(WORK_TIMEOUT, work())).await? {
                Ok(done) => {
                    self.works.store(true, Ordering::Relaxed);
                    return Some(done);
                }
                Err(error) => error,
            };
            // What does not fit and does not answer holds nothing up.
            let left_out = in_time(WORK_TIMEOUT, leave_out(&self.primary, &self.meta, &error));
            let error = match shutdown.unless_stopped(left_out).await? {
                Ok(generations) if !generations.is_empty() => {
                    let cause = log_chain(&error);
                    tracing::error!(?generations, cause, "generations that do not fit the log are left out");
                    continue;
                }
                // The one that answers does not fit either: that is what has to be mended.
                Err(answers @ ProjectError::OtherLog { .. }) => answers,
                _ => error,
            };
            self.works.store(false, Ordering::Relaxed);
            let pause = match &error {
                ProjectError::Store(store) if fault(store) != Fault::Bug => {
                    tracing::warn!(cause = log_chain(&error), "a store is away: meta waits for it");
                    STORE_AWAY_PAUSE
                }
                _ => {
                    tracing::error!(cause = log_chain(&error), "meta stands still until this is mended");
                    HALTED_PAUSE
                }
            };
            shutdown.unless_stopped(sleep(pause)).await?;
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Begins the first generation if there is none, and compares all checkpoints with the log.
async fn begin(primary: &PgPool, meta: &PgPool) -> Result<(), ProjectError> {
    let epoch = primary::log_epoch(primary).await?;
    meta::begin_first_generation(meta, epoch).await?;
    if let Some(generation) = meta::see_to_an_answer(meta).await? {
        tracing::error!(generation, "no generation answered: this one does again");
    }
    same_log(primary, &meta::read_checkpoints(meta).await?).await
}

/// Takes what else has come in already, up to a batch's size. A message that cannot be read becomes a
/// dead letter: its events are pulled.
async fn collect(first: Delivery, inbox: &mut Inbox) -> (Batch, Vec<Delivery>) {
    let mut batch = Batch::default();
    let mut deliveries = Vec::new();
    let mut next = Some(first);
    while let Some(delivery) = next {
        match read_batch(&delivery.body) {
            Ok(events) => {
                batch.add(delivery.epoch, events);
                deliveries.push(delivery);
            }
            Err(unreadable) => {
                tracing::error!(cause = log_chain(&unreadable), "a message becomes a dead letter");
                if let Err(error) = delivery.reject().await {
                    tracing::debug!(cause = log_chain(&error), "the message will come again");
                }
            }
        }
        next = if batch.events() < BATCH_EVENTS_MAX { inbox.deliveries.try_recv().ok() } else { None };
    }
    (batch, deliveries)
}

/// Tells the broker what is done with. If it does not hear, the messages come again and are dropped.
async fn acknowledge(deliveries: &[Delivery]) {
    for delivery in deliveries {
        if let Err(error) = delivery.ack().await {
            tracing::debug!(
                cause = log_chain(&error),
                "an acknowledgement was not heard: the message comes again"
            );
            return;
        }
    }
}
