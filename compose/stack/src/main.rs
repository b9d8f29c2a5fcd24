//! `cargo stack`: the whole system on one machine as plain processes, and throw-away servers for its tests.
mod control;
mod cors;
mod install;
mod interrupt;
mod nginx;
mod openapi;
mod place;
mod ports;
mod postgres;
mod probe;
mod process;
mod programs;
mod python;
mod rabbitmq;
mod role;
mod secrets;
mod services;
mod settings;
mod sqlx_prepare;
mod stack;
mod state;
mod test;
mod ui;
mod up;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Runs the reviews system on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo stack", bin_name = "cargo stack", version)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Debug, Args)]
struct Data {
    /// Directory of data, logs and passwords [default: .stack in the workspace; .stack-test for tests]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Data {
    fn stack(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| place::repository().join(".stack"))
    }

    fn test(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| place::repository().join(".stack-test"))
    }
}

#[derive(Debug, Subcommand)]
enum Cmd {
    /// Start everything, or what is missing of it
    Up {
        #[command(flatten)]
        data: Data,
        /// Return when everything is ready instead of staying in the foreground
        #[arg(long)]
        detach: bool,
        /// Read services behind the front door [default: 4, or as last time]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
        reads: Option<u16>,
        /// Port of the front door on 127.0.0.1 [default: 8080, or as last time]
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
        /// Leave the sample data away at the first start
        #[arg(long)]
        no_sample: bool,
        /// Use the programs in this directory instead of building them
        #[arg(long, value_name = "DIR", hide = true)]
        bin_dir: Option<PathBuf>,
    },
    /// Show what runs
    Status {
        #[command(flatten)]
        data: Data,
        /// As JSON: front, processes (name, pid, port, ready)
        #[arg(long)]
        json: bool,
    },
    /// Show the end of a process' log
    Logs {
        #[command(flatten)]
        data: Data,
        /// As `status` names it, or `migrate`
        name: String,
        #[arg(short = 'n', long, default_value_t = 200)]
        lines: u32,
        /// Go on showing what is added, until Ctrl-C
        #[arg(short, long)]
        follow: bool,
    },
    /// Stop one process, if it lives, and start it again
    Restart {
        #[command(flatten)]
        data: Data,
        name: String,
    },
    /// Start one process that was stopped
    Start {
        #[command(flatten)]
        data: Data,
        name: String,
    },
    /// Stop one process and leave the others
    Stop {
        #[command(flatten)]
        data: Data,
        name: String,
    },
    /// Stop everything; the data stay
    Down {
        #[command(flatten)]
        data: Data,
    },
    /// Stop everything and delete all data
    Reset {
        #[command(flatten)]
        data: Data,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Run every test of the workspace on servers of its own
    Test {
        #[command(flatten)]
        data: Data,
        /// Only tests whose name contains this
        filter: Option<String>,
        /// Further arguments for the test runner
        #[arg(last = true)]
        extra: Vec<String>,
    },
    /// Run a command beside test servers, or keep them up until Ctrl-C
    Servers {
        #[command(flatten)]
        data: Data,
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Write docs/openapi.json and docs/admin-openapi.json, the descriptions of all operations
    Openapi {
        /// Change nothing; fail when the committed document is not fresh
        #[arg(long)]
        check: bool,
        /// Use the programs in this directory instead of building them
        #[arg(long, value_name = "DIR", hide = true)]
        bin_dir: Option<PathBuf>,
    },
    /// Write the query data that a build without a database reads
    SqlxPrepare {
        #[command(flatten)]
        data: Data,
        /// Change nothing; fail when the committed data are not fresh
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    match interrupt::listen().and_then(|()| run(Cli::parse().command)) {
        Ok(code) => code,
        Err(error) if error.is::<interrupt::Interrupted>() => {
            ui::note("interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            ui::note(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Cmd) -> anyhow::Result<ExitCode> {
    match command {
        Cmd::Up { data, detach, reads, port, no_sample, bin_dir } => {
            up::up(&data.stack(), &up::Wanted { port, reads, bin_dir, sample: !no_sample, detach })
        }
        Cmd::Status { data, json } => control::status(&data.stack(), json),
        Cmd::Logs { data, name, lines, follow } => control::logs(&data.stack(), &name, lines, follow),
        Cmd::Restart { data, name } => control::restart(&data.stack(), &name),
        Cmd::Start { data, name } => control::start(&data.stack(), &name),
        Cmd::Stop { data, name } => control::stop(&data.stack(), &name),
        Cmd::Down { data } => control::down(&data.stack()),
        Cmd::Reset { data, yes } => control::reset(&data.stack(), yes),
        Cmd::Openapi { check, bin_dir } => openapi::openapi(&place::repository(), bin_dir.as_deref(), check),
        Cmd::SqlxPrepare { data, check } => sqlx_prepare::sqlx_prepare(&data.test(), check),
        Cmd::Test { data, filter, extra } => test::test(&data.test(), filter.as_deref(), &extra),
        Cmd::Servers { data, command } => test::servers(&data.test(), &command),
    }
}
