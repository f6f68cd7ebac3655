//! A cursor over the bytes of one event: every read is checked, none copies.
//!
//! Goes in: bytes that a server sent. Comes out: integers and borrowed slices, or an error that says the bytes ended early.
//! The cursor does not know where it is in the log; callers add the position.

use crate::error::{Class, Error, Result};

/// A position inside borrowed bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// An error about bytes of the log that do not mean what they should.
#[must_use]
pub fn malformed(what: &str) -> Error {
    Error::new(Class::Person, format!("cannot decode binlog event: {what}"))
}

macro_rules! little_endian {
    ($($(#[$doc:meta])* $name:ident: $kind:ty, $bytes:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// The bytes end early.
        pub fn $name(&mut self) -> Result<$kind> {
            let mut wide = [0_u8; size_of::<$kind>()];
            for (target, source) in wide.iter_mut().zip(self.bytes($bytes)?) {
                *target = *source;
            }
            Ok(<$kind>::from_le_bytes(wide))
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// The bytes end early.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((head, tail)) = self.rest.split_at_checked(count) else {
            return Err(malformed("it ends early"));
        };
        self.rest = tail;
        Ok(head)
    }

    little_endian! {
        /// An unsigned byte.
        u8: u8, 1;
        /// Two bytes, unsigned.
        u16: u16, 2;
        /// Three bytes, unsigned.
        u24: u32, 3;
        /// Four bytes, unsigned.
        u32: u32, 4;
        /// Six bytes, unsigned.
        u48: u64, 6;
        /// Seven bytes, unsigned.
        u56: u64, 7;
        /// Eight bytes, unsigned.
        u64: u64, 8;
    }

    /// `count` (at most 8) bytes, least significant first.
    ///
    /// # Errors
    /// The bytes end early.
    pub fn little(&mut self, count: usize) -> Result<u64> {
        Ok(self.bytes(count)?.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    /// `count` (at most 8) bytes, most significant first.
    ///
    /// # Errors
    /// The bytes end early.
    pub fn big(&mut self, count: usize) -> Result<u64> {
        Ok(self.bytes(count)?.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    /// A length-encoded integer.
    ///
    /// # Errors
    /// The bytes end early, or the first byte is none of a length.
    pub fn packed(&mut self) -> Result<u64> {
        match self.u8()? {
            byte @ 0..=250 => Ok(u64::from(byte)),
            252 => Ok(u64::from(self.u16()?)),
            253 => Ok(u64::from(self.u24()?)),
            254 => self.u64(),
            _ => Err(malformed("a packed length is invalid")),
        }
    }

    /// A length-encoded integer that counts bytes or items in memory.
    ///
    /// # Errors
    /// As [`Reader::packed`], or the number does not fit.
    pub fn packed_length(&mut self) -> Result<usize> {
        usize::try_from(self.packed()?).map_err(|_| malformed("a length is out of range"))
    }

    /// A string behind its length-encoded length.
    ///
    /// # Errors
    /// The bytes end early.
    pub fn packed_bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.packed_length()?;
        self.bytes(length)
    }

    /// An unsigned integer of MySQL's serialization library: trailing one bits of the first byte count the further bytes.
    ///
    /// # Errors
    /// The bytes end early.
    pub fn variable(&mut self) -> Result<u64> {
        let extra = self.rest.first().ok_or_else(|| malformed("it ends early"))?.trailing_ones();
        if extra == 8 {
            self.u8()?;
            return self.u64();
        }
        let wide = self.little(extra as usize + 1)?;
        Ok(wide >> (extra + 1))
    }
}

/// Whether bit `index` of a little-endian bitmap is set; bits past the end are clear.
#[must_use]
pub fn bit(bitmap: &[u8], index: usize) -> bool {
    bitmap.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_width() {
        let mut reader = Reader::new(&[1, 2, 0, 3, 0, 0, 252, 1, 1, 250]);
        assert_eq!((reader.u8().unwrap(), reader.u16().unwrap(), reader.u24().unwrap()), (1, 2, 3));
        assert_eq!((reader.packed().unwrap(), reader.packed().unwrap()), (257, 250));
        assert!(reader.u8().is_err());
    }

    #[test]
    fn serialization_library_integers() {
        assert_eq!(Reader::new(&[0b1010]).variable().unwrap(), 5);
        assert_eq!(Reader::new(&[0b0000_0101, 0b10]).variable().unwrap(), (0b10_0000_0101) >> 2);
        assert_eq!(Reader::new(&[0xff, 1, 0, 0, 0, 0, 0, 0, 0]).variable().unwrap(), 1);
    }
}
