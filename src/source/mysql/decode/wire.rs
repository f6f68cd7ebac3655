//! Column types as TABLE_MAP events name them, and how many bytes a value of each takes.
//!
//! Goes in: a type byte and its metadata. Comes out: a [`WireType`], which can step over a value without decoding it. An unknown
//! type byte is an error: a row with such a column cannot be walked at all.

use super::decimal;
use super::reader::{Reader, malformed};
use super::temporal::fraction_width;
use crate::error::Result;

/// A column type on the wire, with the metadata that its length depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireType {
    /// Fixed-width integers by bytes: 1, 2, 3, 4, 8.
    Integer(u8),
    /// Single precision.
    Float,
    /// Double precision.
    Double,
    /// NULL, which no table has.
    Null,
    /// DECIMAL.
    Decimal {
        /// Total digits.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// DATE.
    Date,
    /// YEAR.
    Year,
    /// TIME, DATETIME, TIMESTAMP before 5.6, without fractions.
    TimeOld,
    /// See [`WireType::TimeOld`].
    DateTimeOld,
    /// See [`WireType::TimeOld`].
    TimestampOld,
    /// TIME since 5.6 with its fraction digits.
    Time2(u8),
    /// DATETIME since 5.6 with its fraction digits.
    DateTime2(u8),
    /// TIMESTAMP since 5.6 with its fraction digits.
    Timestamp2(u8),
    /// BIT of so many bits.
    Bit(u16),
    /// ENUM in so many bytes.
    Enum(u8),
    /// SET in so many bytes.
    Set(u8),
    /// CHAR or BINARY of at most so many bytes.
    Fixed(u16),
    /// VARCHAR or VARBINARY of at most so many bytes.
    Variable(u16),
    /// BLOB or TEXT whose length takes so many bytes.
    Blob(u8),
    /// JSON whose length takes so many bytes.
    Json(u8),
    /// GEOMETRY whose length takes so many bytes.
    Geometry(u8),
    /// VECTOR whose length takes so many bytes.
    Vector(u8),
    /// MariaDB: BLOB or TEXT with COMPRESSED.
    BlobCompressed(u8),
    /// MariaDB: VARCHAR or VARBINARY with COMPRESSED.
    VariableCompressed(u16),
}

impl WireType {
    /// Reads the metadata of a column of type `code`.
    ///
    /// # Errors
    /// The type is unknown or the metadata end early.
    // size: one table of type codes
    pub fn read(code: u8, metadata: &mut Reader<'_>) -> Result<Self> {
        Ok(match code {
            1 => Self::Integer(1),
            2 => Self::Integer(2),
            9 => Self::Integer(3),
            3 => Self::Integer(4),
            8 => Self::Integer(8),
            4 => skip_byte(metadata, Self::Float)?,
            5 => skip_byte(metadata, Self::Double)?,
            6 => Self::Null,
            7 => Self::TimestampOld,
            10 | 14 => Self::Date,
            11 => Self::TimeOld,
            12 => Self::DateTimeOld,
            13 => Self::Year,
            15 => Self::Variable(metadata.u16()?),
            16 => {
                let (bits, bytes) = (metadata.u8()?, metadata.u8()?);
                Self::Bit(u16::from(bytes) * 8 + u16::from(bits))
            }
            17 => Self::Timestamp2(metadata.u8()?),
            18 => Self::DateTime2(metadata.u8()?),
            19 => Self::Time2(metadata.u8()?),
            140 => Self::BlobCompressed(metadata.u8()?),
            141 => Self::VariableCompressed(metadata.u16()?),
            242 => Self::Vector(metadata.u8()?),
            245 => Self::Json(metadata.u8()?),
            246 => Self::Decimal { precision: metadata.u8()?, scale: metadata.u8()? },
            247 => second_byte(metadata, Self::Enum)?,
            248 => second_byte(metadata, Self::Set)?,
            249..=252 => Self::Blob(metadata.u8()?),
            253 => Self::Variable(metadata.u16()?),
            254 => string(metadata.u8()?, metadata.u8()?)?,
            255 => Self::Geometry(metadata.u8()?),
            other => return Err(malformed(&format!("column type {other} is unknown"))),
        })
    }

    /// Whether values of this type carry a sign: for them the optional metadata hold a signedness bit.
    #[must_use]
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Integer(_) | Self::Float | Self::Double | Self::Decimal { .. } | Self::Year)
    }

    /// Whether the optional metadata hold a character set for this type (enum and set have their own list).
    #[must_use]
    pub fn is_character(self) -> bool {
        matches!(self, Self::Fixed(_) | Self::Variable(_) | Self::Blob(_) | Self::BlobCompressed(_) | Self::VariableCompressed(_))
    }

    /// Steps over one value.
    ///
    /// # Errors
    /// The bytes end early.
    pub fn skip(self, reader: &mut Reader<'_>) -> Result<()> {
        let length = match self {
            Self::Integer(bytes) | Self::Enum(bytes) | Self::Set(bytes) => usize::from(bytes),
            Self::Float | Self::TimestampOld => 4,
            Self::Double | Self::DateTimeOld => 8,
            Self::Null => 0,
            Self::Decimal { precision, scale } => decimal::width(precision, scale)?,
            Self::Date | Self::TimeOld => 3,
            Self::Year => 1,
            Self::Time2(fraction) => 3 + fraction_width(fraction)?,
            Self::DateTime2(fraction) => 5 + fraction_width(fraction)?,
            Self::Timestamp2(fraction) => 4 + fraction_width(fraction)?,
            Self::Bit(bits) => usize::from(bits).div_ceil(8),
            Self::Fixed(_)
            | Self::Variable(_)
            | Self::Blob(_)
            | Self::Json(_)
            | Self::Geometry(_)
            | Self::Vector(_)
            | Self::BlobCompressed(_)
            | Self::VariableCompressed(_) => return self.counted(reader).map(drop),
        };
        reader.bytes(length).map(drop)
    }

    /// The bytes of a value that carries its own length.
    ///
    /// # Errors
    /// The bytes end early, or the type carries no length.
    pub fn counted<'a>(self, reader: &mut Reader<'a>) -> Result<&'a [u8]> {
        let length_bytes = match self {
            Self::Fixed(max) | Self::Variable(max) | Self::VariableCompressed(max) => {
                if max > 255 {
                    2
                } else {
                    1
                }
            }
            Self::Blob(bytes) | Self::Json(bytes) | Self::Geometry(bytes) | Self::Vector(bytes) | Self::BlobCompressed(bytes) => {
                usize::from(bytes)
            }
            _ => return Err(malformed("a value has no length of its own")),
        };
        if length_bytes > 4 {
            return Err(malformed("a length takes more than four bytes"));
        }
        let length = usize::try_from(reader.little(length_bytes)?).map_err(|_| malformed("a length is out of range"))?;
        reader.bytes(length)
    }
}

fn skip_byte(metadata: &mut Reader<'_>, wire: WireType) -> Result<WireType> {
    metadata.u8()?;
    Ok(wire)
}

fn second_byte(metadata: &mut Reader<'_>, make: fn(u8) -> WireType) -> Result<WireType> {
    metadata.u8()?;
    Ok(make(metadata.u8()?))
}

/// STRING hides ENUM and SET, and keeps two further bits of its length in its type byte.
fn string(first: u8, second: u8) -> Result<WireType> {
    match (first, second) {
        (247, bytes) => Ok(WireType::Enum(bytes)),
        (248, bytes) => Ok(WireType::Set(bytes)),
        (0, length) => Ok(WireType::Fixed(u16::from(length))),
        (kind, length) if kind | 0x30 == 254 => Ok(WireType::Fixed(u16::from(length) | (u16::from((kind & 0x30) ^ 0x30) << 4))),
        _ => Err(malformed("a string column has unknown metadata")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn char_columns_longer_than_255_bytes() {
        // CHAR(255) in utf8mb4: 1020 bytes.
        assert_eq!(WireType::read(254, &mut Reader::new(&[0xce, 0xfc])).unwrap(), WireType::Fixed(1020));
        assert_eq!(WireType::read(254, &mut Reader::new(&[0xfe, 0x08])).unwrap(), WireType::Fixed(8));
        assert_eq!(WireType::read(254, &mut Reader::new(&[0xf7, 0x01])).unwrap(), WireType::Enum(1));
    }

    #[test]
    fn f21_unknown_column_types_stop() {
        assert!(WireType::read(200, &mut Reader::new(&[0, 0])).is_err());
    }
}
