//! How far a replay or a verification is: a bar on a terminal, otherwise plain lines, on standard error.

use super::pace::Pace;
use crate::{progress, say};
use indicatif::ProgressBar;
use replay::{At, Progress, Stage, Waiting};
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
        let bar = std::io::stderr().is_terminal().then(|| progress::counted(0));
        Shower { bar, pace: Pace::default(), line_at: None }
    }

    fn show(&mut self, progress: &Progress) {
        let at = progress.now();
        if at.total == 0 {
            if matches!(at.waiting, Waiting::Paused | Waiting::Projector) {
                self.waits_before(at);
            }
            return;
        }
        if self.pace.stage() != Some(at.stage) {
            self.end(progress);
            self.line_at = None;
            if let Some(bar) = &self.bar {
                bar.reset();
            }
        }
        self.pace.look(at);
        match &self.bar {
            Some(bar) => {
                bar.set_length(at.total);
                bar.set_position(at.done);
                bar.set_message(doing(at.stage, at.waiting));
                bar.set_prefix(format!("{}{}", at.stage.unit(), self.left(at)));
            }
            None if self.line_at.is_none_or(|at| at.elapsed() >= LINE_EVERY) => {
                self.line_at = Some(Instant::now());
                say::note(self.line(at));
            }
            None => {}
        }
    }

    /// Says that a stage waits to begin.
    fn waits_before(&mut self, at: At) {
        let waits = doing(at.stage, at.waiting);
        match &self.bar {
            Some(bar) => bar.set_message(waits),
            None if self.line_at.is_none_or(|at| at.elapsed() >= LINE_EVERY) => {
                self.line_at = Some(Instant::now());
                say::note(waits);
            }
            None => {}
        }
    }

    /// Says how the last stage ended; a bar goes away.
    fn end(&self, progress: &Progress) {
        let at = progress.now();
        match (&self.bar, self.pace.stage()) {
            (Some(bar), _) => bar.set_position(bar.length().unwrap_or(0)),
            (None, Some(stage)) if at.stage == stage => say::note(self.line(at)),
            _ => {}
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn line(&self, at: At) -> String {
        let At { stage, done, total, waiting, .. } = at;
        let unit = stage.unit();
        let percent = done as f64 * 100.0 / total.max(1) as f64;
        let rate = match waiting {
            Waiting::Paused => String::new(),
            _ => format!(", {:.0} {unit}/s{}", self.pace.per_second(at), self.left(at)),
        };
        format!("{}: {done} of {total} {unit} ({percent:.0} %){rate}", doing(stage, waiting))
    }

    /// How long the stage will take, behind what was said of it.
    fn left(&self, at: At) -> String {
        self.pace.seconds_left(at).map(|left| format!(", {left:.0} s left")).unwrap_or_default()
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
        (Waiting::Projector, _) => {
            "catching-up, waiting for the projector (is it running? `reviewsctl status`)"
        }
        (Waiting::Throttled, Stage::Building) => "building, behind live writers",
        (Waiting::Throttled, Stage::Storing) => "storing, behind live writers",
        (Waiting::Throttled, Stage::Verifying) => "verifying, behind live writers",
        (_, stage) => stage.name(),
    }
}
