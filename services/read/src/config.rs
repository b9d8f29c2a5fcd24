//! Settings of the read service.

use service::Settings;
use sqlx::PgPool;
use std::net::SocketAddr;

/// Connections to each database at most. Four services share two cores with the databases; an
/// answer takes well under a millisecond of a connection, so more would only wait in another queue.
const CONNECTIONS_MAX: u32 = 8;

/// What the service was told.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) primary: PgPool,
    pub(crate) meta: PgPool,
}

impl Config {
    pub(crate) fn read(settings: Settings) -> anyhow::Result<Self> {
        Ok(Config {
            listen: settings.listen()?,
            primary: settings.pool("PRIMARY", CONNECTIONS_MAX)?,
            meta: settings.pool("META", CONNECTIONS_MAX)?,
        })
    }
}
