//! Values of a column of another source, in the form and within the bounds of the dialect that the mapping is written in.

use crate::error::{Class, Error, Result};
use crate::schema::DataType;
use crate::sql::functions::mismatch;
use crate::value::{Date, Value};

/// A column of another source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its qualified name, for the message about a value that cannot be taken.
    pub column: String,
    /// Whether the dialect is MySQL's or MariaDB's.
    pub is_mysql: bool,
}

impl Adopted {
    /// A value as the dialect's type `to` holds it.
    ///
    /// # Errors
    /// `Person`, naming the column, for a value that the dialect does not have.
    pub(super) fn call(&self, value: &Value, to: &DataType) -> Result<Value> {
        let dialect = if self.is_mysql { "MySQL's" } else { "PostgreSQL's" };
        let foreign = |what: &str| {
            let message = format!("column {} holds {what}, which {dialect} dialect of the mapping does not have", self.column);
            Err(Error::new(Class::Person, message)
                .with_hint("correct the row at its source, or leave the column out of the mapping"))
        };
        match value {
            Value::Bool(truth) if matches!(to, DataType::Integer { .. }) => Ok(Value::Int(i64::from(*truth))),
            Value::UInt(number) if matches!(to, DataType::Integer { unsigned: false, .. }) => {
                i64::try_from(*number).map(Value::Int).map_err(|_| mismatch("an integer of another source"))
            }
            Value::NonFinite(_) => foreign("a number that is not finite"),
            Value::Double(number) if !number.is_finite() && self.is_mysql => foreign("a number that is not finite"),
            Value::Date(date) if !self.is_held(date) => foreign("a date out of range"),
            Value::DateTime(moment) if !self.is_held(&moment.date) => foreign("a date out of range"),
            Value::Text(text) if !self.is_mysql && text.contains('\0') => foreign("the character U+0000"),
            value => Ok(value.clone()),
        }
    }

    /// Whether both dialects have a day. MySQL's end with the year 9999; PostgreSQL has no zero dates and no days of other months.
    fn is_held(&self, date: &Date) -> bool {
        date.is_calendar() && (1..=9_999).contains(&date.year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::NonFinite;

    fn taken(is_mysql: bool, value: Value, to: &DataType) -> Option<Value> {
        let adopted = Adopted { column: "crm.public.member.x".into(), is_mysql };
        adopted.call(&value, to).map_err(|error| assert!(error.message().contains("crm.public.member.x"))).ok()
    }

    #[test]
    fn a_value_that_the_dialect_does_not_have_is_named_and_never_passed() {
        let tiny = DataType::Integer { bits: 8, unsigned: false };
        assert_eq!(taken(true, Value::Bool(true), &tiny), Some(Value::Int(1)));
        assert_eq!(taken(false, Value::UInt(7), &DataType::Integer { bits: 64, unsigned: false }), Some(Value::Int(7)));
        let decimal = DataType::Decimal { precision: 9, scale: 2, unsigned: false };
        assert_eq!(taken(true, Value::NonFinite(NonFinite::NaN), &decimal), None);
        assert_eq!(taken(true, Value::Double(f64::INFINITY), &DataType::Double), None);
        assert_eq!(taken(false, Value::Double(f64::INFINITY), &DataType::Double).map(|_| ()), Some(()));
        let days =
            [((2026, 2, 28), true), ((0, 0, 0), false), ((2026, 0, 1), false), ((10_000, 1, 1), false), ((0, 3, 1), false)];
        for ((year, month, day), is_taken) in days {
            for is_mysql in [true, false] {
                let date = Value::Date(Date { year, month, day });
                assert_eq!(taken(is_mysql, date, &DataType::Date).is_some(), is_taken, "{year}-{month}-{day}");
            }
        }
        assert_eq!(taken(false, Value::text("a\0b"), &DataType::Null), None);
    }
}
