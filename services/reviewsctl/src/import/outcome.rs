//! What an import did, for a person.

use super::line::Kind;
use std::fmt;
use std::time::Duration;

/// What became of the lines of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileOutcome {
    pub(crate) kind: Kind,
    pub(crate) lines: u64,
    pub(crate) already: u64,
    pub(crate) rejected: u64,
}

impl FileOutcome {
    const fn imported(&self) -> u64 {
        self.lines.saturating_sub(self.already + self.rejected)
    }
}

/// A stage, what it went through and how long it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) number: u64,
    pub(crate) unit: &'static str,
    pub(crate) took: Duration,
}

/// The whole import.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) files: Vec<FileOutcome>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) took: Duration,
}

impl Outcome {
    fn lines(&self) -> u64 {
        self.files.iter().map(|file| file.lines).sum()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<26}{:>12}{:>12}{:>16}{:>12}",
            "file", "read", "imported", "already there", "rejected"
        )?;
        for file in &self.files {
            let (name, imported) = (file.kind.file(), file.imported());
            writeln!(
                f,
                "{name:<26}{:>12}{imported:>12}{:>16}{:>12}",
                file.lines, file.already, file.rejected
            )?;
        }
        for Stage { name, number, unit, took } in &self.stages {
            let (seconds, rate) = (took.as_secs_f64(), per_second(*number, *took));
            writeln!(f, "{name:<26}{number:>12} {unit} in {seconds:.1} s, {rate}/s")?;
        }
        let (lines, seconds) = (self.lines(), self.took.as_secs_f64());
        write!(f, "{:<26}{lines:>12} lines in {seconds:.1} s, {}/s", "in all", per_second(lines, self.took))
    }
}

fn per_second(number: u64, took: Duration) -> u128 {
    u128::from(number) * 1_000_000 / took.as_micros().max(1)
}
