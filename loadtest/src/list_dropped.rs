//! How soon after a review is stored no reader shows a list without it: beside reviews that come at a constant rate, one
//! more at a time is posted, and every reader is asked for its product's list until all show it.

use crate::drive::{Connection, Counts, Outcome, Plan, drive};
use crate::scenario::{GRACE, Setting};
use crate::stack::readers;
use crate::traffic::{Pool, Traffic, listed};
use anyhow::Result;
use futures_util::future::try_join_all;
use hyper::body::Bytes;
use hyper::http::response::Parts;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, spawn_blocking};

/// Pause between two looks at a reader, which the timer makes up to two milliseconds; latencies are too long by that and by one look.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Reviews of a page, where nothing else is asked for.
const PAGE: usize = 5;
/// Longest wait until a reader shows a review.
const SHOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Measures it. The outcome's requests are those that were watched; their latencies count from the answer that said that the review
/// is stored, until the last reader showed it.
pub(crate) async fn measure(setting: &Setting) -> Result<Outcome> {
    let readers = readers(&setting.data)?;
    let pool = Arc::new(Pool::read_from(setting.front, setting.products).await?);
    let beside = setting.rate.map(|rate| post_beside(setting, rate, pool.clone()));
    let began = Instant::now();
    let mut counts = Counts::default();
    let mut watch = Watch::new(setting.front, readers, pool);
    while began.elapsed() < setting.time {
        let asked = Instant::now();
        match watch.one().await {
            Ok(latency) => counts.record(latency, Ok(None)),
            Err(kind) => counts.record(asked.elapsed(), Err(kind)),
        }
    }
    let mut outcome = Outcome::of(&counts, began.elapsed())?;
    if let Some(beside) = beside {
        outcome.achieved_beside(beside.await??);
    }
    Ok(outcome)
}

/// Posts reviews at a rate for as long as is measured.
fn post_beside(setting: &Setting, rate: f64, pool: Arc<Pool>) -> JoinHandle<Result<Outcome>> {
    let plan = Plan {
        front: setting.front,
        connections: setting.connections,
        rate: Some(rate),
        time: setting.time,
        grace: GRACE,
        shown: setting.shown,
    };
    spawn_blocking(move || drive(plan, Traffic::Posts { pool, asynchronously: true }))
}

/// One review after another, each looked for at every reader.
#[derive(Debug)]
struct Watch {
    pool: Arc<Pool>,
    random: ChaCha8Rng,
    front: Connection,
    readers: Vec<Connection>,
}

impl Watch {
    fn new(front: SocketAddr, readers: Vec<SocketAddr>, pool: Arc<Pool>) -> Self {
        Watch {
            pool,
            random: ChaCha8Rng::seed_from_u64(u64::MAX),
            front: Connection::to(front),
            readers: readers.into_iter().map(Connection::to).collect(),
        }
    }

    /// Posts a review of a product whose list all readers have in memory, and waits until all of them show it.
    async fn one(&mut self) -> Result<Duration, String> {
        let number = self.random.next_u64();
        self.all_show(number, None).await?;
        let (post, _) = self.pool.post(number, self.random.next_u64(), true);
        let (parts, body) = self.front.exchange(post).await?;
        let review_id =
            json(&parts, &body)?["review_id"].as_i64().ok_or("an answer to a post without its id")?;
        let stored = Instant::now();
        let shown = tokio::time::timeout(SHOWN_TIMEOUT, self.all_show(number, Some(review_id))).await;
        shown.map_err(|_| "not shown in time")?.map(|()| stored.elapsed())
    }

    /// Asks all readers for a product's list until each shows that review, or has a page full of younger ones; or once, for none.
    async fn all_show(&mut self, number: u64, review_id: Option<i64>) -> Result<(), String> {
        let pool = &self.pool;
        let each = self.readers.iter_mut().map(async |reader| {
            loop {
                let (list, _) = pool.read(number, true, false);
                let (parts, body) = reader.exchange(list).await?;
                let list = json(&parts, &body)?;
                if review_id.is_none_or(|review_id| shows(&listed(&list), review_id)) {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        try_join_all(each).await.map(|_| ())
    }
}

/// Whether a page shows a review, which may have been pushed off it by younger ones.
fn shows(page: &[i64], review_id: i64) -> bool {
    page.contains(&review_id) || (page.len() >= PAGE && page.iter().all(|listed| *listed > review_id))
}

/// A good answer's JSON.
fn json(parts: &Parts, body: &Bytes) -> Result<Value, String> {
    if !parts.status.is_success() {
        return Err(format!("status {}", parts.status.as_u16()));
    }
    serde_json::from_slice(body).map_err(|_| "an answer that is no JSON".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_younger_review_alone_does_not_show_an_older_one() {
        assert!(shows(&[7, 5], 5) && !shows(&[7, 4], 5) && !shows(&[], 5));
        assert!(shows(&[11, 10, 9, 8, 7], 5) && !shows(&[11, 10, 9, 8, 4], 5));
    }
}
