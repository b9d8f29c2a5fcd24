//! Carries what happened from the outbox to the broker. Every write service has a relay; one of them
//! is active, the others stand by. That there is only one saves work; nothing depends on it.

use crate::config::Config;
use crate::{publisher, sequencer};
use broker::BrokerAddress;
use changes::Announcer;
use postgres::in_time;
use service::{Shutdown, log_chain};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// How often a relay that stands by tries to become the active one.
const STANDBY_INTERVAL: Duration = Duration::from_secs(1);
/// Pause after the primary was found to be away.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Longest wait for a statement of the relay, above the server's own limit for one.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// The relay as a task, and what to notify after each commit.
pub(crate) fn relay(
    config: &Config,
    announcer: Announcer,
    shutdown: Shutdown,
) -> (impl Future<Output = anyhow::Result<()>> + Send + 'static, Arc<Notify>) {
    let written = Arc::new(Notify::new());
    let (primary, broker) = (config.primary_options.clone(), config.broker.clone());
    (run(primary, broker, announcer, written.clone(), shutdown), written)
}

async fn run(
    primary: PgConnectOptions,
    broker: BrokerAddress,
    announcer: Announcer,
    written: Arc<Notify>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    while !shutdown.is_stopped() {
        let lead = shutdown.unless_stopped(lead(&primary)).await;
        let Some(lead) = lead else { break };
        let result = match lead {
            Ok(connection) => {
                tracing::info!("the relay is active");
                active(connection, &primary, &broker, &announcer, &written, &shutdown).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            tracing::warn!(cause = log_chain(&error), "the relay lost the primary and begins again");
            shutdown.unless_stopped(sleep(RETRY_PAUSE)).await;
        }
    }
    Ok(())
}

/// Waits until this relay is the active one: as long as the connection lives.
async fn lead(primary: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut connection = in_time(STATEMENT_TIMEOUT, primary.connect()).await?;
    while !in_time(STATEMENT_TIMEOUT, primary::hold_relay_lock(&mut connection)).await? {
        sleep(STANDBY_INTERVAL).await;
    }
    Ok(connection)
}

/// Sequences and publishes, side by side: a broker that is slow or away holds up no position.
async fn active(
    lead: PgConnection,
    primary: &PgConnectOptions,
    broker: &BrokerAddress,
    announcer: &Announcer,
    written: &Notify,
    shutdown: &Shutdown,
) -> Result<(), sqlx::Error> {
    let sequenced = Notify::new();
    // What the publisher stores is a hint, and may be lost in a crash: no commit of it waits for the disk.
    let publisher_options = primary.clone().options([("synchronous_commit", "off")]);
    let publisher_connection = in_time(STATEMENT_TIMEOUT, publisher_options.connect()).await?;
    tokio::try_join!(
        sequencer::run(lead, written, &sequenced, shutdown),
        publisher::run(publisher_connection, broker, announcer, &sequenced, shutdown),
    )?;
    Ok(())
}
