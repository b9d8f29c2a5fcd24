//! A replay beside the steps, and what is asked of it.

use crate::events::pull;
use crate::history::{DEADLINE, History};
use meta::Wanted;
use replay::{Plan, ReplayError, Replayed, ask, cancel, prune, replay, rollback};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinHandle;

impl History {
    pub(crate) async fn begin_replay(&mut self) {
        if self.working.is_some() {
            return;
        }
        let unended = meta::unended_replay(&self.meta.pool).await.unwrap();
        let sources = [meta::Source::Log, meta::Source::Snapshot, meta::Source::Both];
        let source = unended.map_or_else(|| self.dice.pick(&sources).unwrap(), |replay| replay.source);
        let products_at_once = if self.dice.one_in(3) { 1 } else { 250_000 };
        let (swap, with_parked) = (!self.dice.one_in(6), self.dice.one_in(2));
        let plan = Plan { source, products_at_once, swap, with_parked, ..Plan::careful(None) };
        let stores = self.stores.clone();
        self.given_up_beside.clone_from(&self.given_up);
        self.working = Some(tokio::spawn(async move { replay(&stores, &plan, &Arc::default()).await }));
        self.happened("a replay was begun or taken up");
    }

    /// The process of the replay ends in the middle of whatever it does.
    pub(crate) async fn kill(&mut self) {
        let Some(work) = self.working.take() else { return };
        work.abort();
        match work.await {
            Err(cut_off) => {
                assert!(cut_off.is_cancelled(), "{cut_off}");
                self.happened("a replay was killed");
            }
            Ok(ended) => self.ended(ended),
        }
    }

    pub(crate) async fn heed_the_end(&mut self) {
        if self.working.as_ref().is_some_and(JoinHandle::is_finished) {
            let ended = self.working.take().unwrap().await.unwrap();
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<Replayed, ReplayError>) {
        match ended {
            Ok(replayed) => {
                let differences = &replayed.compared.differences;
                // Of a product that was still to be made anew the generation may have had in what is given up.
                let settled = |d: &&replay::Difference| !self.given_up_beside.contains(&d.product_id.get());
                assert_eq!(differences.iter().filter(settled).count(), 0, "{differences:#?}");
                self.happened(if replayed.swap.is_some() {
                    "a replay was swapped in"
                } else {
                    "a replay was verified"
                });
            }
            // Another generation was swapped in meanwhile, or this one was pruned or taken back.
            Err(ReplayError::Cancelled(_)) => self.happened("a replay was cancelled"),
            Err(ReplayError::Swapped { .. } | ReplayError::NotLive(_)) => self.happened("a swap was refused"),
            // The reviews took what answers past an event that cannot be read.
            Err(ReplayError::ParkedAnew { .. }) => self.happened("a swap would have made answers worse"),
            Err(error) => panic!("the replay ended: {error:?}"),
        }
    }

    pub(crate) async fn until_it_ends(&mut self) {
        if self.working.is_none() {
            return;
        }
        ask(&self.stores, Wanted::Run).await.unwrap();
        let work = self.working.take().unwrap();
        let ended = self.beside_a_projector(work).await.unwrap();
        self.ended(ended);
    }

    pub(crate) async fn pause(&mut self) {
        if self.working.is_some() {
            ask(&self.stores, Wanted::Pause).await.unwrap();
            self.happened("a replay was paused");
        }
    }

    pub(crate) async fn resume(&self) {
        ask(&self.stores, Wanted::Run).await.unwrap();
    }

    pub(crate) async fn cancel(&mut self) {
        let stores = self.stores.clone();
        let cancelled = self.beside_a_projector(async move { cancel(&stores).await }).await.unwrap();
        if cancelled.is_some() {
            self.happened("a replay was given up");
        }
    }

    pub(crate) async fn roll_back(&mut self) {
        let stores = self.stores.clone();
        match self.beside_a_projector(async move { rollback(&stores).await }).await {
            Ok(_) => self.happened("a generation was rolled back to"),
            Err(ReplayError::NoPrevious | ReplayError::Swapped { .. } | ReplayError::NotLive(_)) => {}
            Err(error) => panic!("the rollback ended: {error:?}"),
        }
    }

    pub(crate) async fn prune(&mut self) {
        if !prune(&self.stores, false).await.unwrap().is_empty() {
            self.happened("generations were pruned");
        }
    }

    /// Runs `work` to its end while all there is is folded.
    async fn beside_a_projector<F: Future + Send + 'static>(&self, work: F) -> F::Output
    where
        F::Output: Send,
    {
        let begun = Instant::now();
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = pull(&self.log, &self.folding, |_| true) => {}
            }
            assert!(begun.elapsed() < DEADLINE, "what goes on does not come to its end");
        }
    }
}
