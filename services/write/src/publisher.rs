//! Offers sequenced events to the broker.

use crate::relay::STATEMENT_TIMEOUT;
use broker::{BrokerAddress, BrokerError, Message, Outcome, Publisher};
use changes::Announcer;
use contract::{MESSAGE_EVENTS_MAX, Store, queue_of, write_batch};
use domain::{Epoch, LinkedEvent, Part, Position};
use postgres::in_time;
use service::{Shutdown, log_chain};
use sqlx::{Connection, PgConnection};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Longest pause when nothing was sequenced here: another relay's events, or a missed notice.
const IDLE_TICK: Duration = Duration::from_secs(1);
/// Pauses between attempts to reach the broker double from the first to the last.
const CONNECT_PAUSE_MIN: Duration = Duration::from_millis(250);
const CONNECT_PAUSE_MAX: Duration = Duration::from_secs(4);
/// Events of one part read at once.
const PART_EVENTS_MAX: i64 = 200;
/// Events of one part that may wait; the rest is left to the projectors, which pull faster than a
/// broker carries.
const PART_BACKLOG_MAX: i64 = 1_000;
/// How often a message is offered to a queue that refuses it.
const OFFERS_MAX: u32 = 3;
/// Pause before it is offered again.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// Publishes until told to stop. The broker may come and go; only the primary's loss is an error.
pub(crate) async fn run(
    mut connection: PgConnection,
    broker: &BrokerAddress,
    announcer: &Announcer,
    sequenced: &Notify,
    shutdown: &Shutdown,
) -> Result<(), sqlx::Error> {
    let mut pause = CONNECT_PAUSE_MIN;
    while !shutdown.is_stopped() {
        let connect = shutdown.unless_stopped(Publisher::connect(broker, "write: relay")).await;
        let Some(connect) = connect else { break };
        let failure = match connect {
            Ok(publisher) => {
                tracing::info!(?broker, "the relay publishes");
                pause = CONNECT_PAUSE_MIN;
                match publish(&mut connection, &publisher, announcer, sequenced, shutdown).await {
                    Ok(()) => {
                        publisher.close().await;
                        break;
                    }
                    Err(Stopped::Primary(error)) => return Err(error),
                    Err(Stopped::Broker(error)) => error,
                }
            }
            Err(error) => error,
        };
        tracing::warn!(cause = log_chain(&failure), "the broker is away: projectors pull until it is back");
        let _ = shutdown.unless_stopped(sleep(pause)).await;
        pause = (pause * 2).min(CONNECT_PAUSE_MAX);
    }
    connection.close().await
}

enum Stopped {
    Primary(sqlx::Error),
    Broker(BrokerError),
}

impl From<sqlx::Error> for Stopped {
    fn from(error: sqlx::Error) -> Self {
        Stopped::Primary(error)
    }
}

impl From<BrokerError> for Stopped {
    fn from(error: BrokerError) -> Self {
        Stopped::Broker(error)
    }
}

async fn publish(
    connection: &mut PgConnection,
    publisher: &Publisher,
    announcer: &Announcer,
    sequenced: &Notify,
    shutdown: &Shutdown,
) -> Result<(), Stopped> {
    let epoch = in_time(STATEMENT_TIMEOUT, primary::log_epoch(&mut *connection)).await?;
    let mut many = true;
    while !shutdown.is_stopped() {
        if many {
            let skipped =
                in_time(STATEMENT_TIMEOUT, primary::skip_backlog(connection, PART_BACKLOG_MAX)).await?;
            if skipped > 0 {
                tracing::info!(events = skipped, "a long backlog is left to the projectors");
            }
        }
        let unpublished = primary::unpublished_events(connection, PART_EVENTS_MAX);
        let events = in_time(STATEMENT_TIMEOUT, unpublished).await?;
        many = i64::try_from(events.len()).is_ok_and(|events| events >= PART_EVENTS_MAX);
        if events.is_empty() {
            let next = tokio::time::timeout(IDLE_TICK, sequenced.notified());
            let _ = shutdown.unless_stopped(next).await;
            continue;
        }
        // Once more: a service may have ended after a commit and before it could say so.
        for LinkedEvent { event, .. } in &events {
            announcer.announce_once(Store::Primary, event.product_id, event.version);
        }
        offer(publisher, messages(epoch, &events), shutdown).await?;
        let offered = last_positions(&events);
        in_time(STATEMENT_TIMEOUT, primary::raise_published(connection, &offered)).await?;
    }
    Ok(())
}

/// Offers messages until each was taken, or was refused so often that its events are left to the
/// projectors.
async fn offer(
    publisher: &Publisher,
    mut messages: Vec<Message>,
    shutdown: &Shutdown,
) -> Result<(), BrokerError> {
    for offers in 1..=OFFERS_MAX {
        let outcomes = publisher.publish(&messages).await?;
        let mut outcomes = outcomes.into_iter();
        messages.retain(|_| outcomes.next() == Some(Outcome::Refused));
        if messages.is_empty() || shutdown.is_stopped() {
            return Ok(());
        }
        if offers < OFFERS_MAX {
            let _ = shutdown.unless_stopped(sleep(REFUSED_PAUSE)).await;
        }
    }
    tracing::warn!(
        messages = messages.len(),
        "queues refuse messages: their events are left to the projectors"
    );
    Ok(())
}

/// Puts events, which come by part and position, into as few messages as their queues and sizes
/// allow.
fn messages(epoch: Epoch, events: &[LinkedEvent]) -> Vec<Message> {
    let of_one_queue = |a: &LinkedEvent, b: &LinkedEvent| queue_of(a.event.part) == queue_of(b.event.part);
    events
        .chunk_by(of_one_queue)
        .flat_map(|queue| queue.chunks(MESSAGE_EVENTS_MAX))
        .filter_map(|events| match write_batch(epoch, events) {
            Ok(body) => Some(Message { queue: queue_of(events[0].event.part), epoch, body }),
            Err(error) => {
                tracing::error!(cause = log_chain(&error), "events cannot be written: projectors pull them");
                None
            }
        })
        .collect()
}

/// The last position of each part.
fn last_positions(events: &[LinkedEvent]) -> Vec<(Part, Position)> {
    let parts = events.chunk_by(|a, b| a.event.part == b.event.part);
    parts.filter_map(|part| part.last()).map(|last| (last.event.part, last.event.pos)).collect()
}
