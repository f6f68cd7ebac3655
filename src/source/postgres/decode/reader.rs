//! A cursor over the bytes of one message; integers are big-endian, texts end with a zero byte.
//!
//! What is too short is an error, never a panic, and so is what is left over.

use super::super::failure::malformed;
use crate::error::Result;

/// A cursor.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Reader<'a>(pub(in super::super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `length` bytes.
    pub(in super::super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length).ok_or_else(|| malformed("a message that ends too early"))?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| malformed("a message that ends too early"))
    }

    /// One byte.
    pub(in super::super) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// Two bytes.
    pub(in super::super) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// Four bytes.
    pub(in super::super) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Four bytes with a sign.
    pub(in super::super) fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// Eight bytes.
    pub(in super::super) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Eight bytes with a sign.
    pub(in super::super) fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A text up to its zero byte.
    pub(in super::super) fn text(&mut self) -> Result<&'a str> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(|| malformed("a text without an end"))?;
        let text = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(text).map_err(|_| malformed("a name that is not UTF-8"))
    }

    /// Everything that is left.
    pub(in super::super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Nothing may be left.
    pub(in super::super) fn end(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(malformed("a message that is longer than it says")) }
    }
}
