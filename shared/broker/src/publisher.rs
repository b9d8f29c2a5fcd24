//! Handing messages to the broker and learning which it took.

use crate::connection::{BrokerAddress, BrokerError, close, in_time, open};
use crate::topology::declare;
use contract::{EPOCH_HEADER, EVENTS_EXCHANGE};
use domain::Epoch;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use std::collections::BTreeSet;

/// Content type of a batch of events.
const BATCH_CONTENT_TYPE: &str = "application/cloudevents-batch+json";
/// Delivery mode of a message that outlives the broker's process.
const PERSISTENT: u8 = 2;

/// A message for a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's name.
    pub queue: String,
    /// The log that the positions in it belong to.
    pub epoch: Epoch,
    /// The events, as written by [`contract::write_batch`].
    pub body: Vec<u8>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has it.
    Taken,
    /// The broker does not want it now: its queue is full or missing.
    Refused,
}

/// A connection that only publishes: the broker blocks a publisher's connection when it runs short
/// of memory, and consumers must not be behind that.
#[derive(Debug)]
pub struct Publisher {
    connection: Connection,
    channel: Channel,
}

impl Publisher {
    /// Connects, declares what messages need, and asks for confirms.
    ///
    /// # Errors
    /// When the broker is away or refuses.
    pub async fn connect(address: &BrokerAddress, name: &str) -> Result<Self, BrokerError> {
        let (connection, channel) = open(address, name).await?;
        declare(&channel).await?;
        in_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(Publisher { connection, channel })
    }

    /// Publishes messages in order, and returns what became of each.
    ///
    /// # Errors
    /// When the connection broke or a confirm did not come in time: any of them may then have been
    /// taken or not.
    pub async fn publish(&self, messages: &[Message]) -> Result<Vec<Outcome>, BrokerError> {
        let mut confirms = Vec::with_capacity(messages.len());
        for message in messages {
            let mut headers = FieldTable::default();
            headers.insert(EPOCH_HEADER.into(), AMQPValue::LongString(message.epoch.to_string().into()));
            let properties = BasicProperties::default()
                .with_content_type(BATCH_CONTENT_TYPE.into())
                .with_delivery_mode(PERSISTENT)
                .with_headers(headers);
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            let queue = message.queue.as_str().into();
            let publish =
                self.channel.basic_publish(EVENTS_EXCHANGE.into(), queue, options, &message.body, properties);
            confirms.push(in_time(publish).await?);
        }
        let mut outcomes = Vec::with_capacity(messages.len());
        let mut missing = BTreeSet::new();
        for confirm in confirms {
            outcomes.push(match in_time(confirm).await? {
                Confirmation::Ack(None) => Outcome::Taken,
                // A message whose queue is missing comes back inside the confirm that arrives next, which
                // may be another's: what it says is which queue is missing.
                Confirmation::Ack(Some(returned)) => {
                    missing.insert(returned.routing_key.as_str().to_owned());
                    Outcome::Taken
                }
                Confirmation::Nack(_) => Outcome::Refused,
                // Confirms were asked for at the start, so the channel is not the one we opened.
                Confirmation::NotRequested => return Err(BrokerError::Ended),
            });
        }
        for (outcome, message) in outcomes.iter_mut().zip(messages) {
            if missing.contains(&message.queue) {
                *outcome = Outcome::Refused;
            }
        }
        Ok(outcomes)
    }

    /// Ends the connection in order.
    pub async fn close(self) {
        close(&self.connection).await;
    }
}
