//! Ctrl-C and SIGTERM.

use anyhow::ensure;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};

/// Whether somebody has asked the import to end. It looks between statements.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from now on.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = Self::default();
        let asked = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            asked.0.store(true, Ordering::Relaxed);
        });
        Ok(stop)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error that says what to do next, if it was asked for.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            !self.is_asked(),
            "interrupted; what was imported so far is whole: run the same command again for the rest"
        );
        Ok(())
    }
}
