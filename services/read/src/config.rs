//! Settings of the read service.

use broker::BrokerAddress;
use contract::Family;
use service::{Cors, Settings};
use sqlx::PgPool;
use std::net::SocketAddr;

/// Connections to each database at most. Four services share two cores with the databases; an
/// answer takes well under a millisecond of a connection, so more would only wait in another queue.
const CONNECTIONS_MAX: u32 = 8;
/// Requests under way at most: many times what the connections serve, so that a short burst waits
/// and a long one is told to come again.
const REQUESTS_MAX: usize = 1024;

/// What the service was told.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) primary: PgPool,
    pub(crate) meta: PgPool,
    pub(crate) broker: BrokerAddress,
    pub(crate) cors: Cors,
    pub(crate) requests_max: usize,
    pub(crate) family2: Family,
}

impl Config {
    pub(crate) fn read(settings: Settings) -> anyhow::Result<Self> {
        let family2 = match settings.or("FAMILY2_TYPES", "atelier".to_owned())?.as_str() {
            "atelier" => Family::Two,
            "transition" => Family::Transition,
            other => anyhow::bail!("FAMILY2_TYPES must be atelier or transition, not {other:?}"),
        };
        Ok(Config {
            listen: settings.listen()?,
            primary: settings.pool("PRIMARY", CONNECTIONS_MAX)?,
            meta: settings.pool("META", CONNECTIONS_MAX)?,
            broker: settings.broker()?,
            cors: settings.cors()?,
            requests_max: settings.requests_max(REQUESTS_MAX)?,
            family2,
        })
    }
}
