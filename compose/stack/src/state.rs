//! What is remembered between commands: `state.json` in the data directory, and the lock beside it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::interrupt;
use crate::place;
use crate::process::Identity;
use crate::settings::Settings;
use crate::ui;

/// Raised when an older tool could not work with what a newer one wrote.
const FORMAT: u32 = 1;

/// A command holds the lock for its whole work; another one waits this long for a short one to end.
const LOCK_WAIT: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    pub(crate) format: u32,
    pub(crate) kind: Kind,
    /// The servers' directory, where it is not `servers` in the data directory.
    pub(crate) servers_elsewhere: Option<PathBuf>,
    /// The user the servers run as, where it is not the caller.
    pub(crate) user: Option<String>,
    /// The front door.
    pub(crate) port: u16,
    pub(crate) reads: u16,
    /// What was set for the services.
    #[serde(default)]
    pub(crate) settings: Settings,
    /// Prebuilt programs instead of the workspace's.
    pub(crate) bin_dir: Option<PathBuf>,
    /// The first start is complete: the sample is loaded, or was not wanted.
    pub(crate) started_once: bool,
    /// Ports behind the front door, by what listens there.
    pub(crate) ports: BTreeMap<String, u16>,
    pub(crate) processes: Vec<Process>,
}

/// What a data directory is for: throw-away servers never touch the data of a stack, nor the reverse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Stack,
    Test,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) identity: Identity,
    pub(crate) port: u16,
    pub(crate) fingerprint: String,
}

impl State {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            format: FORMAT,
            kind,
            servers_elsewhere: None,
            user: None,
            port: 8080,
            reads: 4,
            settings: Settings::new(),
            bin_dir: None,
            started_once: false,
            ports: BTreeMap::new(),
            processes: Vec::new(),
        }
    }

    fn path(data: &Path) -> PathBuf {
        data.join("state.json")
    }

    /// The state of a data directory, or nothing when no stack was ever started there. The error for what
    /// cannot be read advises `reset` only where that would delete nobody else's files.
    pub(crate) fn load(data: &Path) -> Result<Option<Self>> {
        let path = Self::path(data);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).map(Some).with_context(|| {
                if is_foreign(&text) || place::holds_other_files(data) {
                    return format!(
                        "{} is not a stack's, and {} holds other files: choose another directory with --data",
                        path.display(),
                        data.display()
                    );
                }
                format!(
                    "{} is unreadable: `cargo stack reset --data {}` starts afresh (its data are lost)",
                    path.display(),
                    ui::shell_quote(data)
                )
            }),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => {
                Err(error).with_context(|| format!("cannot read {} (made by another user?)", path.display()))
            }
        }
    }

    /// Whether `state.json` is whole but was not written by this tool.
    pub(crate) fn is_another_programs(data: &Path) -> bool {
        fs::read_to_string(Self::path(data)).is_ok_and(|text| is_foreign(&text))
    }

    fn parse(text: &str) -> Result<Self> {
        let state: Self = serde_json::from_str(text)?;
        if state.format != FORMAT {
            bail!("it has format {}, this tool knows {FORMAT}", state.format);
        }
        Ok(state)
    }

    pub(crate) fn save(&self, data: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("cannot write the state as JSON")?;
        place::write_file(&Self::path(data), text.as_bytes(), 0o644, None)
    }

    pub(crate) fn process(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name == name)
    }

    pub(crate) fn alive(&self, name: &str) -> bool {
        self.process(name).is_some_and(|process| process.identity.alive())
    }

    pub(crate) fn port_of(&self, name: &str) -> u16 {
        self.ports.get(name).copied().unwrap_or_default()
    }
}

/// JSON without what every format of the state has; a state that was cut short is not JSON.
fn is_foreign(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text)
        .is_ok_and(|value| value.get("format").is_none() || value.get("processes").is_none())
}

/// Held while a command changes what runs; given back when dropped or when the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) fn take(data: &Path) -> Result<Self> {
        let path = data.join("lock");
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let mut held = false;
        interrupt::wait_out(LOCK_WAIT, || match file.try_lock() {
            Ok(()) => {
                held = true;
                true
            }
            Err(TryLockError::WouldBlock) => false,
            // Said below as a lock that is held; there is no other reason on a local file system.
            Err(TryLockError::Error(_)) => true,
        });
        if !held {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            bail!(
                "another `cargo stack` command (pid {}) is at work in {}: wait for it, or end it, and try again",
                holder.trim(),
                data.display()
            );
        }
        file.set_len(0).and_then(|()| file.rewind()).context("cannot write the lock file")?;
        write!(file, "{}", std::process::id()).context("cannot write the lock file")?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_being_written_and_read() {
        let mut state = State::new(Kind::Stack);
        state.ports.insert("primary".to_owned(), 20_001);
        state.processes.push(Process {
            name: "primary".to_owned(),
            identity: Identity { pid: 7, started: 9 },
            port: 20_001,
            fingerprint: "f".to_owned(),
        });
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(State::parse(&text).unwrap(), state);
        assert!(!state.alive("primary"));
    }

    #[test]
    fn a_state_of_another_format_or_cut_short_is_refused() {
        let text = serde_json::to_string(&State { format: 99, ..State::new(Kind::Test) }).unwrap();
        assert!(State::parse(&text).unwrap_err().to_string().contains("format 99"));
        assert!(State::parse(text.get(..20).unwrap()).is_err());
    }
}
