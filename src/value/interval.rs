//! PostgreSQL's interval: months, days and microseconds that are kept apart, because a month has no fixed length.
//!
//! `PartialEq` is structural: `1 mon` and `30 days` differ, as their texts differ. What PostgreSQL calls equal, and how it orders, is
//! [`Interval::span_us`], with months of 30 days and days of 24 hours.

/// An interval of PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interval {
    /// Months; years are 12 of them.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds; any number, also beyond a day.
    pub us: i64,
}

impl Interval {
    /// The length by which PostgreSQL compares intervals, in microseconds (`interval_cmp_value`).
    #[must_use]
    pub fn span_us(&self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * 86_400_000_000 + i128::from(self.us)
    }
}

impl std::fmt::Display for Interval {
    /// As PostgreSQL prints it under `IntervalStyle = postgres`, e.g. `1 year 2 mons -3 days +04:05:06.7`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (years, months) = (self.months / 12, self.months % 12);
        let mut before: Option<bool> = None;
        for (number, unit) in [(years, "year"), (months, "mon"), (self.days, "day")] {
            if number == 0 {
                continue;
            }
            // A field behind a negative one says its sign.
            let plus = if before == Some(true) && number > 0 { "+" } else { "" };
            let blank = if before.is_some() { " " } else { "" };
            let plural = if number == 1 { "" } else { "s" };
            write!(f, "{blank}{plus}{number} {unit}{plural}")?;
            before = Some(number < 0);
        }
        if before.is_some() && self.us == 0 {
            return Ok(());
        }
        let blank = if before.is_some() { " " } else { "" };
        let sign = if self.us < 0 {
            "-"
        } else if before == Some(true) {
            "+"
        } else {
            ""
        };
        let us = self.us.unsigned_abs();
        let seconds = us / 1_000_000;
        write!(f, "{blank}{sign}{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
        match us % 1_000_000 {
            0 => Ok(()),
            rest => write!(f, ".{}", format!("{rest:06}").trim_end_matches('0')),
        }
    }
}
