//! Values as literals in SELECTs of a mapping: they compare as a parameter of the session would.
//!
//! In: a value and the session's `sql_mode`. Out: SQL. Text has no introducer, so that it takes the connection's collation and yields
//! to a column's, as a parameter does.

use super::names::hex;
use crate::error::{Error, Result};
use crate::value::{Date, Value};

/// The literal of a value.
///
/// # Errors
/// `Bug` for a boolean, which this kind of server does not have.
pub fn of(value: &Value, sql_mode: &str) -> Result<String> {
    Ok(match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(_) | Value::NonFinite(_) | Value::Interval(_) => {
            return Err(Error::bug(format!("a {} was given as a literal to a server without that type", value.type_name())));
        }
        // In brackets, so that no sign runs into what stands before it.
        Value::Int(number) if *number < 0 => format!("({number})"),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Decimal(number) if number.is_negative() => format!("({number})"),
        Value::Decimal(number) => number.to_string(),
        Value::Float(number) => format!("({:e})", f64::from(*number)),
        Value::Double(number) => format!("({number:e})"),
        Value::Text(text) => quoted(text, sql_mode),
        Value::Bytes(bytes) => format!("x'{}'", hex(bytes)),
        // Zero and partly zero dates have no typed literal.
        Value::Date(date) if date.is_calendar() => format!("DATE'{date}'"),
        Value::Date(date) => format!("'{date}'"),
        Value::DateTime(moment) => date_time(moment.date, &moment.format(6)),
        Value::Time(time) => format!("TIME'{}'", time.format(6)),
    })
}

fn date_time(date: Date, text: &str) -> String {
    if date.is_calendar() { format!("TIMESTAMP'{text}'") } else { format!("'{text}'") }
}

fn quoted(text: &str, sql_mode: &str) -> String {
    let text = text.replace('\'', "''");
    let escapes = !sql_mode.split(',').any(|mode| mode == "NO_BACKSLASH_ESCAPES");
    format!("'{}'", if escapes { text.replace('\\', "\\\\") } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::DateTime;

    #[test]
    fn f79_hostile_text_stays_text_under_both_escape_rules() {
        let hostile = Value::text(r"\' OR 1=1 -- ");
        assert_eq!(of(&hostile, "ANSI_QUOTES").unwrap(), r"'\\'' OR 1=1 -- '");
        assert_eq!(of(&hostile, "ANSI_QUOTES,NO_BACKSLASH_ESCAPES").unwrap(), r"'\'' OR 1=1 -- '");
        assert_eq!(of(&Value::text("주문"), "").unwrap(), "'주문'");
    }

    #[test]
    fn zero_dates_are_written_as_text_and_others_typed() {
        let zero = DateTime { date: Date::ZERO, time_us: 0 };
        assert_eq!(of(&Value::Date(Date::ZERO), "").unwrap(), "'0000-00-00'");
        assert_eq!(of(&Value::DateTime(zero), "").unwrap(), "'0000-00-00 00:00:00.000000'");
        assert_eq!(of(&Value::Date(Date { year: 2024, month: 2, day: 29 }), "").unwrap(), "DATE'2024-02-29'");
        assert_eq!(of(&Value::Int(-5), "").unwrap(), "(-5)");
    }
}
