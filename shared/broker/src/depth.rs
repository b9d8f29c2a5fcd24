//! How much the broker holds.

use crate::connection::{BrokerAddress, BrokerError, close, in_time, open};
use contract::{DEAD_LETTER_QUEUE, queues};
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

/// A queue as the broker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueDepth {
    /// Its name.
    pub queue: String,
    /// Messages ready to be delivered, those on their way to a consumer not among them.
    pub messages: u32,
    /// Consumers that it knows.
    pub consumers: u32,
}

/// Reads the depth of every queue of events, then of the dead letters, without changing anything.
///
/// # Errors
/// When the broker is away, or has no such queue: no service has been connected to it yet.
pub async fn queue_depths(address: &BrokerAddress, name: &str) -> Result<Vec<QueueDepth>, BrokerError> {
    let (connection, channel) = open(address, name).await?;
    let mut depths = Vec::new();
    for queue in queues().chain([DEAD_LETTER_QUEUE.to_owned()]) {
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let declared =
            in_time(channel.queue_declare(queue.as_str().into(), passive, FieldTable::default())).await?;
        let (messages, consumers) = (declared.message_count(), declared.consumer_count());
        depths.push(QueueDepth { queue, messages, consumers });
    }
    close(&connection).await;
    Ok(depths)
}
