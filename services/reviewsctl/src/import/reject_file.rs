//! Telling which lines were not taken, and why.

use super::csv_file::CsvFile;
use super::line::Kind;
use anyhow::{Context as _, bail};
use primary::import::{Reject, reject_count, rejects};
use sqlx::PgPool;
use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// So many are shown when there is no file for them.
const SHOWN_MAX: i64 = 10;

/// Where `--rejects` wants them.
#[derive(Debug)]
pub(crate) struct RejectFile {
    path: PathBuf,
    writer: csv::Writer<BufWriter<File>>,
}

impl RejectFile {
    /// Makes the file, before anything is imported that it would be needed for. One of the data set's own,
    /// by whatever name, is left as it is and refused.
    pub(crate) fn create(path: &Path, inputs: &[(Kind, CsvFile)]) -> anyhow::Result<Self> {
        let failed = || format!("cannot write the rejected lines to {}", path.display());
        // Emptied only once it is known to be none of the inputs.
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).open(path).with_context(failed)?;
        let found = file.metadata().with_context(failed)?;
        for (kind, input) in inputs {
            let input = input.metadata()?;
            if (input.dev(), input.ino()) == (found.dev(), found.ino()) {
                bail!(
                    "--rejects {} is the data set's own {}, which it would overwrite: name another file",
                    path.display(),
                    kind.file()
                );
            }
        }
        // A terminal or a pipe has no length.
        if found.is_file() {
            file.set_len(0).with_context(failed)?;
        }
        let mut writer = csv::Writer::from_writer(BufWriter::new(file));
        writer.write_record(["file", "line", "reason"]).with_context(failed)?;
        writer.flush().with_context(failed)?;
        Ok(Self { path: path.to_owned(), writer })
    }

    /// Writes all of them, by file and line.
    pub(crate) async fn fill(mut self, pool: &PgPool) -> anyhow::Result<()> {
        let failed = || format!("cannot write the rejected lines to {}", self.path.display());
        let writer = &mut self.writer;
        rejects(pool, i64::MAX, |Reject { file, line, reason }| {
            let written = writer.write_record([file, line.to_string(), reason]);
            written.map_err(anyhow::Error::from)
        })
        .await
        .with_context(failed)?;
        self.writer.flush().with_context(failed)
    }
}

/// The first of them, as lines.
pub(crate) async fn first_rejects(pool: &PgPool) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    rejects(pool, SHOWN_MAX, |Reject { file, line, reason }| {
        lines.push(format!("{file} line {line}: {reason}"));
        Ok::<(), sqlx::Error>(())
    })
    .await?;
    Ok(lines)
}

/// How many lines of each file were not taken.
pub(crate) async fn rejected_lines(pool: &PgPool) -> anyhow::Result<impl Fn(Kind) -> u64> {
    let counts = reject_count(pool).await?;
    Ok(move |kind: Kind| {
        let lines = counts.iter().find(|(file, _)| file == kind.file()).map_or(0, |(_, lines)| *lines);
        u64::try_from(lines).unwrap_or(0)
    })
}
