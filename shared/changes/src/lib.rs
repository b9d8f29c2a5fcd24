//! Who has come how far: services announce which products moved in a store, and wait until they hear
//! that one has. What is heard is a hint, soon enough and good enough to end a wait; it is never taken
//! for the truth, which the stores have.

mod announce;

mod heard;
mod listen;
mod memory;
mod origins;
mod pace;
mod receipts;
mod rounds;

mod patience;

pub use announce::{Announcer, announcer};
pub use listen::{Keeper, Listener, listener, reader};
pub use memory::{Memory, Moment};
pub use patience::Patience;

use std::time::Duration;

/// Pauses between attempts to reach the broker double from the first to the last.
const CONNECT_PAUSE_MIN: Duration = Duration::from_millis(250);
const CONNECT_PAUSE_MAX: Duration = Duration::from_secs(4);
