//! What is said on standard output and standard error, neither of which may end the program.

use anyhow::Context as _;
use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

/// Writes a line of the result to standard output. That nobody reads on, as behind `| head`, is no error.
///
/// # Errors
/// When it cannot be written for any other reason, a full disk for one.
pub(crate) fn result(line: impl Display) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error. Nobody is left to be told when that fails.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Asks a question on the terminal, whose answer must be yes.
///
/// # Errors
/// When the answer cannot be read.
pub(crate) async fn confirmed(question: impl Display) -> anyhow::Result<bool> {
    note(question);
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await?.context("cannot read the answer: run it again with --yes")?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

/// An error and its causes as one line, without those that the text before them ends with.
pub(crate) fn error_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for text in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = text;
        } else if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

/// What is wrong with arguments, as one line: of several, the argument parser makes a page.
pub(crate) fn argument_line(page: &str) -> String {
    let told = page.split("\nUsage:").next().unwrap_or_default();
    let (told, more) = match told.split_once("\n\nFor more information") {
        Some((told, _)) => (told, true),
        None => (told, page.contains("--help")),
    };
    let mut line = String::new();
    for part in told.lines().map(str::trim).filter(|part| !part.is_empty()) {
        let part = part.strip_prefix("error: ").unwrap_or(part);
        match line.chars().last() {
            None => {}
            Some(':') => line.push(' '),
            Some(_) => line.push_str("; "),
        }
        line.push_str(part);
    }
    if more {
        line.push_str("; --help shows what there is");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_arguments_is_one_line() {
        let page = "error: unexpected argument '--sampel' found\n\n  tip: a similar argument exists: '--sample'\n\nUsage: \
                    reviewsctl verify --sample <N>\n\nFor more information, try '--help'.\n";
        let line = "unexpected argument '--sampel' found; tip: a similar argument exists: '--sample'; --help shows what there is";
        assert_eq!(argument_line(page), line);
        let page = "error: the following required arguments were not provided:\n  <REVIEW_ID>\n\nUsage: reviewsctl follow \
                    <REVIEW_ID>\n\nFor more information, try '--help'.\n";
        let line =
            "the following required arguments were not provided: <REVIEW_ID>; --help shows what there is";
        assert_eq!(argument_line(page), line);
    }

    #[test]
    fn a_cause_that_its_error_repeats_is_said_once() {
        let refused = || std::io::Error::from_raw_os_error(111);
        let repeated = anyhow::Error::from(sqlx::Error::Io(refused())).context("cannot do it");
        let once = "cannot do it: error communicating with database: Connection refused (os error 111)";
        assert_eq!(error_line(&repeated), once);
        let told = anyhow::Error::from(refused()).context("cannot do it");
        assert_eq!(error_line(&told), "cannot do it: Connection refused (os error 111)");
    }
}
