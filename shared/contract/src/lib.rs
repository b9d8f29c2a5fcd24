//! What goes over wires: messages between services, and bodies of HTTP answers.

mod change_notice;
mod event_batch;
mod topology;

mod jsonld;
mod list_body;
mod meta_body;
mod problem;

mod cursor;
mod prefer;
mod token;

pub use change_notice::{ChangeNotice, Origin, Receipt, Store};
pub use cursor::{Cursor, CursorInvalid, CursorKey};
pub use event_batch::{BatchUnreadable, read_batch, write_batch};
pub use jsonld::{JSON_LD_CONTENT_TYPE, ProductPage, jsonld};
pub use list_body::{ListAnswer, list_body, review_body};
pub use meta_body::{meta_body, metas_body};
pub use prefer::{Prefer, WAIT_SECONDS_MAX, read_prefer};
pub use problem::{PROBLEM_CONTENT_TYPE, Problem};
pub use token::{ConsistencyToken, TokenInvalid, read_tokens};
pub use topology::{
    CHANGES_EXCHANGE, DEAD_LETTER_EXCHANGE, DEAD_LETTER_QUEUE, DELIVERY_LIMIT, EPOCH_HEADER, EVENTS_EXCHANGE,
    MESSAGE_EVENTS_MAX, QUEUE_COUNT, QUEUE_MESSAGES_MAX, RECEIPTS_EXCHANGE, queue_of, queues,
};

/// The two families of paths, which want the same data in different types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `/reviews/:product_id/...`: numbers.
    One,
    /// `/reviews/...?product_id=`: strings and booleans.
    Two,
    /// The paths of family 2 with the types of family 1, for front ends on their way from one to the
    /// other; no answer of the shop is `""` there.
    Transition,
}
