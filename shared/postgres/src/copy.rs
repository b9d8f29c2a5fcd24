//! Postgres's binary COPY format, out and in: no text is written, and none is parsed.
//!
//! Header: 11 bytes of signature, 4 of flags, 4 with the length of an extension. A row: the number of its
//! columns (int16), then for each its length (int32, -1 for null) and its value as the type's binary form.
//! End: -1 where a number of columns would be. See "COPY", "Binary Format", in Postgres's manual.

use bytes::{Buf, Bytes};
use chrono::{DateTime, Utc};
use uuid::Uuid;

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// Postgres counts microseconds from 2000-01-01; this is that day by the Unix clock.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;
/// Version byte in front of a jsonb's text.
const JSONB_VERSION: u8 = 1;

/// Rows to be copied in, encoded.
#[derive(Debug, Clone)]
pub struct BinaryRows(Vec<u8>);

impl Default for BinaryRows {
    fn default() -> Self {
        BinaryRows(HEADER.to_vec())
    }
}

impl BinaryRows {
    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER.len()
    }

    /// Size of the rows, encoded, in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Begins a row of so many columns; as many values must follow.
    pub fn row(&mut self, columns: i16) {
        self.0.extend_from_slice(&columns.to_be_bytes());
    }

    /// A value of any type, in its binary form.
    fn value(&mut self, bytes: &[u8]) {
        // What is copied is far below the format's 2^31 bytes.
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// No value.
    pub fn null(&mut self) {
        self.0.extend_from_slice(&(-1_i32).to_be_bytes());
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) {
        self.value(&[u8::from(value)]);
    }

    /// A smallint.
    pub fn smallint(&mut self, value: i16) {
        self.value(&value.to_be_bytes());
    }

    /// An integer.
    pub fn integer(&mut self, value: i32) {
        self.value(&value.to_be_bytes());
    }

    /// A bigint.
    pub fn bigint(&mut self, value: i64) {
        self.value(&value.to_be_bytes());
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.value(text.as_bytes());
    }

    /// A timestamptz.
    pub fn timestamptz(&mut self, at: DateTime<Utc>) {
        self.bigint(at.timestamp_micros() - POSTGRES_EPOCH_US);
    }

    /// A json, given as its text.
    pub fn json(&mut self, text: &[u8]) {
        self.value(text);
    }

    /// What there is so far, to be sent before the rest.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// All of it, with the end.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&TRAILER);
        self.0
    }
}

/// Something else came than the format allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's binary COPY does not have its form: {0}")]
pub struct CopyMalformed(&'static str);

impl From<CopyMalformed> for sqlx::Error {
    fn from(malformed: CopyMalformed) -> Self {
        sqlx::Error::Decode(malformed.into())
    }
}

/// Reads what is copied out. The server sends each row in one message, the header before the first.
#[derive(Debug, Clone, Copy, Default)]
pub struct BinaryReader {
    begun: bool,
}

impl BinaryReader {
    /// Gives the row of the next message, if there is one, to `each`, who reads all of it.
    ///
    /// # Errors
    /// When the message is not of the format; whatever `each` returns ends it too.
    pub fn read<E: From<CopyMalformed>>(
        &mut self,
        mut message: Bytes,
        each: impl FnOnce(&mut BinaryRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.begun {
            if !message.starts_with(HEADER) {
                return Err(CopyMalformed("another header").into());
            }
            message.advance(HEADER.len());
            self.begun = true;
        }
        let (columns, row) =
            message.split_first_chunk().ok_or(CopyMalformed("a message ends within a row"))?;
        if *columns == TRAILER {
            return Ok(());
        }
        let mut row = BinaryRow(row);
        each(&mut row)?;
        if row.0.is_empty() { Ok(()) } else { Err(CopyMalformed("more than a row in a message").into()) }
    }
}

/// A row while its columns are read, in their order and all of them.
#[derive(Debug)]
pub struct BinaryRow<'a>(&'a [u8]);

impl<'a> BinaryRow<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], CopyMalformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(CopyMalformed("a message ends within a row"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CopyMalformed> {
        let length = i32::from_be_bytes(self.take()?);
        if usize::try_from(length) != Ok(N) {
            return Err(CopyMalformed("a value of another length than its type's"));
        }
        self.take()
    }

    /// A value of any length, none for null.
    fn value(&mut self) -> Result<Option<&'a [u8]>, CopyMalformed> {
        let length = i32::from_be_bytes(self.take()?);
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        let (taken, rest) =
            self.0.split_at_checked(length).ok_or(CopyMalformed("a message ends within a row"))?;
        self.0 = rest;
        Ok(Some(taken))
    }

    /// A boolean.
    ///
    /// # Errors
    /// When the next column is none.
    pub fn boolean(&mut self) -> Result<bool, CopyMalformed> {
        Ok(self.fixed::<1>()? == [1])
    }

    /// A smallint.
    ///
    /// # Errors
    /// When the next column is none.
    pub fn smallint(&mut self) -> Result<i16, CopyMalformed> {
        self.fixed().map(i16::from_be_bytes)
    }

    /// A bigint.
    ///
    /// # Errors
    /// When the next column is none.
    pub fn bigint(&mut self) -> Result<i64, CopyMalformed> {
        self.fixed().map(i64::from_be_bytes)
    }

    /// A uuid.
    ///
    /// # Errors
    /// When the next column is none.
    pub fn uuid(&mut self) -> Result<Uuid, CopyMalformed> {
        self.fixed().map(Uuid::from_bytes)
    }

    /// A text, or a json as its text.
    ///
    /// # Errors
    /// When the next column is null or no UTF-8.
    pub fn text(&mut self) -> Result<&'a str, CopyMalformed> {
        let value = self.value()?.ok_or(CopyMalformed("null where there must be a text"))?;
        std::str::from_utf8(value).map_err(|_| CopyMalformed("a text that is not UTF-8"))
    }

    /// A jsonb, as its JSON text.
    ///
    /// # Errors
    /// When the next column is null or of an unknown version.
    pub fn jsonb(&mut self) -> Result<&'a [u8], CopyMalformed> {
        match self.value()?.and_then(|value| value.split_first()) {
            Some((&JSONB_VERSION, text)) => Ok(text),
            _ => Err(CopyMalformed("a jsonb of an unknown version")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (i64, String, bool, Vec<u8>);

    fn expected() -> [Row; 2] {
        [(7, "ä".to_owned(), true, b"[]".to_vec()), (-1, "ä".to_owned(), false, b"[]".to_vec())]
    }

    /// As the server sends them: a message for each row, and one for the end.
    fn messages() -> Vec<Bytes> {
        let mut messages = Vec::new();
        let mut rows = BinaryRows::default();
        for (number, text, boolean, json) in expected() {
            rows.row(4);
            rows.bigint(number);
            rows.text(&text);
            rows.boolean(boolean);
            rows.value(&[&[JSONB_VERSION], &json[..]].concat());
            messages.push(Bytes::from(std::mem::take(&mut rows.0)));
        }
        messages.push(Bytes::from_static(&TRAILER));
        messages
    }

    fn read(messages: &[Bytes]) -> Result<Vec<Row>, CopyMalformed> {
        let (mut reader, mut all) = (BinaryReader::default(), Vec::new());
        for message in messages {
            reader.read(message.clone(), |row| {
                all.push((row.bigint()?, row.text()?.to_owned(), row.boolean()?, row.jsonb()?.to_vec()));
                Ok::<_, CopyMalformed>(())
            })?;
        }
        Ok(all)
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&messages()).unwrap(), expected());
    }

    #[test]
    fn what_ends_early_goes_on_or_is_another_format_is_an_error() {
        let whole = messages();
        for (n, message) in whole.iter().enumerate() {
            for length in 0..message.len() {
                let mut cut = whole.clone();
                cut[n] = message.slice(..length);
                assert!(read(&cut).is_err(), "{length} bytes of message {n}");
            }
            let mut longer = whole.clone();
            longer[n] = [&message[..], b"x"].concat().into();
            assert!(n == 2 || read(&longer).is_err(), "message {n}");
        }
        assert!(read(&[Bytes::from_static(b"1\tx\tt\n")]).is_err());
    }
}
