//! Live traffic beside a replay: writes at a constant rate, and metas read all the time.

use anyhow::Result;
use reqwest::Client;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// From when a replay pauses or goes on until writes are as they are with it.
const SETTLED_AFTER: Duration = Duration::from_secs(1);
/// Products that are written to.
pub(crate) const PRODUCTS: i64 = 100_000;
/// Readers, and the products that they read.
const READERS: u64 = 1;

/// Latencies of writes, from when each was due.
type Latencies = Vec<Duration>;

/// Windows of traffic alike, each with its latencies, sorted.
#[derive(Debug, Default)]
pub(crate) struct Windows(Vec<Latencies>);

impl Windows {
    pub(crate) fn add(&mut self, mut window: Latencies) {
        window.sort_unstable();
        self.0.push(window);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn p50_ms(&self) -> f64 {
        self.at(50)
    }

    pub(crate) fn p99_ms(&self) -> f64 {
        self.at(99)
    }

    pub(crate) fn last_p99_ms(&self) -> f64 {
        self.0.last().map_or(0.0, |window| nth(window, 99).as_secs_f64() * 1000.0)
    }

    /// The median of the windows, since a stall of the whole machine makes all of one slow.
    fn at(&self, percent: usize) -> f64 {
        let mut each: Vec<Duration> = self.0.iter().map(|window| nth(window, percent)).collect();
        each.sort_unstable();
        nth(&each, 50).as_secs_f64() * 1000.0
    }
}

/// The value that so many of a hundred are at most.
fn nth(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

/// Writes at a constant rate, whether the answers come or not.
#[derive(Debug)]
pub(crate) struct Writes {
    latencies: Arc<Mutex<Latencies>>,
    ended: Arc<AtomicBool>,
    writing: JoinHandle<()>,
}

impl Writes {
    pub(crate) fn start(front: &str, per_second: u32) -> Self {
        let (latencies, ended) =
            (Arc::new(Mutex::new(Latencies::default())), Arc::new(AtomicBool::new(false)));
        let writing = tokio::spawn(write(front.to_owned(), per_second, latencies.clone(), ended.clone()));
        Writes { latencies, ended, writing }
    }

    /// What comes within a time, which begins when what was before it has settled.
    pub(crate) async fn measure(&self, window: Duration) -> Latencies {
        tokio::time::sleep(SETTLED_AFTER).await;
        self.take();
        tokio::time::sleep(window).await;
        self.take()
    }

    fn take(&self) -> Latencies {
        std::mem::take(&mut self.latencies.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) async fn stop(self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.writing.await;
    }
}

async fn write(front: String, per_second: u32, latencies: Arc<Mutex<Latencies>>, ended: Arc<AtomicBool>) {
    let client = client();
    let began = Instant::now();
    let mut answers = tokio::task::JoinSet::new();
    for n in 0_u64.. {
        let due = began + Duration::from_secs_f64(n as f64 / f64::from(per_second));
        tokio::time::sleep_until(due.into()).await;
        if ended.load(Ordering::Relaxed) {
            break;
        }
        while answers.try_join_next().is_some() {}
        let product = 1 + (n * 7919) % PRODUCTS.unsigned_abs();
        let body = serde_json::json!({
            "rating": 1 + n % 5, "summary": "A summary", "body": "It is what it says that it is.", "recommend": true,
            "name": "Reviewer", "email": "reviewer@example.com", "photos": [], "characteristics": {},
        });
        let request =
            client.post(format!("{front}/reviews/{product}")).header("Prefer", "respond-async").json(&body);
        let latencies = latencies.clone();
        answers.spawn(async move {
            // One that fails counts as long as it took; the replay must not make any fail.
            let answered = request.send().await.is_ok_and(|answer| answer.status().is_success());
            if !answered {
                eprintln!("a write was not answered well");
            }
            latencies.lock().unwrap_or_else(PoisonError::into_inner).push(due.elapsed());
        });
    }
    while answers.join_next().await.is_some() {}
}

/// What readers saw.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) reads: u64,
    pub(crate) failed: u64,
    /// A product with fewer reviews than before, or sums that do not fit each other.
    pub(crate) wrong: u64,
}

/// Metas read all the time.
#[derive(Debug)]
pub(crate) struct Reads {
    ended: Arc<AtomicBool>,
    reading: Vec<JoinHandle<Seen>>,
}

impl Reads {
    pub(crate) fn start(front: &str) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let reading = (1..=READERS).map(|n| tokio::spawn(read(front.to_owned(), n * 1009, ended.clone())));
        Reads { reading: reading.collect(), ended }
    }

    pub(crate) async fn stop(self) -> Result<Seen> {
        self.ended.store(true, Ordering::Relaxed);
        let mut seen = Seen::default();
        for reading in self.reading {
            let Seen { reads, failed, wrong } = reading.await?;
            seen =
                Seen { reads: seen.reads + reads, failed: seen.failed + failed, wrong: seen.wrong + wrong };
        }
        Ok(seen)
    }
}

async fn read(front: String, product: u64, ended: Arc<AtomicBool>) -> Seen {
    let (client, mut seen, mut before) = (client(), Seen::default(), 0);
    let address = format!("{front}/reviews/meta?product_id={product}");
    while !ended.load(Ordering::Relaxed) {
        seen.reads += 1;
        let answer = async {
            client.get(&address).send().await?.error_for_status()?.json::<serde_json::Value>().await
        };
        let Ok(meta) = answer.await else {
            seen.failed += 1;
            continue;
        };
        let count = |of: &serde_json::Value| -> u64 {
            let values = of.as_object().into_iter().flat_map(serde_json::Map::values);
            values.filter_map(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok())).sum()
        };
        let (rated, recommended) = (count(&meta["ratings"]), count(&meta["recommended"]));
        seen.wrong += u64::from(rated < before || rated != recommended || rated == 0);
        before = rated;
        // A few dozen a second: the writes are what is measured.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    seen
}

fn client() -> Client {
    Client::builder().timeout(ANSWER_TIMEOUT).build().unwrap_or_default()
}
