//! What is measured, in this order.

use crate::scenario::Scenario;
use crate::traffic::Pages;

/// Connections for what waits until it shows: as many as wait at a time. With fewer it would be these that bound the rate.
const WAITING_CONNECTIONS: u16 = 256;
/// Where NGINX keeps hot metas, when it is to: on a memory file system.
pub(super) const META_CACHE_DIR: &str = "/dev/shm/reviews-loadtest-metas";

/// How the stack is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    AsShipped,
    /// NGINX keeps hot metas.
    MicroCache,
    /// Readers keep nothing.
    NoCache,
}

/// One measurement of the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) scenario: Scenario,
    pub(super) rate: Option<f64>,
    pub(super) asynchronously: bool,
    /// Pages that were asked for of every product once, just before.
    pub(super) after_pass: Option<Pages>,
    /// What it is held against.
    pub(super) ceiling: Option<Scenario>,
    pub(super) mode: Mode,
    /// What others said or showed of the same, as text.
    pub(super) others: &'static str,
}

impl Mode {
    /// The setting that makes it, its value, and its value otherwise.
    pub(super) const fn setting(self) -> Option<[&'static str; 3]> {
        match self {
            Mode::AsShipped => None,
            Mode::MicroCache => Some(["META_CACHE_DIR", META_CACHE_DIR, ""]),
            Mode::NoCache => Some(["CACHE_MIB", "0", ""]),
        }
    }

    /// As it is said beside a scenario's name.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Mode::AsShipped => None,
            Mode::MicroCache => Some("micro-cache"),
            Mode::NoCache => Some("no cache"),
        }
    }
}

impl Step {
    pub(super) fn connections(&self, usual: u16) -> u16 {
        let waits = matches!(self.scenario, Scenario::Post | Scenario::Mixed) && !self.asynchronously;
        if waits { usual.max(WAITING_CONNECTIONS) } else { usual }
    }
}

const fn at(scenario: Scenario, rate: f64, others: &'static str) -> Step {
    Step { rate: Some(rate), ..most(scenario, None, others) }
}

const fn most(scenario: Scenario, ceiling: Option<Scenario>, others: &'static str) -> Step {
    Step {
        scenario,
        rate: None,
        asynchronously: false,
        after_pass: None,
        ceiling,
        mode: Mode::AsShipped,
        others,
    }
}

const fn after_pass(pages: Pages, step: Step) -> Step {
    Step { after_pass: Some(pages), ..step }
}

const fn with(mode: Mode, step: Step) -> Step {
    Step { mode, ..step }
}

const fn as_soon_as_stored(step: Step) -> Step {
    Step { asynchronously: true, ..step }
}

/// The figures of others: of the article, averages over 30 s; of its server and of the strongest other public one,
/// measured on two cores with the generator beside them, as here.
pub(super) const STEPS: [Step; 19] = [
    most(Scenario::CeilingLiteral, None, ""),
    most(Scenario::CeilingStatic, None, ""),
    at(
        Scenario::RandomMeta,
        1000.0,
        "article: 5 ms on average; its server here: p50 2.0, p99 21, p99.9 51 ms",
    ),
    at(Scenario::RandomList, 1000.0, "article: 8 ms on average"),
    at(Scenario::HotMeta, 10_000.0, "article: 3 ms on average, from NGINX's cache"),
    at(Scenario::HotList, 10_000.0, "article: 3 ms on average, from NGINX's cache"),
    after_pass(
        Pages::Meta,
        most(
            Scenario::RandomMeta,
            Some(Scenario::CeilingStatic),
            "article's server here: 1,005/s; strongest other: 3,180/s",
        ),
    ),
    after_pass(
        Pages::List,
        most(
            Scenario::RandomList,
            Some(Scenario::CeilingStatic),
            "article's server here: 2,180/s; strongest other: 3,270/s",
        ),
    ),
    most(Scenario::HotMeta, Some(Scenario::CeilingStatic), ""),
    most(Scenario::HotList, Some(Scenario::CeilingStatic), ""),
    as_soon_as_stored(most(Scenario::Post, Some(Scenario::CeilingPost), "")),
    as_soon_as_stored(at(Scenario::Post, 1000.0, "")),
    at(Scenario::Post, 1000.0, ""),
    as_soon_as_stored(at(Scenario::ListDropped, 1000.0, "")),
    at(Scenario::Mixed, 10_000.0, ""),
    with(Mode::MicroCache, most(Scenario::HotMeta, Some(Scenario::CeilingLiteral), "")),
    with(
        Mode::MicroCache,
        after_pass(Pages::Meta, most(Scenario::RandomMeta, Some(Scenario::CeilingStatic), "")),
    ),
    with(Mode::NoCache, most(Scenario::RandomMeta, Some(Scenario::CeilingStatic), "")),
    with(Mode::NoCache, most(Scenario::RandomList, Some(Scenario::CeilingStatic), "")),
];
