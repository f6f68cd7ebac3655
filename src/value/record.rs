//! Records of bytes: what is kept on disk besides rows is written with [`Writer`] and read with [`Reader`].
//!
//! A record is read to its last byte; anything else is damage and says so. Integers are little-endian, lists carry their length, rows are
//! the canonical row encoding.

use super::{Row, row};
use crate::error::{Class, Error, Result};

/// What a record that does not decode is called.
#[must_use]
pub fn damaged() -> Error {
    Error::new(Class::Local, "the state is damaged: a record does not decode")
}

/// Appends to a record.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Four bytes.
    pub fn u32(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// How many elements or bytes follow.
    pub fn length(&mut self, length: usize) {
        self.u64(length as u64);
    }

    /// Bytes behind their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// A row behind the length of its encoding.
    pub fn row(&mut self, values: &Row) {
        let begin = self.0.len();
        self.length(0);
        let first = self.0.len();
        row::encode(values, &mut self.0);
        let length = (self.0.len() - first) as u64;
        if let Some(place) = self.0.get_mut(begin..first) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    /// Whether there is a row, and the row.
    pub fn optional_row(&mut self, values: Option<&Row>) {
        self.byte(u8::from(values.is_some()));
        if let Some(values) = values {
            self.row(values);
        }
    }

    /// JSON behind its length.
    ///
    /// # Errors
    /// `Bug` if `record` has no JSON.
    pub fn json<T: serde::Serialize>(&mut self, record: &T) -> Result<()> {
        self.bytes(&serde_json::to_vec(record).map_err(|error| Error::bug("a record cannot be written as JSON").because(error))?);
        Ok(())
    }
}

/// Takes from a record what [`Writer`] appended, in the same order. Every method fails with [`damaged`].
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = tail;
        Ok(head)
    }

    /// One byte.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn byte(&mut self) -> Result<u8> {
        self.take(1)?.first().copied().ok_or_else(damaged)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| damaged())?))
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| damaged())?))
    }

    /// How many elements or bytes follow.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn length(&mut self) -> Result<usize> {
        let length = usize::try_from(self.u64()?).map_err(|_| damaged())?;
        // Every counted element takes at least a byte, so a larger count is damage, not a reason to allocate.
        if length > self.0.len() { Err(damaged()) } else { Ok(length) }
    }

    /// Bytes behind their length.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    /// A row behind the length of its encoding.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn row(&mut self) -> Result<Row> {
        row::decode(self.bytes()?)
    }

    /// Whether there is a row, and the row.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn optional_row(&mut self) -> Result<Option<Row>> {
        match self.byte()? {
            0 => Ok(None),
            1 => self.row().map(Some),
            _ => Err(damaged()),
        }
    }

    /// A list of rows.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn rows(&mut self) -> Result<Vec<Row>> {
        let length = self.length()?;
        (0..length).map(|_| self.row()).collect()
    }

    /// JSON behind its length.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        serde_json::from_slice(self.bytes()?).map_err(|error| damaged().because(error))
    }

    /// The record must end here.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn end(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(damaged()) }
    }
}
