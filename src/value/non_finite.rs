//! The numbers of PostgreSQL's `numeric` that are no decimals.

use std::fmt;

/// A `numeric` without digits. In PostgreSQL each equals itself, and they order `-Infinity` < every decimal < `Infinity` < `NaN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NonFinite {
    /// `-Infinity`
    NegativeInfinity,
    /// `Infinity`
    Infinity,
    /// `NaN`
    NaN,
}

impl fmt::Display for NonFinite {
    /// As PostgreSQL prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NegativeInfinity => "-Infinity",
            Self::Infinity => "Infinity",
            Self::NaN => "NaN",
        })
    }
}
