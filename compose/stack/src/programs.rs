//! Where the servers' programs are on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use crate::install::Needs;
use crate::python::Python;

/// Search path of servers that get no environment of the caller's.
pub(crate) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The programs that were found; a missing one is `None`.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Directories with a complete Postgres server, newest major first.
    pub(crate) postgres: Vec<(u32, PathBuf)>,
    /// RabbitMQ's own server script. Debian's wrapper on the PATH insists on the user `rabbitmq`.
    pub(crate) rabbitmq: Option<PathBuf>,
    pub(crate) epmd: Option<PathBuf>,
    pub(crate) nginx: Option<PathBuf>,
    /// Only looked for where it is needed, because Python must be asked what it can do.
    pub(crate) python: Option<Python>,
}

impl Programs {
    pub(crate) fn find(needs: Needs) -> Self {
        Self {
            postgres: postgres_in(Path::new("/usr/lib/postgresql")),
            rabbitmq: rabbitmq_in(Path::new("/usr/lib/rabbitmq/lib")),
            epmd: on_path("epmd"),
            nginx: on_path("nginx"),
            python: if needs == Needs::Tests { Python::find() } else { None },
        }
    }
}

/// A program on the caller's PATH or in the directories that an ordinary user's PATH leaves out.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(SEARCH_PATH.split(':'))
        .filter(|dir| dir.starts_with('/'))
        .map(|dir| Path::new(dir).join(name))
        .find(|file| file.is_file())
}

fn postgres_in(root: &Path) -> Vec<(u32, PathBuf)> {
    let mut found: Vec<(u32, PathBuf)> = entries(root)
        .filter_map(|dir| Some((dir.file_name()?.to_str()?.parse().ok()?, dir.join("bin"))))
        .filter(|(_, bin)| ["postgres", "initdb", "psql"].iter().all(|name| bin.join(name).is_file()))
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found
}

fn rabbitmq_in(root: &Path) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> =
        entries(root).map(|dir| dir.join("sbin/rabbitmq-server")).filter(|file| file.is_file()).collect();
    found.sort_unstable();
    found.pop()
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}
