//! What goes over wires: messages between services, and bodies of HTTP answers.

mod change_notice;
mod event_batch;
mod topology;

mod list_body;
mod meta_body;
mod problem;
mod token;

pub use change_notice::{ChangeNotice, Store};
pub use event_batch::{BatchUnreadable, read_batch, write_batch};
pub use list_body::{ListAnswer, list_body};
pub use meta_body::meta_body;
pub use problem::{PROBLEM_CONTENT_TYPE, Problem};
pub use token::{ConsistencyToken, TokenInvalid, read_tokens};
pub use topology::{
    CHANGES_EXCHANGE, DEAD_LETTER_EXCHANGE, DEAD_LETTER_QUEUE, DELIVERY_LIMIT, EPOCH_HEADER, EVENTS_EXCHANGE,
    MESSAGE_EVENTS_MAX, QUEUE_COUNT, QUEUE_MESSAGES_MAX, queue_of, queues,
};

/// The two families of paths, which want the same data in different types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `/reviews/:product_id/...`: numbers.
    One,
    /// `/reviews/...?product_id=`: strings and booleans.
    Two,
}
