//! Comparing a generation with what the primary adds up to, at equal versions.

use crate::error::{self, ReplayError};
use crate::gate::Gate;
use crate::groups::Groups;
use crate::progress::{Progress, Stage};
use crate::stores::Stores;
use domain::{Apply, EventRef, Part, ProductId, ProductMeta, Version, log_parts, projection};
use meta::{GenerationState, StoredProduct};
use projection::Folding;
use sqlx::PgConnection;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Differences that are kept; all are counted.
const DIFFERENCES_KEPT_MAX: usize = 10_000;
/// Groups of parts compared at once, each in a snapshot of its own that lives for that long.
const WORKERS: usize = 2;
/// Looks at a product until both databases show it at the same version; afterwards the log decides.
const LOOKS_MAX: u32 = 3;
/// Longest wait for events that are committed to get their positions: whoever gives them does so within milliseconds.
const POSITIONS_TIMEOUT: Duration = Duration::from_secs(10);
const POSITIONS_LOOK_EVERY: Duration = Duration::from_millis(20);

/// A product that is not what the primary adds up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The product.
    pub product_id: ProductId,
    /// As the generation has it, at version 0 when it does not.
    pub stored: ProductMeta,
    /// It is not as a projector writes it.
    pub damaged: bool,
    /// As it should be.
    pub expected: ProductMeta,
    /// Where that was read.
    pub expected_from: &'static str,
}

/// What a comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Products compared.
    pub products: u64,
    /// Products that differ, in all.
    pub differing: u64,
    /// Those of them that are kept, by id.
    pub differences: Vec<Difference>,
    /// Products that were left out: they stand still, or their events do, short of where the generation took them from
    /// their reviews, and those never rested at its version.
    pub parked: Vec<ProductId>,
}

impl Compared {
    fn add(&mut self, other: Compared) {
        self.products += other.products;
        self.differing += other.differing;
        self.differences.extend(other.differences);
        self.parked.extend(other.parked);
    }

    fn differs(&mut self, difference: Difference) {
        self.differing += 1;
        if self.differences.len() < DIFFERENCES_KEPT_MAX {
            self.differences.push(difference);
        }
    }

    fn sorted(mut self) -> Self {
        self.differences.sort_unstable_by_key(|difference| difference.product_id);
        self.differences.truncate(DIFFERENCES_KEPT_MAX);
        self.parked.sort_unstable();
        self
    }
}

/// What products are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// Their reviews, or their events where the reviews are at another version.
    Reviews,
    /// Their events.
    Log,
}

/// What is compared.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) stores: Stores,
    pub(crate) generation: i32,
    pub(crate) apply: Apply,
    pub(crate) gate: Arc<Gate>,
    pub(crate) progress: Arc<Progress>,
}

impl Comparison {
    /// Of a generation of a version that this program knows.
    pub(crate) fn of(
        stores: &Stores,
        (generation, version): (i32, i32),
        gate: Arc<Gate>,
        progress: Arc<Progress>,
    ) -> Result<Self, ReplayError> {
        let apply = projection(version).ok_or(ReplayError::UnknownVersion { generation, version })?;
        Ok(Comparison { stores: stores.clone(), generation, apply, gate, progress })
    }

    /// Compares every product.
    pub(crate) async fn all(self) -> Result<Compared, ReplayError> {
        let counts = error::primary(primary::table_estimates(&self.stores.primary).await)?;
        self.progress.begin(Stage::Verifying, 0, counts.products.unsigned_abs());
        // Beside live writers as small as they can be, since it rests only between them.
        let group_parts = if self.gate.is_free() { Groups::of_reviews(WORKERS).parts(counts) } else { 1 };
        let parts: Vec<Part> = log_parts().collect();
        let groups =
            Arc::new(Mutex::new(parts.chunks(group_parts).map(<[Part]>::to_vec).collect::<Vec<_>>()));
        let this = Arc::new(self);
        let mut workers = JoinSet::new();
        for number in 0..WORKERS {
            workers.spawn(worker(this.clone(), groups.clone(), number));
        }
        let mut compared = Compared::default();
        while let Some(ended) = workers.join_next().await {
            compared.add(ended.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?);
        }
        // Products may have come, or have no row, since they were counted.
        this.progress.begin(Stage::Verifying, compared.products, compared.products);
        this.still_there().await?;
        Ok(compared.sorted())
    }

    /// Compares some products, one by one.
    pub(crate) async fn some(
        self,
        products: &[ProductId],
        against: Against,
    ) -> Result<Compared, ReplayError> {
        self.progress.begin(Stage::Verifying, 0, u64::try_from(products.len()).unwrap_or(0));
        let mut primary = self.stores.connect_primary().await?;
        let mut compared = Compared::default();
        for product_id in products {
            self.gate.pass().await?;
            let began = Instant::now();
            self.judge(&mut primary, *product_id, against, &mut compared).await?;
            compared.products += 1;
            self.progress.add(1);
            self.gate.rest(began.elapsed()).await?;
        }
        self.still_there().await?;
        Ok(compared.sorted())
    }

    /// Of a generation that was taken out of use meanwhile nothing would differ, since nothing is left of it.
    async fn still_there(&self) -> Result<(), ReplayError> {
        let generations = error::meta(meta::generations(&self.stores.meta).await)?;
        let live =
            |g: &meta::GenerationInfo| g.generation == self.generation && g.state == GenerationState::Live;
        if generations.iter().any(live) { Ok(()) } else { Err(ReplayError::NotLive(self.generation)) }
    }

    /// Compares the products of some parts: first as two snapshots have them, then one by one those that are
    /// not alike there, since the two are not of the same moment.
    async fn group(
        &self,
        primary: &mut PgConnection,
        meta: &mut PgConnection,
        parts: &[Part],
    ) -> Result<Compared, ReplayError> {
        let began = Instant::now();
        let mut expected = error::primary(primary::sum_reviews(primary, parts).await)?.products;
        let given_up = error::meta(meta::products_given_up_in(&self.stores.meta, parts).await)?;
        let mut compared = Compared { products: count(&expected), ..Compared::default() };
        let mut unlike: Vec<ProductId> = Vec::new();
        let each = |stored: StoredProduct| match expected.remove(&stored.product_id) {
            Some(meta) if is(&stored, &meta) && !stored.parked && !given_up.contains(&stored.product_id) => {}
            known => {
                compared.products += u64::from(known.is_none());
                unlike.push(stored.product_id);
            }
        };
        error::meta(meta::copy_out_products(meta, self.generation, parts, each).await)?;
        unlike.extend(expected.into_keys());
        let summed = began.elapsed();
        self.progress.add(compared.products);
        // Many, when the fold is wrong. The snapshots are over: here too it may wait.
        for product_id in unlike {
            self.gate.pass().await?;
            let began = Instant::now();
            self.judge(primary, product_id, Against::Reviews, &mut compared).await?;
            self.gate.rest_as_long(began.elapsed()).await?;
        }
        self.gate.rest(summed).await?;
        Ok(compared)
    }

    /// Compares one product until it is alike, stands still, or differs at two looks one after the other: it may be
    /// made anew in between, as when an event of it is given up.
    async fn judge(
        &self,
        primary: &mut PgConnection,
        product_id: ProductId,
        asked: Against,
        compared: &mut Compared,
    ) -> Result<(), ReplayError> {
        let began = Instant::now();
        let mut differed = false;
        for look in 1.. {
            // Of a product that never rests the two are never seen at the same version.
            let against = if look > LOOKS_MAX { Against::Log } else { asked };
            match self.look(primary, product_id, against).await? {
                Seen::Alike => break,
                Seen::StandsStill => {
                    compared.parked.push(product_id);
                    break;
                }
                Seen::AtOtherVersions => {}
                // The generation has it from the reviews, and only they could say.
                Seen::FurtherThanEvents(_) if asked == Against::Reviews => {
                    compared.parked.push(product_id);
                    break;
                }
                Seen::Differs(difference) | Seen::FurtherThanEvents(difference) if differed => {
                    compared.differs(difference);
                    break;
                }
                Seen::Differs(_) | Seen::FurtherThanEvents(_) => differed = true,
                Seen::WithoutPositions(version) => {
                    let waited = began.elapsed();
                    if waited > POSITIONS_TIMEOUT {
                        return Err(ReplayError::NoPositions { product_id, version, waited });
                    }
                    tokio::time::sleep(POSITIONS_LOOK_EVERY).await;
                }
            }
        }
        Ok(())
    }

    /// Looks at one product, with its reviews when both are at the same version, or with its events.
    async fn look(
        &self,
        primary: &mut PgConnection,
        product_id: ProductId,
        against: Against,
    ) -> Result<Seen, ReplayError> {
        let discarded = error::meta(meta::discarded_events_of(&self.stores.meta, [product_id]).await)?;
        let (stored, applied) =
            error::meta(meta::product_at(&self.stores.meta, self.generation, product_id).await)?;
        if stored.parked && !stored.damaged {
            return Ok(Seen::StandsStill);
        }
        // Of an event that was given up the reviews know nothing.
        if against == Against::Reviews && discarded.events.is_empty() {
            let summed = error::primary(primary::product_meta(&self.stores.primary, product_id).await)?;
            return Ok(if summed.version != stored.meta.version {
                Seen::AtOtherVersions
            } else if is(&stored, &summed) {
                Seen::Alike
            } else {
                Seen::Differs(difference(stored, summed, "primary: reviews, characteristics"))
            });
        }
        // What the checkpoint covers must be in; what is in beyond it is compared as it is.
        let mut folding = Folding::from_first(self.apply, discarded);
        let mut last = Version(0);
        let each = |event: EventRef<'_>| {
            last = event.version;
            if event.pos <= applied || event.version <= stored.meta.version {
                folding.fold(event);
            }
        };
        error::primary(primary::copy_product_events(primary, product_id, Version(0), each).await)?;
        let expected = folding.product(product_id).map(|product| product.meta.clone()).unwrap_or_default();
        if is(&stored, &expected) {
            return Ok(Seen::Alike);
        }
        if last < stored.meta.version {
            let reached = primary::product_reached(&self.stores.primary, product_id).await;
            if error::primary(reached)?.version >= stored.meta.version {
                return Ok(Seen::WithoutPositions(stored.meta.version));
            }
            return Ok(Seen::Differs(difference(stored, expected, "primary: event_log")));
        }
        let short = expected.version < stored.meta.version
            && !(folding.parkings.is_empty() && folding.holes().is_empty());
        let difference = difference(stored, expected, "primary: event_log");
        Ok(if short { Seen::FurtherThanEvents(difference) } else { Seen::Differs(difference) })
    }
}

/// What a look at a product came to.
enum Seen {
    Alike,
    StandsStill,
    AtOtherVersions,
    Differs(Difference),
    /// It is at a version that its events do not reach: one before it cannot be applied, or is missing.
    FurtherThanEvents(Difference),
    /// It is at a version up to which its events are committed but not all in the log yet.
    WithoutPositions(Version),
}

fn is(stored: &StoredProduct, expected: &ProductMeta) -> bool {
    stored.meta == *expected && !stored.damaged
}

fn difference(stored: StoredProduct, expected: ProductMeta, expected_from: &'static str) -> Difference {
    let StoredProduct { product_id, meta, damaged, parked: _ } = stored;
    Difference { product_id, stored: meta, damaged, expected, expected_from }
}

fn count(products: &HashMap<ProductId, ProductMeta>) -> u64 {
    u64::try_from(products.len()).unwrap_or(u64::MAX)
}

async fn worker(
    comparison: Arc<Comparison>,
    groups: Arc<Mutex<Vec<Vec<Part>>>>,
    number: usize,
) -> Result<Compared, ReplayError> {
    let (mut primary, mut meta) =
        (comparison.stores.connect_primary().await?, comparison.stores.connect_meta().await?);
    let mut compared = Compared::default();
    loop {
        let left = || !groups.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        comparison.gate.pass_as(number, left).await?;
        let next = groups.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(parts) = next else { return Ok(compared) };
        compared.add(comparison.group(&mut primary, &mut meta, &parts).await?);
    }
}
