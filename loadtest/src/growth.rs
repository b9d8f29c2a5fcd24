//! `loadtest growth`: what ten times the products change. Imports a full data set, fills the readers' memories, and compares what
//! the databases give with those of a stack that has a tenth of it.

use crate::scenario::{Scenario, Setting};
use crate::stack::{Memory, Stack};
use crate::traffic::Pages;
use crate::turns::{import, in_pairs, median, pass};
use anyhow::{Context as _, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How many times the products of the one stack the other has.
const TIMES: u32 = 10;
const CONNECTIONS: usize = 32;

/// Arguments of `loadtest growth`.
#[derive(Debug, clap::Args)]
pub(crate) struct GrowthArgs {
    /// Where the two stacks are; must not be there
    #[arg(long, value_name = "DIR", default_value = "/tmp/reviews-loadtest")]
    data: PathBuf,
    /// Port of the front door of the one, and the next for the other
    #[arg(long, default_value_t = 8099, value_parser = clap::value_parser!(u16).range(1..65535))]
    port: u16,
    /// Products of the larger data set
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(10..))]
    products: u32,
    /// Reviews of the larger data set
    #[arg(long, default_value_t = 5_775_000, value_parser = clap::value_parser!(u32).range(10..))]
    reviews: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
}

/// Measures, and prints a table.
pub(crate) async fn run(args: &GrowthArgs) -> Result<()> {
    std::fs::create_dir(&args.data)
        .with_context(|| format!("cannot make {}: name another by --data", args.data.display()))?;
    let measured = measure(args).await;
    // Empty by now, unless a stack could not be removed, which has said so.
    let _ = std::fs::remove_dir(&args.data);
    measured
}

async fn measure(args: &GrowthArgs) -> Result<()> {
    println!("| what | measured |\n|---|---|");
    let (large, small) = (args.data.join("large"), args.data.join("small"));
    let large = One::import(args, &large, args.port, (args.products, args.reviews)).await?;
    println!(
        "| import of {} products and {} reviews, meta included | {:.0} s, {:.0} MiB |",
        args.products,
        args.reviews,
        large.took.as_secs_f64(),
        large.tool_mib
    );
    for pages in [Pages::Meta, Pages::List] {
        pass(&large.setting, pages).await?;
    }
    for Memory { service, now_mib, peak_mib } in large.stack.memory()? {
        println!(
            "| memory of {service}, all pages asked for once | {now_mib:.0} MiB, at most {peak_mib:.0} |"
        );
    }
    let small =
        One::import(args, &small, args.port + 1, (args.products / TIMES, args.reviews / TIMES)).await?;
    for one in [&large, &small] {
        one.stack.set("CACHE_MIB", "0")?;
        // The databases have read everything once.
        pass(&one.setting, Pages::Meta).await?;
    }
    let meta = Scenario::RandomMeta;
    let (outcome, ratios) = in_pairs((meta, &large.setting), (meta, &small.setting)).await?;
    let (low, high) = (ratios.first().context("no pair")?, ratios.last().context("no pair")?);
    println!(
        "| random-meta, no cache, {} products | {:.0}/s, {} errors, {:.2} of that of {} products ({low:.2} to {high:.2}) |",
        args.products,
        outcome.rate(),
        outcome.errors(),
        median(&ratios).context("no pair")?,
        args.products / TIMES
    );
    Ok(())
}

/// One of the two.
#[derive(Debug)]
struct One {
    stack: Stack,
    setting: Setting,
    /// From the import's beginning until meta had everything.
    took: Duration,
    /// What the import took of the machine's memory.
    tool_mib: f64,
}

impl One {
    async fn import(
        args: &GrowthArgs,
        data: &Path,
        port: u16,
        (products, reviews): (u32, u32),
    ) -> Result<Self> {
        let stack = Stack::up(data, port)?;
        let imported = import(&stack, products, reviews).await?;
        let until_there = Instant::now();
        stack.applied().await?;
        let took = imported.took + until_there.elapsed();
        stack.cleaned().await?;
        let setting = Setting {
            front: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            data: data.to_owned(),
            products: products.into(),
            connections: CONNECTIONS,
            rate: None,
            time: Duration::from_secs(args.seconds.into()),
            asynchronously: false,
            shown: false,
        };
        Ok(One { stack, setting, took, tool_mib: imported.peak_mib })
    }
}
