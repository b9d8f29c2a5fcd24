//! `loadtest headline`: the load tests of the article that the project descends from, what bounds them, and writes, in
//! one go on a stack of its own with imported data.

mod steps;

pub(crate) use steps::Mode;

use crate::files;
use crate::report::{self, HEAD, Measured};
use crate::scenario::{Scenario, Setting};
use crate::stack::{Memory, Stack};
use crate::turns::{import, in_pairs, median, pass};
use anyhow::Result;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use steps::{META_CACHE_DIR, STEPS, Step};

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

/// Measures, and prints tables.
pub(crate) async fn run(args: &HeadlineArgs) -> Result<()> {
    files::writable([&args.json, &args.html])?;
    // Before the stack, so that NGINX has ended when it goes.
    let _metas = RemovedAtLast(META_CACHE_DIR);
    let stack = Stack::up(&args.data, args.port)?;
    import(&stack, args.products, args.reviews).await?;
    stack.caught_up().await?;
    let mut all: Vec<Compared> = Vec::new();
    println!("{HEAD}");
    let (mut mode, mut memory) = (Mode::AsShipped, Vec::new());
    for step in STEPS {
        if step.mode != mode {
            if mode == Mode::AsShipped {
                memory = stack.memory()?;
            }
            change(&stack, mode, step.mode)?;
            mode = step.mode;
        }
        let setting = Setting {
            front: SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)),
            data: args.data.clone(),
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
            Some(ceiling) => in_pairs((step.scenario, &setting), (ceiling, &setting)).await?,
            None => (step.scenario.run(&setting).await?, Vec::new()),
        };
        let measured = Measured { scenario: step.scenario, setting, mode: step.mode, outcome };
        println!("{}", measured.lines());
        for (kind, count) in measured.outcome.errors_by_kind() {
            eprintln!("{}: {count} errors: {kind}", measured.name());
        }
        all.push(Compared { measured, step, ratios });
    }
    println!("\n| scenario | ours | of its ceiling | others |\n|---|---|---|---|");
    for compared in &all {
        println!("{}", compared.line());
    }
    println!("\n| service, after all that is measured as shipped | MiB | at most |\n|---|---|---|");
    for Memory { service, now_mib, peak_mib } in &memory {
        println!("| {service} | {now_mib:.0} | {peak_mib:.0} |");
    }
    if let Some(path) = &args.json {
        let results: Vec<Value> = all.iter().map(Compared::json).collect();
        let memory: Vec<Value> = memory.iter().map(Memory::json).collect();
        let json = json!({
            "products": args.products, "reviews": args.reviews, "results": results, "memory": memory,
        });
        files::write(path, &format!("{json:#}\n"))?;
    }
    if let Some(path) = &args.html {
        files::write(
            path,
            &report::page(&all.into_iter().map(|compared| compared.measured).collect::<Vec<_>>())?,
        )?;
    }
    Ok(())
}

/// A directory that does not outlast the run, however it ends.
struct RemovedAtLast(&'static str);

impl Drop for RemovedAtLast {
    fn drop(&mut self) {
        // It is only there if NGINX was told to keep metas.
        let _ = std::fs::remove_dir_all(self.0);
    }
}

/// Sets the stack otherwise than it is set.
fn change(stack: &Stack, from: Mode, to: Mode) -> Result<()> {
    if let Some([name, _, otherwise]) = from.setting() {
        stack.set(name, otherwise)?;
    }
    match to.setting() {
        Some([name, value, _]) => stack.set(name, value),
        None => Ok(()),
    }
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
        Some((self.step.ceiling?, median(&self.ratios)?))
    }

    fn line(&self) -> String {
        let outcome = &self.measured.outcome;
        let mut ours = match self.measured.setting.rate {
            None => format!("{:.0}/s", outcome.rate()),
            Some(_) => format!(
                "p50 {:.2}, p99 {:.2}, p99.9 {:.2} ms",
                outcome.ms(50.0),
                outcome.ms(99.0),
                outcome.ms(99.9)
            ),
        };
        if self.measured.reads_are_a_part() {
            ours += &format!(
                "; its reads: p50 {:.2}, p99 {:.2} ms",
                outcome.reads_ms(50.0),
                outcome.reads_ms(99.0)
            );
        }
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
