//! How fast work goes, from how far it is: for people on a terminal and for the admin API.

use replay::{At, Stage, Waiting};
use std::time::{Duration, Instant};

/// Where a stage began here.
#[derive(Debug)]
pub(crate) struct Pace {
    stage: Option<Stage>,
    /// How much was done then.
    from: u64,
    /// Time since then, without pauses, up to the last look.
    worked: Duration,
    looked: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { stage: None, from: 0, worked: Duration::ZERO, looked: Instant::now() }
    }
}

impl Pace {
    /// The stage that was looked at last.
    pub(crate) const fn stage(&self) -> Option<Stage> {
        self.stage
    }

    /// Takes note of a stage that begins, and of how long it has taken; nothing is known before there is something to do.
    pub(crate) fn look(&mut self, at: At) {
        self.look_after(at, self.looked.elapsed());
    }

    fn look_after(&mut self, at: At, since: Duration) {
        self.looked = Instant::now();
        if at.total > 0 && self.stage != Some(at.stage) {
            *self = Pace { stage: Some(at.stage), from: at.done, ..Pace::default() };
        } else if at.waiting != Waiting::Paused {
            self.worked += since;
        }
    }

    /// Done in a second, since the stage began here; pauses do not count.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(crate) fn per_second(&self, at: At) -> f64 {
        at.done.saturating_sub(self.from) as f64 / self.worked.as_secs_f64().max(0.001)
    }

    /// Until the stage ends, at this rate; `None` when nobody can tell, as while it is paused, or nothing is left.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(crate) fn seconds_left(&self, at: At) -> Option<f64> {
        let (rate, left) = (self.per_second(at), at.total.saturating_sub(at.done));
        let goes_on = !matches!(at.waiting, Waiting::Paused | Waiting::Projector);
        (goes_on && rate > 0.0 && left > 0).then(|| left as f64 / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_counts_for_nothing_and_has_no_end_that_is_known() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::default();
        let begun = At { total: 1_000, ..At::default() };
        pace.look(begun);
        let at = At { done: 100, ..begun };
        pace.look_after(at, second);
        assert_eq!((pace.per_second(at), pace.seconds_left(at)), (100.0, Some(9.0)));
        let paused = At { waiting: Waiting::Paused, ..at };
        (0..60).for_each(|_| pace.look_after(paused, second));
        assert_eq!((pace.per_second(paused), pace.seconds_left(paused)), (100.0, None));
        pace.look_after(at, second);
        assert_eq!((pace.per_second(at), pace.seconds_left(at)), (50.0, Some(18.0)));
    }
}
