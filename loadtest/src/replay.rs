//! `loadtest replay`: how fast meta is made anew, held against what bounds it, measured in the same run.

mod ceiling;
mod live;
mod seed;

use crate::stack::{Ran, Stack};
use anyhow::{Context as _, Result};
use live::{Reads, Windows, Writes};
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longest wait for a replay that can be asked to pause.
const ASKED_TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `loadtest replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// Where the stacks are, one after another; must not be there
    #[arg(long, value_name = "DIR", default_value = "/tmp/reviews-loadtest")]
    data: PathBuf,
    /// Port of their front door
    #[arg(long, default_value_t = 8099)]
    port: u16,
    /// How often each is measured; the best counts
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of each window of live traffic, in turn with a replay at work and without
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Pairs of such windows: one replay after another is at work during them
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=60))]
    pairs: u32,
    /// Live writes a second
    #[arg(long, default_value_t = 500)]
    writes: u32,
    /// Measure only this: log, snapshot, live or memory
    #[arg(long)]
    only: Option<String>,
}

/// Arguments of `loadtest seed`.
#[derive(Debug, clap::Args)]
pub(crate) struct SeedArgs {
    /// Data directory of the stack
    #[arg(long, value_name = "DIR", default_value = ".stack")]
    data: PathBuf,
    #[arg(long, default_value_t = 100_000)]
    products: i64,
    #[arg(long, default_value_t = 1_000_000)]
    reviews: i64,
    /// Leave the reviews themselves out, and write their events only
    #[arg(long)]
    log_only: bool,
}

/// Fills a stack that runs and is empty.
pub(crate) async fn seed(args: &SeedArgs) -> Result<()> {
    let mut stack = Stack::that_runs(&args.data, String::new())?;
    stack.stays = true;
    seed::log(&stack.primary, args.products, args.reviews).await?;
    if !args.log_only {
        seed::reviews(&stack.primary).await?;
    }
    stack.caught_up().await
}

/// Measures, and prints a table.
pub(crate) async fn run(args: &ReplayArgs) -> Result<()> {
    let wanted = |what: &str| args.only.as_deref().is_none_or(|only| only == what);
    println!("| what | measured | held against | ratio |\n|---|---|---|---|");
    if wanted("log") {
        log(args).await?;
    }
    if wanted("snapshot") {
        snapshot(args).await?;
    }
    if wanted("live") {
        live(args).await?;
    }
    if wanted("memory") {
        memory(args).await?;
    }
    Ok(())
}

/// Two million events over 100,000 products, and one product of 40,000.
async fn log(args: &ReplayArgs) -> Result<()> {
    let stack = Stack::up(&args.data, args.port)?;
    seed::log(&stack.primary, 100_000, 1_900_000).await?;
    stack.caught_up().await?;
    let (mut copy, mut seconds, mut rate, mut best) = (f64::MAX, f64::MAX, 0.0, None);
    for _ in 0..args.rounds {
        copy = copy.min(ceiling::copy_out(&stack.primary).await?.as_secs_f64());
        let ran = stack.reviewsctl(&["replay", "--source", "log", "--unthrottled", "--json"]).await?;
        if number(&ran, "seconds")? < seconds {
            (seconds, rate) = (number(&ran, "seconds")?, number(&ran, "events_per_second")?);
            best = Some(ran);
        }
        stack.reviewsctl(&["generations", "prune"]).await?;
    }
    let ran = best.context("no round")?;
    let events = number(&ran, "events")?;
    println!(
        "| log replay, {events:.0} events, fold and store | {rate:.0} events/s, {seconds:.2} s | bare COPY out over four \
         connections: {:.0} events/s, {copy:.2} s | {:.2} |",
        events / copy,
        copy / seconds
    );
    println!(
        "| the same, whole command | {:.2} s | swap {:.2} ms | |",
        ran.took.as_secs_f64(),
        number(&ran, "swap_ms")?
    );
    println!("| the same, memory of the tool | {:.0} MiB | | |", ran.peak_mib);

    seed::one_product(&stack.primary, 200_000, 40_000).await?;
    stack.caught_up().await?;
    let mut one = f64::MAX;
    for _ in 0..args.rounds {
        let ran = stack.reviewsctl(&["replay", "--product", "200000", "--json"]).await?;
        one = one.min(number(&ran, "seconds")?);
    }
    println!("| one product of 40,001 events | {:.0} ms | | |", one * 1000.0);
    Ok(())
}

/// A million reviews of 100,000 products: from the reviews, and verified.
async fn snapshot(args: &ReplayArgs) -> Result<()> {
    let stack = Stack::up(&args.data, args.port)?;
    seed::log(&stack.primary, 100_000, 1_000_000).await?;
    seed::reviews(&stack.primary).await?;
    stack.caught_up().await?;
    let (mut sql, mut seconds, mut verify) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..args.rounds {
        sql = sql.min(ceiling::one_statement(&stack.primary).await?.as_secs_f64());
        let ran = stack.reviewsctl(&["replay", "--source", "snapshot", "--unthrottled", "--json"]).await?;
        seconds = seconds.min(number(&ran, "seconds")?);
        stack.reviewsctl(&["generations", "prune"]).await?;
        let ran = stack.reviewsctl(&["verify", "--unthrottled", "--json"]).await?;
        verify = verify.min(number(&ran, "seconds")?);
    }
    println!(
        "| snapshot rebuild, 1,000,000 reviews | {seconds:.2} s | one SQL statement in the primary: {sql:.2} s | {:.2} |",
        sql / seconds
    );
    println!("| verify, 100,000 products, 1,000,000 reviews | {verify:.2} s | | |");
    Ok(())
}

/// Half of that, beside live traffic.
async fn live(args: &ReplayArgs) -> Result<()> {
    let stack = Stack::up(&args.data, args.port)?;
    seed::log(&stack.primary, live::PRODUCTS, 500_000).await?;
    seed::reviews(&stack.primary).await?;
    stack.caught_up().await?;
    let window = Duration::from_secs(args.seconds);
    let (writes, reads) = (Writes::start(&stack.front, args.writes), Reads::start(&stack.front));
    // The services and their connections warm up.
    writes.measure(window).await;
    let (mut without, mut beside) = (Windows::default(), Windows::default());
    without.add(writes.measure(window).await);
    // Where the machine is so slow that writes take longer than the default limit of themselves, a higher one holds.
    let limit = format!("{:.0}ms", (3.0 * without.p99_ms()).max(20.0));
    // In turns, since what else the machine does changes within seconds.
    let in_turns = async {
        for pair in 1..=args.pairs {
            beside.add(writes.measure(window).await);
            until_done(&stack, "pause").await?;
            without.add(writes.measure(window).await);
            until_done(&stack, "resume").await?;
            eprintln!(
                "pair {pair}: p99 {:.2} ms beside it, {:.2} ms while it pauses",
                beside.last_p99_ms(),
                without.last_p99_ms()
            );
        }
        anyhow::Ok(())
    };
    let (mut replays, mut events) = (0_u64, 0.0);
    let throttled = ["replay", "--source", "both", "--max-write-p99", &limit, "--json"];
    // Until the turns are over.
    let mut one_after_another = async || -> Result<Infallible> {
        loop {
            events += number(&stack.reviewsctl(&throttled).await?, "events")?;
            replays += 1;
            stack.reviewsctl(&["generations", "prune"]).await?;
        }
    };
    tokio::select! {
        ended = one_after_another() => match ended? {},
        ended = in_turns => ended?,
    }
    // The last is killed, and gone on with.
    let replay = stack.reviewsctl(&["replay", "--source", "both", "--unthrottled", "--json"]).await?;
    let reads = reads.stop().await?;
    println!(
        "| write p99 beside a throttled replay, {} writes/s, median of windows | {:.2} ms ({} windows, p50 {:.2}) | while it \
         pauses: {:.2} ms ({} windows, p50 {:.2}) | {:.2} |",
        args.writes,
        beside.p99_ms(),
        beside.len(),
        beside.p50_ms(),
        without.p99_ms(),
        without.len(),
        without.p50_ms(),
        beside.p99_ms() / without.p99_ms()
    );
    println!(
        "| those replays, with their pauses, --max-write-p99 {limit} | {replays} came to their end ({events:.0} events), the last was \
         killed and gone on with unthrottled, differences {} | | |",
        number(&replay, "differences")?
    );
    println!(
        "| its swap, with metas read all the time | {:.2} ms | {} reads, {} failed, {} went back or were mixed | |",
        number(&replay, "swap_ms")?,
        reads.reads,
        reads.failed,
        reads.wrong
    );
    let again = stack.reviewsctl(&["rollback", "--json"]).await?;
    println!("| rollback beside live writes | {:.2} ms | | |", number(&again, "swap_ms")?);
    writes.stop().await;
    Ok(())
}

/// A million products: what the tool needs.
async fn memory(args: &ReplayArgs) -> Result<()> {
    let stack = Stack::up(&args.data, args.port)?;
    seed::log(&stack.primary, 1_000_000, 1_000_000).await?;
    stack.caught_up().await?;
    let ran = stack.reviewsctl(&["replay", "--source", "log", "--unthrottled", "--json"]).await?;
    println!(
        "| memory of the tool, 1,000,000 products, {:.0} events | {:.0} MiB | {:.0} events/s | |",
        number(&ran, "events")?,
        ran.peak_mib,
        number(&ran, "events_per_second")?
    );
    Ok(())
}

/// Asks the replay at work to pause or to go on: between two of them there is none.
async fn until_done(stack: &Stack, what: &str) -> Result<()> {
    let deadline = Instant::now() + ASKED_TIMEOUT;
    loop {
        match stack.reviewsctl(&["replay", what]).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn number(ran: &Ran, key: &str) -> Result<f64> {
    ran.json[key].as_f64().with_context(|| format!("no {key} in {}", ran.json))
}
