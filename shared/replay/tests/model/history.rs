//! A history over two real databases: what may happen, one step after another, while a replay works beside it.

use crate::dice::Dice;
use crate::events::pull;
use crate::oracle::{Log, Stored, stored};
use domain::{Event, EventId, ProductId, ReviewId};
use primary::sequence_events;
use projection::MetaConnection;
use replay::{ReplayError, Replayed, Stores, rebuild_product, verify};
use sqlx::{PgPool, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::{TestDatabase, define_characteristics, meta_database, primary_database, product};
use tokio::task::JoinHandle;

/// Ids of products; the first ones share a part.
pub(crate) const PRODUCTS: [i64; 6] = [1, 65, 129, 2, 66, 9];
/// Longest wait for whatever goes on beside the steps.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct History {
    pub(crate) dice: Dice,
    pub(crate) step: usize,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) primary: TestDatabase,
    pub(crate) meta: TestDatabase,
    pub(crate) stores: Stores,
    /// As the services have them.
    pub(crate) write: PgPool,
    pub(crate) log: PgPool,
    pub(crate) folding: MetaConnection,
    pub(crate) reviews: Vec<ReviewId>,
    pub(crate) working: Option<JoinHandle<Result<Replayed, ReplayError>>>,
    /// Products of which an event was given up, until they are made anew.
    pub(crate) given_up: BTreeSet<i64>,
    /// Those, and all of which one was given up since the replay was begun that works beside the steps: it may have looked
    /// before they were made anew.
    pub(crate) given_up_beside: BTreeSet<i64>,
    /// The newest version of each product that readers have seen.
    seen: BTreeMap<i64, i64>,
    /// Where each generation was, by part.
    furthest: BTreeMap<(i32, i16), i64>,
}

impl History {
    pub(crate) async fn of(seed: u64) -> Self {
        let (primary, meta) = (primary_database().await, meta_database().await);
        let stores = Stores { primary: primary.pool.clone(), meta: meta.pool.clone() };
        let epoch = primary::log_epoch(&primary.pool).await.unwrap();
        meta::begin_first_generation(&meta.pool, epoch).await.unwrap();
        let mut dice = Dice::of(seed);
        if dice.one_in(2) {
            sqlx::query("UPDATE generation SET projection_version = 1").execute(&meta.pool).await.unwrap();
        }
        for id in PRODUCTS {
            define_characteristics(&primary.pool, product(id), &[(id * 10, "Fit"), (id * 10 + 1, "Size")])
                .await;
        }
        let (write, log) = (primary.pool_of("reviews_write"), primary.pool_of("reviews_projector"));
        let folding = MetaConnection::of(&meta.pool_of("reviews_projector"));
        let (counts, seen, furthest) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (reviews, given_up, given_up_beside) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        History {
            dice,
            step: 0,
            counts,
            primary,
            meta,
            stores,
            write,
            log,
            folding,
            reviews,
            working: None,
            given_up,
            given_up_beside,
            seen,
            furthest,
        }
    }

    pub(crate) async fn next(&mut self) {
        self.step += 1;
        self.heed_the_end().await;
        match self.dice.below(100) {
            0..=27 => self.command().await,
            28..=40 => self.sequence().await,
            41..=52 => self.message().await,
            53..=62 => self.look().await,
            63..=71 => self.begin_replay().await,
            72..=74 => self.kill().await,
            75..=76 => self.pause().await,
            77..=79 => self.resume().await,
            80..=82 => self.cancel().await,
            83..=85 => self.roll_back().await,
            86..=88 => self.prune().await,
            89..=90 => self.make_anew().await,
            91..=94 => self.give_up().await,
            95..=96 => self.verify().await,
            _ => self.until_it_ends().await,
        }
        self.check().await;
    }

    pub(crate) fn happened(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    async fn make_anew(&mut self) {
        let id = match self.given_up.pop_first() {
            Some(id) => id,
            None => self.dice.pick(&PRODUCTS).unwrap(),
        };
        rebuild_product(&self.stores, product(id)).await.unwrap();
        self.happened("a product was made anew");
    }

    /// Gives up the event for which a product stands still, and makes it anew unless it is cut off in between.
    async fn give_up(&mut self) {
        let active = meta::active_generation(&self.meta.pool).await.unwrap().unwrap().0;
        let parked = meta::parked_products(&self.meta.pool, Some(active), None, 100).await.unwrap();
        let parked: Vec<(ProductId, EventId)> = parked.iter().map(|p| (p.product_id, p.event_id)).collect();
        let Some((id, event_id)) = self.dice.pick(&parked) else { return };
        let added = self.added_review(event_id).await;
        meta::discard_parked(&self.meta.pool, id, event_id, added).await.unwrap();
        self.given_up_beside.insert(id.get());
        self.happened("an event was given up");
        if self.dice.one_in(3) {
            self.given_up.insert(id.get());
        } else {
            rebuild_product(&self.stores, id).await.unwrap();
            self.given_up.remove(&id.get());
        }
    }

    /// As operations people's command finds it.
    async fn added_review(&self, event_id: EventId) -> Option<ReviewId> {
        let event = sqlx::query("SELECT type, payload::text AS payload FROM event_log WHERE event_id = $1");
        let event = event.bind(event_id).fetch_one(&self.primary.pool).await.unwrap();
        Event::added_review(event.get("type"), event.get("payload"))
    }

    /// Beside whatever goes on there is never a difference.
    async fn verify(&mut self) {
        let verified = verify(&self.stores, None, None, &Arc::default()).await.unwrap();
        let settled = |d: &&replay::Difference| !self.given_up.contains(&d.product_id.get());
        let differences: Vec<_> = verified.compared.differences.iter().filter(settled).collect();
        assert!(differences.is_empty(), "{differences:#?}");
        self.happened("the generation that answers was verified");
    }

    /// Every generation is the fold of the log up to its checkpoints, which never go back, and readers see no product
    /// go back.
    async fn check(&mut self) {
        let active = meta::active_generation(&self.meta.pool).await.unwrap().unwrap().0;
        let (all, discarded) = stored(&self.meta.pool).await;
        let log = Log::read(&self.primary.pool).await;
        let ever = Stored::given_up(&log, &discarded);
        for stored in &all {
            // What is being built goes on after an event was given up when all of it is there.
            log.check(stored, &discarded, if stored.unended { &ever } else { &self.given_up });
            for (part, pos) in &stored.checkpoints {
                let before = self.furthest.insert((stored.generation, *part), *pos);
                assert!(before <= Some(*pos), "generation {} went back in part {part}", stored.generation);
            }
        }
        // The swap of a replay beside this may have come in between: then it is looked at after the next step.
        let same = meta::active_generation(&self.meta.pool).await.unwrap().unwrap().0 == active;
        for (id, version) in
            all.iter().filter(|stored| same && stored.generation == active).flat_map(Stored::seen)
        {
            let seen = self.seen.entry(id).or_default();
            assert!(version >= *seen, "readers saw product {id} go back from version {seen} to {version}");
            *seen = version;
        }
    }

    /// Everything comes to its end, and nothing is excepted any more.
    pub(crate) async fn come_to_rest(&mut self) {
        let mut connection = self.write.acquire().await.unwrap();
        while !sequence_events(&mut connection).await.unwrap().is_empty() {}
        for id in std::mem::take(&mut self.given_up) {
            rebuild_product(&self.stores, product(id)).await.unwrap();
        }
        self.until_it_ends().await;
        while meta::unended_replay(&self.meta.pool).await.unwrap().is_some() {
            self.begin_replay().await;
            self.until_it_ends().await;
        }
        let begun = Instant::now();
        let log = Log::read(&self.primary.pool).await;
        loop {
            pull(&self.log, &self.folding, |_| true).await;
            let (all, discarded) = stored(&self.meta.pool).await;
            if all.iter().all(|stored| stored.has_all(&log)) {
                all.iter().for_each(|stored| log.check(stored, &discarded, &BTreeSet::new()));
                break;
            }
            assert!(begun.elapsed() < DEADLINE, "it does not come to rest");
        }
        self.check().await;
        self.verify().await;
    }
}
