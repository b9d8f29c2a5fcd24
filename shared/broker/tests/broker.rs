//! The broker crate against a real RabbitMQ.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use broker::{
    BrokerAddress, BrokerError, DeadLetter, Message, Outcome, Publisher, Subscription, dead_letters,
    purge_dead_letters, queue_depths,
};
use contract::{QUEUE_MESSAGES_MAX, queues};
use domain::Epoch;
use lapin::options::QueueDeleteOptions;
use lapin::{Connection, ConnectionProperties};
use std::time::Duration;
use testkit::{BrokerHost, broker_host, eventually};

fn message(queue: &str, body: &str) -> Message {
    Message { queue: queue.to_owned(), epoch: Epoch::from_u128(9), body: body.as_bytes().to_vec() }
}

/// Messages ready in a queue.
async fn depth(address: &BrokerAddress, queue: &str) -> u32 {
    let depths = queue_depths(address, "test").await.unwrap();
    depths.into_iter().find(|depth| depth.queue == queue).unwrap().messages
}

async fn delete(host: &BrokerHost, queue: &str) {
    let connection = Connection::connect(&host.url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test]
async fn a_message_arrives_with_its_epoch_and_goes_when_acknowledged() {
    let host = broker_host().await;
    let publisher = Publisher::connect(&host.address, "test").await.unwrap();
    let sent: Vec<Message> = queues().map(|queue| message(&queue, &queue)).collect();
    assert_eq!(publisher.publish(&sent).await.unwrap(), vec![Outcome::Taken; 8]);
    let mut subscription = Subscription::connect(&host.address, "test").await.unwrap();
    let mut bodies = Vec::new();
    for _ in 0..8 {
        let delivery = subscription.next().await.unwrap();
        assert_eq!(delivery.epoch, Some(Epoch::from_u128(9)));
        bodies.push(String::from_utf8(delivery.body.clone()).unwrap());
        delivery.ack().await.unwrap();
    }
    bodies.sort_unstable();
    assert_eq!(bodies, queues().collect::<Vec<_>>());
    subscription.close().await;
    let left = queue_depths(&host.address, "test").await.unwrap();
    assert!(left.iter().all(|depth| depth.messages == 0), "{left:?}");
    assert_eq!(left.last().unwrap().queue, "reviews.dead");
    publisher.close().await;
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_in_order() {
    let host = broker_host().await;
    let publisher = Publisher::connect(&host.address, "test").await.unwrap();
    let sent: Vec<Message> = (0..20).map(|n| message("meta.3", &n.to_string())).collect();
    publisher.publish(&sent).await.unwrap();
    for _ in 0..3 {
        let mut subscription = Subscription::connect(&host.address, "test").await.unwrap();
        for expected in 0..20 {
            let delivery = subscription.next().await.unwrap();
            assert_eq!(delivery.body, expected.to_string().as_bytes());
        }
        subscription.close().await;
    }
    assert_eq!(depth(&host.address, "reviews.dead").await, 0);
}

#[tokio::test]
async fn a_rejected_message_becomes_a_dead_letter() {
    let host = broker_host().await;
    let publisher = Publisher::connect(&host.address, "test").await.unwrap();
    publisher.publish(&[message("meta.0", "garbage")]).await.unwrap();
    let mut subscription = Subscription::connect(&host.address, "test").await.unwrap();
    subscription.next().await.unwrap().reject().await.unwrap();
    eventually("the dead letter", || async {
        (depth(&host.address, "reviews.dead").await == 1).then_some(())
    })
    .await;
}

/// Letters that are looked at, of 30.
const LOOKED_AT: u16 = 25;

#[tokio::test]
async fn dead_letters_are_looked_at_with_their_reasons_and_stay_in_order_however_often() {
    let host = broker_host().await;
    let publisher = Publisher::connect(&host.address, "test").await.unwrap();
    let sent: Vec<Message> = (0..30).map(|n| message("meta.2", &n.to_string())).collect();
    publisher.publish(&sent).await.unwrap();
    let mut subscription = Subscription::connect(&host.address, "test").await.unwrap();
    let begun = seconds();
    for _ in 0..30 {
        subscription.next().await.unwrap().reject().await.unwrap();
    }
    // Each look gives all back: it is over when they are there again.
    let all_there = || async { (depth(&host.address, "reviews.dead").await == 30).then_some(()) };
    let bodies = |letters: &[DeadLetter]| -> Vec<String> {
        letters.iter().map(|letter| String::from_utf8(letter.body.clone()).unwrap()).collect()
    };
    let expected: Vec<String> = (0..LOOKED_AT).map(|n| n.to_string()).collect();
    for look in 0..40 {
        eventually("all dead letters", all_there).await;
        let found = dead_letters(&host.address, "test", LOOKED_AT).await.unwrap();
        assert_eq!((found.count, bodies(&found.letters)), (30, expected.clone()), "look {look}");
        let DeadLetter { queue, reason, at, times, epoch, .. } = &found.letters[0];
        assert_eq!((queue.as_deref(), reason.as_deref()), (Some("meta.2"), Some("rejected")));
        assert_eq!((*times, *epoch), (Some(1), Some(Epoch::from_u128(9))));
        assert!(at.is_some_and(|at| (begun - 1..=seconds() + 1).contains(&at)), "{at:?}");
    }
    eventually("all dead letters", all_there).await;
    assert_eq!(purge_dead_letters(&host.address, "test").await.unwrap(), 30);
    assert_eq!(dead_letters(&host.address, "test", LOOKED_AT).await.unwrap().count, 0);
}

fn seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn a_queue_that_is_missing_or_full_refuses_and_the_others_take() {
    let host = broker_host().await;
    let publisher = Publisher::connect(&host.address, "test").await.unwrap();
    delete(&host, "meta.1").await;
    let outcomes =
        publisher.publish(&[message("meta.0", "a"), message("meta.1", "b"), message("meta.2", "c")]).await;
    assert_eq!(outcomes.unwrap(), [Outcome::Taken, Outcome::Refused, Outcome::Taken]);

    let many: Vec<Message> = (0..1_000).map(|_| message("meta.4", "x")).collect();
    let rounds = QUEUE_MESSAGES_MAX / 1_000 + 1;
    let mut refused = 0;
    for _ in 0..rounds {
        let outcomes = publisher.publish(&many).await.unwrap();
        refused += outcomes.iter().filter(|outcome| **outcome == Outcome::Refused).count();
    }
    assert!(refused > 0, "{rounds} thousand messages were all taken");
    assert_eq!(publisher.publish(&[message("meta.5", "d")]).await.unwrap(), [Outcome::Taken]);
}

#[tokio::test]
async fn one_subscriber_is_active_and_the_next_takes_over() {
    let host = broker_host().await;
    let publisher = Publisher::connect(&host.address, "test").await.unwrap();
    let mut first = Subscription::connect(&host.address, "first").await.unwrap();
    let mut second = Subscription::connect(&host.address, "second").await.unwrap();
    publisher.publish(&[message("meta.6", "a")]).await.unwrap();
    let idle = tokio::time::timeout(Duration::from_millis(300), second.next());
    let (got, nothing) = tokio::join!(first.next(), idle);
    assert_eq!(got.unwrap().body, b"a");
    assert!(nothing.is_err(), "both subscribers are active");
    first.close().await;
    assert_eq!(second.next().await.unwrap().body, b"a");
}

#[tokio::test]
async fn a_subscription_ends_when_a_queue_goes_and_a_new_one_mends_it() {
    let host = broker_host().await;
    let mut subscription = Subscription::connect(&host.address, "test").await.unwrap();
    delete(&host, "meta.7").await;
    assert!(subscription.next().await.is_err());
    let mut again = Subscription::connect(&host.address, "test").await.unwrap();
    let publisher = Publisher::connect(&host.address, "test").await.unwrap();
    publisher.publish(&[message("meta.7", "a")]).await.unwrap();
    assert_eq!(again.next().await.unwrap().body, b"a");
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_an_error_in_time() {
    let address = BrokerAddress::read("amqp://reviews@127.0.0.1:1/%2f", None).unwrap();
    assert!(matches!(
        Publisher::connect(&address, "test").await,
        Err(BrokerError::Amqp(_) | BrokerError::Timeout)
    ));
    assert!(
        BrokerAddress::read("http://x", None)
            .unwrap_err()
            .to_string()
            .starts_with("the broker's address must look")
    );
    assert_eq!(format!("{address:?}"), "amqp://reviews@127.0.0.1:1//");
}
