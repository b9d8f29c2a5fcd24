//! `reviewsctl status`: how far the log and meta are and what the broker holds, each said with where
//! it was read. A store that is away is named, and the others still answer.

mod report;
mod wait;

use crate::config::Config;
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use domain::{PARTS, Position};
use report::Report;
use sqlx::PgPool;
use std::time::Duration;

/// Connections to each database: one statement at a time.
const CONNECTIONS_MAX: u32 = 1;
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
}

/// How far the log is, and meta in it.
struct Progress {
    parts: Vec<primary::PartStatus>,
    /// By part; none when meta has no generation yet.
    applied: Option<Vec<Position>>,
}

impl Stores {
    fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            primary: postgres::pool(config.primary()?, CONNECTIONS_MAX),
            meta: postgres::pool(config.meta()?, CONNECTIONS_MAX),
            broker: config.broker()?,
        })
    }

    async fn report(&self) -> Report {
        let projection = meta::projection_status(&self.meta).await.context("the meta database is away");
        // Without meta there is nothing to compare with, but the log still has a head.
        let applied = projection
            .as_ref()
            .ok()
            .map(|p| applied(p.as_ref()))
            .unwrap_or_else(|| vec![Position(0); usize::from(PARTS)]);
        let log = primary::log_status(&self.primary, &applied).await.context("the primary database is away");
        let queues = broker::queue_depths(&self.broker, CONNECTION_NAME)
            .await
            .context("the broker is away, or no service has declared its queues");
        Report::new(Utc::now(), log, projection, queues)
    }

    async fn progress(&self) -> anyhow::Result<Progress> {
        let projection = meta::projection_status(&self.meta).await.context("the meta database is away")?;
        let positions = applied(projection.as_ref());
        let parts =
            primary::log_status(&self.primary, &positions).await.context("the primary database is away")?;
        Ok(Progress { parts, applied: projection.map(|_| positions) })
    }

    /// The primary's clock, by which it dates events.
    async fn clock(&self) -> anyhow::Result<DateTime<Utc>> {
        // No table of ours: nothing that the checked macros could hold it against.
        let now = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&self.primary).await;
        now.context("the primary database is away")
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
