//! Settings, from the environment.

use crate::Cors;
use anyhow::{Context, bail};
use broker::BrokerAddress;
use sqlx::postgres::{PgConnectOptions, PgPool};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use tokio::sync::Semaphore;

/// The process's environment, as settings of the service with this name.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    service: &'static str,
}

impl Settings {
    /// Settings of the service `service`, whose name databases and the broker show.
    pub const fn of(service: &'static str) -> Self {
        Settings { service }
    }

    /// The service's name.
    pub const fn service(self) -> &'static str {
        self.service
    }

    /// A setting that must be there.
    ///
    /// # Errors
    /// When it is not, or is not UTF-8.
    pub fn required(self, name: &str) -> anyhow::Result<String> {
        match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok(value),
            Err(std::env::VarError::NotUnicode(_)) => bail!("the environment variable {name} is not UTF-8"),
            _ => bail!("the environment variable {name} is missing; docs/OPERATIONS.md lists the settings"),
        }
    }

    /// A setting that has a default.
    ///
    /// # Errors
    /// When it is there but cannot be read.
    pub fn or<T: FromStr>(self, name: &str, default: T) -> anyhow::Result<T> {
        match std::env::var(name) {
            Ok(value) if !value.is_empty() => value
                .parse()
                .ok()
                .with_context(|| format!("the environment variable {name} cannot be {value:?}")),
            _ => Ok(default),
        }
    }

    /// Where to listen: `LISTEN`, as `127.0.0.1:8080`.
    ///
    /// # Errors
    /// When it is missing or no address.
    pub fn listen(self) -> anyhow::Result<SocketAddr> {
        let value = self.required("LISTEN")?;
        value.parse().with_context(|| format!("LISTEN must be ADDRESS:PORT, not {value:?}"))
    }

    /// A database by the prefix of its settings: `{prefix}_URL` and `{prefix}_PASSWORD_FILE`.
    ///
    /// # Errors
    /// When they are missing or cannot be read.
    pub fn database(self, prefix: &str) -> anyhow::Result<PgConnectOptions> {
        let url = self.required(&format!("{prefix}_URL"))?;
        let file = self.file(&format!("{prefix}_PASSWORD_FILE"));
        postgres::options(&url, file.as_deref(), self.service).with_context(|| format!("{prefix}_URL"))
    }

    /// A pool of connections to such a database: `{prefix}_CONNECTIONS` of them at most.
    ///
    /// # Errors
    /// When its settings are missing or cannot be read.
    pub fn pool(self, prefix: &str, connections_max: u32) -> anyhow::Result<PgPool> {
        let connections_max = self.or(&format!("{prefix}_CONNECTIONS"), connections_max)?;
        Ok(postgres::pool(self.database(prefix)?, connections_max))
    }

    /// The broker: `BROKER_URL` and `BROKER_PASSWORD_FILE`.
    ///
    /// # Errors
    /// When they are missing or cannot be read.
    pub fn broker(self) -> anyhow::Result<BrokerAddress> {
        let url = self.required("BROKER_URL")?;
        BrokerAddress::read(&url, self.file("BROKER_PASSWORD_FILE").as_deref()).context("BROKER_URL")
    }

    /// The origins whose pages may use the service: `CORS_ORIGINS`, every one by default.
    ///
    /// # Errors
    /// When one of them is no origin.
    pub fn cors(self) -> anyhow::Result<Cors> {
        Cors::read(&self.or("CORS_ORIGINS", "*".to_owned())?)
    }

    /// Requests under way at most: `REQUESTS_MAX`.
    ///
    /// # Errors
    /// When it cannot be read, or is 0.
    pub fn requests_max(self, default: usize) -> anyhow::Result<usize> {
        let requests_max = self.or("REQUESTS_MAX", default)?;
        anyhow::ensure!(requests_max >= 1, "REQUESTS_MAX must be at least 1");
        Ok(requests_max.min(Semaphore::MAX_PERMITS))
    }

    fn file(self, name: &str) -> Option<PathBuf> {
        std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from)
    }
}
