//! How fast work goes, from how far it is: for people on a terminal and for the admin API.

use replay::{Progress, Stage};
use std::time::Instant;

/// Where a stage began here.
#[derive(Debug)]
pub(crate) struct Pace {
    stage: Option<Stage>,
    /// When, and with how much done.
    from: (Instant, u64),
}

impl Default for Pace {
    fn default() -> Self {
        Pace { stage: None, from: (Instant::now(), 0) }
    }
}

impl Pace {
    /// The stage that was looked at last.
    pub(crate) const fn stage(&self) -> Option<Stage> {
        self.stage
    }

    /// Takes note of a stage that begins; nothing is known before there is something to do.
    pub(crate) fn look(&mut self, progress: &Progress) {
        let stage = progress.stage();
        if progress.total() > 0 && self.stage != Some(stage) {
            *self = Pace { stage: Some(stage), from: (Instant::now(), progress.done()) };
        }
    }

    /// Done in a second, since the stage began here.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(crate) fn per_second(&self, progress: &Progress) -> f64 {
        progress.done().saturating_sub(self.from.1) as f64 / self.from.0.elapsed().as_secs_f64().max(0.001)
    }

    /// Until the stage ends, at this rate; `None` when nobody can tell, or nothing is left.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(crate) fn seconds_left(&self, progress: &Progress) -> Option<f64> {
        let (rate, left) = (self.per_second(progress), progress.total().saturating_sub(progress.done()));
        (rate > 0.0 && left > 0).then(|| left as f64 / rate)
    }
}
