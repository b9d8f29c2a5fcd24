//! The four files: written beside their final names, and renamed when all are whole.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

const REVIEWS: &str = "reviews.csv";
const REVIEWS_HEADER: &str = "id,product_id,rating,date,summary,body,recommend,reported,reviewer_name,\
                              reviewer_email,response,helpfulness";
const PHOTOS: &str = "reviews_photos.csv";
const CHARACTERISTICS: &str = "characteristics.csv";
const VALUES: &str = "characteristic_reviews.csv";

/// A file's lines are handed to the kernel in pieces of this size.
const BUFFER_BYTES: usize = 1 << 20;

/// A finished file: its name, its rows without the header line, its bytes with it.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) name: &'static str,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// The four files of a data set under way.
#[derive(Debug)]
pub(crate) struct DataSet {
    pub(crate) characteristics: Sheet,
    pub(crate) values: Sheet,
    pub(crate) photos: Sheet,
    pub(crate) reviews: Sheet,
}

impl DataSet {
    /// Opens the files in `dir`, made if missing. What an interrupted run left there does not count as
    /// content.
    pub(crate) fn create(dir: &Path, force: bool) -> anyhow::Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
        if !force && let Some(name) = first_entry(dir)? {
            bail!(
                "{} is not empty (it holds {name}): name another folder, or replace its data set with --force",
                dir.display()
            );
        }
        Ok(Self {
            characteristics: Sheet::create(dir, CHARACTERISTICS, "id,product_id,name")?,
            values: Sheet::create(dir, VALUES, "id,characteristic_id,review_id,value")?,
            photos: Sheet::create(dir, PHOTOS, "id,review_id,url")?,
            reviews: Sheet::create(dir, REVIEWS, REVIEWS_HEADER)?,
        })
    }

    /// Gives the files their names. `reviews.csv` comes last and an old one goes first: a folder that has it
    /// is whole.
    pub(crate) fn finish(mut self) -> anyhow::Result<Vec<Written>> {
        let mut sheets = [&mut self.characteristics, &mut self.values, &mut self.photos, &mut self.reviews];
        for sheet in &mut sheets {
            sheet.flush()?;
        }
        let old = &sheets[3].path;
        match fs::remove_file(old) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).with_context(|| format!("cannot replace {}", old.display()));
            }
            _ => {}
        }
        for sheet in &mut sheets {
            sheet.rename()?;
        }
        Ok(sheets.iter().map(|s| Written { name: s.name, rows: s.rows, bytes: s.bytes }).collect())
    }
}

/// The name of anything in `dir` that is not a partial file of ours.
fn first_entry(dir: &Path) -> anyhow::Result<Option<String>> {
    let partial = [REVIEWS, PHOTOS, CHARACTERISTICS, VALUES].map(partial_name);
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read the folder {}", dir.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !partial.contains(&name) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn partial_name(name: &str) -> String {
    format!(".{name}.partial")
}

/// One CSV file: fields are appended one by one, then the line is ended.
#[derive(Debug)]
pub(crate) struct Sheet {
    name: &'static str,
    path: PathBuf,
    partial: PathBuf,
    file: File,
    buffer: Vec<u8>,
    rows: u64,
    bytes: u64,
    renamed: bool,
}

impl Sheet {
    fn create(dir: &Path, name: &'static str, header: &str) -> anyhow::Result<Self> {
        let partial = dir.join(partial_name(name));
        let shown = partial.display();
        let file = File::options().write(true).create(true).truncate(false).open(&partial);
        let file = file.with_context(|| format!("cannot write {shown}"))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                bail!("another generate is writing {shown}: wait for it, or name another folder")
            }
            Err(TryLockError::Error(e)) => return Err(e).with_context(|| format!("cannot lock {shown}")),
            Ok(()) => file.set_len(0).with_context(|| format!("cannot empty {shown}"))?,
        }
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + (1 << 16));
        buffer.extend_from_slice(header.as_bytes());
        buffer.push(b'\n');
        Ok(Self { name, path: dir.join(name), partial, file, buffer, rows: 0, bytes: 0, renamed: false })
    }

    pub(crate) fn number(&mut self, n: u64) -> &mut Self {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut left = n;
        loop {
            at -= 1;
            digits[at] = b"0123456789"[(left % 10) as usize];
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.buffer.extend_from_slice(&digits[at..]);
        self.buffer.push(b',');
        self
    }

    /// A quoted field; quotes inside are doubled.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.buffer.push(b'"');
        let mut pieces = text.split('"');
        self.buffer.extend_from_slice(pieces.next().unwrap_or_default().as_bytes());
        for piece in pieces {
            self.buffer.extend_from_slice(b"\"\"");
            self.buffer.extend_from_slice(piece.as_bytes());
        }
        self.buffer.extend_from_slice(b"\",");
        self
    }

    /// A field without quotes, that needs none.
    pub(crate) fn bare(&mut self, text: &str) -> &mut Self {
        self.buffer.extend_from_slice(text.as_bytes());
        self.buffer.push(b',');
        self
    }

    /// Ends the line: the last field's comma becomes the line break.
    pub(crate) fn end(&mut self) -> anyhow::Result<()> {
        if let Some(last) = self.buffer.last_mut() {
            *last = b'\n';
        }
        self.rows += 1;
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.file
            .write_all(&self.buffer)
            .with_context(|| format!("cannot write {}", self.partial.display()))?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn rename(&mut self) -> anyhow::Result<()> {
        fs::rename(&self.partial, &self.path)
            .with_context(|| format!("cannot make {}", self.path.display()))?;
        self.renamed = true;
        Ok(())
    }
}

/// A run that fails takes its partial files away; one that is killed leaves them, for the next to write over.
impl Drop for Sheet {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = fs::remove_file(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("reviewsctl-files-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn fields_are_quoted_as_in_the_data_set() {
        let dir = folder("quoting");
        let mut set = DataSet::create(&dir, false).unwrap();
        set.photos.number(0).number(u64::MAX).text("a \"b\"\n,c").end().unwrap();
        set.photos.bare("null").bare("").bare("true").end().unwrap();
        let written = set.finish().unwrap();
        let text = fs::read_to_string(dir.join(PHOTOS)).unwrap();
        assert_eq!(text, "id,review_id,url\n0,18446744073709551615,\"a \"\"b\"\"\n,c\"\nnull,,true\n");
        assert_eq!((written[2].name, written[2].rows, written[2].bytes), (PHOTOS, 2, text.len() as u64));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn nothing_has_its_name_before_the_end_and_a_failed_run_leaves_nothing() {
        let dir = folder("unfinished");
        let set = DataSet::create(&dir, false).unwrap();
        assert!(names(&dir).iter().all(|n| n.ends_with(".partial")), "{:?}", names(&dir));
        drop(set);
        assert_eq!(names(&dir), [""; 0]);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_a_killed_run_left_is_written_over() {
        let dir = folder("leftover");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(partial_name(VALUES)), "rubbish that is longer than the header line").unwrap();
        DataSet::create(&dir, false).unwrap().finish().unwrap();
        assert_eq!(names(&dir), [VALUES, CHARACTERISTICS, REVIEWS, PHOTOS]);
        assert_eq!(fs::read_to_string(dir.join(VALUES)).unwrap(), "id,characteristic_id,review_id,value\n");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_folder_in_use_is_refused_and_left_alone() {
        let dir = folder("in-use");
        let set = DataSet::create(&dir, false).unwrap();
        let refused = DataSet::create(&dir, false).unwrap_err().to_string();
        assert!(refused.starts_with("another generate is writing "), "{refused}");
        assert_eq!(set.finish().unwrap().len(), 4);
        fs::remove_dir_all(dir).unwrap();
    }
}
