//! Both databases at once, for commands that work on the one and the other.

use crate::config::Config;
use crate::store::Store;
use anyhow::Error;
use replay::{ReplayError, Stores};

/// Connections of each pool: small statements only, large ones have connections of their own.
const CONNECTIONS_MAX: u32 = 4;

/// The stores of replays, and how messages name them.
pub(crate) struct Named {
    pub(crate) stores: Stores,
    primary: Store,
    meta: Store,
}

impl Named {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let (primary, meta) = (config.primary()?, config.meta()?);
        let named = (Store::primary(&primary), Store::meta(&meta));
        let stores = Stores {
            primary: postgres::pool(primary, CONNECTIONS_MAX),
            meta: postgres::pool(meta, CONNECTIONS_MAX),
        };
        Ok(Named { stores, primary: named.0, meta: named.1 })
    }

    /// What an error means here: which store is away, if one is, and the mend.
    pub(crate) fn failed(&self, error: ReplayError, then: &str) -> Error {
        match error {
            ReplayError::Primary(error) => self.primary.failed_then(&error, then),
            ReplayError::Meta(error) => self.meta.failed_then(&error, then),
            error => Error::from(error),
        }
    }

    /// An error of a statement on meta.
    pub(crate) fn meta_failed(&self, error: &sqlx::Error) -> Error {
        self.meta.failed(error)
    }
}
