//! An outcome as a line of a table, as JSON, and as a page.

mod page;

pub(crate) use page::page;

use crate::drive::Outcome;
use crate::scenario::{Scenario, Setting};
use crate::traffic::Stale;
use serde_json::{Value, json};

/// A scenario that was run.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) scenario: Scenario,
    pub(crate) setting: Setting,
    /// With NGINX's micro-cache of hot metas.
    pub(crate) micro_cache: bool,
    pub(crate) outcome: Outcome,
}

/// The table's head.
pub(crate) const HEAD: &str = "| scenario | offered/s | achieved/s | requests | errors | stale | p50 ms | p90 ms | p99 ms | p99.9 ms | max ms |
|---|---|---|---|---|---|---|---|---|---|---|";

impl Measured {
    /// Its name, and how it was run where that is not as usual.
    pub(crate) fn name(&self) -> String {
        let asynchronously = if self.setting.asynchronously { ", respond-async" } else { "" };
        let micro_cache = if self.micro_cache { ", micro-cache" } else { "" };
        format!("{}{asynchronously}{micro_cache}", self.scenario.name())
    }

    /// Answers that were older than they may be, with a token and without.
    pub(crate) fn stale(&self) -> u64 {
        self.outcome.stale(Stale::Token) + self.outcome.stale(Stale::NoToken)
    }

    /// A line of the table.
    pub(crate) fn line(&self) -> String {
        let ms = |percentile| format!("{:.2}", self.outcome.ms(percentile));
        let cells = [
            self.name(),
            self.setting.rate.map_or("closed loop".to_owned(), |rate| format!("{rate:.0}")),
            format!("{:.0}", self.outcome.rate()),
            self.outcome.requests().to_string(),
            self.outcome.errors().to_string(),
            self.stale().to_string(),
            ms(50.0),
            ms(90.0),
            ms(99.0),
            ms(99.9),
            ms(100.0),
        ];
        format!("| {} |", cells.join(" | "))
    }

    /// All of it, for programs. Latencies are in milliseconds.
    pub(crate) fn json(&self) -> Value {
        let outcome = &self.outcome;
        json!({
            "scenario": self.scenario.name(),
            "respond_async": self.setting.asynchronously,
            "micro_cache": self.micro_cache,
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
        })
    }
}
