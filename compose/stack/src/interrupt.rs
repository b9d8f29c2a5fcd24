//! Ctrl-C, SIGTERM and SIGHUP end a command in order: every wait asks here, and the command cleans up.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Pause between two looks at something that announces itself in no other way.
const POLL: Duration = Duration::from_millis(25);

/// The error of a command that a signal ended; `main` turns it into exit code 130.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Turns the signals into the flag that [`check`] reads.
pub(crate) fn listen() -> Result<()> {
    let flag = FLAG.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("cannot listen for signals")?;
    }
    Ok(())
}

pub(crate) fn interrupted() -> bool {
    FLAG.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

pub(crate) fn check() -> Result<()> {
    if interrupted() { Err(Interrupted.into()) } else { Ok(()) }
}

/// Polls until there is an answer, the limit is reached (`None`), or a signal ends the command.
pub(crate) fn poll<T>(limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    let deadline = Instant::now() + limit;
    loop {
        check()?;
        if let Some(answer) = look()? {
            return Ok(Some(answer));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        pause();
    }
}

/// Waits until `gone` says so or the limit is reached. Not cut short by a signal: cleaning up is its use.
pub(crate) fn wait_out(limit: Duration, mut gone: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !gone() {
        if Instant::now() >= deadline {
            return false;
        }
        pause();
    }
    true
}

#[expect(clippy::disallowed_methods, reason = "the one pause between two polls, each with a deadline")]
pub(crate) fn pause() {
    std::thread::sleep(POLL);
}
