//! How a declared column type is named in PostgreSQL, and which wire type carries its values.

use tokio_postgres::types::Type;

use crate::schema::TargetType;

/// The type as `CREATE TABLE` spells it.
pub(super) fn declared_name(target_type: &TargetType) -> String {
    match target_type {
        TargetType::Boolean => "boolean".into(),
        TargetType::SmallInt => "smallint".into(),
        TargetType::Integer => "integer".into(),
        TargetType::BigInt => "bigint".into(),
        TargetType::Numeric(None) => "numeric".into(),
        TargetType::Numeric(Some((precision, scale))) => format!("numeric({precision},{scale})"),
        TargetType::Real => "real".into(),
        TargetType::Double => "double precision".into(),
        TargetType::Text => "text".into(),
        TargetType::Varchar(length) => format!("varchar({length})"),
        TargetType::Bytea => "bytea".into(),
        TargetType::Date => "date".into(),
        TargetType::Timestamp(fraction) => format!("timestamp({fraction})"),
        TargetType::Interval => "interval".into(),
        TargetType::Time(fraction) => format!("time({fraction})"),
        TargetType::Json => "json".into(),
        TargetType::Char(length) => format!("character({length})"),
        TargetType::Jsonb => "jsonb".into(),
        TargetType::TimestampTz(fraction) => format!("timestamp({fraction}) with time zone"),
        TargetType::Uuid => "uuid".into(),
        TargetType::Native(name) => name.clone(),
        // Only for messages: the plan gives a target the types of its own kind.
        TargetType::MySql(other) => other.name(),
    }
}

/// The spellings of `format_type` that mean exactly this type.
pub(super) fn catalogue_names(target_type: &TargetType) -> Vec<String> {
    match target_type {
        TargetType::Varchar(length) => vec![format!("character varying({length})")],
        TargetType::Timestamp(6) => vec!["timestamp(6) without time zone".into(), "timestamp without time zone".into()],
        TargetType::Timestamp(fraction) => vec![format!("timestamp({fraction}) without time zone")],
        TargetType::Time(6) => vec!["time(6) without time zone".into(), "time without time zone".into()],
        TargetType::Time(fraction) => vec![format!("time({fraction}) without time zone")],
        TargetType::TimestampTz(6) => vec!["timestamp(6) with time zone".into(), "timestamp with time zone".into()],
        TargetType::Interval => vec!["interval".into(), "interval(6)".into()],
        other => vec![declared_name(other)],
    }
}

/// The type without modifiers: what an array of its values is cast to.
pub(super) fn wire_name(target_type: &TargetType) -> &'static str {
    match target_type {
        TargetType::Boolean => "boolean",
        TargetType::SmallInt => "smallint",
        TargetType::Integer => "integer",
        TargetType::BigInt => "bigint",
        TargetType::Numeric(_) => "numeric",
        TargetType::Real => "real",
        TargetType::Double => "double precision",
        // As text, a value too long for the column is an error on assignment; a cast to varchar(n) would cut it in silence.
        TargetType::Text | TargetType::Varchar(_) => "text",
        TargetType::Bytea => "bytea",
        TargetType::Date => "date",
        TargetType::Timestamp(_) => "timestamp",
        TargetType::Interval => "interval",
        TargetType::Time(_) => "time",
        TargetType::Json => "json",
        // Without a length, for the same reason; as text, trailing blanks would count.
        TargetType::Char(_) => "bpchar",
        TargetType::Jsonb => "jsonb",
        TargetType::TimestampTz(_) => "timestamptz",
        TargetType::Uuid => "uuid",
        TargetType::Native(_) => "text",
        TargetType::MySql(_) => "unknown",
    }
}

/// The wire type of [`wire_name`].
pub(super) fn wire_type(target_type: &TargetType) -> Type {
    match target_type {
        TargetType::Boolean => Type::BOOL,
        TargetType::SmallInt => Type::INT2,
        TargetType::Integer => Type::INT4,
        TargetType::BigInt => Type::INT8,
        TargetType::Numeric(_) => Type::NUMERIC,
        TargetType::Real => Type::FLOAT4,
        TargetType::Double => Type::FLOAT8,
        TargetType::Text | TargetType::Varchar(_) | TargetType::Native(_) => Type::TEXT,
        TargetType::Bytea => Type::BYTEA,
        TargetType::Date => Type::DATE,
        TargetType::Timestamp(_) => Type::TIMESTAMP,
        TargetType::Interval => Type::INTERVAL,
        TargetType::Time(_) => Type::TIME,
        TargetType::Json => Type::JSON,
        TargetType::Char(_) => Type::BPCHAR,
        TargetType::Jsonb => Type::JSONB,
        TargetType::TimestampTz(_) => Type::TIMESTAMPTZ,
        TargetType::Uuid => Type::UUID,
        TargetType::MySql(_) => Type::UNKNOWN,
    }
}

/// The cast that makes a native type out of the text that carries it; empty for all other types.
pub(super) fn cast_from_wire(target_type: &TargetType) -> String {
    match target_type {
        TargetType::Native(name) => format!("::{name}"),
        _ => String::new(),
    }
}

/// The wire type of a column declared so, as a result of a query.
pub(super) fn column_type(target_type: &TargetType) -> Type {
    match target_type {
        TargetType::Varchar(_) => Type::VARCHAR,
        other => wire_type(other),
    }
}
