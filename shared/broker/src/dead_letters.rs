//! What nobody could read: looked at without taking it, and thrown away.

use crate::connection::{BrokerAddress, BrokerError, close, in_time, open};
use crate::subscription::epoch_of;
use contract::DEAD_LETTER_QUEUE;
use domain::Epoch;
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use std::time::Duration;

/// Longest wait for the next letter: the broker has it ready, unless somebody else looks at it.
const LETTER_TIMEOUT: Duration = Duration::from_secs(2);
/// Header in which the broker says where a letter died first, and why.
const FIRST_QUEUE_HEADER: &str = "x-first-death-queue";
const FIRST_REASON_HEADER: &str = "x-first-death-reason";
/// Header with all its deaths, the last one first.
const DEATHS_HEADER: &str = "x-death";

/// Dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetters {
    /// How many there are.
    pub count: u32,
    /// The oldest of them.
    pub letters: Vec<DeadLetter>,
}

/// A message that was given up, with what the broker says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The queue that it was in, if the broker says so.
    pub queue: Option<String>,
    /// Why it died: `rejected` by whoever could not read it, `delivery_limit` after too many deliveries, ...
    pub reason: Option<String>,
    /// When, in seconds of Unix time.
    pub at: Option<u64>,
    /// How often it died there for that reason.
    pub times: Option<i64>,
    /// The log that it says it is of.
    pub epoch: Option<Epoch>,
    /// Its body, whatever that is.
    pub body: Vec<u8>,
}

/// Counts the dead letters and reads the oldest, at most `letters_max`. All stay where they are, in order.
///
/// # Errors
/// When the broker is away, or has no such queue: no service has been connected to it yet.
pub async fn dead_letters(
    address: &BrokerAddress,
    name: &str,
    letters_max: u16,
) -> Result<DeadLetters, BrokerError> {
    let (connection, channel) = open(address, name).await?;
    let count = count(&channel).await?;
    let mut letters = Vec::new();
    let shown = letters_max.min(u16::try_from(count).unwrap_or(u16::MAX));
    if shown > 0 {
        // One consumer for all of them. Each basic.get would be one of its own, and those give back what they hold
        // in an order of their own.
        in_time(channel.basic_qos(shown, BasicQosOptions::default())).await?;
        let consume = channel.basic_consume(
            DEAD_LETTER_QUEUE.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let mut consumer = in_time(consume).await?;
        for _ in 0..shown {
            // Somebody else may look at the same moment, and hold some of them.
            match tokio::time::timeout(LETTER_TIMEOUT, consumer.next()).await {
                Ok(Some(letter)) => letters.push(read(letter?)),
                Ok(None) | Err(_) => break,
            }
        }
    }
    // What was not acknowledged goes back.
    close(&connection).await;
    Ok(DeadLetters { count, letters })
}

/// Throws the dead letters away. Returns how many there were.
///
/// # Errors
/// As [`dead_letters`].
pub async fn purge_dead_letters(address: &BrokerAddress, name: &str) -> Result<u32, BrokerError> {
    let (connection, channel) = open(address, name).await?;
    let purged = in_time(channel.queue_purge(DEAD_LETTER_QUEUE.into(), QueuePurgeOptions::default())).await?;
    close(&connection).await;
    Ok(purged)
}

async fn count(channel: &Channel) -> Result<u32, BrokerError> {
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let declared = channel.queue_declare(DEAD_LETTER_QUEUE.into(), passive, FieldTable::default());
    Ok(in_time(declared).await?.message_count())
}

fn read(delivery: Delivery) -> DeadLetter {
    let properties = &delivery.properties;
    let death = match header(properties, DEATHS_HEADER) {
        Some(AMQPValue::FieldArray(deaths)) => deaths.as_slice().last(),
        _ => None,
    };
    let of_death = |name: &str| match death {
        Some(AMQPValue::FieldTable(death)) => death.inner().get(name),
        _ => None,
    };
    DeadLetter {
        queue: header(properties, FIRST_QUEUE_HEADER).or_else(|| of_death("queue")).and_then(text),
        reason: header(properties, FIRST_REASON_HEADER).or_else(|| of_death("reason")).and_then(text),
        at: match of_death("time") {
            Some(AMQPValue::Timestamp(seconds)) => Some(*seconds),
            _ => None,
        },
        times: match of_death("count") {
            Some(AMQPValue::LongLongInt(count)) => Some(*count),
            _ => None,
        },
        epoch: epoch_of(properties),
        body: delivery.data,
    }
}

fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}
