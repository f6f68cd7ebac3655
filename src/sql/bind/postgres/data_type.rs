//! Type names of casts and literals.

use sqlparser::ast::{self, ArrayElemTypeDef, CharacterLength, DataType as D, ExactNumberInfo, TimezoneInfo};

use super::super::{Binder, Bound};
use crate::schema::DataType;
use crate::sql::query::Span;

impl Binder<'_> {
    /// The type that a cast names.
    pub(super) fn postgres_type(&mut self, written: &ast::DataType, span: &Span) -> Bound<DataType> {
        match named(written, &self.catalog.session.collation_connection) {
            Some(data_type) => Ok(data_type),
            None => Err(self.refuse(
                span.clone(),
                format!("the type {written} is not carried in expressions"),
                "cast to a number, text, boolean, date, time, timestamp, interval, uuid, bytea, json or jsonb",
            )),
        }
    }
}

// size: one arm per type
fn named(written: &ast::DataType, collation: &str) -> Option<DataType> {
    let text = |length, fixed| DataType::Text { length, fixed, charset: "UTF8".into(), collation: collation.to_owned() };
    let integer = |bits| Some(DataType::Integer { bits, unsigned: false });
    let fraction = |digits: &Option<u64>| u8::try_from(digits.unwrap_or(6)).ok().filter(|digits| *digits <= 6);
    Some(match written {
        D::Bool | D::Boolean => DataType::Boolean,
        D::SmallInt(None) | D::Int2(None) => return integer(16),
        D::Int(None) | D::Integer(None) | D::Int4(None) => return integer(32),
        D::BigInt(None) | D::Int8(None) => return integer(64),
        D::Numeric(size) | D::Decimal(size) | D::Dec(size) => return decimal(size),
        D::Real | D::Float4 => DataType::Float,
        D::DoublePrecision | D::Float8 | D::Double(ExactNumberInfo::None) | D::Float(ExactNumberInfo::None) => DataType::Double,
        D::Text => text(None, false),
        D::Varchar(length) | D::CharacterVarying(length) | D::CharVarying(length) => text(characters(length.as_ref())?, false),
        D::Char(None) | D::Character(None) => text(Some(1), true),
        D::Char(length) | D::Character(length) => text(characters(length.as_ref())?, true),
        D::Bytea => DataType::Bytes { length: None, fixed: false },
        D::Date => DataType::Date,
        D::Timestamp(digits, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::DateTime { fraction: fraction(digits)? }
        }
        D::Timestamp(digits, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
            DataType::TimestampTz { fraction: fraction(digits)? }
        }
        D::Time(digits, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::TimeOfDay { fraction: fraction(digits)? }
        }
        D::Interval { fields: None, precision: None } => DataType::Interval,
        D::Uuid => DataType::Uuid,
        D::JSON => DataType::Json,
        D::JSONB => DataType::Jsonb,
        D::Array(ArrayElemTypeDef::SquareBracket(element, None)) => {
            let element = named(element, collation)?;
            if matches!(element, DataType::Array { .. } | DataType::TimestampTz { .. }) {
                return None;
            }
            DataType::Array { element: Box::new(element) }
        }
        _ => return None,
    })
}

fn decimal(size: &ExactNumberInfo) -> Option<DataType> {
    let (precision, scale) = match size {
        ExactNumberInfo::None => return Some(DataType::Numeric),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    let (precision, scale) = (u16::try_from(precision).ok()?, u16::try_from(scale).ok()?);
    ((1..=1_000).contains(&precision) && scale <= precision).then_some(DataType::Decimal { precision, scale, unsigned: false })
}

/// The outer `None` for lengths that are not understood.
fn characters(length: Option<&CharacterLength>) -> Option<Option<u32>> {
    match length {
        None => Some(None),
        Some(CharacterLength::IntegerLength { length, unit: None }) => {
            u32::try_from(*length).ok().filter(|length| *length > 0).map(Some)
        }
        Some(_) => None,
    }
}
