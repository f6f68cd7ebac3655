//! One value of either side in a common, typed spelling. Shares nothing with the program's own comparison.
//!
//! What decides the spelling is the target column's type; the source's value comes from the binary protocol, so that nothing
//! depends on how a driver prints it.

use mysql_async::Value;
use mysql_async::consts::ColumnType;

/// A value in canonical spelling; `None` is NULL.
pub type Cell = Option<String>;

/// A value of MariaDB or MySQL as it should look in a target column of type `target_type` (`pg_type.typname`).
pub fn of_mysql(value: &Value, source_type: ColumnType, target_type: &str) -> Cell {
    let text = match value {
        Value::NULL => return None,
        Value::Bytes(bits) if source_type == ColumnType::MYSQL_TYPE_BIT => {
            bits.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)).to_string()
        }
        Value::Int(int) => int.to_string(),
        Value::UInt(int) => int.to_string(),
        Value::Float(float) => return Some(bits32(*float, target_type)),
        Value::Double(double) => return Some(format!("double {:016x}", plus_zero(*double).to_bits())),
        Value::Date(year, month, day, hour, minute, second, micros) => {
            return moment(target_type, [*year, u16::from(*month), u16::from(*day)], [*hour, *minute, *second], *micros);
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            let seconds = (i64::from(*days) * 24 + i64::from(*hours)) * 3600 + i64::from(*minutes) * 60 + i64::from(*seconds);
            let us = seconds * 1_000_000 + i64::from(*micros);
            return Some(format!("us {}", if *negative { -us } else { us }));
        }
        Value::Bytes(bytes) if target_type == "bytea" => return Some(hex(bytes)),
        Value::Bytes(bytes) => String::from_utf8(bytes.clone()).expect("the connection's charset is utf8mb4"),
    };
    Some(of_text(text, target_type))
}

/// A value of PostgreSQL as the canonical select prints it (see [`select_of_postgres`]).
pub fn of_postgres(text: Option<String>, target_type: &str) -> Cell {
    let text = text?;
    Some(match target_type {
        "float4" => format!("float {:08x}", plus_zero32(text.parse().unwrap()).to_bits()),
        "float8" => format!("double {:016x}", plus_zero(text.parse().unwrap()).to_bits()),
        "interval" => format!("us {}", text.split('.').next().unwrap()),
        "bytea" => format!("bytes {}", text.trim_start_matches("\\x")),
        "timestamp" | "timestamptz" => format!("at {}", trim_fraction(&text)),
        _ => of_text(text, target_type),
    })
}

/// The expression that prints a column of PostgreSQL, whose own type is `own_type`, for [`of_postgres`]. The session is in UTC.
pub fn select_of_postgres(column: &str, own_type: &str, target_type: &str) -> String {
    let column = format!("\"{}\"", column.replace('"', "\"\""));
    match (target_type, own_type) {
        ("interval", _) => format!("(extract(epoch FROM {column}) * 1000000)::numeric::text"),
        ("timestamp" | "timestamptz", _) => format!("to_char({column}, 'YYYY-MM-DD HH24:MI:SS.US')"),
        ("int2" | "int4" | "int8", "bool") => format!("{column}::int::text"),
        // A cast to text prints other than the type does: without its blanks, with a mask.
        (_, "bpchar" | "inet") => format!("CASE WHEN {column} IS NOT NULL THEN concat({column}) END"),
        _ => format!("{column}::text"),
    }
}

fn of_text(text: String, target_type: &str) -> String {
    match target_type {
        "int2" | "int4" | "int8" => format!("number {}", text.parse::<i128>().unwrap()),
        "numeric" if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => text,
        "numeric" => format!("number {}", number(&text)),
        "bool" => format!("bool {}", matches!(text.as_str(), "1" | "true" | "t")),
        "date" => format!("on {text}"),
        // Whatever else there is has a text on both sides.
        _ => format!("text {text}"),
    }
}

/// Zero and partly zero dates are NULL: the policy of every mapping in these tests that can meet one.
fn moment(target_type: &str, [year, month, day]: [u16; 3], [hour, minute, second]: [u8; 3], micros: u32) -> Cell {
    if month == 0 || day == 0 {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    let time = trim_fraction(&format!("{hour:02}:{minute:02}:{second:02}.{micros:06}"));
    Some(match target_type {
        "date" => format!("on {date}"),
        "timestamp" => format!("at {date} {time}"),
        other => panic!("a date cannot become {other}"),
    })
}

fn trim_fraction(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text.into() }
}

/// A decimal by value: no leading zeros, no zeros behind the last digit of the fraction, no negative zero.
fn number(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    assert!(whole.chars().chain(fraction.chars()).all(|c| c.is_ascii_digit()), "{text} is not a decimal");
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    match (whole, fraction) {
        ("", "") => "0".into(),
        (whole, "") => format!("{sign}{whole}"),
        ("", fraction) => format!("{sign}0.{fraction}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

fn bits32(float: f32, target_type: &str) -> String {
    match target_type {
        "float4" => format!("float {:08x}", plus_zero32(float).to_bits()),
        _ => format!("double {:016x}", plus_zero(f64::from(float)).to_bits()),
    }
}

fn plus_zero(double: f64) -> f64 {
    double + 0.0
}

fn plus_zero32(float: f32) -> f32 {
    float + 0.0
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("bytes {digits}")
}

#[test]
fn decimals_are_compared_by_value() {
    for (left, right) in [("1.50", "1.5"), ("-0.00", "0"), ("007.10", "7.1"), ("100", "100.0"), (".5", "0.5")] {
        assert_eq!(number(left), number(right));
    }
    assert_ne!(number("10"), number("1"));
    assert_ne!(number("-1.5"), number("1.5"));
}
