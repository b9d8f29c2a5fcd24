//! The Python of the outside tests: an environment of its own with exactly the packages of
//! `compose/outside/requirements.txt`, made once and made anew when that file or Python changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::place;
use crate::process;
use crate::programs;
use crate::services;
use crate::ui;

const REQUIREMENTS: &str = "compose/outside/requirements.txt";

/// Prints where Python is and which one, if it is new enough and can make environments: Debian leaves
/// `ensurepip` to a package of its own.
const PROBE: &str =
    "import ensurepip, sys, venv; assert sys.version_info >= (3, 11); print(sys.executable, sys.version)";

/// A Python that can make the environment.
#[derive(Debug)]
pub(crate) struct Python {
    program: PathBuf,
    /// What [`PROBE`] printed: an environment works only with the Python that made it.
    version: String,
}

impl Python {
    /// The caller's own, else the system's.
    pub(crate) fn find() -> Option<Self> {
        let system = PathBuf::from("/usr/bin/python3");
        programs::on_path("python3").into_iter().chain([system]).find_map(Self::probe)
    }

    fn probe(program: PathBuf) -> Option<Self> {
        let mut command = Command::new(&program);
        let output = command.args(["-I", "-c", PROBE]).stdin(Stdio::null()).output().ok()?;
        let version = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(Self { program, version })
    }

    /// The directory of the environment's `python`, after making the environment if it is not there.
    pub(crate) fn environment(&self, repository: &Path) -> Result<PathBuf> {
        let requirements = repository.join(REQUIREMENTS);
        let wanted = fs::read(&requirements).with_context(|| format!("cannot read {REQUIREMENTS}"))?;
        let key = place::short_hash(&[self.version.as_bytes(), &wanted].concat());
        let dir = services::target_dir(repository)?.join(format!("python-{key}"));
        if !dir.exists() {
            let step = ui::step(format!("installing the packages of {REQUIREMENTS}"));
            self.make(&dir, &requirements)?;
            step.done();
        }
        Ok(dir.join("bin"))
    }

    /// Made under another name first: one that was cut short is never taken for whole.
    fn make(&self, dir: &Path, requirements: &Path) -> Result<()> {
        let part = dir.with_extension(format!("part-{}", std::process::id()));
        // Beside it, where it outlives the data of the test servers.
        let log = dir.with_extension("log");
        let made = self.install(&part, requirements, &log).and_then(|()| move_to(&part, dir));
        let _ = if made.is_ok() { fs::remove_file(&log) } else { fs::remove_dir_all(&part) };
        made.with_context(|| {
            format!(
                "cannot make the Python environment {} of {REQUIREMENTS}: it needs the network; run this again when \
                 what follows is mended",
                dir.display()
            )
        })
    }

    fn install(&self, part: &Path, requirements: &Path, log: &Path) -> Result<()> {
        place::remove_tree(part)?;
        let parent = part.parent().context("the environment has no parent directory")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        let mut venv = Command::new(&self.program);
        process::run_logged(venv.args(["-I", "-m", "venv"]).arg(part), "python3 -m venv", log)?;
        // Wheels only: nothing is compiled here, and no package runs a script of its own.
        let mut pip = Command::new(part.join("bin/python"));
        pip.args(["-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--quiet"])
            .args(["--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement"])
            .arg(requirements);
        process::run_logged(&mut pip, "pip install", log)?;
        remove_scripts(&part.join("bin"))
    }
}

/// The packages' own commands name the directory that they were installed into, which is renamed:
/// `python -m` does without them.
fn remove_scripts(bin: &Path) -> Result<()> {
    let list = fs::read_dir(bin).with_context(|| format!("cannot read {}", bin.display()))?;
    for entry in list.flatten().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"python")) {
        let path = entry.path();
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

fn move_to(part: &Path, dir: &Path) -> Result<()> {
    match fs::rename(part, dir) {
        // Another run was faster.
        Err(_) if dir.exists() => place::remove_tree(part),
        Err(error) => Err(error).with_context(|| format!("cannot rename {}", part.display())),
        Ok(()) => Ok(()),
    }
}

/// The Python that was found, or why there is none.
pub(crate) fn require(found: Option<&Python>) -> Result<&Python> {
    let Some(python) = found else {
        bail!("no python3 of version 3.11 or newer with its venv module: install one, or put it on the PATH");
    };
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_no_python_is_passed_over() {
        assert!(Python::probe("/bin/false".into()).is_none());
        assert!(Python::probe("/nowhere/python3".into()).is_none());
    }

    #[test]
    fn only_python_itself_stays_in_an_environment() {
        let bin = std::env::temp_dir().join(format!("stack-python-{}", std::process::id()));
        fs::create_dir(&bin).unwrap();
        for name in ["pip", "python", "python3.11", "activate"] {
            fs::write(bin.join(name), "").unwrap();
        }
        remove_scripts(&bin).unwrap();
        let mut left: Vec<_> = fs::read_dir(&bin).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort_unstable();
        assert_eq!(left, ["python", "python3.11"]);
        fs::remove_dir_all(&bin).unwrap();
    }
}
