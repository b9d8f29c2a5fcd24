//! Notices of changes, and receipts for them: sent to whoever listens at the moment, kept by nobody.

use crate::connection::{BrokerAddress, BrokerError, close, in_time, open};
use contract::{CHANGES_EXCHANGE, ChangeNotice, RECEIPTS_EXCHANGE, Receipt};
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
    for exchange in [CHANGES_EXCHANGE, RECEIPTS_EXCHANGE] {
        let (transient, none) = (ExchangeDeclareOptions::default(), FieldTable::default());
        in_time(channel.exchange_declare(exchange.into(), ExchangeKind::Fanout, transient, none)).await?;
    }
    Ok(())
}

/// A connection that only sends notices, or receipts.
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
        self.send_to(CHANGES_EXCHANGE, notice).await
    }

    /// The same with a receipt, as [`Receipt::write`] writes it.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn send_receipt(&self, receipt: &[u8]) -> Result<(), BrokerError> {
        self.send_to(RECEIPTS_EXCHANGE, receipt).await
    }

    async fn send_to(&self, exchange: &str, body: &[u8]) -> Result<(), BrokerError> {
        let properties = BasicProperties::default().with_content_type("application/json".into());
        let options = BasicPublishOptions::default();
        let publish = self.channel.basic_publish(exchange.into(), "".into(), options, body, properties);
        in_time(publish).await.map(|_| ())
    }

    /// Ends the connection in order.
    pub async fn close(self) {
        close(&self.connection).await;
    }
}

/// Which messages somebody receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receives {
    /// Notices.
    Notices,
    /// Notices and receipts.
    Receipts,
}

/// What is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A notice.
    Notice(ChangeNotice),
    /// A receipt.
    Receipt(Receipt),
}

/// A connection that only receives notices, and receipts if wanted, from now on.
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
    pub async fn connect(
        address: &BrokerAddress,
        name: &str,
        receives: Receives,
    ) -> Result<Self, BrokerError> {
        let (connection, channel) = open(address, name).await?;
        declare(&channel).await?;
        let mine = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let mut bounds = FieldTable::default();
        bounds.insert("x-max-length".into(), AMQPValue::LongLongInt(NOTICES_MAX));
        let queue = in_time(channel.queue_declare("".into(), mine, bounds)).await?;
        let name = queue.name().clone();
        let exchanges: &[&str] = match receives {
            Receives::Notices => &[CHANGES_EXCHANGE],
            Receives::Receipts => &[CHANGES_EXCHANGE, RECEIPTS_EXCHANGE],
        };
        for exchange in exchanges {
            let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
            in_time(channel.queue_bind(name.clone(), (*exchange).into(), "".into(), bind, none)).await?;
        }
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..Default::default() };
        let consumer =
            in_time(channel.basic_consume(name, "".into(), options, FieldTable::default())).await?;
        Ok(ChangeReceiver { connection, _channel: channel, consumer })
    }

    /// What is told next. A message that says nothing is passed over.
    ///
    /// # Errors
    /// When the connection has ended: begin again.
    pub async fn next(&mut self) -> Result<Told, BrokerError> {
        loop {
            let delivery = self.consumer.next().await.ok_or(BrokerError::Ended)??;
            let told = if delivery.exchange.as_str() == RECEIPTS_EXCHANGE {
                Receipt::read(&delivery.data).map(Told::Receipt)
            } else {
                ChangeNotice::read(&delivery.data).map(Told::Notice)
            };
            match told {
                Ok(told) => return Ok(told),
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
