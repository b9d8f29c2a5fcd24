//! `reviewsctl export`: everything that is held of a person, as one JSON document.

use crate::config::Config;
use crate::fault::Fault;
use crate::person::{Address, Primary};
use crate::{progress, say};
use anyhow::{Context as _, bail};
use chrono::{SecondsFormat, Utc};
use domain::ReviewId;
use indicatif::ProgressBar;
use primary::{AuditAction, export_reviews};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Reviews read in one statement: the longest take half a megabyte.
const EXPORTED_REVIEWS_MAX: usize = 100;
/// Only its owner may read what is held of a person.
const FILE_MODE: u32 = 0o600;

/// Arguments of `reviewsctl export`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The person's e-mail address, letters' case aside
    #[arg(long, value_name = "ADDRESS")]
    email: Address,
    /// Write to this new file, which only its owner may read, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the document.
pub(crate) async fn run(args: &ExportArgs, config: &Config) -> anyhow::Result<()> {
    let primary = Primary::new(config)?;
    let bar = progress::spinner("looking through the reviews");
    let Some(path) = &args.out else {
        write(&primary, &args.email, (usize::MAX, &bar), &mut std::io::stdout()).await?;
        return Ok(());
    };
    let mut file = create(path)?;
    match write(&primary, &args.email, (usize::MAX, &bar), &mut file).await {
        Ok(reviews) => {
            let what = if reviews == 1 { "1 review" } else { &format!("{reviews} reviews") };
            say::note(format_args!("{what} written to {}", path.display()));
            Ok(())
        }
        Err(error) => {
            // Half a document helps nobody.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

fn create(path: &Path) -> anyhow::Result<File> {
    let shown = path.display();
    let opened = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
    opened.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow::anyhow!("--out {shown} exists already: name a new file"),
        _ => anyhow::Error::from(error).context(format!("cannot write --out {shown}")),
    })
}

/// Writes the document, unless there are more reviews than whoever asked can hold. Returns how many are in it.
pub(crate) async fn write(
    primary: &Primary,
    email: &Address,
    (reviews_max, bar): (usize, &ProgressBar),
    out: &mut impl Write,
) -> anyhow::Result<usize> {
    let found = primary.reviews_of(email, bar).await?;
    if found.len() > reviews_max {
        bail!(Fault::Conflict(format!(
            "{} reviews came with this address, and at most {reviews_max} are given out at once here: use \
             `reviewsctl export`",
            found.len()
        )));
    }
    primary.record(AuditAction::Export, &found, Some(email)).await?;
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let (address, now) = (serde_json::to_string(email.as_str())?, serde_json::to_string(&now)?);
    put(out, &format!("{{\n  \"email\": {address},\n  \"exported_at\": {now},\n  \"reviews\": ["))?;
    let mut written = 0;
    for piece in found.chunks(EXPORTED_REVIEWS_MAX) {
        for review in piece_of(primary, piece).await? {
            put(out, if written == 0 { "\n    " } else { ",\n    " })?;
            put(out, &review)?;
            written += 1;
        }
    }
    put(out, if written == 0 { "]\n}\n" } else { "\n  ]\n}\n" })?;
    out.flush().context("cannot write the document")?;
    Ok(written)
}

async fn piece_of(primary: &Primary, reviews: &[ReviewId]) -> anyhow::Result<Vec<String>> {
    match export_reviews(&primary.pool, reviews).await {
        Ok(reviews) => Ok(reviews.iter().map(serde_json::to_string).collect::<Result<_, _>>()?),
        Err(error) => Err(primary.failed(error, "cannot read the reviews").await),
    }
}

/// That nobody reads on, as behind `| head`, is no error.
fn put(out: &mut impl Write, text: &str) -> anyhow::Result<()> {
    match out.write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the document")
        }
        _ => Ok(()),
    }
}
