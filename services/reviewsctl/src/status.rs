//! `reviewsctl status`: how far the log and meta are and what the broker holds, each said with where
//! it was read. A store that is away is named, and the others still answer.

mod report;
mod wait;

use crate::config::Config;
use crate::store::Store;
use chrono::{DateTime, Utc};
use domain::{PARTS, Position};
use report::Report;
use sqlx::{ConnectOptions as _, PgPool};
use std::time::Duration;

/// Connections to each database: one statement at a time.
const CONNECTIONS_MAX: u32 = 1;
/// Longest attempt to find out why there is no connection.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// How the broker shows who is connected.
const CONNECTION_NAME: &str = "reviewsctl status";

/// Arguments of `reviewsctl status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Return when meta has everything that was committed before the call
    #[arg(long)]
    wait: bool,
    /// Give up waiting after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "wait")]
    timeout: u64,
}

/// Returns the status, as text or JSON, and whether every store answered.
pub(crate) async fn run(args: &StatusArgs, config: &Config) -> anyhow::Result<(String, bool)> {
    let stores = Stores::new(config)?;
    if args.wait {
        wait::wait(&stores, Duration::from_secs(args.timeout)).await?;
    }
    let report = stores.report().await;
    let text = if args.json { serde_json::to_string_pretty(&report)? } else { report.to_string() };
    Ok((text, report.is_whole()))
}

struct Stores {
    primary: PgPool,
    meta: PgPool,
    broker: broker::BrokerAddress,
    named: Named,
}

/// How messages name them.
struct Named {
    primary: Store,
    meta: Store,
    broker: Store,
}

/// How far the log is, and meta in it.
struct Progress {
    parts: Vec<primary::PartStatus>,
    /// By part; none when meta has no generation yet.
    applied: Option<Vec<Position>>,
}

impl Stores {
    fn new(config: &Config) -> anyhow::Result<Self> {
        let (primary, meta, broker) = (config.primary()?, config.meta()?, config.broker()?);
        let named = Named {
            primary: Store::primary(&primary),
            meta: Store::meta(&meta),
            broker: Store::broker(&broker),
        };
        Ok(Self {
            primary: postgres::pool(primary, CONNECTIONS_MAX),
            meta: postgres::pool(meta, CONNECTIONS_MAX),
            broker,
            named,
        })
    }

    async fn report(&self) -> Report {
        let projection = self.projection().await;
        // Without meta there is nothing to compare with, but the log still has a head.
        let applied = projection
            .as_ref()
            .ok()
            .map(|p| applied(p.as_ref()))
            .unwrap_or_else(|| vec![Position(0); usize::from(PARTS)]);
        let log = self.log(&applied).await;
        let queues = broker::queue_depths(&self.broker, CONNECTION_NAME).await;
        let queues = queues.map_err(|error| self.named.broker.broker_failed(error));
        Report::new(Utc::now(), log, projection, queues)
    }

    async fn progress(&self) -> anyhow::Result<Progress> {
        let projection = self.projection().await?;
        let positions = applied(projection.as_ref());
        let parts = self.log(&positions).await?;
        Ok(Progress { parts, applied: projection.map(|_| positions) })
    }

    async fn projection(&self) -> anyhow::Result<Option<meta::ProjectionStatus>> {
        match meta::projection_status(&self.meta).await {
            Ok(projection) => Ok(projection),
            Err(error) => Err(self.named.meta.failed(&cause(&self.meta, error).await)),
        }
    }

    async fn log(&self, applied: &[Position]) -> anyhow::Result<Vec<primary::PartStatus>> {
        match primary::log_status(&self.primary, applied).await {
            Ok(log) => Ok(log),
            Err(error) => Err(self.named.primary.failed(&cause(&self.primary, error).await)),
        }
    }

    /// The primary's clock, by which it dates events.
    async fn clock(&self) -> anyhow::Result<DateTime<Utc>> {
        // No table of ours: nothing that the checked macros could hold it against.
        let now = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&self.primary).await;
        match now {
            Ok(now) => Ok(now),
            Err(error) => Err(self.named.primary.failed(&cause(&self.primary, error).await)),
        }
    }
}

/// A pool tries until its time is up, and says only that: one more attempt tells why.
pub(crate) async fn cause(pool: &PgPool, error: sqlx::Error) -> sqlx::Error {
    if !matches!(error, sqlx::Error::PoolTimedOut) {
        return error;
    }
    match tokio::time::timeout(ATTEMPT_TIMEOUT, pool.connect_options().connect()).await {
        Ok(Err(cause)) => cause,
        _ => error,
    }
}

/// The positions that meta's active generation has reached, by part.
fn applied(projection: Option<&meta::ProjectionStatus>) -> Vec<Position> {
    let mut positions = vec![Position(0); usize::from(PARTS)];
    for checkpoint in projection.into_iter().flat_map(|p| &p.checkpoints) {
        positions[checkpoint.part.index()] = checkpoint.pos;
    }
    positions
}
