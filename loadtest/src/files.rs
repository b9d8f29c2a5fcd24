//! Files that results are written to.

use anyhow::{Context as _, Result};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

/// Sees to it that these can be written, before anything is measured; what they hold stays until then.
///
/// # Errors
/// When one cannot.
pub(crate) fn writable(paths: [&Option<PathBuf>; 2]) -> Result<()> {
    for path in paths.into_iter().flatten() {
        OpenOptions::new().append(true).create(true).open(path).with_context(|| cannot_write(path))?;
    }
    Ok(())
}

/// Writes a result.
///
/// # Errors
/// When it cannot.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| cannot_write(path))
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_said_before_and_what_can_keeps_what_it_holds() {
        let dir = std::env::temp_dir().join(format!("reviews-files-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let (there, missing) = (Some(dir.join("there")), Some(dir.join("no/where")));
        fs::write(dir.join("there"), "before").unwrap();
        let failure = writable([&there, &missing]).unwrap_err().to_string();
        assert_eq!(failure, format!("cannot write {}", dir.join("no/where").display()));
        writable([&None, &there]).unwrap();
        assert_eq!(fs::read_to_string(dir.join("there")).unwrap(), "before");
        fs::remove_dir_all(&dir).unwrap();
    }
}
