//! `reviewsctl status`: how far the log and meta are and what the broker holds, each said with where
//! it was read. A store that is away is named, and the others still answer.

mod readings;

pub(crate) mod origin;
mod snapshot;
mod state;

mod report;
mod text;

mod wait;

use crate::config::Config;
use crate::store::Store;
use chrono::{DateTime, Utc};
use domain::{PARTS, Position};
use readings::Readings;
pub(crate) use report::Report;
use sqlx::{ConnectOptions as _, PgPool};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Connections to each database: one statement at a time.
const CONNECTIONS_MAX: u32 = 1;
/// Longest attempt to find out why there is no connection.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest time until a projector looks again that stood still for something that was mended.
const GOES_ON_WITHIN: Duration = Duration::from_secs(8);
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

/// Returns the status, as text or JSON, and whether all is well; after waiting, whether every store answered.
pub(crate) async fn run(args: &StatusArgs, config: &Config) -> anyhow::Result<(String, bool)> {
    let stores = Stores::new(config)?;
    if args.wait {
        wait::wait(&stores, Duration::from_secs(args.timeout)).await?;
    }
    let report = stores.report().await;
    let text = if args.json { serde_json::to_string_pretty(&report)? } else { report.to_string() };
    Ok((text, if args.wait { report.is_whole() } else { report.is_well() }))
}

/// A look at everything.
pub(crate) async fn look(config: &Config) -> anyhow::Result<Report> {
    Ok(Stores::new(config)?.report().await)
}

/// What somebody has to do something about, a line each; none when even that cannot be looked at. A projector that stood still
/// until a moment ago is given the time to go on.
pub(crate) async fn alarms(config: &Config) -> Vec<String> {
    let deadline = Instant::now() + GOES_ON_WITHIN;
    loop {
        let Ok(report) = look(config).await else { return Vec::new() };
        if !report.projector_stands() || Instant::now() > deadline {
            return report.alarm_lines();
        }
    }
}

/// Every store, for a look at it.
pub(crate) struct Stores {
    pub(crate) primary: PgPool,
    pub(crate) meta: PgPool,
    pub(crate) broker: broker::BrokerAddress,
    pub(crate) named: Named,
    primary_unmigrated: AtomicBool,
    meta_unmigrated: AtomicBool,
}

/// Which databases answer, but lack a table or a column: an error of theirs said so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Unmigrated {
    primary: bool,
    meta: bool,
}

/// How messages name them.
pub(crate) struct Named {
    pub(crate) primary: Store,
    pub(crate) meta: Store,
    pub(crate) broker: Store,
}

/// How far the log is, and meta in it.
struct Progress {
    parts: Vec<primary::PartStatus>,
    /// By part; none when meta has no generation yet.
    applied: Option<Vec<Position>>,
}

impl Stores {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
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
            primary_unmigrated: AtomicBool::default(),
            meta_unmigrated: AtomicBool::default(),
        })
    }

    fn unmigrated(&self) -> Unmigrated {
        Unmigrated {
            primary: self.primary_unmigrated.load(Ordering::Relaxed),
            meta: self.meta_unmigrated.load(Ordering::Relaxed),
        }
    }

    async fn report(&self) -> Report {
        let mut readings = Readings::take(self).await;
        if readings.seen().canary_lags() {
            readings.moves = readings::moves(self, &readings).await;
        }
        Report::new(&readings, &self.named)
    }

    async fn progress(&self) -> anyhow::Result<Progress> {
        let projection = self.projection().await?;
        let positions = applied(projection.as_ref());
        let parts = self.log(&positions).await?;
        Ok(Progress { parts, applied: projection.map(|_| positions) })
    }

    async fn projection(&self) -> anyhow::Result<Option<meta::ProjectionStatus>> {
        self.of_meta(meta::projection_status(&self.meta)).await
    }

    async fn log(&self, applied: &[Position]) -> anyhow::Result<Vec<primary::PartStatus>> {
        self.of_primary(primary::log_status(&self.primary, applied)).await
    }

    /// A reading of the primary; an error says what is the matter with it.
    pub(crate) async fn of_primary<T>(
        &self,
        reading: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> anyhow::Result<T> {
        match reading.await {
            Ok(read) => Ok(read),
            Err(error) => {
                self.primary_unmigrated.fetch_or(lacks_tables(&error), Ordering::Relaxed);
                Err(self.named.primary.failed(&cause(&self.primary, error).await))
            }
        }
    }

    /// The same of meta.
    pub(crate) async fn of_meta<T>(
        &self,
        reading: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> anyhow::Result<T> {
        match reading.await {
            Ok(read) => Ok(read),
            Err(error) => {
                self.meta_unmigrated.fetch_or(lacks_tables(&error), Ordering::Relaxed);
                Err(self.named.meta.failed(&cause(&self.meta, error).await))
            }
        }
    }

    /// The primary's clock, by which it dates events.
    async fn clock(&self) -> anyhow::Result<DateTime<Utc>> {
        // No table of ours: nothing that the checked macros could hold it against.
        self.of_primary(sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&self.primary)).await
    }
}

/// Whether a table or a column is missing.
fn lacks_tables(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| ["42P01", "42703"].contains(&&*code))
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
