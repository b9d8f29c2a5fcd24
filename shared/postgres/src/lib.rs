//! How the project talks to any Postgres: connections with bounds, and what an error means for
//! the caller. The statements are in the crates of the two databases.

mod copy;
mod lanes;

pub use copy::{BinaryReader, BinaryRow, BinaryRows, CopyMalformed};
pub use lanes::Lanes;

use anyhow::{Context, anyhow};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::future::Future;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// Longest wait for a connection of a pool: past it the store counts as away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// A pooled connection is replaced at this age: servers behind an address may change, and a
/// connection's caches grow.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(30 * 60);
/// A connection that rested longer is asked whether it still lives before it is used. No server is away and back within it.
const PING_AFTER_IDLE: Duration = Duration::from_millis(100);
/// How often a statement that only reads is tried on another connection: more than a reader's pool has.
const LOST_RETRIES_MAX: u32 = 10;
/// How often a statement is tried again after a deadlock or a serialization failure.
const CONFLICT_RETRIES_MAX: u32 = 5;

/// Reads a database's address and, from a file, the password of its role.
///
/// # Errors
/// When the address is not one of a Postgres, or the file cannot be read.
pub fn options(
    url: &str,
    password_file: Option<&Path>,
    application: &str,
) -> anyhow::Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).map_err(|_| {
        // The reader's words are of its own parts; and the address itself may hold a password.
        let found = match url.starts_with("postgres://") || url.starts_with("postgresql://") {
            true => "host, port or a parameter of this one cannot be read",
            false => "this one does not begin with postgres://",
        };
        anyhow!("the database's address must look like postgres://ROLE@HOST:PORT/DATABASE: {found}")
    })?;
    let options = options.application_name(application);
    Ok(match password_file {
        None => options,
        Some(path) => {
            let password = std::fs::read_to_string(path)
                .with_context(|| format!("the password file {} cannot be read", path.display()))?;
            options.password(password.trim_end_matches(['\r', '\n']))
        }
    })
}

/// A pool of at most `connections_max` connections, opened when they are needed.
pub fn pool(options: PgConnectOptions, connections_max: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(CONNECTION_AGE_MAX)
        // A ping before each use would cost a round trip. One after a rest costs nobody anything, and
        // finds the connections that a restart of the server has ended.
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for > PING_AFTER_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options)
}

/// Opens the connections of a pool but one, which stays free for whoever comes meanwhile, one after another, so that the
/// first burst of a service that has just started finds them: opened all at once, each of them would be late. Ends when one
/// cannot be opened; whoever needs one says why.
pub async fn open_connections(pool: PgPool) {
    let mut open = Vec::new();
    for _ in 1..pool.options().get_max_connections() {
        match pool.acquire().await {
            Ok(connection) => open.push(connection),
            Err(_) => break,
        }
    }
}

/// What an error of a statement means for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The store cannot be reached or is busy: wait and try again.
    Away,
    /// Another transaction was in the way: try again at once.
    Conflict,
    /// The values cannot be stored (SQLSTATE classes 22 and 23): trying again gives the same.
    Data,
    /// The statement itself is wrong, or not allowed.
    Bug,
}

/// Sorts an error by what to do about it.
pub fn fault(error: &sqlx::Error) -> Fault {
    let code = match error {
        sqlx::Error::Database(database) => database.code(),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => return Fault::Away,
        _ => return Fault::Bug,
    };
    match code.as_deref().unwrap_or_default() {
        "40001" | "40P01" => Fault::Conflict,
        // Statement timeout, lock not available, and an idle transaction that was ended.
        "57014" | "55P03" | "25P03" => Fault::Away,
        code => match code.get(..2).unwrap_or_default() {
            "22" | "23" => Fault::Data,
            // Connection, resources, operator intervention, system error, read-only after a failover.
            "08" | "53" | "57" | "58" | "25" => Fault::Away,
            _ => Fault::Bug,
        },
    }
}

/// Runs `statement` again while other transactions are in its way, a bounded number of times.
///
/// # Errors
/// The last error.
pub async fn retry_conflicts<T, F>(mut statement: impl FnMut() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let mut retries = 0;
    loop {
        match statement().await {
            Err(error) if fault(&error) == Fault::Conflict && retries < CONFLICT_RETRIES_MAX => {
                retries += 1;
                tracing::debug!(retries, "another transaction was in the way");
            }
            result => return result,
        }
    }
}

/// Runs a statement that only reads again on another connection while the one it was given turns
/// out to be dead, as all of a pool are after a restart of the server. A server that is really away
/// ends it at once: no new connection can be had.
///
/// # Errors
/// The last error.
pub async fn retry_lost<T, F>(mut statement: impl FnMut() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let mut retries = 0;
    loop {
        match statement().await {
            Err(error) if is_lost(&error) && retries < LOST_RETRIES_MAX => retries += 1,
            result => return result,
        }
    }
}

/// Whether the connection broke, or its server process was told to end.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(database) => database.code().as_deref() == Some("57P01"),
        _ => false,
    }
}

/// Waits for a statement or a transaction, but not for ever: a server that vanished without a word
/// would otherwise be waited for until the operating system notices.
///
/// # Errors
/// That of the work, or one of input and output when the time is up.
pub async fn in_time<T, E: From<sqlx::Error>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into()),
    }
}
