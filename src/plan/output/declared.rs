//! Target types as a mapping declares them, and which source types they hold without a loss that no check would see.

use crate::schema::{DataType, TargetType};

/// A target type as written in `columns.type`; `None` if it is not one of the supported ones.
#[must_use]
pub fn parse_type(text: &str) -> Option<TargetType> {
    let lower = text.trim().to_ascii_lowercase();
    if lower.ends_with("[]") {
        return native(&lower);
    }
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
        ("jsonb", []) => Some(TargetType::Jsonb),
        ("uuid", []) => Some(TargetType::Uuid),
        ("char" | "character", []) => Some(TargetType::Char(1)),
        ("char" | "character", [length @ 1..=10_485_760]) => Some(TargetType::Char(*length)),
        ("timestamptz" | "timestamp with time zone", digits) => fraction(digits).map(TargetType::TimestampTz),
        _ => native(text.trim()),
    }
}

/// Whether every PostgreSQL has a type of this name that holds what its text says; not so types of users and of extensions.
pub(super) fn is_built_in(name: &str) -> bool {
    const MORE: [&str; 12] = [
        "\"char\"",
        "bpchar",
        // without a length
        "character",
        "jsonpath",
        "name",
        "pg_snapshot",
        "time with time zone",
        "tstzmultirange",
        "tstzrange",
        "txid_snapshot",
        "xid",
        "xid8",
    ];
    BUILT_IN.contains(&name) || MORE.contains(&name)
}

const BUILT_IN: [&str; 29] = [
    "bit",
    "bit varying",
    "box",
    "cidr",
    "circle",
    "datemultirange",
    "daterange",
    "inet",
    "int4multirange",
    "int4range",
    "int8multirange",
    "int8range",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "nummultirange",
    "numrange",
    "oid",
    "path",
    "pg_lsn",
    "point",
    "polygon",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tsvector",
    "xml",
];

/// A type that travels as text: a built-in one by name, an array of a type that can be declared, or a type of the user's with its schema.
fn native(text: &str) -> Option<TargetType> {
    let (name, modifier) = text.split_once('(').map_or((text, ""), |(name, rest)| (name.trim(), rest));
    let declared = text.to_ascii_lowercase();
    if BUILT_IN.contains(&name.to_ascii_lowercase().as_str()) {
        let plain = modifier.is_empty() || modifier.strip_suffix(')').is_some_and(|digits| digits.parse::<u32>().is_ok());
        return plain.then_some(TargetType::Native(declared));
    }
    if let Some(element) = declared.strip_suffix("[]") {
        let element =
            parse_type(element).filter(|element| !matches!(element, TargetType::Native(name) if name.ends_with("[]")))?;
        return Some(TargetType::Native(format!("{}[]", target_name(&element)?)));
    }
    let is_name = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && part.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
    };
    let (schema, name) = declared.split_once('.')?;
    (is_name(schema) && is_name(name)).then(|| TargetType::Native(declared.clone()))
}

/// A target type as PostgreSQL's `format_type` prints it; `None` where this version has no arrays of it.
fn target_name(target_type: &TargetType) -> Option<String> {
    Some(match target_type {
        TargetType::Boolean => "boolean".into(),
        TargetType::SmallInt => "smallint".into(),
        TargetType::Integer => "integer".into(),
        TargetType::BigInt => "bigint".into(),
        TargetType::Numeric(None) => "numeric".into(),
        TargetType::Numeric(Some((precision, scale))) => format!("numeric({precision},{scale})"),
        TargetType::Real => "real".into(),
        TargetType::Double => "double precision".into(),
        TargetType::Text => "text".into(),
        TargetType::Varchar(length) => format!("character varying({length})"),
        TargetType::Char(length) => format!("character({length})"),
        TargetType::Bytea => "bytea".into(),
        TargetType::Date => "date".into(),
        TargetType::Timestamp(6) => "timestamp without time zone".into(),
        TargetType::Timestamp(fraction) => format!("timestamp({fraction}) without time zone"),
        TargetType::Time(6) => "time without time zone".into(),
        TargetType::Time(fraction) => format!("time({fraction}) without time zone"),
        TargetType::Interval => "interval".into(),
        TargetType::Uuid => "uuid".into(),
        TargetType::Json => "json".into(),
        TargetType::Jsonb => "jsonb".into(),
        TargetType::Native(name) => name.clone(),
        TargetType::TimestampTz(_) | TargetType::MySql(_) => return None,
    })
}

/// A type of PostgreSQL as `format_type` prints it; used for the elements of arrays.
#[must_use]
pub fn declared_name(data_type: &DataType) -> String {
    match data_type {
        // A service has no enum of that name.
        DataType::NamedEnum { .. } => "text".into(),
        // format_type prints no length where there is none.
        DataType::Text { length: Some(length), fixed: false, .. } => format!("character varying({length})"),
        other => target_name(&super::target_type(other)).unwrap_or_else(|| "text".into()),
    }
}

pub(super) fn numbers(text: &str) -> Option<Vec<u32>> {
    text.split(',').map(|number| number.trim().parse().ok()).collect()
}

/// Whether every value of a source type either arrives unchanged in a target type or is refused by the conversion's check.
#[must_use]
pub fn is_exact(from: &DataType, to: &TargetType) -> bool {
    if let TargetType::MySql(own) = to {
        return super::mysql::is_exact(from, own);
    }
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
        DataType::Text { .. } | DataType::Enum { .. } | DataType::Set { .. } => to_text || matches!(to, TargetType::Char(_)),
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
        DataType::Numeric => to_integer || to_text || matches!(to, TargetType::Numeric(_)),
        DataType::TimestampTz { fraction } => matches!(to, TargetType::TimestampTz(digits) if digits >= fraction),
        DataType::TimeOfDay { fraction } => match to {
            TargetType::Interval => true,
            TargetType::Time(digits) => digits >= fraction,
            _ => false,
        },
        DataType::Interval => *to == TargetType::Interval,
        DataType::Uuid => *to == TargetType::Uuid,
        DataType::Jsonb => to_text || matches!(to, TargetType::Json | TargetType::Jsonb),
        DataType::NamedEnum { .. } => to_text || matches!(to, TargetType::Native(_)),
        DataType::Native { declared, .. } => {
            to_text || *to == super::target_type(from) || matches!(to, TargetType::Native(name) if name == declared)
        }
        DataType::Array { .. } => to_text || *to == super::target_type(from),
        DataType::Unsupported { .. } => false,
    }
}
