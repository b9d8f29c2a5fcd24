//! Exchanges and queues of the broker.

use domain::Part;

/// Direct exchange that events go to; the routing key is the queue's name.
pub const EVENTS_EXCHANGE: &str = "reviews.events";
/// Fanout exchange of [`crate::ChangeNotice`]s, none of which is ever kept.
pub const CHANGES_EXCHANGE: &str = "reviews.changes";
/// Fanout exchange of [`crate::Receipt`]s, likewise.
pub const RECEIPTS_EXCHANGE: &str = "reviews.receipts";
/// Fanout exchange that refused messages go to.
pub const DEAD_LETTER_EXCHANGE: &str = "reviews.dead";
/// Queue that keeps refused messages for people.
pub const DEAD_LETTER_QUEUE: &str = "reviews.dead";
/// Number of queues that the parts are spread over.
pub const QUEUE_COUNT: u8 = 8;
/// Deliveries of one message at most before it is a dead letter. A quorum queue keeps a message
/// that was put back at its place only if it has such a limit.
pub const DELIVERY_LIMIT: i64 = 20;
/// Messages in a queue at most; past it the broker refuses, and projectors pull from the log.
pub const QUEUE_MESSAGES_MAX: i64 = 20_000;
/// Events in a message at most.
pub const MESSAGE_EVENTS_MAX: usize = 200;
/// Header of a message that names the log its positions belong to.
pub const EPOCH_HEADER: &str = "epoch";

/// The queue that a part's events go to.
pub fn queue_of(part: Part) -> String {
    queue(part.index() / (usize::from(domain::PARTS) / usize::from(QUEUE_COUNT)))
}

/// All queues of events.
pub fn queues() -> impl Iterator<Item = String> {
    (0..usize::from(QUEUE_COUNT)).map(queue)
}

fn queue(number: usize) -> String {
    format!("meta.{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_has_eight_neighbouring_parts() {
        let of: Vec<String> = domain::log_parts().map(queue_of).collect();
        for (number, queue) in queues().enumerate() {
            assert!(of[number * 8..(number + 1) * 8].iter().all(|q| *q == queue));
        }
        assert_eq!(of.len(), 64);
    }
}
