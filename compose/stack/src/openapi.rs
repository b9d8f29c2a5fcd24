//! The description of all operations: what each service prints of its own, in one document.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use crate::process;
use crate::services;
use crate::ui;

const SERVICES: [&str; 2] = ["read", "write"];
const DOCUMENT: &str = "docs/openapi.json";

/// Writes the document, or with `check` fails when the committed one is not the same. The programs are
/// built, unless they are in `bins`.
pub(crate) fn openapi(repository: &Path, bins: Option<&Path>, check: bool) -> Result<ExitCode> {
    let built = match bins {
        Some(bins) => bins.to_owned(),
        None => build(repository)?,
    };
    let fresh = document(&built)?;
    let path = repository.join(DOCUMENT);
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if committed == fresh {
        ui::note(format_args!(" ok {DOCUMENT}: unchanged"));
    } else if check {
        bail!(
            "{DOCUMENT} is not what the services say of themselves: run `cargo stack openapi` and commit it"
        );
    } else {
        fs::write(&path, fresh).with_context(|| format!("cannot write {}", path.display()))?;
        ui::note(format_args!(" ok {DOCUMENT}: changed"));
    }
    Ok(ExitCode::SUCCESS)
}

fn build(repository: &Path) -> Result<std::path::PathBuf> {
    let mut build = services::cargo(repository);
    build.arg("build").args(SERVICES.iter().flat_map(|name| ["-p", name])).stdin(Stdio::null());
    if !process::run(&mut build)?.success() {
        bail!("the services do not build: see the compiler's messages above");
    }
    Ok(services::target_dir(repository)?.join("debug"))
}

/// The services' own documents as one: everything of the first, and the paths and schemas of all.
fn document(bins: &Path) -> Result<String> {
    let mut whole = Value::Object(Map::new());
    for service in SERVICES {
        let program = bins.join(service);
        let output = Command::new(&program)
            .arg("openapi")
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
