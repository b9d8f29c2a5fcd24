//! Reading a CSV file record by record: lenient about quoting, exact about lines, and bounded.

use anyhow::{Context as _, bail};
use csv_core::ReadRecordResult;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::Path;

/// A file is read in pieces of this size.
const INPUT_BYTES: usize = 256 * 1024;
/// Longest record. The longest text that is taken is a fiftieth of it; what goes on beyond is a
/// quote that nothing closes, which would swallow the rest of the file.
const RECORD_BYTES_MAX: usize = 1 << 20;
/// Most fields of a record; no file of the data set has more than a dozen.
const RECORD_FIELDS_MAX: usize = 1 << 14;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// An open file of the data set, behind its header line.
pub(crate) struct CsvFile {
    name: &'static str,
    file: File,
    parser: csv_core::Reader,
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// Line that the next byte is in.
    line: i64,
    /// Bytes read from the file.
    bytes: u64,
    record: Vec<u8>,
    ends: Vec<usize>,
    /// For each column that is wanted, which field of a record it is.
    columns: Vec<usize>,
    fields: usize,
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    data: &'a [u8],
    ends: &'a [usize],
    columns: &'a [usize],
    /// Line in the file that it begins in, the header being 1.
    pub(crate) line: i64,
    /// Line that it ends in.
    pub(crate) last_line: i64,
}

impl<'a> Record<'a> {
    /// Number of fields.
    pub(crate) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// The field of a wanted column, by the column's number.
    pub(crate) fn column(&self, column: usize) -> &'a [u8] {
        self.columns.get(column).map_or(&[], |field| self.field(*field))
    }

    fn field(&self, field: usize) -> &'a [u8] {
        let start = if field == 0 { 0 } else { self.ends[field - 1] };
        &self.data[start..self.ends[field]]
    }
}

impl CsvFile {
    /// Opens a file of the folder and finds the columns in its header line.
    pub(crate) fn open(dir: &Path, name: &'static str, columns: &[&str]) -> anyhow::Result<Self> {
        let path = dir.join(name);
        let file = File::open(&path).with_context(|| {
            format!("cannot read {}: a data set is a folder with the four files", path.display())
        })?;
        let mut csv = Self {
            name,
            file,
            parser: csv_core::Reader::new(),
            input: vec![0; INPUT_BYTES],
            start: 0,
            end: 0,
            line: 1,
            bytes: 0,
            record: vec![0; 64 * 1024],
            ends: vec![0; 64],
            columns: Vec::new(),
            fields: 0,
        };
        csv.read_header(columns)?;
        Ok(csv)
    }

    /// Bytes of the file that were read.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the whole file.
    pub(crate) fn size(&self) -> anyhow::Result<u64> {
        Ok(self.metadata()?.len())
    }

    /// What the file system knows of the open file.
    pub(crate) fn metadata(&self) -> anyhow::Result<Metadata> {
        self.file.metadata().with_context(|| format!("cannot read {}", self.name))
    }

    /// How many fields a record must have.
    pub(crate) const fn fields(&self) -> usize {
        self.fields
    }

    fn read_header(&mut self, wanted: &[&str]) -> anyhow::Result<()> {
        let name = self.name;
        let all = wanted.join(",");
        while self.end < BOM.len() && self.fill()? {}
        if self.input[..self.end].starts_with(BOM) {
            self.start = BOM.len();
        }
        let Some(header) = self.next()? else {
            bail!("{name} is empty: its first line must name the columns {all}");
        };
        let names: Vec<String> = (0..header.len())
            .map(|n| String::from_utf8_lossy(header.field(n)).trim().to_ascii_lowercase())
            .collect();
        let find = |column: &&str| {
            let at = names.iter().position(|found| found == column);
            at.with_context(|| format!("{name} has no column {column}: its first line must name {all}"))
        };
        self.columns = wanted.iter().map(find).collect::<anyhow::Result<_>>()?;
        self.fields = names.len();
        Ok(())
    }

    /// The next record; empty lines are passed over.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Record<'_>>> {
        self.skip_line_ends()?;
        let line = self.line;
        let (mut data, mut ends) = (0, 0);
        loop {
            if self.start == self.end {
                // At the file's end the parser is given nothing, by which it knows.
                self.fill()?;
            }
            let input = &self.input[self.start..self.end];
            let (result, read, wrote, ended) =
                self.parser.read_record(input, &mut self.record[data..], &mut self.ends[ends..]);
            self.line += line_ends(&input[..read]);
            self.start += read;
            data += wrote;
            ends += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.record.len() < RECORD_BYTES_MAX => {
                    self.record.resize(self.record.len() * 2, 0);
                }
                ReadRecordResult::OutputEndsFull if self.ends.len() < RECORD_FIELDS_MAX => {
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => bail!(
                    "{} cannot be read from line {line} on: the record that begins there does not end within \
                     {RECORD_BYTES_MAX} bytes; look for a quote that is not closed",
                    self.name
                ),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        // The line end that closes the record has been read, or is still to come.
        let closed = self.start > 0 && self.input[self.start - 1] == b'\n';
        let last_line = (self.line - i64::from(closed)).max(line);
        Ok(Some(Record {
            data: &self.record[..data],
            ends: &self.ends[..ends],
            columns: &self.columns,
            line,
            last_line,
        }))
    }

    /// Passes over empty lines, so that a record's line is the one that it begins in.
    fn skip_line_ends(&mut self) -> anyhow::Result<()> {
        loop {
            while self.start < self.end && matches!(self.input[self.start], b'\r' | b'\n') {
                self.line += i64::from(self.input[self.start] == b'\n');
                self.start += 1;
            }
            if self.start < self.end || !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Reads on; false at the end of the file.
    fn fill(&mut self) -> anyhow::Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let read = self.file.read(&mut self.input[self.end..]);
        let read = read.with_context(|| format!("cannot read {} from line {} on", self.name, self.line))?;
        self.end += read;
        self.bytes += read as u64;
        Ok(read > 0)
    }
}

fn line_ends(bytes: &[u8]) -> i64 {
    bytes.iter().map(|byte| i64::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(test: &str, content: &[u8]) -> anyhow::Result<CsvFile> {
        let dir = std::env::temp_dir().join(format!("reviewsctl-csv-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("a.csv"), content).unwrap();
        let opened = CsvFile::open(&dir, "a.csv", &["id", "text"]);
        std::fs::remove_dir_all(dir).unwrap();
        opened
    }

    fn records(test: &str, content: &[u8]) -> Vec<(i64, i64, usize, String)> {
        let mut csv = open(test, content).unwrap();
        let mut records = Vec::new();
        while let Some(record) = csv.next().unwrap() {
            let text = if record.len() == csv_fields(&record) { record.column(1) } else { b"?" };
            let text = String::from_utf8_lossy(text).into_owned();
            records.push((record.line, record.last_line, record.len(), text));
        }
        records
    }

    fn csv_fields(_: &Record<'_>) -> usize {
        2
    }

    #[test]
    fn lines_are_those_of_the_file_whatever_ends_them() {
        for (n, end) in ["\n", "\r\n"].into_iter().enumerate() {
            let content = ["id,text", "1,a", "", "2,\"b", "", "c\"", "3,d"].join(end);
            let inner = format!("b{end}{end}c");
            let expected = [(2, 2, 2, "a".to_owned()), (4, 6, 2, inner), (7, 7, 2, "d".to_owned())];
            for (m, tail) in ["", end].into_iter().enumerate() {
                assert_eq!(records(&format!("lines-{n}-{m}"), (content.clone() + tail).as_bytes()), expected);
            }
        }
    }

    #[test]
    fn columns_are_found_by_name_behind_a_byte_order_mark() {
        let mut csv = open("bom", b"\xef\xbb\xbfTEXT ,more,\"id\"\nx,y,7\n").unwrap();
        let record = csv.next().unwrap().unwrap();
        assert_eq!((record.column(0), record.column(1), record.len()), (&b"7"[..], &b"x"[..], 3));
        assert!(csv.next().unwrap().is_none());
    }

    #[test]
    fn a_header_that_lacks_a_column_is_refused() {
        let refused = open("header", b"id,txt\n1,a\n").err().unwrap().to_string();
        assert_eq!(refused, "a.csv has no column text: its first line must name id,text");
        let empty = open("empty", b"").err().unwrap().to_string();
        assert_eq!(empty, "a.csv is empty: its first line must name the columns id,text");
    }

    #[test]
    fn a_quote_that_nothing_closes_does_not_swallow_memory() {
        let mut content = b"id,text\n1,a\n2,\"b\n".to_vec();
        content.resize(3 << 20, b'x');
        let mut csv = open("unclosed", &content).unwrap();
        assert!(csv.next().unwrap().is_some());
        let refused = csv.next().unwrap_err().to_string();
        assert!(refused.starts_with("a.csv cannot be read from line 3 on: "), "{refused}");
    }

    #[test]
    fn a_quote_closed_by_a_later_line_gives_one_odd_record() {
        let found = records("odd", b"id,text\n1,\"a\n2,\"b\"\n3,c\n");
        assert_eq!(found, [(2, 3, 2, "a\n2,b\"".to_owned()), (4, 4, 2, "c".to_owned())]);
    }
}
