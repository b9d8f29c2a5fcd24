//! Laying the files out in the database: a thread reads and checks lines while the server stores
//! the ones before.

use super::csv_file::CsvFile;
use super::line::{Kind, LineIds};
use super::stop::Stop;
use anyhow::Context as _;
use indicatif::ProgressBar;
use primary::import::{CopyRows, Reject, add_rejects, copy_rows};
use sqlx::PgPool;
use tokio::sync::mpsc;

/// Rows are sent in pieces of about this size, each a transaction: a fraction of a second of the
/// server's time.
const PIECE_BYTES: usize = 4 << 20;
/// Pieces that may wait for the server: one is stored, one waits, one is being filled.
const PIECES_WAITING: usize = 1;
/// Rejected lines are sent this many at a time.
const REJECTS_PER_PIECE: usize = 1000;
/// Of so many lines one is remembered, to know how the ids are spread.
const SAMPLE_EVERY: u64 = 1024;

/// Ids of some of the lines.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) reviews: Vec<i64>,
    pub(crate) photos: Vec<i64>,
    pub(crate) characteristics: Vec<i64>,
}

impl Samples {
    fn add(&mut self, ids: LineIds) {
        self.reviews.extend(ids.review);
        self.photos.extend(ids.photo);
        self.characteristics.extend(ids.characteristic);
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.reviews.extend(other.reviews);
        self.photos.extend(other.photos);
        self.characteristics.extend(other.characteristics);
    }
}

/// A file that was read to its end.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) kind: Kind,
    /// Records read.
    pub(crate) lines: u64,
    pub(crate) samples: Samples,
}

enum Piece {
    Rows(CopyRows),
    Rejects(Vec<Reject>),
}

/// Reads a file to its end and stores its lines. `bar` counts bytes.
pub(crate) async fn stage(
    pool: &PgPool,
    kind: Kind,
    file: CsvFile,
    stop: &Stop,
    bar: &ProgressBar,
) -> anyhow::Result<Staged> {
    let (sender, mut pieces) = mpsc::channel(PIECES_WAITING);
    let reader = Reader { kind, sender, stop: stop.clone(), bar: bar.clone() };
    let reader = tokio::task::spawn_blocking(move || reader.read(file));
    let mut connection = pool.acquire().await?;
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Rows(rows) => copy_rows(&mut connection, rows).await.map(drop),
            Piece::Rejects(rejects) => add_rejects(pool, &rejects).await,
        }
        .with_context(|| format!("cannot store the lines of {}", kind.file()))?;
    }
    reader.await.context("the reader of a file ended early")?
}

struct Reader {
    kind: Kind,
    sender: mpsc::Sender<Piece>,
    stop: Stop,
    bar: ProgressBar,
}

impl Reader {
    fn read(self, mut file: CsvFile) -> anyhow::Result<Staged> {
        let kind = self.kind;
        let (mut rows, mut rejects) = (CopyRows::new(kind.table()), Vec::new());
        let mut staged = Staged { kind, lines: 0, samples: Samples::default() };
        let (mut bytes, fields) = (0, file.fields());
        while let Some(record) = file.next()? {
            let read = if record.len() == fields {
                kind.read(&record, &mut rows)
            } else {
                Err(wrong_fields(record.len(), fields, record.last_line - record.line))
            };
            match read {
                Ok(ids) if staged.lines.is_multiple_of(SAMPLE_EVERY) => staged.samples.add(ids),
                Ok(_) => {}
                Err(reason) => {
                    rejects.push(Reject { file: kind.file().to_owned(), line: record.line, reason });
                }
            }
            staged.lines += 1;
            if rows.len() >= PIECE_BYTES {
                self.send(Piece::Rows(std::mem::replace(&mut rows, CopyRows::new(kind.table()))))?;
                self.bar.inc(file.bytes() - bytes);
                bytes = file.bytes();
            }
            if rejects.len() >= REJECTS_PER_PIECE {
                self.send(Piece::Rejects(std::mem::take(&mut rejects)))?;
            }
        }
        if !rows.is_empty() {
            self.send(Piece::Rows(rows))?;
        }
        if !rejects.is_empty() {
            self.send(Piece::Rejects(rejects))?;
        }
        self.bar.inc(file.bytes() - bytes);
        Ok(staged)
    }

    fn send(&self, piece: Piece) -> anyhow::Result<()> {
        self.stop.check()?;
        self.sender.blocking_send(piece).context("the rows could not be stored")
    }
}

fn wrong_fields(found: usize, fields: usize, more_lines: i64) -> String {
    let hint = match more_lines {
        0 => String::new(),
        1 => "; with the line after it, as a quote is open there".to_owned(),
        _ => format!("; with the {more_lines} lines after it, as a quote is open there"),
    };
    format!("the number of fields is {found}, not {fields}{hint}")
}
