//! Declaring exchanges and queues. Both sides do it at every connection, so that a broker whose data
//! were lost is whole again at once.

use crate::connection::{BrokerError, in_time};
use contract::{
    DEAD_LETTER_EXCHANGE, DEAD_LETTER_QUEUE, DELIVERY_LIMIT, EVENTS_EXCHANGE, QUEUE_MESSAGES_MAX, queues,
};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

/// Declares everything, which changes nothing where it is there already.
pub(crate) async fn declare(channel: &Channel) -> Result<(), BrokerError> {
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let none = FieldTable::default;
    in_time(channel.exchange_declare(EVENTS_EXCHANGE.into(), ExchangeKind::Direct, durable, none())).await?;
    in_time(channel.exchange_declare(DEAD_LETTER_EXCHANGE.into(), ExchangeKind::Fanout, durable, none()))
        .await?;
    let dead = table([("x-queue-type", text("quorum"))]);
    in_time(channel.queue_declare(DEAD_LETTER_QUEUE.into(), QueueDeclareOptions::durable(), dead)).await?;
    let bind = QueueBindOptions::default();
    let (queue, exchange) = (DEAD_LETTER_QUEUE.into(), DEAD_LETTER_EXCHANGE.into());
    in_time(channel.queue_bind(queue, exchange, "".into(), bind, none())).await?;
    for queue in queues() {
        let name = queue.as_str();
        let options = QueueDeclareOptions::durable();
        in_time(channel.queue_declare(name.into(), options, queue_arguments())).await?;
        in_time(channel.queue_bind(name.into(), EVENTS_EXCHANGE.into(), name.into(), bind, none())).await?;
    }
    Ok(())
}

/// A queue that keeps its messages' order and refuses what it cannot hold.
fn queue_arguments() -> FieldTable {
    table([
        ("x-queue-type", text("quorum")),
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT)),
        ("x-overflow", text("reject-publish")),
        ("x-max-length", AMQPValue::LongLongInt(QUEUE_MESSAGES_MAX)),
        ("x-dead-letter-exchange", text(DEAD_LETTER_EXCHANGE)),
        ("x-dead-letter-strategy", text("at-least-once")),
    ])
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value);
    }
    table
}
