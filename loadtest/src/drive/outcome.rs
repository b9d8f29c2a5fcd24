//! What came of a run: latencies, errors by kind, answers that were older than they may be.

use crate::traffic::Stale;
use anyhow::Result;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest latency that is told apart, in microseconds; what took longer counts as this.
const LATENCY_MAX_US: u64 = 60_000_000;
/// Digits of a latency that are kept.
const DIGITS: u8 = 3;

/// What came since the last look.
#[derive(Debug)]
pub(crate) struct Counts {
    latencies: Histogram<u64>,
    /// Of them, those of reads.
    reads: Histogram<u64>,
    errors: BTreeMap<String, u64>,
    stale: BTreeMap<Stale, u64>,
}

impl Default for Counts {
    fn default() -> Self {
        let latencies = Histogram::new_with_max(LATENCY_MAX_US, DIGITS);
        let latencies = latencies.unwrap_or_else(|_| unreachable!("the bounds are good"));
        Counts { reads: latencies.clone(), latencies, errors: BTreeMap::new(), stale: BTreeMap::new() }
    }
}

impl Counts {
    /// Takes note of an answer to a read.
    pub(super) fn record_read(&mut self, latency: Duration, found: Result<Option<Stale>, String>) {
        self.reads.saturating_record(us(latency));
        self.record(latency, found);
    }

    pub(crate) fn record(&mut self, latency: Duration, found: Result<Option<Stale>, String>) {
        self.latencies.saturating_record(us(latency));
        match found {
            Ok(None) => {}
            Ok(Some(stale)) => *self.stale.entry(stale).or_default() += 1,
            Err(kind) => *self.errors.entry(kind).or_default() += 1,
        }
    }

    pub(super) fn add(&mut self, other: &Counts) -> Result<()> {
        self.latencies.add(&other.latencies)?;
        self.reads.add(&other.reads)?;
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
        for (stale, count) in &other.stale {
            *self.stale.entry(*stale).or_default() += count;
        }
        Ok(())
    }

    fn errors(&self) -> u64 {
        self.errors.values().sum()
    }
}

fn us(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(LATENCY_MAX_US)
}

/// One second of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Second {
    /// Answers within it.
    pub(crate) answers: u64,
    pub(crate) errors: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    all: Counts,
    pub(crate) elapsed: Duration,
    pub(crate) seconds: Vec<Second>,
    /// Good answers a second of what was driven beside, where that is what was offered.
    beside: Option<f64>,
}

impl Outcome {
    /// Of what was counted within a time.
    pub(crate) fn of(counts: &Counts, elapsed: Duration) -> Result<Self> {
        let mut outcome = Outcome { elapsed, ..Outcome::default() };
        outcome.all.add(counts)?;
        Ok(outcome)
    }

    /// Takes over the rate, the course, and the errors of what was driven beside this.
    pub(crate) fn achieved_beside(&mut self, beside: Outcome) {
        self.beside = Some(beside.rate());
        for (kind, count) in beside.all.errors {
            *self.all.errors.entry(format!("beside it, {kind}")).or_default() += count;
        }
        self.seconds = beside.seconds;
    }

    /// Adds what came up to a time, within a time.
    pub(super) fn add(&mut self, until: Duration, within: Duration, counts: &Counts, shown: bool) {
        let (answers, errors) = (counts.latencies.len(), counts.errors());
        let (p50_ms, p99_ms) = (ms(&counts.latencies, 50.0), ms(&counts.latencies, 99.0));
        if shown {
            let stale = counts.stale.values().sum::<u64>();
            eprintln!(
                "{:>4} s: {answers} requests/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, {errors} errors, {stale} stale",
                until.as_secs()
            );
        }
        // A piece of a second says nothing about its rate.
        if within >= Duration::from_secs(1) {
            self.seconds.push(Second { answers, errors, p50_ms, p99_ms });
        }
        // Both are made here, with the same bounds.
        let _ = self.all.add(counts);
    }

    /// Adds a run of the same under the same setting.
    pub(crate) fn append(&mut self, other: &Outcome) -> Result<()> {
        self.elapsed += other.elapsed;
        self.seconds.extend_from_slice(&other.seconds);
        self.all.add(&other.all)
    }

    /// Counts requests that were due, and for which no connection was free in time.
    pub(super) fn never_sent(&mut self, count: u64) {
        if count > 0 {
            *self.all.errors.entry("never sent".to_owned()).or_default() += count;
            let _ = self.all.latencies.record_n(LATENCY_MAX_US, count);
        }
    }

    /// Requests, answered or not.
    pub(crate) fn requests(&self) -> u64 {
        self.all.latencies.len()
    }

    /// Good answers a second.
    pub(crate) fn rate(&self) -> f64 {
        let good = self.requests().saturating_sub(self.errors()) as f64;
        self.beside.unwrap_or(good / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE))
    }

    /// Requests that were not answered well.
    pub(crate) fn errors(&self) -> u64 {
        self.all.errors()
    }

    pub(crate) fn errors_by_kind(&self) -> &BTreeMap<String, u64> {
        &self.all.errors
    }

    /// Answers that were older than they may be.
    pub(crate) fn stale(&self, which: Stale) -> u64 {
        self.all.stale.get(&which).copied().unwrap_or(0)
    }

    /// The latency that so many of a hundred requests did not exceed.
    pub(crate) fn ms(&self, percentile: f64) -> f64 {
        ms(&self.all.latencies, percentile)
    }

    /// Reads that were answered, or not in time.
    pub(crate) fn reads(&self) -> u64 {
        self.all.reads.len()
    }

    /// As [`Outcome::ms`], of reads only.
    pub(crate) fn reads_ms(&self, percentile: f64) -> f64 {
        ms(&self.all.reads, percentile)
    }
}

fn ms(latencies: &Histogram<u64>, percentile: f64) -> f64 {
    latencies.value_at_percentile(percentile) as f64 / 1000.0
}
