//! The broker: a courier. Order and completeness come from positions in the log, so all that is
//! asked of it is to be quick and to say what it took.
//!
//! A connection here never mends itself: whoever holds one begins again when it fails.

mod connection;
mod topology;

mod publisher;

mod subscription;

mod changes;

mod dead_letters;
mod depth;

pub use changes::{ChangeReceiver, ChangeSender, Receives, Told};
pub use connection::{AddressInvalid, BrokerAddress, BrokerError};
pub use dead_letters::{DeadLetter, DeadLetters, dead_letters, purge_dead_letters};
pub use depth::{QueueDepth, queue_depths};
pub use publisher::{Message, Outcome, Publisher};
pub use subscription::{Delivery, Subscription};
