//! A real NGINX made from the project's template, upstreams whose behaviour a test chooses, and an HTTP client
//! that sends exactly the bytes it is given.

mod client;
mod door;
mod port;
mod upstream;

pub(crate) use client::{Answer, send, send_from};
pub(crate) use door::{Door, READ_TIMEOUT_S};
pub(crate) use port::ReservedPort;
pub(crate) use upstream::{Behaviour, Seen, Upstream};

use std::time::{Duration, Instant};

/// How long a test waits for something that a healthy machine shows within milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Asks `done` again and again until it says yes, at most for [`PATIENCE`]. Says whether it did.
pub(crate) fn wait_until(mut done: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if done() {
            return true;
        }
        pause();
    }
    false
}

#[expect(clippy::disallowed_methods, reason = "the pause of a poll that has a deadline")]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}
