//! The server's text of a value becomes a [`Value`], and back for literals.
//!
//! Snapshot and stream both give text, printed by the same functions under the same pinned settings, and both are read here: that is what
//! makes them agree. A text that is not of its type is an error that names the column and never shows the text.

use super::message::Cell;
use crate::error::{Class, Error, Result};
use crate::schema::{Column, DataType, TableName};
use crate::value::{Date, DateTime, Decimal, Interval, NonFinite, Time, Value, calendar};

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

/// The value of a cell of the stream; `None` for one that the log leaves out.
pub(in super::super) fn of_cell(cell: &Cell<'_>, column: &Column, table: &TableName) -> Result<Option<Value>> {
    let text = match cell {
        Cell::Unchanged => return Ok(None),
        Cell::Null => return Ok(Some(Value::Null)),
        Cell::Text(bytes) => std::str::from_utf8(bytes).ok(),
    };
    let value = text.and_then(|text| of_text(text, &column.data_type));
    value.map(Some).ok_or_else(|| unreadable(&format!("{table}.{}", column.name), column))
}

/// The value of a column of a query; `name` is what errors call it.
pub(in super::super) fn of_column(text: Option<&str>, column: &Column, table: &TableName) -> Result<Value> {
    match text {
        None => Ok(Value::Null),
        Some(text) => of_text(text, &column.data_type).ok_or_else(|| unreadable(&format!("{table}.{}", column.name), column)),
    }
}

fn unreadable(name: &str, column: &Column) -> Error {
    if let DataType::NamedEnum { .. } = column.data_type {
        return Error::new(Class::Person, format!("column {name} holds a label that enum {} did not have", column.native_type))
            .with_hint("a label was added or renamed: run `strangler run --rebuild`");
    }
    Error::new(Class::Person, format!("column {name} holds a value that is no {} as this version knows it", column.native_type))
        .with_hint("leave the column out of the mapping, or cast it to text in the SELECT")
}

/// The value of a text; `None` if it is none of the type.
pub(in super::super) fn of_text(text: &str, data_type: &DataType) -> Option<Value> {
    Some(match data_type {
        DataType::Null => return None,
        DataType::Boolean => match text {
            "t" => Value::Bool(true),
            "f" => Value::Bool(false),
            _ => return None,
        },
        DataType::Integer { .. } => Value::Int(text.parse().ok()?),
        DataType::Decimal { .. } | DataType::Numeric => numeric(text)?,
        DataType::Float => Value::Float(text.parse().ok()?),
        DataType::Double => Value::Double(text.parse().ok()?),
        DataType::Bytes { .. } => Value::Bytes(hex(text.strip_prefix("\\x")?)?.into()),
        DataType::Date => Value::Date(date(text)?),
        DataType::DateTime { .. } => Value::DateTime(date_time(text)?),
        DataType::TimestampTz { .. } => Value::DateTime(instant(text)?),
        DataType::TimeOfDay { .. } => Value::Time(Time::parse(text)?),
        DataType::Interval => Value::Interval(interval(text)?),
        DataType::Uuid => Value::Bytes(hex(&text.replace('-', ""))?.into()),
        DataType::NamedEnum { labels, .. } if !labels.iter().any(|label| label == text) => return None,
        DataType::Text { .. }
        | DataType::Json
        | DataType::Jsonb
        | DataType::Array { .. }
        | DataType::NamedEnum { .. }
        | DataType::Native { .. } => Value::text(text),
        // Types of MySQL, and what is refused before it is read.
        DataType::Enum { .. }
        | DataType::Set { .. }
        | DataType::Bit { .. }
        | DataType::Timestamp { .. }
        | DataType::Time { .. }
        | DataType::Year
        | DataType::Unsupported { .. } => return None,
    })
}

/// The text of a value, as its type's input takes it; `None` for NULL and for values that PostgreSQL does not have.
pub(in super::super) fn to_text(value: &Value, data_type: Option<&DataType>) -> Option<String> {
    Some(match (value, data_type) {
        (Value::Null, _) => return None,
        (Value::Bool(truth), _) => truth.to_string(),
        (Value::Int(number), _) => number.to_string(),
        (Value::UInt(number), _) => number.to_string(),
        (Value::Decimal(number), _) => number.to_string(),
        (Value::NonFinite(number), _) => number.to_string(),
        (Value::Float(number), _) => float_text(f64::from(*number), &number.to_string()),
        (Value::Double(number), _) => float_text(*number, &number.to_string()),
        (Value::Text(text), _) => text.to_string(),
        (Value::Bytes(bytes), Some(DataType::Uuid)) => digits(bytes),
        (Value::Bytes(bytes), _) => format!("\\x{}", digits(bytes)),
        (Value::Date(date), _) => date_text(*date, "")?,
        (Value::DateTime(moment), Some(DataType::TimestampTz { .. })) => moment_text(*moment, "+00")?,
        (Value::DateTime(moment), _) => moment_text(*moment, "")?,
        (Value::Time(time), _) => time.format(6),
        (Value::Interval(interval), _) => interval.to_string(),
    })
}

fn float_text(number: f64, text: &str) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        text.to_owned()
    }
}

fn numeric(text: &str) -> Option<Value> {
    Some(match text {
        "NaN" => Value::NonFinite(NonFinite::NaN),
        "Infinity" => Value::NonFinite(NonFinite::Infinity),
        "-Infinity" => Value::NonFinite(NonFinite::NegativeInfinity),
        _ => Value::Decimal(Decimal::parse(text)?),
    })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `2024-01-31`, `infinity`, `0044-03-15 BC`, `12024-01-31`.
fn date(text: &str) -> Option<Date> {
    match text {
        "infinity" => return Some(Date::INFINITY),
        "-infinity" => return Some(Date::NEGATIVE_INFINITY),
        _ => {}
    }
    let (text, before_christ) = text.strip_suffix(" BC").map_or((text, false), |text| (text, true));
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() < 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let year: i32 = year.parse().ok()?;
    let date = Date { year: if before_christ { -year } else { year }, month: month.parse().ok()?, day: day.parse().ok()? };
    calendar::days_of(date).map(|_| date)
}

/// A date and a time of day, with `BC` behind both.
fn date_time(text: &str) -> Option<DateTime> {
    match text {
        "infinity" => return Some(DateTime::INFINITY),
        "-infinity" => return Some(DateTime::NEGATIVE_INFINITY),
        _ => {}
    }
    let (text, era) = text.strip_suffix(" BC").map_or((text, ""), |text| (text, " BC"));
    let (day, clock) = text.split_once(' ')?;
    let moment = DateTime { date: date(&format!("{day}{era}"))?, time_us: Time::parse(clock)?.0 };
    calendar::moment_us(moment).map(|_| moment)
}

/// A moment with its offset from UTC, `+09`, `-03:30` or `+08:27:52`.
fn instant(text: &str) -> Option<DateTime> {
    if matches!(text, "infinity" | "-infinity") {
        return date_time(text);
    }
    let (text, era) = text.strip_suffix(" BC").map_or((text, ""), |text| (text, " BC"));
    let clock = text.find(' ')?;
    let sign = clock + text.get(clock..)?.rfind(['+', '-'])?;
    let (local, offset) = text.split_at_checked(sign)?;
    let (negative, offset) = (offset.starts_with('-'), offset.get(1..)?);
    let mut seconds = 0_i64;
    for (part, unit) in offset.split(':').zip([3_600_i64, 60, 1]) {
        seconds += part.parse::<u8>().ok().map(i64::from)? * unit;
    }
    let local_us = calendar::moment_us(date_time(&format!("{local}{era}"))?)?;
    let offset_us = if negative { -seconds } else { seconds } * 1_000_000;
    calendar::moment_of(local_us.checked_sub(offset_us)?)
}

fn date_text(date: Date, clock: &str) -> Option<String> {
    match date {
        Date::INFINITY => return Some("infinity".to_owned()),
        Date::NEGATIVE_INFINITY => return Some("-infinity".to_owned()),
        _ => {}
    }
    calendar::days_of(date)?;
    let era = if date.year < 0 { " BC" } else { "" };
    Some(format!("{:04}-{:02}-{:02}{clock}{era}", date.year.unsigned_abs(), date.month, date.day))
}

fn moment_text(moment: DateTime, offset: &str) -> Option<String> {
    date_text(moment.date, &format!(" {}{offset}", Time(moment.time_us).format(6)))
}

/// `1 year 2 mons -3 days +04:05:06.7`, any part of it.
fn interval(text: &str) -> Option<Interval> {
    let mut interval = Interval { months: 0, days: 0, us: 0 };
    let mut words = text.split(' ');
    while let Some(word) = words.next() {
        if word.contains(':') {
            interval.us = clock_us(word)?;
            return words.next().is_none().then_some(interval);
        }
        let number: i32 = word.parse().ok()?;
        match words.next()? {
            "year" | "years" => interval.months = interval.months.checked_add(number.checked_mul(12)?)?,
            "mon" | "mons" => interval.months = interval.months.checked_add(number)?,
            "day" | "days" => interval.days = number,
            _ => return None,
        }
    }
    Some(interval)
}

/// `[+-]h+:mm:ss[.f]` of any number of hours.
fn clock_us(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, rest) = text.split_once(':')?;
    let hours: i64 = hours.parse().ok()?;
    let below = Time::parse(&format!("00:{rest}"))?.0;
    // The least number of microseconds has no positive counterpart.
    let us = i128::from(hours) * i128::from(HOUR_US) + i128::from(below);
    i64::try_from(if negative { -us } else { us }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Option<String> {
        of_text(text, &DataType::TimestampTz { fraction: 6 }).and_then(|value| to_text(&value, None))
    }

    #[test]
    fn instants_are_held_in_utc_whatever_the_offset() {
        assert_eq!(moment("2024-03-01 08:30:00.5+09").as_deref(), Some("2024-02-29 23:30:00.500000"));
        assert_eq!(moment("2024-02-29 20:00:00-03:30").as_deref(), Some("2024-02-29 23:30:00.000000"));
        assert_eq!(moment("1899-12-31 08:27:52+08:27:52").as_deref(), Some("1899-12-31 00:00:00.000000"));
        assert_eq!(moment("0044-03-15 00:00:00+00 BC").as_deref(), Some("0044-03-15 00:00:00.000000 BC"));
        assert_eq!(moment("infinity").as_deref(), Some("infinity"));
        assert_eq!(moment("2024-03-01 08:30:00"), None);
    }

    #[test]
    fn intervals_keep_months_days_and_time_apart() {
        for text in ["1 year 2 mons -3 days +04:05:06.7", "00:00:00", "-1 days", "-00:00:00.000001", "100:00:00", "1 mon"] {
            let Some(Value::Interval(interval)) = of_text(text, &DataType::Interval) else { panic!("{text}") };
            assert_eq!(interval.to_string(), text);
        }
        for wrong in ["", "1", "1 week", "1:2", "x:00:00"] {
            assert!(of_text(wrong, &DataType::Interval).is_none(), "{wrong}");
        }
    }

    #[test]
    fn f67_nan_and_infinity_are_values() {
        assert_eq!(of_text("NaN", &DataType::Numeric), Some(Value::NonFinite(NonFinite::NaN)));
        assert_eq!(of_text("-Infinity", &DataType::Double), Some(Value::Double(f64::NEG_INFINITY)));
        assert!(matches!(of_text("NaN", &DataType::Float), Some(Value::Float(nan)) if nan.is_nan()));
        assert_eq!(to_text(&Value::Double(f64::NEG_INFINITY), None).as_deref(), Some("-Infinity"));
    }

    #[test]
    fn bytes_and_uuids_are_read_from_their_digits() {
        let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        let Some(value @ Value::Bytes(_)) = of_text(uuid, &DataType::Uuid) else { panic!("no uuid") };
        assert_eq!(to_text(&value, Some(&DataType::Uuid)), Some(uuid.replace('-', "")));
        assert_eq!(of_text("\\x00ff", &DataType::Bytes { length: None, fixed: false }), Some(Value::Bytes([0, 255].into())));
        for wrong in ["00", "\\x0", "\\xzz"] {
            assert_eq!(of_text(wrong, &DataType::Bytes { length: None, fixed: false }), None, "{wrong}");
        }
    }

    #[test]
    fn an_unknown_label_is_no_value() {
        let data_type = DataType::NamedEnum { name: "mood".into(), labels: vec!["sad".into(), "ok".into()] };
        assert_eq!(of_text("ok", &data_type), Some(Value::text("ok")));
        assert_eq!(of_text("happy", &data_type), None);
    }
}
