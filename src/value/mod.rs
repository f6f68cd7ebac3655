//! Values, rows and keys: what flows through the engine, free of any dialect or driver.
//!
//! A [`Value`] is exact: decimals keep every digit, floats their bits, dates may be zero or partly zero as MySQL stores them.
//! `TIMESTAMP` columns arrive as [`Value::DateTime`] in the recorded session time zone, `ENUM` and `SET` as their text, `BIT`
//! as unsigned integers, `JSON` as text. Strings are UTF-8 whatever the legacy charset was.
//!
//! PostgreSQL's `timestamptz` is a [`Value::DateTime`] in UTC, `uuid` its 16 bytes, `time` a [`Value::Time`] of 0 to 24 hours; arrays, `jsonb`,
//! enums and every type without a form of its own are the server's text under the pinned settings (`schema::POSTGRES_PINNED`).
//!
//! Two encodings live here: [`row`] (compact, canonical: equal values give equal bytes) and [`key`] (memcomparable, by the
//! source's collation, so that what the source calls equal has equal bytes).

use std::hash::{Hash, Hasher};

pub mod calendar;
pub mod collation;
mod collation_bytes;
pub mod decimal;
pub mod interval;
pub mod json_number;
pub mod key;
pub mod non_finite;
pub mod record;
pub mod row;
pub mod temporal;
#[cfg(test)]
mod tests;
mod varint;

pub use collation::{Collation, PostgresCollation};
pub use decimal::Decimal;
pub use interval::Interval;
pub use key::{Key, KeyKind, encode_key};
pub use non_finite::NonFinite;
pub use temporal::{Date, DateTime, Time};

/// One value of one column, or of one expression.
///
/// Equality and hash are structural: floats by their bits, decimals with their scale. What SQL calls equal is
/// [`KeyKind::compare`].
#[derive(Debug, Clone)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A boolean of a database that has them (PostgreSQL); MySQL's are integers.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer (an unsigned column or expression, `BIT`, `YEAR`).
    UInt(u64),
    /// An exact decimal with its scale.
    Decimal(Decimal),
    /// PostgreSQL's `numeric` NaN and infinities.
    NonFinite(NonFinite),
    /// A single-precision float, bit-exact.
    Float(f32),
    /// A double-precision float, bit-exact.
    Double(f64),
    /// Character data, already UTF-8; also `ENUM` and `SET` labels and `JSON` text.
    Text(Box<str>),
    /// Binary data.
    Bytes(Box<[u8]>),
    /// A calendar date, possibly zero or partly zero.
    Date(Date),
    /// A date and time of day with microseconds, possibly zero.
    DateTime(DateTime),
    /// A signed duration or time of day with microseconds.
    Time(Time),
    /// An interval of PostgreSQL.
    Interval(Interval),
}

/// The values of one row, in the order of a layout or of a mapping's output columns.
pub type Row = Box<[Value]>;

impl Value {
    /// Whether this is SQL NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A text value.
    #[must_use]
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }

    /// The name of the variant, for messages; never the value itself.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) => "integer",
            Self::UInt(_) => "unsigned integer",
            Self::Decimal(_) => "decimal",
            Self::Float(_) => "float",
            Self::Double(_) => "double",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Date(_) => "date",
            Self::DateTime(_) => "date-time",
            Self::Time(_) => "time",
            Self::NonFinite(_) => "non-finite numeric",
            Self::Interval(_) => "interval",
        }
    }

    /// About how many bytes of data it is, for rates.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 1,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Float(_) | Self::Date(_) => 4,
            Self::Interval(_) | Self::Decimal(_) => 12,
            _ => 8,
        }
    }

    /// Its approximate size in memory in bytes, for bounds.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let heap = match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        size_of::<Self>() + heap
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Int(left), Self::Int(right)) => left == right,
            (Self::UInt(left), Self::UInt(right)) => left == right,
            (Self::Decimal(left), Self::Decimal(right)) => left == right,
            (Self::Float(left), Self::Float(right)) => left.to_bits() == right.to_bits(),
            (Self::Double(left), Self::Double(right)) => left.to_bits() == right.to_bits(),
            (Self::Text(left), Self::Text(right)) => left == right,
            (Self::Bytes(left), Self::Bytes(right)) => left == right,
            (Self::Date(left), Self::Date(right)) => left == right,
            (Self::DateTime(left), Self::DateTime(right)) => left == right,
            (Self::Time(left), Self::Time(right)) => left == right,
            (Self::NonFinite(left), Self::NonFinite(right)) => left == right,
            (Self::Interval(left), Self::Interval(right)) => left == right,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Bool(truth) => truth.hash(state),
            Self::Int(number) => number.hash(state),
            Self::UInt(number) => number.hash(state),
            Self::Decimal(decimal) => decimal.hash(state),
            Self::Float(number) => number.to_bits().hash(state),
            Self::Double(number) => number.to_bits().hash(state),
            Self::Text(text) => text.hash(state),
            Self::Bytes(bytes) => bytes.hash(state),
            Self::Date(date) => date.hash(state),
            Self::DateTime(at) => at.hash(state),
            Self::Time(time) => time.hash(state),
            Self::NonFinite(number) => number.hash(state),
            Self::Interval(interval) => interval.hash(state),
        }
    }
}
