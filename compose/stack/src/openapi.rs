//! The descriptions of all operations: what the services print of their own, in one document, and what the admin API does.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use crate::process;
use crate::services;
use crate::ui;

/// Programs and their arguments.
type Speakers = &'static [(&'static str, &'static [&'static str])];

/// Each document, and who says what is in it.
const DOCUMENTS: [(&str, Speakers); 2] = [
    ("docs/openapi.json", &[("read", &["openapi"]), ("write", &["openapi"])]),
    ("docs/admin-openapi.json", &[("reviewsctl", &["serve", "openapi"])]),
];

/// Writes the documents, or with `check` fails when a committed one is not the same. The programs are
/// built, unless they are in `bins`.
pub(crate) fn openapi(repository: &Path, bins: Option<&Path>, check: bool) -> Result<ExitCode> {
    let built = match bins {
        Some(bins) => bins.to_owned(),
        None => build(repository)?,
    };
    for (document, speakers) in DOCUMENTS {
        let fresh = said(&built, speakers)?;
        let path = repository.join(document);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        if committed == fresh {
            ui::note(format_args!(" ok {document}: unchanged"));
        } else if check {
            bail!(
                "{document} is not what the services say of themselves: run `cargo stack openapi` and commit it"
            );
        } else {
            fs::write(&path, fresh).with_context(|| format!("cannot write {}", path.display()))?;
            ui::note(format_args!(" ok {document}: changed"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn build(repository: &Path) -> Result<std::path::PathBuf> {
    let mut build = services::cargo(repository);
    let programs = DOCUMENTS.iter().flat_map(|(_, speakers)| *speakers);
    build.arg("build").args(programs.flat_map(|(name, _)| ["-p", name])).stdin(Stdio::null());
    if !process::run(&mut build)?.success() {
        bail!("the services do not build: see the compiler's messages above");
    }
    Ok(services::target_dir(repository)?.join("debug"))
}

/// The programs' own documents as one: everything of the first, and the paths and schemas of all.
fn said(bins: &Path, speakers: Speakers) -> Result<String> {
    let mut whole = Value::Object(Map::new());
    for (program, args) in speakers {
        let program = bins.join(program);
        let output = Command::new(&program)
            .args(*args)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot run {}", program.display()))?;
        if !output.status.success() {
            bail!("{} openapi failed ({})", program.display(), output.status);
        }
        let own = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{} openapi printed no JSON", program.display()))?;
        join(&mut whole, own);
    }
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

/// Adds what `whole` does not have.
fn join(whole: &mut Value, more: Value) {
    if let (Value::Object(whole), Value::Object(more)) = (whole, more) {
        for (key, value) in more {
            match whole.get_mut(&key) {
                Some(there) => join(there, value),
                None => drop(whole.insert(key, value)),
            }
        }
    }
}
