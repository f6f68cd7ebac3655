//! Memcomparable key bytes: what the source calls equal has equal bytes, and bytes order as the source orders.

use super::Collation;

/// Key bytes.
pub type Key = Vec<u8>;

/// How the values of a key part become bytes; also the rule of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyKind {
    /// Signed and unsigned integers together.
    Integer,
    /// Integers and decimals by value.
    Decimal,
    /// Doubles (MySQL's comparison of strings with numbers, and of floats).
    Double,
    /// Strings by collation.
    Text(Collation),
    /// Bytes.
    Bytes,
    /// Dates.
    Date,
    /// Dates and date-times together.
    DateTime,
    /// Durations.
    Time,
}
