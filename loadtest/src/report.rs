//! An outcome as a line of a table, as JSON, and as a page.

mod page;

pub(crate) use page::page;

use crate::drive::Outcome;
use crate::headline::Mode;
use crate::scenario::{Scenario, Setting};
use crate::traffic::Stale;
use serde_json::{Value, json};

/// A scenario that was run.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) scenario: Scenario,
    pub(crate) setting: Setting,
    pub(crate) mode: Mode,
    pub(crate) outcome: Outcome,
}

/// The table's head.
pub(crate) const HEAD: &str = "| scenario | offered/s | achieved/s | requests | errors | stale | p50 ms | p90 ms | p99 ms | p99.9 ms | max ms |
|---|---|---|---|---|---|---|---|---|---|---|";

/// What is told of latencies.
const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];

impl Measured {
    /// Its name, and how it was run where that is not as usual.
    pub(crate) fn name(&self) -> String {
        let asynchronously = if self.setting.asynchronously { ", respond-async" } else { "" };
        let mode = self.mode.name().map(|name| format!(", {name}")).unwrap_or_default();
        format!("{}{asynchronously}{mode}", self.scenario.name())
    }

    /// Answers that were older than they may be, with a token and without.
    pub(crate) fn stale(&self) -> u64 {
        self.outcome.stale(Stale::Token) + self.outcome.stale(Stale::NoToken)
    }

    /// Its line of the table; and another of its reads, where these are not all.
    pub(crate) fn lines(&self) -> String {
        let outcome = &self.outcome;
        let ms = PERCENTILES.map(|percentile| format!("{:.2}", outcome.ms(percentile)));
        let all = [
            self.name(),
            self.setting.rate.map_or("closed loop".to_owned(), |rate| format!("{rate:.0}")),
            format!("{:.0}", outcome.rate()),
            outcome.requests().to_string(),
            outcome.errors().to_string(),
            self.stale().to_string(),
            ms.join(" | "),
        ];
        let mut lines = format!("| {} |", all.join(" | "));
        if self.reads_are_a_part() {
            let ms = PERCENTILES.map(|percentile| format!("{:.2}", outcome.reads_ms(percentile)));
            lines += &format!(
                "\n| {}: reads | – | – | {} | – | – | {} |",
                self.name(),
                outcome.reads(),
                ms.join(" | ")
            );
        }
        lines
    }

    /// Whether there were writes beside reads: these wait until they show, and reads do not.
    pub(crate) fn reads_are_a_part(&self) -> bool {
        self.scenario == Scenario::Mixed
    }

    /// All of it, for programs. Latencies are in milliseconds.
    pub(crate) fn json(&self) -> Value {
        let outcome = &self.outcome;
        let mut json = json!({
            "scenario": self.scenario.name(),
            "respond_async": self.setting.asynchronously,
            "mode": self.mode.name().unwrap_or("as shipped"),
            "connections": self.setting.connections,
            "seconds": outcome.elapsed.as_secs_f64(),
            "offered_rps": self.setting.rate,
            "achieved_rps": outcome.rate(),
            "requests": outcome.requests(),
            "errors": outcome.errors(),
            "errors_by_kind": outcome.errors_by_kind(),
            "p50_ms": outcome.ms(50.0),
            "p90_ms": outcome.ms(90.0),
            "p99_ms": outcome.ms(99.0),
            "p999_ms": outcome.ms(99.9),
            "max_ms": outcome.ms(100.0),
            "stale": self.stale(),
            "stale_with_token": outcome.stale(Stale::Token),
        });
        if self.reads_are_a_part() {
            let [p50, p90, p99, p999, max] = PERCENTILES.map(|percentile| outcome.reads_ms(percentile));
            json["reads"] = json!({
                "requests": outcome.reads(),
                "p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "p999_ms": p999, "max_ms": max,
            });
        }
        json
    }
}
