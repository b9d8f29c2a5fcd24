//! How long commands take to commit, measured here and told in the primary, where a work that can
//! wait reads whether it is in the way of shoppers.

use primary::CommandLatency;
use service::{Shutdown, log_chain};
use sqlx::PgPool;
use std::array;
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, interval};
use uuid::Uuid;

/// Width of the slices that the window moves by, and how often it is told while commands come.
const SLICE: Duration = Duration::from_secs(1);
/// Slices of the window: what is told is of the last seconds.
const WINDOW_SLICES: usize = 5;
/// How often it is told that no commands come: readers take five seconds of silence for absence.
const IDLE_INTERVAL: Duration = Duration::from_secs(3);
/// How often services that are gone are looked for.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);
/// Longest wait for the row to go when the service stops.
const RETIRE_TIMEOUT: Duration = Duration::from_secs(1);

/// Buckets for each doubling of a time: a bucket is at most an eighth wide of what is in it.
const DOUBLING_BUCKETS: usize = 8;
/// Times from 2^25 microseconds (half a minute) on share the last bucket: no request takes so long.
const DOUBLINGS: usize = 22;
const BUCKETS: usize = (DOUBLINGS + 1) * DOUBLING_BUCKETS;

/// Measures commands. Clones count into one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latency(Arc<Slice>);

/// What was measured since the slice was last taken. Two additions for each command, and no lock.
#[derive(Debug)]
struct Slice {
    buckets: [AtomicU32; BUCKETS],
    max_us: AtomicU64,
}

impl Default for Slice {
    fn default() -> Self {
        Slice { buckets: array::from_fn(|_| AtomicU32::new(0)), max_us: AtomicU64::new(0) }
    }
}

impl Latency {
    /// Carries out the statement of a command, with its wait for a connection and its repetitions, and
    /// notes how long it took: failed and given up ones too, which took at least that long.
    pub(crate) async fn measure<T>(&self, statement: impl Future<Output = T>) -> T {
        let _noted = Running { slice: &self.0, begun: Instant::now() };
        statement.await
    }
}

struct Running<'a> {
    slice: &'a Slice,
    begun: Instant,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.slice.note(self.begun.elapsed());
    }
}

impl Slice {
    fn note(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.max_us.fetch_max(us, Ordering::Relaxed);
        self.buckets[bucket_of(us)].fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) -> Taken {
        Taken {
            buckets: array::from_fn(|n| self.buckets[n].swap(0, Ordering::Relaxed)),
            max_us: self.max_us.swap(0, Ordering::Relaxed),
        }
    }
}

/// A slice that is over.
struct Taken {
    buckets: [u32; BUCKETS],
    max_us: u64,
}

/// The bucket of a time: exact below eight microseconds, then by its first four binary digits.
fn bucket_of(us: u64) -> usize {
    let doublings = (us.max(1).ilog2() as usize).saturating_sub(DOUBLING_BUCKETS.ilog2() as usize);
    let within = usize::try_from(us >> doublings).unwrap_or(usize::MAX);
    (doublings * DOUBLING_BUCKETS).saturating_add(within).min(BUCKETS - 1)
}

/// The longest time of a bucket, the last one aside.
fn longest_us(bucket: usize) -> u64 {
    let doublings = (bucket / DOUBLING_BUCKETS).saturating_sub(1);
    let within = bucket - doublings * DOUBLING_BUCKETS;
    ((within as u64 + 1) << doublings) - 1
}

/// What the slices of a window come to.
fn summary<'a>(window: impl Iterator<Item = &'a Taken>) -> CommandLatency {
    let mut buckets = [0_u64; BUCKETS];
    let mut max_us = 0;
    for taken in window {
        max_us = max_us.max(taken.max_us);
        for (sum, count) in buckets.iter_mut().zip(taken.buckets) {
            *sum += u64::from(count);
        }
    }
    let commands: u64 = buckets.iter().sum();
    // A bucket's longest time may be longer than any that was measured.
    let of_hundred = |share: u64| {
        let mut left = (commands * share).div_ceil(100);
        let bucket = buckets.iter().position(|count| {
            left = left.saturating_sub(*count);
            left == 0
        });
        let us = bucket.filter(|_| commands > 0).map_or(0, longest_us);
        Duration::from_micros(us.min(max_us))
    };
    CommandLatency {
        commands: u32::try_from(commands).unwrap_or(u32::MAX),
        p50: of_hundred(50),
        p99: of_hundred(99),
        max: Duration::from_micros(max_us),
    }
}

/// Tells of it until told to stop. A primary that is away is told later.
pub(crate) async fn run(primary: PgPool, latency: Latency, shutdown: Shutdown) -> anyhow::Result<()> {
    let writer = Uuid::now_v7();
    let mut window = VecDeque::with_capacity(WINDOW_SLICES);
    let (mut told, mut forgotten) = (None, None);
    let mut works = true;
    let mut slices = interval(SLICE);
    slices.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.unless_stopped(slices.tick()).await.is_some() {
        window.truncate(WINDOW_SLICES - 1);
        window.push_front(latency.0.take());
        let now = summary(window.iter());
        if !is_due(told, &now) && works {
            continue;
        }
        let tell = async {
            primary::publish_write_latency(&primary, writer, &now).await?;
            if is_over(forgotten, FORGET_INTERVAL) {
                primary::forget_writers(&primary, None).await?;
                forgotten = Some(Instant::now());
            }
            Ok::<_, sqlx::Error>(())
        };
        match shutdown.unless_stopped(tell).await {
            Some(Ok(())) => {
                told = Some((Instant::now(), now.commands));
                works = true;
            }
            Some(Err(error)) => {
                // Said once: the other parts of the service say the same.
                if works {
                    tracing::warn!(cause = log_chain(&error), "the latency of commands could not be told");
                }
                works = false;
            }
            None => break,
        }
    }
    let _ = tokio::time::timeout(RETIRE_TIMEOUT, primary::forget_writers(&primary, Some(writer))).await;
    Ok(())
}

/// Whether there is something to tell: commands, or that they have ceased, or that it is still so.
fn is_due(told: Option<(Instant, u32)>, now: &CommandLatency) -> bool {
    now.commands > 0
        || told.is_none_or(|(_, commands)| commands > 0)
        || is_over(told.map(|(at, _)| at), IDLE_INTERVAL)
}

fn is_over(since: Option<Instant>, interval: Duration) -> bool {
    since.is_none_or(|at| at.elapsed() >= interval)
}

#[cfg(test)]
mod tests;
