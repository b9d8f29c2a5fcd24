//! Measures the system as it runs: whole stacks of its own, on loopback, bounded in time and removed afterwards.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool that tells what it measured")]

mod bare;
mod drive;
mod files;
mod growth;
mod headline;
mod list_dropped;
mod replay;
mod report;
mod run;
mod scenario;
mod stack;
mod statement;
mod traffic;
mod turns;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::future::pending;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Measures the reviews system
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Requests of one kind to a stack that runs: rates, latencies, errors, and whether answers are as fresh as they must be
    Run(run::RunArgs),
    /// The load tests of the article that the project descends from, their ceilings, and writes, on a stack of its own
    Headline(headline::HeadlineArgs),
    /// An import of a full data set, memory, and what the databases give beside a stack that has a tenth of it
    Growth(growth::GrowthArgs),
    /// Replay, snapshot rebuild, verification and swap, against their ceilings, alone and beside live traffic
    Replay(replay::ReplayArgs),
    /// Fill an empty stack as the measurements do
    Seed(replay::SeedArgs),
    /// Answer everything alike: the readers that a ceiling is measured with
    #[command(hide = true)]
    AnswerByHeart {
        #[arg(long)]
        port: u16,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("loadtest: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        tokio::select! {
            done = measure(&cli.command) => said(done),
            // What was started ends with what is dropped here.
            number = signalled() => {
                if !matches!(cli.command, Command::AnswerByHeart { .. }) {
                    eprintln!("loadtest: interrupted");
                }
                ExitCode::from(128 + number)
            }
        }
    });
    // Whoever still sends requests does not hold up the end.
    runtime.shutdown_background();
    code
}

async fn measure(command: &Command) -> Result<()> {
    match command {
        Command::Run(args) => run::run(args).await,
        Command::Headline(args) => headline::run(args).await,
        Command::Growth(args) => growth::run(args).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Seed(args) => replay::seed(args).await,
        Command::AnswerByHeart { port } => bare::answer_by_heart(*port).await,
    }
}

fn said(done: Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Waits for SIGINT or SIGTERM, and returns its number.
async fn signalled() -> u8 {
    let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
    let (Ok(mut interrupted), Ok(mut terminated)) = (signal(interrupt), signal(terminate)) else {
        return pending().await;
    };
    let kind = tokio::select! {
        _ = interrupted.recv() => interrupt,
        _ = terminated.recv() => terminate,
    };
    u8::try_from(kind.as_raw_value()).unwrap_or(0)
}
