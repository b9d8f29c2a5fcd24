//! Requests over a number of connections for a time: at a constant rate, or each after the answer to the one before.
//!
//! At a constant rate every request has a time at which it is due. It waits for a free connection if need be, and its
//! latency counts from when it was due: a stall of the server counts for all whom it would have kept waiting, not for
//! one.

mod connection;
mod outcome;

pub(crate) use connection::Connection;
pub(crate) use outcome::{Counts, Outcome, Second};

use crate::traffic::Traffic;
use anyhow::{Context as _, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How often what came so far is shown.
const SHOWN_EVERY: Duration = Duration::from_secs(1);
/// Shortest sleep of whoever hands out what is due. At high rates a few requests are handed out at a time, as late as that at
/// most, which counts: to wake somebody for each would take a core from what is measured.
const REST: Duration = Duration::from_micros(250);
/// Longest sleep of whoever hands out what is due; bounds how late the end is noticed.
const NAP: Duration = Duration::from_millis(20);

/// What is to be driven.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) front: SocketAddr,
    pub(crate) connections: usize,
    /// Requests a second; none for each after the answer to the one before.
    pub(crate) rate: Option<f64>,
    pub(crate) time: Duration,
    /// Longest time after that for requests that are still due.
    pub(crate) grace: Duration,
    /// Whether to show each second on stderr.
    pub(crate) shown: bool,
}

/// A run at work.
#[derive(Debug)]
struct Run {
    plan: Plan,
    traffic: Traffic,
    began: Instant,
    /// Requests that are due and not sent yet.
    due: Semaphore,
    /// Number of the next of them.
    next: AtomicU64,
}

impl Run {
    /// Waits until a request may be sent, and says when it was due; none at the end.
    async fn due(&self) -> Option<Instant> {
        let Some(rate) = self.plan.rate else {
            return (self.began.elapsed() < self.plan.time).then(Instant::now);
        };
        self.due.acquire().await.ok()?.forget();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Some(self.began + at(number, rate))
    }

    /// Hands out what is due, until the end. Returns how many were due.
    #[expect(
        clippy::disallowed_methods,
        reason = "what is due comes by the clock, and the end has a deadline"
    )]
    fn hand_out(&self, rate: f64) -> u64 {
        let mut handed = 0;
        loop {
            let now = self.began.elapsed();
            let until = now.min(self.plan.time);
            let mut more = 0;
            while at(handed, rate) <= until && at(handed, rate) < self.plan.time {
                (handed, more) = (handed + 1, more + 1);
            }
            self.due.add_permits(more);
            if now >= self.plan.time {
                break;
            }
            thread::sleep(at(handed, rate).saturating_sub(now).clamp(REST, NAP));
        }
        let ended = Instant::now();
        while self.next.load(Ordering::Relaxed) < handed && ended.elapsed() < self.plan.grace {
            thread::sleep(NAP);
        }
        self.due.close();
        handed
    }
}

/// When a request is due, after the beginning.
fn at(number: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / rate)
}

/// Drives traffic as planned, and returns what came of it.
#[expect(clippy::disallowed_methods, reason = "each second is looked at by the clock")]
pub(crate) fn drive(plan: Plan, traffic: Traffic) -> Result<Outcome> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(plan.connections.max(1));
    let began = Instant::now();
    let run = Arc::new(Run { plan, traffic, began, due: Semaphore::new(0), next: AtomicU64::new(0) });
    let counts: Vec<Arc<Mutex<Counts>>> = (0..threads).map(|_| Arc::default()).collect();
    let mut working = Vec::new();
    for (thread, counts) in counts.iter().enumerate() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (run, counts) = (run.clone(), counts.clone());
        let connections = plan.connections / threads + usize::from(thread < plan.connections % threads);
        working.push(thread::spawn(move || {
            runtime.block_on(async {
                let mut all = JoinSet::new();
                for number in 0..connections {
                    let seed = (thread << 32 | number) as u64;
                    all.spawn(connection::work(run.clone(), counts.clone(), seed));
                }
                all.join_all().await;
            });
            Instant::now()
        }));
    }
    let handing = plan.rate.map(|rate| {
        let run = run.clone();
        thread::spawn(move || run.hand_out(rate))
    });
    let mut outcome = Outcome::default();
    let mut shown = SHOWN_EVERY;
    while working.iter().any(|thread| !thread.is_finished()) {
        thread::sleep(NAP);
        if began.elapsed() >= shown && shown <= plan.time {
            outcome.add(shown, SHOWN_EVERY, &taken(&counts)?, plan.shown);
            shown += SHOWN_EVERY;
        }
    }
    let mut ended = began;
    for thread in working {
        ended = ended.max(thread.join().ok().context("a thread of the generator panicked")?);
    }
    let rest = taken(&counts)?;
    outcome.add(shown, began.elapsed().saturating_sub(shown - SHOWN_EVERY), &rest, false);
    // At a constant rate the last answer may come before the time is over.
    outcome.elapsed = ended.duration_since(began).max(plan.time);
    if let Some(handing) = handing {
        let handed = handing.join().ok().context("the thread that hands out panicked")?;
        outcome.never_sent(handed - run.next.load(Ordering::Relaxed).min(handed));
    }
    Ok(outcome)
}

/// What came since the last time.
fn taken(counts: &[Arc<Mutex<Counts>>]) -> Result<Counts> {
    let mut all = Counts::default();
    for counts in counts {
        all.add(&std::mem::take(&mut *counts.lock().unwrap_or_else(PoisonError::into_inner)))?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::{Ids, Pages, Reads};
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// A server of one connection that stalls once, after so many answers.
    #[expect(clippy::disallowed_methods, reason = "the stall is what is tested")]
    fn server(stall_after: usize, stall: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = [0; 4096];
            for answered in 0.. {
                if answered == stall_after {
                    thread::sleep(stall);
                }
                let Ok(1..) = stream.read(&mut bytes) else { return };
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
            }
        });
        address
    }

    fn plan(front: SocketAddr, rate: Option<f64>) -> Plan {
        let (time, grace) = (Duration::from_secs(1), Duration::from_millis(200));
        Plan { front, connections: 1, rate, time, grace, shown: false }
    }

    fn metas() -> Traffic {
        Traffic::Reads(Reads { ids: Ids::Uniform(100), pages: Pages::Meta })
    }

    #[test]
    fn at_a_constant_rate_a_stall_counts_for_all_whom_it_kept_waiting() {
        let stall = Duration::from_millis(300);
        let outcome = drive(plan(server(200, stall), Some(500.0)), metas()).unwrap();
        assert_eq!((outcome.requests(), outcome.errors()), (500, 0));
        // Those due within the stall waited for 150 ms on average: a third of all waited longer than 50.
        assert!(outcome.ms(75.0) > 50.0, "{}", outcome.ms(75.0));
        assert!(outcome.ms(100.0) >= 250.0, "{}", outcome.ms(100.0));
    }

    #[test]
    fn one_after_another_a_stall_counts_once() {
        let stall = Duration::from_millis(300);
        let outcome = drive(plan(server(20, stall), None), metas()).unwrap();
        assert!(outcome.requests() > 20 && outcome.errors() == 0, "{outcome:?}");
        assert!(outcome.ms(90.0) < 250.0 && outcome.ms(100.0) >= 250.0, "{outcome:?}");
    }

    #[test]
    fn what_is_refused_and_what_is_never_sent_is_counted() {
        // Nobody listens there any more.
        let front = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let outcome = drive(plan(front, Some(50.0)), metas()).unwrap();
        assert_eq!((outcome.requests(), outcome.errors()), (50, 50));
        assert_eq!(outcome.errors_by_kind().keys().collect::<Vec<_>>(), ["not connected"]);
        // It stalls for longer than there is time.
        let outcome = drive(plan(server(10, Duration::from_secs(2)), Some(50.0)), metas()).unwrap();
        assert_eq!(outcome.requests(), 50);
        assert!(outcome.errors_by_kind()["never sent"] >= 38, "{outcome:?}");
    }
}
