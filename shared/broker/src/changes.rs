//! Notices of changes: sent to whoever listens at the moment, kept by nobody.

use crate::connection::{BrokerAddress, BrokerError, close, in_time, open};
use contract::{CHANGES_EXCHANGE, ChangeNotice};
use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, Consumer, ExchangeKind};

/// Notices that wait for one listener at most; the oldest are dropped. A listener that is so far
/// behind learns nothing from them.
const NOTICES_MAX: i64 = 1_000;

async fn declare(channel: &Channel) -> Result<(), BrokerError> {
    let transient = ExchangeDeclareOptions::default();
    let none = FieldTable::default();
    in_time(channel.exchange_declare(CHANGES_EXCHANGE.into(), ExchangeKind::Fanout, transient, none)).await
}

/// A connection that only sends notices.
#[derive(Debug)]
pub struct ChangeSender {
    connection: Connection,
    channel: Channel,
}

impl ChangeSender {
    /// Connects, and declares what notices need.
    ///
    /// # Errors
    /// When the broker is away or refuses.
    pub async fn connect(address: &BrokerAddress, name: &str) -> Result<Self, BrokerError> {
        let (connection, channel) = open(address, name).await?;
        declare(&channel).await?;
        Ok(ChangeSender { connection, channel })
    }

    /// Sends a notice, as [`ChangeNotice::write`] writes it; nobody says whether it came through.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn send(&self, notice: &[u8]) -> Result<(), BrokerError> {
        let properties = BasicProperties::default().with_content_type("application/json".into());
        let options = BasicPublishOptions::default();
        let publish =
            self.channel.basic_publish(CHANGES_EXCHANGE.into(), "".into(), options, notice, properties);
        in_time(publish).await.map(|_| ())
    }

    /// Ends the connection in order.
    pub async fn close(self) {
        close(&self.connection).await;
    }
}

/// A connection that only receives notices, from now on.
pub struct ChangeReceiver {
    connection: Connection,
    _channel: Channel,
    consumer: Consumer,
}

impl std::fmt::Debug for ChangeReceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangeReceiver").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl ChangeReceiver {
    /// Connects, with a queue that lives as long as the connection.
    ///
    /// # Errors
    /// When the broker is away or refuses.
    pub async fn connect(address: &BrokerAddress, name: &str) -> Result<Self, BrokerError> {
        let (connection, channel) = open(address, name).await?;
        declare(&channel).await?;
        let mine = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let mut bounds = FieldTable::default();
        bounds.insert("x-max-length".into(), AMQPValue::LongLongInt(NOTICES_MAX));
        let queue = in_time(channel.queue_declare("".into(), mine, bounds)).await?;
        let (name, bind, none) = (queue.name().clone(), QueueBindOptions::default(), FieldTable::default());
        in_time(channel.queue_bind(name.clone(), CHANGES_EXCHANGE.into(), "".into(), bind, none)).await?;
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..Default::default() };
        let consumer =
            in_time(channel.basic_consume(name, "".into(), options, FieldTable::default())).await?;
        Ok(ChangeReceiver { connection, _channel: channel, consumer })
    }

    /// The next notice. A message that is none is passed over.
    ///
    /// # Errors
    /// When the connection has ended: begin again.
    pub async fn next(&mut self) -> Result<ChangeNotice, BrokerError> {
        loop {
            let delivery = self.consumer.next().await.ok_or(BrokerError::Ended)??;
            match ChangeNotice::read(&delivery.data) {
                Ok(notice) => return Ok(notice),
                Err(error) => {
                    tracing::warn!(cause = %error, "a message that is no notice of a change was passed over");
                }
            }
        }
    }

    /// Ends the connection in order.
    pub async fn close(self) {
        close(&self.connection).await;
    }
}
