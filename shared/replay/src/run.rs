//! A replay from its beginning, or from where it was left, to the swap.

use crate::build::{Build, build};
use crate::compare::{Against, Compared, Comparison};
use crate::error::{self, ReplayError};
use crate::gate::Gate;
use crate::give_up::{drop_generation, is_cancelled};
use crate::product::rebuild_in;
use crate::progress::{Progress, Stage, Waiting};
use crate::stores::Stores;
use crate::swap::{follows_active, swap_in};
use crate::throttle::Throttle;
use domain::{Epoch, PARTS, PROJECTION_VERSION, Part, Position, log_parts, projection};
use meta::{NewReplay, Over, Phase, PhaseResult, Replay, Source, SwapReason, Wanted};
use postgres::in_time;
use projection::{Batch, MetaConnection, ProjectError, project_built};
use sqlx::{Connection, PgConnection};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events that may be left to the projector when it takes over: a fraction of one of its batches.
const HAND_OVER_EVENTS_MAX: i64 = 1_000;
/// Longest wait for the lock of a process that has ended: another that works is not waited for.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for the projector to move a generation on.
const ADVANCE_TIMEOUT: Duration = Duration::from_secs(30);
/// What does not move for longer is said to wait for the projector.
const ADVANCE_SILENCE: Duration = Duration::from_secs(3);
const ADVANCE_LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longest wait for a batch that catches up.
const BATCH_TIMEOUT: Duration = Duration::from_secs(60);
/// Products that are folded once more to verify what the log alone gave.
const LOG_SAMPLE: i64 = 1_000;

/// Products in memory at once while building: some hundred bytes each.
pub const PRODUCTS_AT_ONCE: i64 = 250_000;

/// What a replay is to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the generation is made from.
    pub source: Source,
    /// Begin anew with another log than the one that the answering generation was made from.
    pub fresh: bool,
    /// Whether to swap it in.
    pub swap: bool,
    /// Whether to do so although products stand still in it that do not where readers look now.
    pub with_parked: bool,
    /// Follow the latency of live commands; none for an idle system.
    pub throttle: Option<Throttle>,
    /// Products in memory at once while building, about.
    pub products_at_once: i64,
}

impl Plan {
    /// A replay from both sources, swapped in, that leaves live commands alone.
    pub const fn careful(throttle: Option<Throttle>) -> Self {
        Plan {
            source: Source::Both,
            fresh: false,
            swap: true,
            with_parked: false,
            throttle,
            products_at_once: PRODUCTS_AT_ONCE,
        }
    }
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The generation.
    pub generation: i32,
    /// What it was made from.
    pub source: Source,
    /// Events that building covers.
    pub events: i64,
    /// How long building took, over all processes that did, pauses included.
    pub building: Duration,
    /// How long the swap took, if there was one.
    pub swap: Option<Duration>,
    /// What verification found.
    pub compared: Compared,
    /// Whether it went on with a replay that was begun before.
    pub resumed: bool,
    /// How long this process took for everything.
    pub took: Duration,
}

/// Replays: builds a generation, catches up, verifies, and swaps it in unless verification found differences.
/// Goes on with a replay of the same kind that has not ended.
///
/// # Errors
/// [`ReplayError`]. What was built stays, and the same call goes on with it, unless it was cancelled.
pub async fn replay(stores: &Stores, plan: &Plan, progress: &Arc<Progress>) -> Result<Replayed, ReplayError> {
    let began = Instant::now();
    let mut session = lock(stores).await?;
    let epoch = error::primary(primary::log_epoch(&stores.primary).await)?;
    let (replay, resumed) = begin(stores, plan, epoch).await?;
    let generation = replay.generation;
    progress.builds(generation);
    let gate = Arc::new(Gate::of_replay(stores, generation, plan.throttle, progress.clone()).await);
    let run =
        Run { stores: stores.clone(), plan: plan.clone(), progress: progress.clone(), epoch, replay, gate };
    let ended = run.to_the_end().await;
    let ended = match ended {
        Err(ReplayError::Cancelled(_)) => {
            drop_generation(stores, generation).await?;
            Err(ReplayError::Cancelled(generation))
        }
        Err(error) => Err(error),
        Ok((building, swap, compared)) => Ok(Replayed {
            generation,
            source: plan.source,
            events: run.replay.total(),
            building,
            swap,
            compared,
            resumed,
            took: began.elapsed(),
        }),
    };
    // In order, so that the lock is free for whoever comes next. One that cannot be told has lost it already.
    let _ = meta::unlock_replay(&mut session).await;
    let _ = session.close().await;
    ended
}

/// A session that holds the lock of whoever works at a replay, until it ends with this call, or this process. The
/// server may take a moment to notice that a process before it was killed. One that lives and comes to its end within
/// that moment did what is asked for here: nothing is begun after it unasked.
async fn lock(stores: &Stores) -> Result<PgConnection, ReplayError> {
    let mut session = stores.connect_meta().await?;
    let before = last_replay(stores).await?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    while !error::meta(meta::lock_replay(&mut session).await)? {
        if Instant::now() > deadline {
            return Err(busy(stores).await);
        }
        tokio::time::sleep(ADVANCE_LOOK_EVERY).await;
    }
    match last_replay(stores).await? {
        Some(Replay { generation, phase, ended_at: Some(_), .. })
            if before.is_none_or(|before| before.ended_at.is_none() || before.generation < generation) =>
        {
            error::meta(meta::unlock_replay(&mut session).await)?;
            Err(ReplayError::EndedMeanwhile { generation, ended: phase })
        }
        _ => Ok(session),
    }
}

/// The replay that was begun last, ended or not.
async fn last_replay(stores: &Stores) -> Result<Option<Replay>, ReplayError> {
    Ok(error::meta(meta::replays(&stores.meta, 1).await)?.pop())
}

/// Says who is in the way: which generation, and whether it is paused.
pub(crate) async fn busy(stores: &Stores) -> ReplayError {
    match meta::unended_replay(&stores.meta).await {
        Ok(unended) => ReplayError::Busy {
            generation: unended.as_ref().map(|replay| replay.generation),
            paused: unended.is_some_and(|replay| replay.wanted == Wanted::Pause),
        },
        Err(error) => ReplayError::Meta(error),
    }
}

/// The replay to go on with, or a new one.
async fn begin(stores: &Stores, plan: &Plan, epoch: Epoch) -> Result<(Replay, bool), ReplayError> {
    error::meta(meta::begin_first_generation(&stores.meta, epoch).await)?;
    error::meta(meta::see_to_an_answer(&stores.meta).await)?;
    if let Some(replay) = error::meta(meta::unended_replay(&stores.meta).await)? {
        if is_cancelled(stores, &replay).await? {
            return Err(ReplayError::Cancelled(replay.generation));
        }
        let Replay { generation, source, fresh, .. } = replay;
        if (source, fresh) != (plan.source, plan.fresh) {
            return Err(ReplayError::Unended { generation, made_from: source, fresh });
        }
        error::meta(meta::want(&stores.meta, generation, Wanted::Run).await)?;
        return Ok((replay, true));
    }
    may_begin(stores, plan.fresh).await?;
    let targets = error::primary(primary::log_heads(&stores.primary).await)?;
    let new =
        NewReplay { projection_version: PROJECTION_VERSION, source: plan.source, fresh: plan.fresh, targets };
    if error::meta(meta::begin_replay(&stores.meta, &new).await)?.is_none() {
        return Err(busy(stores).await);
    }
    match error::meta(meta::unended_replay(&stores.meta).await)? {
        Some(replay) => Ok((replay, false)),
        None => Err(busy(stores).await),
    }
}

/// Whether a replay may begin: a fresh one where the generation that answers does not fit the log, any other where it does.
pub(crate) async fn may_begin(stores: &Stores, fresh: bool) -> Result<(), ReplayError> {
    match (follows_active(stores).await, fresh) {
        (Ok(()), true) => Err(ReplayError::SameLog),
        (Err(error), true) if error.is_other_log() => Ok(()),
        (follows, _) => follows,
    }
}

struct Run {
    stores: Stores,
    plan: Plan,
    progress: Arc<Progress>,
    epoch: Epoch,
    replay: Replay,
    /// One for all phases: what it knows of live commands stays true over them.
    gate: Arc<Gate>,
}

impl Run {
    async fn to_the_end(&self) -> Result<(Duration, Option<Duration>, Compared), ReplayError> {
        let generation = self.replay.generation;
        let active = error::meta(meta::active_generation(&self.stores.meta).await)?;
        if active.is_some_and(|(active, _)| active == generation) {
            // Killed between the swap and the note of it.
            self.enter(Phase::Swapped, PhaseResult::default()).await?;
            return Ok((self.replay.building, self.replay.swap, Compared::default()));
        }
        let Some((active, _)) = active else { return Err(ReplayError::NoGeneration) };
        let building = self.build().await?;
        self.catch_up(active).await?;
        self.go_on_after_given_up().await?;
        let compared = self.verify().await?;
        let result =
            PhaseResult { differences: i64::try_from(compared.differing).ok(), ..PhaseResult::default() };
        if compared.differing > 0 {
            self.enter(Phase::Differs, result).await?;
            return Ok((building, None, compared));
        }
        self.enter(Phase::Ready, result).await?;
        if !self.plan.swap {
            return Ok((building, None, compared));
        }
        self.none_parked_anew(active).await?;
        // The last moment to hear of a pause.
        self.gate.look_and_pass().await?;
        let over = if self.plan.fresh { Over::OtherLog } else { Over::Valid };
        let took = swap_in(&self.stores, active, generation, SwapReason::Replay, over).await?;
        self.enter(Phase::Swapped, PhaseResult { swap: Some(took), ..PhaseResult::default() }).await?;
        Ok((building, Some(took), compared))
    }

    /// What answers must not get worse: a product that would stand still from now on keeps the generation out. Of another
    /// log what answers says nothing.
    async fn none_parked_anew(&self, active: i32) -> Result<(), ReplayError> {
        let generation = self.replay.generation;
        let parked = meta::parked_anew(&self.stores.meta, active, generation).await;
        match error::meta(parked)? {
            Some((first, products)) if !self.plan.fresh && !self.plan.with_parked => {
                Err(ReplayError::ParkedAnew { generation, first, products })
            }
            _ => Ok(()),
        }
    }

    async fn enter(&self, phase: Phase, result: PhaseResult) -> Result<(), ReplayError> {
        error::meta(meta::enter_phase(&self.stores.meta, self.replay.generation, phase, result).await)
    }

    /// Enters a phase that may be long, unless it is to wait first.
    async fn begin_phase(&self, phase: Phase) -> Result<(), ReplayError> {
        self.enter(phase, PhaseResult::default()).await?;
        self.gate.look_and_pass().await
    }

    /// Builds the parts that are not built yet. Returns how long building took in all.
    async fn build(&self) -> Result<Duration, ReplayError> {
        let Replay { generation, projection_version: version, building, .. } = self.replay;
        let apply = projection(version).ok_or(ReplayError::UnknownVersion { generation, version })?;
        let built = error::meta(meta::checkpoints_of(&self.stores.meta, generation).await)?;
        let parts: Vec<Part> = log_parts().filter(|part| built.iter().all(|c| c.part != *part)).collect();
        let total = self.replay.total().unsigned_abs();
        let left: i64 = parts.iter().map(|part| self.replay.targets[part.index()].0).sum();
        self.progress.begin(Stage::Building, total.saturating_sub(left.unsigned_abs()), total);
        if parts.is_empty() {
            return Ok(building);
        }
        let job = Build {
            stores: self.stores.clone(),
            generation,
            apply,
            discarded: error::meta(meta::discarded_events(&self.stores.meta).await)?,
            epoch: self.epoch,
            targets: self.replay.targets.clone(),
            from_reviews: self.plan.source == Source::Snapshot,
            products_at_once: self.plan.products_at_once,
            spent: building,
            gate: self.gate.clone(),
            progress: self.progress.clone(),
        };
        Ok(building + build(&Arc::new(job), &parts).await?)
    }

    /// Folds what came meanwhile, until what is left is the projector's; then waits until it is nowhere behind
    /// the generation that answers.
    async fn catch_up(&self, active: i32) -> Result<(), ReplayError> {
        self.begin_phase(Phase::CatchingUp).await?;
        let generation = self.replay.generation;
        let folding = MetaConnection::of(&self.stores.meta);
        let mut total = 0;
        loop {
            let behind = self.behind_the_log().await?;
            let left: i64 = behind.values().map(|(at, head)| head.0 - at.0).sum();
            total = left.max(total);
            self.progress.begin(Stage::CatchingUp, (total - left).unsigned_abs(), total.unsigned_abs());
            let last = left <= HAND_OVER_EVENTS_MAX;
            if left == 0 || (last && !self.plan.fresh) {
                break;
            }
            let mut batch = Batch::default();
            behind.iter().for_each(|(part, (_, head))| batch.ask(*part, *head));
            let began = Instant::now();
            let folded = project_built(&self.stores.primary, &folding, &batch, generation);
            match in_time(BATCH_TIMEOUT, folded).await {
                Ok(_) => {}
                // It was handed over before, by a process that ended.
                Err(ProjectError::NoGeneration) => break,
                Err(ProjectError::OtherLog { .. }) => return Err(ReplayError::LogChanged(generation)),
                Err(error) => return Err(error.into()),
            }
            // Of another log nobody folds the rest before the swap: once more, since beside writers none is never left.
            if last {
                break;
            }
            // The projector will do the same for it all the time.
            self.gate.rest_as_long(began.elapsed()).await?;
        }
        error::meta(meta::make_live(&self.stores.meta, generation).await)?;
        if self.plan.fresh {
            // The projector stands still until the other log's generations are out of use.
            return Ok(());
        }
        self.until_advanced(active, total).await
    }

    /// Where the generation and the log are, in each part in which it is behind.
    async fn behind_the_log(&self) -> Result<BTreeMap<Part, (Position, Position)>, ReplayError> {
        let heads = error::primary(primary::log_heads(&self.stores.primary).await)?;
        let checkpoints = error::meta(meta::checkpoints_of(&self.stores.meta, self.replay.generation).await)?;
        let behind = checkpoints.into_iter().filter_map(|c| {
            let head = *heads.get(c.part.index())?;
            (head > c.pos).then_some((c.part, (c.pos, head)))
        });
        Ok(behind.collect())
    }

    /// Waits for the projector, to which the last of so many events are left.
    async fn until_advanced(&self, active: i32, total: i64) -> Result<(), ReplayError> {
        let generation = self.replay.generation;
        let (mut least, mut moved) = (i64::MAX, Instant::now());
        loop {
            let asked = Instant::now();
            self.gate.pass().await?;
            // A pause is not the projector's.
            moved += asked.elapsed();
            let positions = |checkpoints: Vec<meta::Checkpoint>| {
                checkpoints.into_iter().map(|c| (c.part, c.pos)).collect::<BTreeMap<_, _>>()
            };
            // The one that is to catch up first: the other can only be further by then.
            let ours = positions(error::meta(meta::checkpoints_of(&self.stores.meta, generation).await)?);
            let theirs = positions(error::meta(meta::checkpoints_of(&self.stores.meta, active).await)?);
            if ours.len() < usize::from(PARTS) {
                return Err(ReplayError::NotLive(generation));
            }
            let lacking =
                |(part, at): (&Part, &Position)| (at.0 - ours.get(part).map_or(0, |pos| pos.0)).max(0);
            let events: i64 = theirs.iter().map(lacking).sum();
            let total = events.max(total);
            self.progress.begin(Stage::CatchingUp, (total - events).unsigned_abs(), total.unsigned_abs());
            if events == 0 {
                self.progress.wait(Waiting::No);
                return Ok(());
            }
            if events < least {
                (least, moved) = (events, Instant::now());
                self.progress.wait(Waiting::No);
            } else if moved.elapsed() > ADVANCE_SILENCE {
                self.progress.wait(Waiting::Projector);
            }
            if moved.elapsed() > ADVANCE_TIMEOUT {
                return Err(ReplayError::NotAdvanced { generation, events });
            }
            tokio::time::sleep(ADVANCE_LOOK_EVERY).await;
        }
    }

    /// Makes products anew of which events were given up since the replay began: what was built before has them stand
    /// still, or has such an event in if it is only later than the version of the fold that answers. Whatever is
    /// given up from now on makes its product anew here too, since the generation is kept up to date.
    async fn go_on_after_given_up(&self) -> Result<(), ReplayError> {
        let generation = self.replay.generation;
        let products = meta::products_given_up_since(&self.stores.meta, generation).await;
        for product_id in error::meta(products)? {
            rebuild_in(&self.stores, product_id, generation).await?;
        }
        Ok(())
    }

    /// Compares what was built, with the reviews; of a replay of the log alone some products with their events.
    async fn verify(&self) -> Result<Compared, ReplayError> {
        self.begin_phase(Phase::Verifying).await?;
        let Replay { generation, projection_version, .. } = self.replay;
        let comparison = Comparison::of(
            &self.stores,
            (generation, projection_version),
            self.gate.clone(),
            self.progress.clone(),
        )?;
        if self.plan.source != Source::Log {
            return comparison.all().await;
        }
        let sample = error::primary(primary::random_products(&self.stores.primary, LOG_SAMPLE).await)?;
        comparison.some(&sample, Against::Log).await
    }
}
