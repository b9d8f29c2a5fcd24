//! Generated passwords: one file a role, readable by the owner of the data directory alone.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The secrets of one data directory.
#[derive(Debug)]
pub(crate) struct Secrets {
    dir: PathBuf,
}

impl Secrets {
    pub(crate) fn open(data: &Path) -> Result<Self> {
        let dir = data.join("secrets");
        crate::place::make_dir(&dir, 0o700, None)?;
        Ok(Self { dir })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The secret of that name; made at its first use.
    pub(crate) fn get(&self, name: &str) -> Result<String> {
        let path = self.file(name);
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            Ok(_) => self.make(&path),
            Err(error) if error.kind() == ErrorKind::NotFound => self.make(&path),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn make(&self, path: &Path) -> Result<String> {
        let mut bytes = [0_u8; 24];
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut bytes))
            .context("cannot read /dev/urandom")?;
        // Hexadecimal: needs no quoting in a URL, in SQL or in a configuration file.
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        crate::place::write_file(path, secret.as_bytes(), 0o600, None)?;
        Ok(secret)
    }
}
