//! Receiving messages.

use crate::connection::{BrokerAddress, BrokerError, close, in_time, open};
use crate::topology::declare;
use contract::{EPOCH_HEADER, queues};
use domain::Epoch;
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt};
use lapin::message;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Acker, BasicProperties, Channel, Connection};

/// Messages of one queue that may be on their way or unacknowledged: bounds memory at 8 queues of
/// them, at 200 events each.
const PREFETCH_MESSAGES: u16 = 32;

/// A message from a queue. It stays the broker's until it is acknowledged.
#[derive(Debug)]
pub struct Delivery {
    /// The log that the positions in it belong to, if it says so.
    pub epoch: Option<Epoch>,
    /// The events, to be read by [`contract::read_batch`].
    pub body: Vec<u8>,
    acker: Acker,
}

impl Delivery {
    /// Tells the broker that this message is done with.
    ///
    /// # Errors
    /// When the connection broke; the message will come again.
    pub async fn ack(&self) -> Result<(), BrokerError> {
        in_time(self.acker.ack(BasicAckOptions::default())).await.map(|_| ())
    }

    /// Gives up on this message: it becomes a dead letter.
    ///
    /// # Errors
    /// When the connection broke; the message will come again.
    pub async fn reject(&self) -> Result<(), BrokerError> {
        in_time(self.acker.reject(BasicRejectOptions { requeue: false })).await.map(|_| ())
    }
}

/// A connection that only receives, from all queues of events.
pub struct Subscription {
    connection: Connection,
    _channel: Channel,
    deliveries: SelectAll<BoxStream<'static, Result<message::Delivery, BrokerError>>>,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl Subscription {
    /// Connects, declares what messages need, and begins to receive.
    ///
    /// # Errors
    /// When the broker is away or refuses.
    pub async fn connect(address: &BrokerAddress, name: &str) -> Result<Self, BrokerError> {
        let (connection, channel) = open(address, name).await?;
        declare(&channel).await?;
        in_time(channel.basic_qos(PREFETCH_MESSAGES, BasicQosOptions::default())).await?;
        let mut deliveries = SelectAll::new();
        for queue in queues() {
            let options = BasicConsumeOptions::default();
            let consume =
                channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default());
            let consumer = in_time(consume).await?.map(|delivery| Ok(delivery?));
            // A consumer whose queue was deleted would leave the others waiting for ever: the first
            // end is the end of all.
            let end = stream::once(async { Err(BrokerError::Ended) });
            deliveries.push(consumer.chain(end).boxed());
        }
        Ok(Subscription { connection, _channel: channel, deliveries })
    }

    /// The next message, of any queue.
    ///
    /// # Errors
    /// When the connection has ended, or a queue was deleted: begin again.
    pub async fn next(&mut self) -> Result<Delivery, BrokerError> {
        let delivery = self.deliveries.next().await.ok_or(BrokerError::Ended)??;
        Ok(Delivery { epoch: epoch_of(&delivery.properties), body: delivery.data, acker: delivery.acker })
    }

    /// Ends the connection in order; what was not acknowledged goes to another.
    pub async fn close(self) {
        close(&self.connection).await;
    }
}

/// The log that a message says it is of.
pub(crate) fn epoch_of(properties: &BasicProperties) -> Option<Epoch> {
    match properties.headers().as_ref()?.inner().get(EPOCH_HEADER) {
        Some(AMQPValue::LongString(text)) => text.to_string().parse().ok(),
        _ => None,
    }
}
