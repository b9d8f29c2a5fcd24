//! What a person sees: steps on stderr while something takes time, results on stdout.

use std::ffi::OsStr;
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

/// A value as one word of a line that is meant to be pasted into a shell.
pub(crate) fn shell_quote(value: impl AsRef<OsStr>) -> String {
    let value = value.as_ref().to_string_lossy();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        return value.into_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// A line beside the results. A closed stderr is no reason to stop.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A line of the result. A closed pipe (`| head`) is no reason to stop.
pub(crate) fn out(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(shell_quote("/srv/ada_1/re-views.d"), "/srv/ada_1/re-views.d");
        assert_eq!(shell_quote(""), "''");
        assert_eq!(shell_quote("/a b/$x"), "'/a b/$x'");
        assert_eq!(shell_quote("/it's"), r"'/it'\''s'");
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for value in ["/a b", "it's; 'so'", "$HOME`x`\"\\", "a\nb", "*", "~"] {
            let script = format!("printf %s {}", shell_quote(value));
            let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
        }
    }
}
