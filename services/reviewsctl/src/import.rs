//! `reviewsctl import`: the four files of a data set into the primary and its log, beside live
//! writers. Nothing is appended before every line was read and checked; an import that ended early,
//! however it did, is completed by running it again.

mod csv_file;
mod field;
mod line;
mod stage;

mod lanes;

mod check;

mod append;

mod outcome;
mod reject_file;
mod stop;

use crate::config::Config;
use crate::progress;
use crate::say;
use crate::store::Store;
use anyhow::{Context as _, bail};
use csv_file::CsvFile;
use line::Kind;
use outcome::{FileOutcome, Outcome, Stage};
use primary::import::{clear_staging, import_pool, index_staging, lock_import, refresh_statistics};
use reject_file::{RejectFile, first_rejects, rejected_lines};
use sqlx::PgPool;
use stage::{Samples, Staged, stage};
use std::path::{Path, PathBuf};
use std::time::Instant;
use stop::Stop;

/// Statements that run beside each other: files while they are read, then ranges, then parts. Two
/// cores have no more to give, and a server with more has live writers to serve.
const LANES: usize = 2;
/// A connection for each lane and for what it rejects, and some that wait for nothing.
const CONNECTIONS_MAX: u32 = 6;

/// Ends the line about a primary that was lost on the way.
const RUN_AGAIN: &str = ", then run the same command again: what was imported so far is whole";

/// Arguments of `reviewsctl import`.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// Folder with reviews.csv, reviews_photos.csv, characteristics.csv and characteristic_reviews.csv
    dir: PathBuf,
    /// Write the lines that were not taken to this file, as CSV: file, line, reason
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Import nothing unless every line can be taken
    #[arg(long)]
    strict: bool,
}

/// Imports a data set and returns what it did, as text; which lines were not taken goes to standard error.
pub(crate) async fn run(args: &ImportArgs, config: &Config) -> anyhow::Result<String> {
    let files = open(&args.dir)?;
    let reject_file = args.rejects.as_deref().map(|path| RejectFile::create(path, &files)).transpose()?;
    let options = config.primary()?;
    let primary = Store::primary(&options);
    let stop = Stop::listen()?;
    let lock = lock_import(&options).await.map_err(|error| primary.failed(&error))?;
    let Some(lock) = lock else {
        bail!("another import is running on this database: wait for its end, then run this one again");
    };
    let pool = import_pool(options, CONNECTIONS_MAX);
    let import = Import { pool: pool.clone(), stop, strict: args.strict };
    let said = import.run(files, reject_file, args.rejects.as_deref()).await;
    pool.close().await;
    drop(lock);
    said.map_err(|error| primary.lost(error, RUN_AGAIN))
}

/// Opens all files before anything is written, so that a missing one or a bad header costs nothing.
fn open(dir: &Path) -> anyhow::Result<Vec<(Kind, CsvFile)>> {
    Kind::ALL.into_iter().map(|kind| Ok((kind, CsvFile::open(dir, kind.file(), kind.columns())?))).collect()
}

struct Import {
    pool: PgPool,
    stop: Stop,
    strict: bool,
}

impl Import {
    async fn run(
        self,
        files: Vec<(Kind, CsvFile)>,
        reject_file: Option<RejectFile>,
        reject_path: Option<&Path>,
    ) -> anyhow::Result<String> {
        let started = Instant::now();
        let mut stages = Vec::new();
        clear_staging(&self.pool).await.context("cannot empty the work space")?;

        let (staged, samples) = timed(&mut stages, "reading", "lines", self.stage(files)).await?;
        let checks = self.check(&staged, samples);
        let files = timed(&mut stages, "checking", "lines", checks).await?;

        let rejected: u64 = files.iter().map(|file| file.rejected).sum();
        self.tell_rejects(rejected, reject_file, reject_path).await?;
        if rejected > 0 && self.strict {
            clear_staging(&self.pool).await.context("cannot empty the work space")?;
            bail!("nothing was imported, because of --strict");
        }

        timed(&mut stages, "appending", "events", self.append()).await?;
        refresh_statistics(&self.pool).await?;
        clear_staging(&self.pool).await.context("cannot empty the work space")?;
        let outcome = Outcome { files, stages, took: started.elapsed() };
        Ok(outcome.to_string())
    }

    /// Writes the rejected lines to their file, or the first of them to standard error.
    async fn tell_rejects(
        &self,
        rejected: u64,
        file: Option<RejectFile>,
        path: Option<&Path>,
    ) -> anyhow::Result<()> {
        let mut shown = 0;
        if let Some(file) = file {
            file.fill(&self.pool).await?;
        } else if rejected > 0 {
            for line in first_rejects(&self.pool).await? {
                say::note(line);
                shown += 1;
            }
        }
        if rejected > 0 {
            say::note(rejected_note(rejected, shown, path));
        }
        Ok(())
    }

    /// Reads the files, the two large ones beside each other.
    async fn stage(&self, files: Vec<(Kind, CsvFile)>) -> anyhow::Result<(u64, (Vec<Staged>, Samples))> {
        let mut size = 0;
        for (_, file) in &files {
            size += file.size()?;
        }
        let bar = progress::bytes("reading", size);
        let (left, right): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(kind, _)| matches!(kind, Kind::Reviews | Kind::Photos));
        let lane = async |files: Vec<(Kind, CsvFile)>| {
            let mut staged = Vec::new();
            for (kind, file) in files {
                staged.push(stage(&self.pool, kind, file, &self.stop, &bar).await?);
            }
            anyhow::Ok(staged)
        };
        let read = tokio::try_join!(lane(left), lane(right));
        bar.finish_and_clear();
        let (mut staged, right) = read?;
        staged.extend(right);
        let mut samples = Samples::default();
        for file in &mut staged {
            samples.append(std::mem::take(&mut file.samples));
        }
        Ok((staged.iter().map(|file| file.lines).sum(), (staged, samples)))
    }

    /// Finds every line that cannot be taken and every one that is stored already.
    async fn check(&self, staged: &[Staged], samples: Samples) -> anyhow::Result<(u64, Vec<FileOutcome>)> {
        self.stop.check()?;
        let bar = progress::spinner("indexing");
        index_staging(&self.pool).await.context("cannot index the lines")?;
        bar.finish_and_clear();
        let already = check::check(&self.pool, samples, &self.stop).await?;
        let rejected = rejected_lines(&self.pool).await?;
        let files: Vec<_> = staged
            .iter()
            .map(|file| FileOutcome {
                kind: file.kind,
                lines: file.lines,
                already: already.of(file.kind),
                rejected: rejected(file.kind),
            })
            .collect();
        Ok((files.iter().map(|file| file.lines).sum(), files))
    }

    async fn append(&self) -> anyhow::Result<(u64, ())> {
        let events = append::append(&self.pool, &self.stop).await?;
        Ok((events, ()))
    }
}

/// Runs a stage, which says how much it went through, and notes the time it took.
async fn timed<T>(
    stages: &mut Vec<Stage>,
    name: &'static str,
    unit: &'static str,
    stage: impl Future<Output = anyhow::Result<(u64, T)>>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    let (number, result) = stage.await?;
    stages.push(Stage { name, number, unit, took: started.elapsed() });
    Ok(result)
}

fn rejected_note(rejected: u64, shown: u64, path: Option<&Path>) -> String {
    let lines = if rejected == 1 { "1 line was" } else { &format!("{rejected} lines were") };
    match path {
        Some(path) => format!("{lines} not taken: see {}", path.display()),
        None if rejected > shown => {
            format!("{lines} not taken, the first {shown} are above: --rejects FILE writes them all")
        }
        None => format!("{lines} not taken: --rejects FILE writes them to a file"),
    }
}
