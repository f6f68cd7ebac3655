//! Target types as a mapping declares them, and which source types they hold without a loss that no check would see.

use crate::schema::{DataType, TargetType};

/// A target type as written in `columns.type`; `None` if it is not one of the supported ones.
#[must_use]
pub fn parse_type(text: &str) -> Option<TargetType> {
    let lower = text.trim().to_ascii_lowercase();
    let (name, arguments) = match lower.split_once('(') {
        Some((name, rest)) => (name.trim(), numbers(rest.strip_suffix(')')?)?),
        None => (lower.as_str(), vec![]),
    };
    let fraction = |digits: &[u32]| match digits {
        [] => Some(6),
        [digits @ 0..=6] => u8::try_from(*digits).ok(),
        _ => None,
    };
    match (name, arguments.as_slice()) {
        ("boolean" | "bool", []) => Some(TargetType::Boolean),
        ("smallint" | "int2", []) => Some(TargetType::SmallInt),
        ("integer" | "int" | "int4", []) => Some(TargetType::Integer),
        ("bigint" | "int8", []) => Some(TargetType::BigInt),
        ("numeric" | "decimal", []) => Some(TargetType::Numeric(None)),
        ("numeric" | "decimal", [precision @ 1..=1000]) => Some(TargetType::Numeric(Some((u16::try_from(*precision).ok()?, 0)))),
        ("numeric" | "decimal", [precision @ 1..=1000, scale]) if scale <= precision => {
            Some(TargetType::Numeric(Some((u16::try_from(*precision).ok()?, u16::try_from(*scale).ok()?))))
        }
        ("real" | "float4", []) => Some(TargetType::Real),
        ("double precision" | "float8", []) => Some(TargetType::Double),
        ("text", []) => Some(TargetType::Text),
        ("varchar" | "character varying", []) => Some(TargetType::Text),
        ("varchar" | "character varying", [length @ 1..=10_485_760]) => Some(TargetType::Varchar(*length)),
        ("bytea", []) => Some(TargetType::Bytea),
        ("date", []) => Some(TargetType::Date),
        ("timestamp", digits) => fraction(digits).map(TargetType::Timestamp),
        ("interval", []) => Some(TargetType::Interval),
        ("time", digits) => fraction(digits).map(TargetType::Time),
        ("json", []) => Some(TargetType::Json),
        _ => None,
    }
}

fn numbers(text: &str) -> Option<Vec<u32>> {
    text.split(',').map(|number| number.trim().parse().ok()).collect()
}

/// Whether every value of a source type either arrives unchanged in a target type or is refused by the conversion's check.
#[must_use]
pub fn is_exact(from: &DataType, to: &TargetType) -> bool {
    let to_integer = matches!(to, TargetType::SmallInt | TargetType::Integer | TargetType::BigInt);
    let to_text = matches!(to, TargetType::Text | TargetType::Varchar(_));
    match from {
        DataType::Null => true,
        DataType::Boolean => *to == TargetType::Boolean,
        DataType::Integer { .. } | DataType::Bit { .. } | DataType::Year | DataType::Decimal { .. } => {
            to_integer || to_text || matches!(to, TargetType::Numeric(_))
        }
        DataType::Float => matches!(to, TargetType::Real | TargetType::Double),
        DataType::Double => *to == TargetType::Double,
        DataType::Text { .. } | DataType::Enum { .. } | DataType::Set { .. } => to_text,
        DataType::Bytes { .. } => *to == TargetType::Bytea,
        DataType::Date => matches!(to, TargetType::Date | TargetType::Timestamp(_)),
        DataType::DateTime { fraction } | DataType::Timestamp { fraction } => {
            matches!(to, TargetType::Timestamp(digits) if digits >= fraction)
        }
        DataType::Time { fraction } => match to {
            TargetType::Interval => true,
            TargetType::Time(digits) => digits >= fraction,
            _ => false,
        },
        DataType::Json => to_text || *to == TargetType::Json,
        DataType::Unsupported { .. } => false,
    }
}
