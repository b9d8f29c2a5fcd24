//! The two databases.

use crate::error::{self, ReplayError};
use sqlx::{ConnectOptions, PgConnection, PgPool};

/// The two databases: pools for what is small, connections of their own for what is large. A connection in
/// the middle of a COPY, cut off, must end: it never goes back to a pool.
#[derive(Debug, Clone)]
pub struct Stores {
    /// The primary, as its owner or as the projector.
    pub primary: PgPool,
    /// Meta, likewise.
    pub meta: PgPool,
}

impl Stores {
    pub(crate) async fn connect_primary(&self) -> Result<PgConnection, ReplayError> {
        error::primary(self.primary.connect_options().connect().await)
    }

    pub(crate) async fn connect_meta(&self) -> Result<PgConnection, ReplayError> {
        error::meta(self.meta.connect_options().connect().await)
    }
}
