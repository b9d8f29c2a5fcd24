//! Settings of the write service.

use broker::BrokerAddress;
use service::Settings;
use sqlx::postgres::{PgConnectOptions, PgPool};
use std::net::SocketAddr;

/// Connections to the primary at most: a statement takes well under a millisecond, so these carry
/// thousands a second, and more would only wait for the same disk.
const PRIMARY_CONNECTIONS_MAX: u32 = 16;
/// Reports that hide a review.
const REPORT_THRESHOLD: i32 = 1;

/// What the service was told.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) primary: PgPool,
    pub(crate) primary_options: PgConnectOptions,
    pub(crate) broker: BrokerAddress,
    pub(crate) report_threshold: i32,
}

impl Config {
    pub(crate) fn read(settings: Settings) -> anyhow::Result<Self> {
        let report_threshold = settings.or("REPORT_THRESHOLD", REPORT_THRESHOLD)?;
        anyhow::ensure!(report_threshold >= 1, "REPORT_THRESHOLD must be at least 1, not {report_threshold}");
        Ok(Config {
            listen: settings.listen()?,
            primary: settings.pool("PRIMARY", PRIMARY_CONNECTIONS_MAX)?,
            primary_options: settings.database("PRIMARY")?,
            broker: settings.broker()?,
            report_threshold,
        })
    }
}
