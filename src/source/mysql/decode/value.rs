//! One column of one row: from the bytes on the wire to the [`Value`] that the server's SELECT would give.
//!
//! A [`ColumnDecoder`] is built once per table definition from the catalogue's type (which is authoritative) and the wire's type
//! (which must agree). Decoding then cannot meet a type it does not know. Errors name what is wrong, never a value.

use crate::error::{Class, Error, Result};
use crate::schema::{Column, DataType};
use crate::value::{DateTime, Value};

use super::super::charset::Charset;
use super::super::zone::SessionZone;
use super::reader::{Reader, malformed};
use super::wire::WireType;
use super::{decimal, jsonb, temporal};

/// How to read the values of one stored column.
#[derive(Debug, Clone)]
pub struct ColumnDecoder {
    wire: WireType,
    kind: Kind,
}

/// What the bytes mean.
#[derive(Debug, Clone)]
enum Kind {
    Signed,
    Unsigned,
    /// Everything that its wire type says alone: decimals, floats, dates, times, JSON, BIT.
    Plain,
    Timestamp(SessionZone),
    Text(Charset),
    /// VARBINARY and BLOB.
    Bytes,
    /// BINARY(n), whose trailing zero bytes the server strips.
    Padded(usize),
    Labels(Box<[Box<str>]>),
}

impl ColumnDecoder {
    /// A decoder for values of `column` that arrive as `wire`.
    ///
    /// # Errors
    /// The wire's type is not one that the catalogue's type is written as (the table changed, or the type is not supported); the
    /// message says both types.
    pub fn new(column: &Column, wire: WireType, zone: &SessionZone) -> Result<Self> {
        let kind = kind(&column.data_type, wire, zone).ok_or_else(|| {
            Error::new(
                Class::Person,
                format!("column {} is {} in the catalogue but {wire:?} in the log", column.name, column.native_type),
            )
        })?;
        Ok(Self { wire, kind: kind? })
    }

    /// Reads one value that is not NULL.
    ///
    /// # Errors
    /// The bytes end early or mean nothing in this type.
    pub fn decode(&self, reader: &mut Reader<'_>) -> Result<Value> {
        match &self.kind {
            Kind::Signed => self.signed(reader),
            Kind::Unsigned => self.unsigned(reader),
            Kind::Plain => self.plain(reader),
            Kind::Timestamp(zone) => {
                let epoch_us = match self.wire {
                    WireType::Timestamp2(fraction) => temporal::timestamp2(reader, fraction)?,
                    _ => temporal::timestamp_old(reader)?,
                };
                Ok(Value::DateTime(zone.datetime(epoch_us)?))
            }
            Kind::Text(charset) => {
                let text = charset.decode(self.wire.counted(reader)?);
                Ok(Value::text(text.ok_or_else(|| Error::new(Class::Person, "text is not valid in the column's character set"))?))
            }
            Kind::Bytes => Ok(Value::Bytes(self.wire.counted(reader)?.into())),
            Kind::Padded(length) => {
                let mut bytes = self.wire.counted(reader)?.to_vec();
                bytes.resize(*length.max(&bytes.len()), 0);
                Ok(Value::Bytes(bytes.into()))
            }
            Kind::Labels(labels) => self.labels(labels, reader),
        }
    }

    /// Steps over one value that is not NULL.
    ///
    /// # Errors
    /// The bytes end early.
    pub fn skip(&self, reader: &mut Reader<'_>) -> Result<()> {
        self.wire.skip(reader)
    }

    fn signed(&self, reader: &mut Reader<'_>) -> Result<Value> {
        Ok(Value::Int(match self.wire {
            WireType::Integer(1) => i64::from(reader.u8()?.cast_signed()),
            WireType::Integer(2) => i64::from(reader.u16()?.cast_signed()),
            // The sign bit of three bytes is shifted to the top and back.
            WireType::Integer(3) => i64::from((reader.u24()? << 8).cast_signed() >> 8),
            WireType::Integer(4) => i64::from(reader.u32()?.cast_signed()),
            _ => reader.u64()?.cast_signed(),
        }))
    }

    fn unsigned(&self, reader: &mut Reader<'_>) -> Result<Value> {
        Ok(Value::UInt(match self.wire {
            WireType::Integer(bytes) => reader.little(usize::from(bytes))?,
            WireType::Bit(bits) => reader.big(usize::from(bits).div_ceil(8))?,
            // YEAR counts from 1900, and 0 is the year 0000.
            _ => match reader.u8()? {
                0 => 0,
                year => u64::from(year) + 1900,
            },
        }))
    }

    fn plain(&self, reader: &mut Reader<'_>) -> Result<Value> {
        Ok(match self.wire {
            WireType::Float => Value::Float(f32::from_bits(reader.u32()?)),
            WireType::Double => Value::Double(f64::from_bits(reader.u64()?)),
            WireType::Decimal { precision, scale } => Value::Decimal(decimal::decimal(reader, precision, scale)?),
            WireType::Date => Value::Date(temporal::date(reader)?),
            WireType::TimeOld => Value::Time(temporal::time_old(reader)?),
            WireType::DateTimeOld => date_time(temporal::datetime_old(reader)?)?,
            WireType::Time2(fraction) => Value::Time(temporal::time2(reader, fraction)?),
            WireType::DateTime2(fraction) => date_time(temporal::datetime2(reader, fraction)?)?,
            WireType::Json(_) => Value::text(jsonb::text(self.wire.counted(reader)?)?),
            _ => return Err(Error::bug("a column decoder has no rule for its wire type")),
        })
    }

    /// An ENUM's label by its number (0 is the empty text of a rejected value), or a SET's labels by its bits, joined by commas.
    fn labels(&self, labels: &[Box<str>], reader: &mut Reader<'_>) -> Result<Value> {
        let outside = || Error::new(Class::Person, "an ENUM or SET holds a label that the catalogue does not have");
        match self.wire {
            WireType::Enum(bytes) => {
                match usize::try_from(reader.little(usize::from(bytes))?).unwrap_or(usize::MAX).checked_sub(1) {
                    None => Ok(Value::text("")),
                    Some(index) => Ok(Value::Text(labels.get(index).ok_or_else(outside)?.clone())),
                }
            }
            WireType::Set(bytes) => {
                let mask = reader.little(usize::from(bytes))?;
                if labels.len() < 64 && mask >> labels.len() != 0 {
                    return Err(outside());
                }
                let chosen = labels.iter().enumerate().filter(|(index, _)| mask >> index & 1 == 1);
                Ok(Value::text(chosen.map(|(_, label)| label.as_ref()).collect::<Vec<_>>().join(",")))
            }
            _ => Err(malformed("labels of neither ENUM nor SET")),
        }
    }
}

/// The rule for a catalogue type that arrives as `wire`; `None` if they do not belong together.
fn kind(data_type: &DataType, wire: WireType, zone: &SessionZone) -> Option<Result<Kind>> {
    use WireType as Wire;
    let labelled = |labels: &[String]| Kind::Labels(labels.iter().map(|label| label.as_str().into()).collect());
    let kind = match (data_type, wire) {
        (DataType::Integer { bits, unsigned }, Wire::Integer(bytes)) if *bits == bytes * 8 => {
            if *unsigned {
                Kind::Unsigned
            } else {
                Kind::Signed
            }
        }
        (DataType::Decimal { precision, scale, .. }, Wire::Decimal { precision: p, scale: s }) => {
            return (*precision == u16::from(p) && *scale == u16::from(s)).then_some(Ok(Kind::Plain));
        }
        (DataType::Float, Wire::Float)
        | (DataType::Double, Wire::Double)
        | (DataType::Date, Wire::Date)
        | (DataType::Json, Wire::Json(_))
        | (DataType::DateTime { fraction: 0 }, Wire::DateTimeOld)
        | (DataType::Time { fraction: 0 }, Wire::TimeOld) => Kind::Plain,
        (DataType::DateTime { fraction }, Wire::DateTime2(digits)) if *fraction == digits => Kind::Plain,
        (DataType::Time { fraction }, Wire::Time2(digits)) if *fraction == digits => Kind::Plain,
        (DataType::Timestamp { fraction: 0 }, Wire::TimestampOld) => Kind::Timestamp(zone.clone()),
        (DataType::Timestamp { fraction }, Wire::Timestamp2(digits)) if *fraction == digits => Kind::Timestamp(zone.clone()),
        (DataType::Year, Wire::Year) => Kind::Unsigned,
        (DataType::Bit { length }, Wire::Bit(bits)) if u16::from(*length) == bits => Kind::Unsigned,
        (DataType::Text { fixed: true, charset, .. }, Wire::Fixed(_))
        | (DataType::Text { fixed: false, charset, .. }, Wire::Variable(_) | Wire::Blob(_)) => return Some(text(charset)),
        (DataType::Bytes { fixed: true, length: Some(length) }, Wire::Fixed(_)) => Kind::Padded(usize::try_from(*length).ok()?),
        (DataType::Bytes { fixed: false, .. }, Wire::Variable(_) | Wire::Blob(_)) => Kind::Bytes,
        (DataType::Enum { labels, .. }, Wire::Enum(_)) | (DataType::Set { labels, .. }, Wire::Set(_)) => labelled(labels),
        _ => return None,
    };
    Some(Ok(kind))
}

fn text(charset: &str) -> Result<Kind> {
    let found = Charset::parse(charset);
    found.map(Kind::Text).ok_or_else(|| Error::new(Class::Preflight, format!("character set {charset} is not supported")))
}

fn date_time(value: DateTime) -> Result<Value> {
    if value.time_us >= 86_400_000_000 {
        return Err(malformed("a datetime has more than 24 hours"));
    }
    Ok(Value::DateTime(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Generated;

    fn decoded(data_type: DataType, wire: WireType, bytes: &[u8]) -> Value {
        let column = Column {
            name: "c".into(),
            data_type,
            native_type: String::new(),
            nullable: true,
            generated: Generated::No,
            comment: String::new(),
        };
        let decoder = ColumnDecoder::new(&column, wire, &SessionZone::parse("+00:00").unwrap()).unwrap();
        let mut reader = Reader::new(bytes);
        let value = decoder.decode(&mut reader).unwrap();
        assert!(reader.is_empty());
        value
    }

    #[test]
    fn negative_mediumint_keeps_its_sign() {
        let mediumint = DataType::Integer { bits: 24, unsigned: false };
        assert_eq!(decoded(mediumint.clone(), WireType::Integer(3), &[0xff, 0xff, 0xff]), Value::Int(-1));
        assert_eq!(decoded(mediumint, WireType::Integer(3), &[0, 0, 0x80]), Value::Int(-8_388_608));
    }

    #[test]
    fn f69_bigint_unsigned_above_2_63() {
        let bigint = DataType::Integer { bits: 64, unsigned: true };
        assert_eq!(decoded(bigint, WireType::Integer(8), &[0xff; 8]), Value::UInt(u64::MAX));
    }

    #[test]
    fn f70_bit_64_with_its_high_bit() {
        assert_eq!(
            decoded(DataType::Bit { length: 64 }, WireType::Bit(64), &[0x80, 0, 0, 0, 0, 0, 0, 1]),
            Value::UInt((1 << 63) + 1)
        );
    }

    #[test]
    fn f73_enum_index_zero_is_the_empty_text() {
        let of = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
        let kind = DataType::Enum { labels: of(&["a", "b"]), charset: "utf8mb4".into(), collation: String::new() };
        assert_eq!(decoded(kind.clone(), WireType::Enum(1), &[0]), Value::text(""));
        assert_eq!(decoded(kind, WireType::Enum(1), &[2]), Value::text("b"));
        let kind = DataType::Set { labels: of(&["x", "y", "z"]), charset: "utf8mb4".into(), collation: String::new() };
        assert_eq!(decoded(kind, WireType::Set(1), &[5]), Value::text("x,z"));
    }

    #[test]
    fn f77_binary_is_padded_again() {
        let kind = DataType::Bytes { length: Some(4), fixed: true };
        assert_eq!(decoded(kind, WireType::Fixed(4), &[2, 1, 2]), Value::Bytes([1, 2, 0, 0].into()));
    }

    #[test]
    fn f68_year_zero() {
        assert_eq!(decoded(DataType::Year, WireType::Year, &[0]), Value::UInt(0));
        assert_eq!(decoded(DataType::Year, WireType::Year, &[1]), Value::UInt(1901));
    }
}
