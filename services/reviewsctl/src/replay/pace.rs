//! How fast work goes, from how far it is: for people on a terminal and for the admin API.

use meta::Phase;
use replay::Progress;
use std::time::Instant;

/// Where a phase began here.
#[derive(Debug)]
pub(crate) struct Pace {
    phase: Option<Phase>,
    /// When, and with how much done.
    from: (Instant, u64),
}

impl Default for Pace {
    fn default() -> Self {
        Pace { phase: None, from: (Instant::now(), 0) }
    }
}

impl Pace {
    /// The phase that was looked at last.
    pub(crate) const fn phase(&self) -> Option<Phase> {
        self.phase
    }

    /// Takes note of a phase that begins; nothing is known before there is something to do.
    pub(crate) fn look(&mut self, progress: &Progress) {
        let phase = progress.phase();
        if progress.total() > 0 && self.phase != Some(phase) {
            *self = Pace { phase: Some(phase), from: (Instant::now(), progress.done()) };
        }
    }

    /// Done in a second, since the phase began here.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(crate) fn per_second(&self, progress: &Progress) -> f64 {
        progress.done().saturating_sub(self.from.1) as f64 / self.from.0.elapsed().as_secs_f64().max(0.001)
    }

    /// Until the phase ends, at this rate; `None` when nobody can tell, or nothing is left.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(crate) fn seconds_left(&self, progress: &Progress) -> Option<f64> {
        let (rate, left) = (self.per_second(progress), progress.total().saturating_sub(progress.done()));
        (rate > 0.0 && left > 0).then(|| left as f64 / rate)
    }
}
