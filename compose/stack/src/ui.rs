//! What a person sees: steps on stderr while something takes time, results on stdout.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// One long step: a spinner on a terminal, a line at its start and one at its end otherwise.
#[derive(Debug)]
pub(crate) struct Step {
    text: String,
    spinner: Option<ProgressBar>,
    begun: Instant,
}

/// Announces a step; it ends with [`Step::done`], or is shown as failed when dropped.
pub(crate) fn step(text: impl Into<String>) -> Step {
    let text = text.into();
    let spinner = io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::new_spinner().with_message(text.clone());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    });
    if spinner.is_none() {
        note(format_args!("... {text}"));
    }
    Step { text, spinner, begun: Instant::now() }
}

impl Step {
    pub(crate) fn done(mut self) {
        self.finish("ok");
    }

    fn finish(&mut self, outcome: &str) {
        if let Some(bar) = self.spinner.take() {
            bar.finish_and_clear();
        }
        if !self.text.is_empty() {
            let seconds = self.begun.elapsed().as_secs_f32();
            note(format_args!("{outcome:>3} {} ({seconds:.1} s)", std::mem::take(&mut self.text)));
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.finish("--");
    }
}

/// A line beside the results. A closed stderr is no reason to stop.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A line of the result. A closed pipe (`| head`) is no reason to stop.
pub(crate) fn out(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
