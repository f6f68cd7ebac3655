//! Types of expressions, chosen as the connected server chooses them.
//!
//! The binder hands over bound expressions and gets typed ones back, with every implicit conversion of the server spelled out
//! as a cast. What the server does but we cannot reproduce bit for bit is a [`Refusal`] with a reason and something to do. Nothing
//! here looks at rows.

mod cast;
mod compare;
mod convert;
mod literal;
mod numeric;
pub(crate) mod printed;
mod text;
mod unify;

pub(crate) mod strength {
    //! How strongly the collation of a string is meant, for results that do not inherit it.
    pub(crate) use super::text::{CAST_STRENGTH as CAST, COLLATE_STRENGTH as COLLATE, MADE_UP_STRENGTH as MADE_UP};
}

pub use cast::{CastTarget, cast, rules, to_date, to_datetime, to_time};
pub(crate) use compare::{alike, collation};
pub use compare::{between, collate, compare, in_list, like, truth};
pub use convert::{to_bytes, to_decimal, to_double, to_integer, to_text};
pub use literal::{literal_date, literal_datetime, literal_null, literal_number, literal_string, literal_time, temporal_literal};
pub use numeric::{Numeric, NumericClass, decimal_type, is_unsettled, numeric, refuse_open_quotient, settle};
pub use text::{Repertoire, TextTraits, aggregate_text, charset_of, charset_width, text_length, traits};
pub(crate) use unify::{chosen_date, refuse_computed_null};
pub use unify::{temporal_fraction, unify, unify_columns};

use crate::schema::{DataType, Flavor, SourceCatalog};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::value::Value;

/// What typing depends on besides the expressions.
#[derive(Debug, Clone, Copy)]
pub struct TypeContext<'a> {
    /// The source's catalogue with flavour, version, collations and session settings.
    pub catalog: &'a SourceCatalog,
}

impl TypeContext<'_> {
    /// Whether the source is MariaDB.
    #[must_use]
    pub fn is_mariadb(&self) -> bool {
        self.catalog.flavor == Flavor::MariaDb
    }

    /// Whether `sql_mode` holds `mode`.
    #[must_use]
    pub fn has_mode(&self, mode: &str) -> bool {
        self.catalog.session.sql_mode.split(',').any(|one| one.trim() == mode)
    }
}

/// Why an expression cannot be carried exactly, and what to write instead. Lower case, no full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The finding.
    pub message: String,
    /// What to do; may be empty.
    pub help: String,
}

impl Refusal {
    /// A refusal with a reason and something to do.
    #[must_use]
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// MySQL's boolean result: an INT holding 0, 1 or NULL.
pub const BOOLEAN: DataType = DataType::Integer { bits: 32, unsigned: false };

/// BIGINT.
pub const BIGINT: DataType = DataType::Integer { bits: 64, unsigned: false };

/// BIGINT UNSIGNED.
pub const BIGINT_UNSIGNED: DataType = DataType::Integer { bits: 64, unsigned: true };

/// Builds an expression node.
#[must_use]
pub fn node(kind: ExprKind, data_type: DataType, nullable: bool, span: Span) -> Expr {
    Expr { kind, data_type, nullable, span }
}

/// The constant of a literal expression, if it is one.
#[must_use]
pub fn constant(expr: &Expr) -> Option<&Value> {
    match &expr.kind {
        ExprKind::Literal(value) => Some(value),
        _ => None,
    }
}

/// Whether an expression is a bare NULL.
#[must_use]
pub fn is_null_literal(expr: &Expr) -> bool {
    matches!(constant(expr), Some(Value::Null))
}

/// A type by its usual name, for messages.
#[must_use]
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".into(),
        DataType::Boolean => "a boolean".into(),
        DataType::Integer { .. } => "an integer".into(),
        DataType::Decimal { .. } => "a decimal".into(),
        DataType::Float => "a FLOAT".into(),
        DataType::Double => "a double-precision number".into(),
        DataType::Text { .. } => "a string".into(),
        DataType::Bytes { .. } => "a binary string".into(),
        DataType::Enum { .. } => "an ENUM".into(),
        DataType::Set { .. } => "a SET".into(),
        DataType::Bit { .. } => "a BIT value".into(),
        DataType::Date => "a DATE".into(),
        DataType::DateTime { .. } => "a DATETIME".into(),
        DataType::Timestamp { .. } => "a TIMESTAMP".into(),
        DataType::Time { .. } => "a TIME".into(),
        DataType::Year => "a YEAR".into(),
        DataType::Json | DataType::Jsonb => "a JSON value".into(),
        DataType::Numeric => "a numeric".into(),
        DataType::TimestampTz { .. } => "a timestamp with time zone".into(),
        DataType::TimeOfDay { .. } => "a time of day".into(),
        DataType::Interval => "an interval".into(),
        DataType::Uuid => "a uuid".into(),
        DataType::Array { element } => format!("an array whose elements are {}", type_name(element)),
        DataType::NamedEnum { name, .. } => format!("a value of enum {name}"),
        DataType::Native { declared, .. } => format!("a value of type {declared}"),
        DataType::Unsupported { native } => format!("a value of type {native}"),
    }
}

/// Whether a type is one of the date and time types.
#[must_use]
pub fn is_temporal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date | DataType::DateTime { .. } | DataType::Timestamp { .. } | DataType::Time { .. })
}

/// Whether a type holds characters: strings, ENUM and SET.
#[must_use]
pub fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Text { .. } | DataType::Enum { .. } | DataType::Set { .. })
}
