//! Settings of the write service.

use broker::BrokerAddress;
use service::{Cors, Settings};
use sqlx::postgres::{PgConnectOptions, PgPool};
use std::net::SocketAddr;
use std::time::Duration;

/// Connections to the primary at most: a statement takes well under a millisecond, so these carry
/// thousands a second, and more would only wait for the same disk.
const PRIMARY_CONNECTIONS_MAX: u32 = 16;
/// Requests under way at most. Most of them wait until readers show what they changed, which takes a
/// place here and nothing else.
const REQUESTS_MAX: usize = 1024;
/// Reports that hide a review.
const REPORT_THRESHOLD: i32 = 1;
/// Longest wait until readers show a change, in milliseconds.
const VISIBLE_TIMEOUT_MS: u64 = 500;
/// Most that may be set: a request is given up after 10 s, and the command before the wait takes its time.
const VISIBLE_TIMEOUT_MS_MAX: u64 = 5_000;

/// What the service was told.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) primary: PgPool,
    pub(crate) primary_options: PgConnectOptions,
    pub(crate) broker: BrokerAddress,
    pub(crate) cors: Cors,
    pub(crate) requests_max: usize,
    pub(crate) report_threshold: i32,
    pub(crate) visible_timeout: Duration,
}

impl Config {
    pub(crate) fn read(settings: Settings) -> anyhow::Result<Self> {
        let report_threshold = settings.or("REPORT_THRESHOLD", REPORT_THRESHOLD)?;
        anyhow::ensure!(report_threshold >= 1, "REPORT_THRESHOLD must be at least 1, not {report_threshold}");
        let visible_timeout_ms = settings.or("VISIBLE_TIMEOUT_MS", VISIBLE_TIMEOUT_MS)?;
        anyhow::ensure!(
            visible_timeout_ms <= VISIBLE_TIMEOUT_MS_MAX,
            "VISIBLE_TIMEOUT_MS must be at most {VISIBLE_TIMEOUT_MS_MAX}, not {visible_timeout_ms}"
        );
        Ok(Config {
            listen: settings.listen()?,
            primary: settings.pool("PRIMARY", PRIMARY_CONNECTIONS_MAX)?,
            primary_options: settings.database("PRIMARY")?,
            broker: settings.broker()?,
            cors: settings.cors()?,
            requests_max: settings.requests_max(REQUESTS_MAX)?,
            report_threshold,
            visible_timeout: Duration::from_millis(visible_timeout_ms),
        })
    }
}
