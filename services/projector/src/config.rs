//! Settings of the projector.

use broker::BrokerAddress;
use service::Settings;
use sqlx::PgPool;
use std::net::SocketAddr;

/// Connections to each database at most, beside the one that folds: to pull, and to look how far the
/// log is.
const CONNECTIONS_MAX: u32 = 2;

/// What the service was told.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) primary: PgPool,
    pub(crate) meta: PgPool,
    pub(crate) broker: BrokerAddress,
}

impl Config {
    pub(crate) fn read(settings: Settings) -> anyhow::Result<Self> {
        Ok(Config {
            listen: settings.listen()?,
            primary: settings.pool("PRIMARY", CONNECTIONS_MAX)?,
            meta: settings.pool("META", CONNECTIONS_MAX)?,
            broker: settings.broker()?,
        })
    }
}
