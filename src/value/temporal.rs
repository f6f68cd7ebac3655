//! Dates and times as MySQL and PostgreSQL store them, including the ones that no calendar knows.
//!
//! MySQL's zero (`0000-00-00`) and partly zero (`2024-05-00`) dates, and TIME from -838:59:59 to 838:59:59, are values here.
//! Parsing, printing, calendar arithmetic and validity checks live here too; time zones do not.

/// A calendar date; month and day may be zero. Ordered as MySQL orders dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// 0 to 9999 (MySQL), or beyond for PostgreSQL.
    pub year: i32,
    /// 0 to 12.
    pub month: u8,
    /// 0 to 31.
    pub day: u8,
}

/// A date and a time of day. Ordered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    /// The date; possibly zero.
    pub date: Date,
    /// Microseconds since midnight, 0 to 86,399,999,999.
    pub time_us: i64,
}

/// A signed duration in microseconds: MySQL's TIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(
    /// Microseconds; negative before zero.
    pub i64,
);
