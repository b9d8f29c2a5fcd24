//! The operations tool: `migrate`, `import`, `status`, `follow`, `replay`, `verify`, `parked`, `erase` and `export`,
//! `serve` to do the same over HTTP, and `generate` for data to try them on.

mod config;
mod fault;
mod progress;
mod say;
mod section;
mod store;

mod migrate;

mod generate;

mod import;

mod status;

mod follow;

mod stores;

mod generations;
mod parked;
mod person;
mod replay;
mod verify;

mod erase;

mod export;

mod serve;

use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
use clap::{Parser, Subcommand};
use config::Config;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// What fails is said in one line of our own: the driver's warnings would say it again.
const DEFAULT_LOG: &str = "warn,sqlx=off";

/// Operates the reviews system
#[derive(Debug, Parser)]
#[command(name = "reviewsctl", version)]
struct Cli {
    /// Read the settings from this file of KEY=VALUE lines [default: .stack/reviewsctl.env, if no address is set]
    #[arg(long, global = true, value_name = "FILE")]
    env_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create and change the tables of both databases, and set the roles' passwords
    Migrate,
    /// Write a data set of any size
    Generate(generate::GenerateArgs),
    /// Load a data set, beside live writers
    Import(import::ImportArgs),
    /// Show how well it all is, and how far the log and meta are
    Status(status::StatusArgs),
    /// Show where one review is on its way from its row to meta
    Follow(follow::FollowArgs),
    /// Make meta anew while it answers, or one product of it
    Replay(Box<replay::ReplayArgs>),
    /// Let the generation answer that did before the last swap
    Rollback {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show generations of meta, or delete those that do not answer
    #[command(subcommand)]
    Generations(generations::GenerationsCommand),
    /// Compare meta with what the reviews add up to
    Verify(verify::VerifyArgs),
    /// Show what stands still, and let it go on
    #[command(subcommand)]
    Parked(parked::ParkedCommand),
    /// Erase reviews for good: a person's right
    Erase(erase::EraseArgs),
    /// Write out what is held of a person
    Export(export::ExportArgs),
    /// Do over HTTP what the other commands do: the admin API
    Serve(serve::ServeArgs),
}

/// Exit code of arguments that are wrong, as the argument parser has it.
const ARGUMENTS_WRONG: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && error.kind() != DisplayHelpOnMissingArgumentOrSubcommand => {
            say::note(format_args!("reviewsctl: {}", say::argument_line(&error.to_string())));
            return ExitCode::from(ARGUMENTS_WRONG);
        }
        // What was asked for: help, or the version.
        Err(help) => help.exit(),
    };
    match start_logging(&cli.command).and_then(|()| run(&cli)) {
        Ok(code) => code,
        Err(error) => {
            say::note(format_args!("reviewsctl: {}", say::error_line(&error)));
            ExitCode::FAILURE
        }
    }
}

/// A server logs as the services do; a command says what it has to say, and logs only what goes wrong.
fn start_logging(command: &Command) -> anyhow::Result<()> {
    if let Command::Serve(args) = command {
        return args.start_logging();
    }
    let filter = EnvFilter::try_from_env("LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    if let Command::Generate(args) = &cli.command {
        let progress = progress::items("writing", "reviews", 0);
        let summary = generate::run(args, &progress)?;
        progress.finish_and_clear();
        say::result(summary)?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::load(cli.env_file.as_deref())?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(connected(&cli.command, config))
}

/// The commands that use the stores.
async fn connected(command: &Command, config: Config) -> anyhow::Result<ExitCode> {
    if let Command::Serve(args) = command {
        serve::run(args, config).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = &config;
    match command {
        Command::Generate(_) | Command::Serve(_) => Ok(ExitCode::SUCCESS),
        Command::Migrate => {
            for line in migrate::run(config).await? {
                say::result(line)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Import(args) => {
            say::result(import::run(args, config).await?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Status(args) => {
            let (status, is_well) = status::run(args, config).await?;
            say::result(status)?;
            Ok(well(is_well))
        }
        Command::Follow(args) => {
            let (found, whole) = follow::run(args, config).await?;
            say::result(found)?;
            Ok(well(whole))
        }
        Command::Replay(args) => Ok(well(replay::run(args, config).await?)),
        Command::Rollback { json } => {
            generations::rollback(*json, config).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Generations(command) => {
            generations::run(*command, config).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify(args) => Ok(well(verify::run(*args, config).await?)),
        Command::Parked(command) => Ok(well(parked::run(command, config).await?)),
        Command::Erase(args) => {
            let all_known = erase::run(args, config).await?;
            Ok(well(all_known))
        }
        Command::Export(args) => {
            export::run(args, config).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

const fn well(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
