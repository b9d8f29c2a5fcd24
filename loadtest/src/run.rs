//! `loadtest run`: one scenario against a stack that runs.

use crate::files;
use crate::headline::Mode;
use crate::report::{self, HEAD, Measured};
use crate::scenario::{Scenario, Setting};
use anyhow::{Context as _, Result, ensure};
use std::io::{self, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the front door may take to let somebody in.
const REACH_TIMEOUT: Duration = Duration::from_secs(2);

/// Arguments of `loadtest run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// What to measure
    scenario: Scenario,
    /// Address and port of the front door; loopback only
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    front: String,
    /// Data directory of the stack, for list-dropped, which asks its readers, and ceiling-post, which asks its database
    #[arg(long, value_name = "DIR", default_value = ".stack")]
    data: PathBuf,
    /// Requests a second, latencies counted from when each was due; without it each connection sends one request after
    /// the answer to the one before
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    rate: Option<u32>,
    /// Connections
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// How long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Highest product id; products are read from 1 up to it
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    products: u32,
    /// Let writes be answered as soon as they are stored, before they show
    #[arg(long)]
    respond_async: bool,
    /// Write the result to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with plots to this file, which needs nothing from elsewhere
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Measures, and prints a table.
pub(crate) async fn run(args: &RunArgs) -> Result<()> {
    let setting = Setting {
        front: loopback(&args.front)?,
        data: args.data.clone(),
        products: args.products.into(),
        connections: args.connections.into(),
        rate: args.rate.map(f64::from),
        time: Duration::from_secs(args.seconds.into()),
        asynchronously: args.respond_async,
        shown: true,
    };
    files::writable([&args.json, &args.html])?;
    if args.scenario.asks_the_front_door() {
        reach(setting.front).await?;
    }
    let outcome = args.scenario.run(&setting).await?;
    let measured = Measured { scenario: args.scenario, setting, mode: Mode::AsShipped, outcome };
    // Who closes the pipe has read enough; the files are written all the same.
    let _ = writeln!(io::stdout(), "{HEAD}\n{}", measured.lines());
    for (kind, count) in measured.outcome.errors_by_kind() {
        eprintln!("{count} errors: {kind}");
    }
    if let Some(path) = &args.json {
        files::write(path, &format!("{:#}\n", measured.json()))?;
    }
    let (requests, errors) = (measured.outcome.requests(), measured.outcome.errors());
    if let Some(path) = &args.html {
        files::write(path, &report::page(&[measured])?)?;
    }
    ensure!(errors < requests, "none of {requests} requests was answered as it should be");
    Ok(())
}

/// Sees whether somebody answers there at all.
async fn reach(front: SocketAddr) -> Result<()> {
    let connected = timeout(REACH_TIMEOUT, TcpStream::connect(front)).await;
    let nobody = || {
        format!("nobody answers at {front}: `cargo stack up` starts a stack, and --front says where one is")
    };
    connected.ok().and_then(Result::ok).with_context(nobody).map(drop)
}

/// The address, if it is this machine's own: a load test is for nobody else.
fn loopback(front: &str) -> Result<SocketAddr> {
    let mut addresses = front
        .to_socket_addrs()
        .with_context(|| format!("{front:?} is no address and port of this machine, as 127.0.0.1:8080"))?;
    let address =
        addresses.find(SocketAddr::is_ipv4).with_context(|| format!("{front} has no IPv4 address"))?;
    ensure!(address.ip().is_loopback(), "{front} is not on loopback: load tests are for this machine only");
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_are_refused() {
        assert!(loopback("127.0.0.1:8080").is_ok() && loopback("localhost:1").is_ok());
        for other in ["10.0.0.1:80", "192.168.1.1:80", "8.8.8.8:80", "0.0.0.0:80", "x", "127.0.0.1"] {
            assert!(loopback(other).is_err(), "{other}");
        }
    }
}
