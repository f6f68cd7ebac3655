//! Values, rows and keys: what flows through the engine, free of any dialect or driver.
//!
//! A [`Value`] is exact: decimals keep every digit, floats their bits, dates may be zero or partly zero as MySQL stores them.
//! `TIMESTAMP` columns arrive as [`Value::DateTime`] in the recorded session time zone, `ENUM` and `SET` as their text, `BIT`
//! as unsigned integers, `JSON` as text. Strings are UTF-8 whatever the legacy charset was.
//!
//! Two encodings live here: [`row`] (compact, canonical: equal values give equal bytes) and [`key`] (memcomparable, by the
//! source's collation, so that what the source calls equal has equal bytes).

pub mod collation;
pub mod decimal;
pub mod key;
pub mod row;
pub mod temporal;

pub use collation::Collation;
pub use decimal::Decimal;
pub use key::{Key, KeyKind};
pub use temporal::{Date, DateTime, Time};

/// One value of one column, or of one expression.
#[derive(Debug, Clone, PartialEq)]
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
}
