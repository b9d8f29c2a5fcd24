//! `loadtest headline`: the load tests of the article that the project descends from, what bounds them, and writes, in
//! one go on a stack of its own with imported data.

use crate::drive::{Outcome, Plan, drive};
use crate::report::{self, HEAD, Measured};
use crate::scenario::{Scenario, Setting};
use crate::stack::Stack;
use crate::traffic::{Ids, Pages, Reads, Traffic};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longest time for asking once for every product, and how often is looked whether that is done.
const PASS_LIMIT: Duration = Duration::from_secs(600);
const PASS_PIECE: Duration = Duration::from_secs(1);
/// Pieces of a measurement that is held against a ceiling, each with a piece of the ceiling's right after it: a machine
/// that others use as well changes its speed within minutes, and less within seconds.
const PAIRS: u32 = 7;

/// Arguments of `loadtest headline`.
#[derive(Debug, clap::Args)]
pub(crate) struct HeadlineArgs {
    /// Where the stack is; must not be there
    #[arg(long, value_name = "DIR", default_value = "/tmp/reviews-loadtest")]
    data: PathBuf,
    /// Port of its front door
    #[arg(long, default_value_t = 8099)]
    port: u16,
    /// Products of the data set
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    products: u32,
    /// Reviews of the data set
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    reviews: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Connections
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// Write the results to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with plots to this file, which needs nothing from elsewhere
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Connections for what waits until it shows: as many as wait at a time. With fewer it would be these that bound the rate.
const WAITING_CONNECTIONS: u16 = 256;

/// One measurement of the run.
#[derive(Debug, Clone, Copy)]
struct Step {
    scenario: Scenario,
    rate: Option<f64>,
    asynchronously: bool,
    /// Pages that were asked for of every product once, just before.
    after_pass: Option<Pages>,
    /// What it is held against.
    ceiling: Option<Scenario>,
    /// With NGINX's micro-cache of hot metas.
    micro_cache: bool,
    /// What others said or showed of the same, as text.
    others: &'static str,
}

impl Step {
    fn connections(&self, usual: u16) -> u16 {
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
        micro_cache: false,
        others,
    }
}

const fn after_pass(pages: Pages, step: Step) -> Step {
    Step { after_pass: Some(pages), ..step }
}

const fn micro_cached(step: Step) -> Step {
    Step { micro_cache: true, ..step }
}

const fn as_soon_as_stored(step: Step) -> Step {
    Step { asynchronously: true, ..step }
}

/// The figures of others: of the article, averages over 30 s; of its server and of the strongest other public one,
/// measured on two cores with the generator beside them, as here.
const STEPS: [Step; 16] = [
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
    as_soon_as_stored(most(Scenario::Post, None, "")),
    as_soon_as_stored(at(Scenario::Post, 1000.0, "")),
    at(Scenario::Post, 1000.0, ""),
    at(Scenario::Mixed, 10_000.0, ""),
    micro_cached(most(Scenario::HotMeta, Some(Scenario::CeilingLiteral), "")),
    micro_cached(after_pass(Pages::Meta, most(Scenario::RandomMeta, Some(Scenario::CeilingStatic), ""))),
];
/// Where NGINX keeps hot metas, when it is to: on a memory file system.
const META_CACHE_DIR: &str = "/dev/shm/reviews-loadtest-metas";

/// Measures, and prints tables.
pub(crate) async fn run(args: &HeadlineArgs) -> Result<()> {
    let stack = Stack::up(&args.data, args.port)?;
    import(&stack, args).await?;
    let mut all: Vec<Compared> = Vec::new();
    println!("{HEAD}");
    let mut micro_cache = false;
    for step in STEPS {
        if step.micro_cache != micro_cache {
            micro_cache = step.micro_cache;
            stack.set("META_CACHE_DIR", if micro_cache { META_CACHE_DIR } else { "" })?;
        }
        let setting = Setting {
            front: SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)),
            products: args.products.into(),
            connections: step.connections(args.connections).into(),
            rate: step.rate,
            time: Duration::from_secs(args.seconds.into()),
            asynchronously: step.asynchronously,
            shown: false,
        };
        if let Some(pages) = step.after_pass {
            pass(&setting, pages).await?;
        }
        let (outcome, ratios) = match step.ceiling {
            Some(ceiling) => in_pairs(step.scenario, ceiling, &setting).await?,
            None => (step.scenario.run(&setting).await?, Vec::new()),
        };
        let measured = Measured { scenario: step.scenario, setting, micro_cache: step.micro_cache, outcome };
        println!("{}", measured.line());
        for (kind, count) in measured.outcome.errors_by_kind() {
            eprintln!("{}: {count} errors: {kind}", measured.name());
        }
        all.push(Compared { measured, step, ratios });
    }
    if micro_cache {
        stack.set("META_CACHE_DIR", "")?;
        std::fs::remove_dir_all(META_CACHE_DIR)?;
    }
    println!("\n| scenario | ours | of its ceiling | others |\n|---|---|---|---|");
    for compared in &all {
        println!("{}", compared.line());
    }
    if let Some(path) = &args.json {
        let results: Vec<Value> = all.iter().map(Compared::json).collect();
        let json = json!({ "products": args.products, "reviews": args.reviews, "results": results });
        write(path, &format!("{json:#}\n"))?;
    }
    if let Some(path) = &args.html {
        write(path, &report::page(&all.into_iter().map(|compared| compared.measured).collect::<Vec<_>>())?)?;
    }
    Ok(())
}

/// Measures in turns with the ceiling. Returns what came of the scenario, and its rate in times of the ceiling's, pair by
/// pair in ascending order.
async fn in_pairs(scenario: Scenario, ceiling: Scenario, setting: &Setting) -> Result<(Outcome, Vec<f64>)> {
    let setting = Setting { time: (setting.time / PAIRS).max(Duration::from_secs(1)), ..setting.clone() };
    let (mut all, mut ratios) = (Outcome::default(), Vec::new());
    for _ in 0..PAIRS {
        let outcome = scenario.run(&setting).await?;
        let most = ceiling.run(&setting).await?;
        all.append(&outcome)?;
        ratios.push(outcome.rate() / most.rate());
    }
    ratios.sort_by(f64::total_cmp);
    Ok((all, ratios))
}

/// Asks for a page of every product, so that readers that keep answers have what they can hold.
async fn pass(setting: &Setting, pages: Pages) -> Result<()> {
    let (picked, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    while picked.load(Ordering::Relaxed) < setting.products {
        ensure!(began.elapsed() < PASS_LIMIT, "asking once for every product took more than {PASS_LIMIT:?}");
        let traffic = Traffic::Reads(Reads { ids: Ids::InTurn(picked.clone(), setting.products), pages });
        let plan = Plan {
            front: setting.front,
            connections: setting.connections,
            rate: None,
            time: PASS_PIECE,
            grace: Duration::ZERO,
            shown: false,
        };
        tokio::task::spawn_blocking(move || drive(plan, traffic)).await??;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Imports a data set, as an operator would.
async fn import(stack: &Stack, args: &HeadlineArgs) -> Result<()> {
    let files = args.data.join("data-set");
    let dir = files.display().to_string();
    let (products, reviews) = (args.products.to_string(), args.reviews.to_string());
    stack
        .reviewsctl(&["generate", &dir, "--products", &products, "--reviews", &reviews, "--seed", "1"])
        .await?;
    stack.reviewsctl(&["import", &dir]).await?;
    std::fs::remove_dir_all(&files)?;
    stack.caught_up().await
}

/// A measurement beside what it is held against.
#[derive(Debug)]
struct Compared {
    measured: Measured,
    step: Step,
    /// Its rate in times of the ceiling's, ascending.
    ratios: Vec<f64>,
}

impl Compared {
    /// The ceiling, and the median of the ratios to it.
    fn of_ceiling(&self) -> Option<(Scenario, f64)> {
        Some((self.step.ceiling?, *self.ratios.get(self.ratios.len() / 2)?))
    }

    fn line(&self) -> String {
        let outcome = &self.measured.outcome;
        let ours = match self.measured.setting.rate {
            None => format!("{:.0}/s", outcome.rate()),
            Some(_) => format!(
                "p50 {:.2}, p99 {:.2}, p99.9 {:.2} ms",
                outcome.ms(50.0),
                outcome.ms(99.0),
                outcome.ms(99.9)
            ),
        };
        let rate = self.measured.setting.rate.map(|rate| format!(" at {rate:.0}/s")).unwrap_or_default();
        let ceiling = self.of_ceiling().map(|(scenario, ratio)| format!("{ratio:.2} of {}", scenario.name()));
        format!(
            "| {}{rate} | {ours} | {} | {} |",
            self.measured.name(),
            ceiling.unwrap_or_default(),
            self.step.others
        )
    }

    fn json(&self) -> Value {
        let mut json = self.measured.json();
        if let Some((scenario, ratio)) = self.of_ceiling() {
            json["ceiling"] = scenario.name().into();
            json["ratio"] = ratio.into();
            json["ratios"] = self.ratios.clone().into();
        }
        json
    }
}
