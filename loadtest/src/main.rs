//! Measures the system as it runs: whole stacks of its own, on loopback, bounded in time and removed afterwards.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool that tells what it measured")]

mod replay;
mod stack;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Measures the reviews system
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replay, snapshot rebuild, verification and swap, against their ceilings, alone and beside live traffic
    Replay(replay::ReplayArgs),
    /// Fill an empty stack as the measurements do
    Seed(replay::SeedArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Replay(args) => replay::run(&args).await,
        Command::Seed(args) => replay::seed(&args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}
