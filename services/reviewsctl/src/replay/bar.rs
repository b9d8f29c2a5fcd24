//! How far a replay or a verification is: a bar on a terminal, otherwise plain lines, on standard error.

use super::pace::Pace;
use crate::{progress, say};
use indicatif::ProgressBar;
use replay::{Progress, Stage, Waiting};
use std::future::Future;
use std::io::IsTerminal as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the bar moves, and how often a line is written.
const DRAW_EVERY: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Does `work` and shows meanwhile how far it is.
pub(crate) async fn shown<T>(progress: &Arc<Progress>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut shower = Shower::new();
    let mut ticks = tokio::time::interval(DRAW_EVERY);
    loop {
        tokio::select! {
            done = &mut work => {
                shower.end(progress);
                return done;
            }
            _ = ticks.tick() => shower.show(progress),
        }
    }
}

struct Shower {
    bar: Option<ProgressBar>,
    pace: Pace,
    line_at: Option<Instant>,
}

impl Shower {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| progress::items("", "", 0));
        Shower { bar, pace: Pace::default(), line_at: None }
    }

    fn show(&mut self, progress: &Progress) {
        let stage = progress.stage();
        if progress.total() == 0 {
            if progress.waiting() == Waiting::Paused {
                self.paused_before(stage);
            }
            return;
        }
        if self.pace.stage() != Some(stage) {
            self.end(progress);
            self.pace.look(progress);
            self.line_at = None;
            if let Some(bar) = &self.bar {
                bar.reset();
                bar.set_prefix(stage.unit());
            }
        }
        match &self.bar {
            Some(bar) => {
                bar.set_length(progress.total());
                bar.set_position(progress.done());
                bar.set_message(doing(stage, progress.waiting()));
            }
            None if self.line_at.is_none_or(|at| at.elapsed() >= LINE_EVERY) => {
                self.line_at = Some(Instant::now());
                say::note(self.line(progress, stage));
            }
            None => {}
        }
    }

    /// Says that a stage waits to begin.
    fn paused_before(&mut self, stage: Stage) {
        let paused = doing(stage, Waiting::Paused);
        match &self.bar {
            Some(bar) => bar.set_message(paused),
            None if self.line_at.is_none_or(|at| at.elapsed() >= LINE_EVERY) => {
                self.line_at = Some(Instant::now());
                say::note(paused);
            }
            None => {}
        }
    }

    /// Says how the last stage ended; a bar goes away.
    fn end(&self, progress: &Progress) {
        match (&self.bar, self.pace.stage()) {
            (Some(bar), _) => bar.set_position(bar.length().unwrap_or(0)),
            (None, Some(stage)) if progress.stage() == stage => say::note(self.line(progress, stage)),
            _ => {}
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn line(&self, progress: &Progress, stage: Stage) -> String {
        let (done, total) = (progress.done(), progress.total());
        let unit = stage.unit();
        let rate = self.pace.per_second(progress);
        let left =
            self.pace.seconds_left(progress).map(|left| format!(", {left:.0} s left")).unwrap_or_default();
        let percent = done as f64 * 100.0 / total.max(1) as f64;
        format!(
            "{}: {done} of {total} {unit} ({percent:.0} %), {rate:.0} {unit}/s{left}",
            doing(stage, progress.waiting())
        )
    }
}

impl Drop for Shower {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What is done at the moment, in words.
pub(crate) const fn doing(stage: Stage, waiting: Waiting) -> &'static str {
    match (waiting, stage) {
        (Waiting::Paused, _) => "paused",
        (Waiting::Stopped, _) => "waiting, live writes take longer than --max-write-p99",
        (Waiting::Throttled, Stage::Building) => "building, behind live writers",
        (Waiting::Throttled, Stage::Storing) => "storing, behind live writers",
        (Waiting::Throttled, Stage::Verifying) => "verifying, behind live writers",
        (_, stage) => stage.name(),
    }
}
