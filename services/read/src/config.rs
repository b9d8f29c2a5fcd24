//! Settings of the read service.

use crate::cache::Bounds;
use broker::BrokerAddress;
use contract::Family;
use service::{Cors, Settings};
use sqlx::PgPool;
use std::net::SocketAddr;
use std::time::Duration;

/// Connections to each database at most. Four services share two cores with the databases; an
/// answer takes well under a millisecond of a connection, so more would only wait in another queue.
const CONNECTIONS_MAX: u32 = 4;
/// Requests under way at most: many times what the connections serve, so that a short burst waits
/// and a long one is told to come again.
const REQUESTS_MAX: usize = 1024;

/// Memory for answers that are kept, in MiB: the metas and first pages of 30,000 products.
const CACHE_MIB: u64 = 96;
const CACHE_MIB_MAX: u64 = 64 * 1024;
/// Oldest answer that is served: changes are heard of at once, so this is for what nobody thought of.
const CACHE_AGE_MAX: Duration = Duration::from_secs(10 * 60);

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
    pub(crate) cache: Bounds,
}

impl Config {
    pub(crate) fn read(settings: Settings) -> anyhow::Result<Self> {
        let family2 = match settings.or("FAMILY2_TYPES", "atelier".to_owned())?.as_str() {
            "atelier" => Family::Two,
            "transition" => Family::Transition,
            other => anyhow::bail!("FAMILY2_TYPES must be atelier or transition, not {other:?}"),
        };
        let cache_mib = settings.or("CACHE_MIB", CACHE_MIB)?;
        anyhow::ensure!(
            cache_mib <= CACHE_MIB_MAX,
            "CACHE_MIB must be a number of MiB from 0 (no cache) to {CACHE_MIB_MAX}, not {cache_mib}"
        );
        Ok(Config {
            listen: settings.listen()?,
            primary: settings.pool("PRIMARY", CONNECTIONS_MAX)?,
            meta: settings.pool("META", CONNECTIONS_MAX)?,
            broker: settings.broker()?,
            cors: settings.cors()?,
            requests_max: settings.requests_max(REQUESTS_MAX)?,
            family2,
            cache: Bounds { bytes_max: cache_mib << 20, age_max: CACHE_AGE_MAX },
        })
    }
}
