//! The types of PostgreSQL as its operators and functions see them: without lengths, scales and collations.
//!
//! In: a [`DataType`]. Out: its [`Kind`], with the category, the preference and the implicit casts of `pg_type` and `pg_cast` (PostgreSQL 14
//! to 18 agree on them).

use crate::schema::{DataType, SourceCatalog};

/// A type of PostgreSQL, or what stands for one in a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the type of its name")]
pub enum Kind {
    /// A string literal or NULL whose type is not settled yet.
    Unknown,
    Bool,
    Int2,
    Int4,
    Int8,
    Numeric,
    Float4,
    Float8,
    /// text and varchar, which share all functions
    Text,
    /// character(n)
    Bpchar,
    Bytea,
    Date,
    Timestamp,
    TimestampTz,
    Time,
    Interval,
    Uuid,
    Json,
    Jsonb,
    /// text[]
    TextArray,
    /// any array; in a signature: of any element
    Array,
    Enum,
    /// a type that is only passed on
    Native,
    /// in a signature: any type at all
    Any,
    /// in a signature: the element of the call's array
    Element,
}

/// `typcategory`, as far as it decides which function is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// boolean
    Boolean,
    /// numbers
    Number,
    /// strings
    String,
    /// dates, times and timestamps
    DateTime,
    /// interval
    Timespan,
    /// literals
    Unknown,
    /// a category of its own
    Other(Kind),
}

/// The name of the pseudo-type of untyped literals.
pub const UNKNOWN: &str = "unknown";

impl Kind {
    /// The kind of a type.
    #[must_use]
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null => Self::Unknown,
            DataType::Native { name, .. } if name == UNKNOWN => Self::Unknown,
            DataType::Boolean => Self::Bool,
            DataType::Integer { bits: ..=16, .. } => Self::Int2,
            DataType::Integer { bits: ..=32, .. } => Self::Int4,
            DataType::Integer { .. } => Self::Int8,
            DataType::Decimal { .. } | DataType::Numeric => Self::Numeric,
            DataType::Float => Self::Float4,
            DataType::Double => Self::Float8,
            DataType::Text { fixed: true, .. } => Self::Bpchar,
            DataType::Text { .. } => Self::Text,
            DataType::Bytes { .. } => Self::Bytea,
            DataType::Date => Self::Date,
            DataType::DateTime { .. } | DataType::Timestamp { .. } => Self::Timestamp,
            DataType::TimestampTz { .. } => Self::TimestampTz,
            DataType::TimeOfDay { .. } | DataType::Time { .. } => Self::Time,
            DataType::Interval => Self::Interval,
            DataType::Uuid => Self::Uuid,
            DataType::Json => Self::Json,
            DataType::Jsonb => Self::Jsonb,
            DataType::Array { element } if Self::of(element) == Self::Text => Self::TextArray,
            DataType::Array { .. } => Self::Array,
            DataType::NamedEnum { .. } => Self::Enum,
            DataType::Enum { .. } | DataType::Set { .. } | DataType::Bit { .. } | DataType::Year => Self::Native,
            DataType::Native { .. } | DataType::Unsupported { .. } => Self::Native,
        }
    }

    /// The plain type of a kind, without a modifier and with the database's collation; `None` for those that need more.
    #[must_use]
    pub fn data_type(self, catalog: &SourceCatalog) -> Option<DataType> {
        let text = |fixed| DataType::Text {
            length: None,
            fixed,
            charset: "UTF8".into(),
            collation: catalog.session.collation_connection.clone(),
        };
        Some(match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Integer { bits: 16, unsigned: false },
            Self::Int4 => DataType::Integer { bits: 32, unsigned: false },
            Self::Int8 => DataType::Integer { bits: 64, unsigned: false },
            Self::Numeric => DataType::Numeric,
            Self::Float4 => DataType::Float,
            Self::Float8 => DataType::Double,
            Self::Text => text(false),
            Self::Bpchar => text(true),
            Self::Bytea => DataType::Bytes { length: None, fixed: false },
            Self::Date => DataType::Date,
            Self::Timestamp => DataType::DateTime { fraction: 6 },
            Self::TimestampTz => DataType::TimestampTz { fraction: 6 },
            Self::Time => DataType::TimeOfDay { fraction: 6 },
            Self::Interval => DataType::Interval,
            Self::Uuid => DataType::Uuid,
            Self::Json => DataType::Json,
            Self::Jsonb => DataType::Jsonb,
            Self::TextArray => DataType::Array { element: Box::new(text(false)) },
            Self::Unknown | Self::Array | Self::Enum | Self::Native | Self::Any | Self::Element => return None,
        })
    }

    /// Its category.
    #[must_use]
    pub fn category(self) -> Category {
        match self {
            Self::Bool => Category::Boolean,
            Self::Int2 | Self::Int4 | Self::Int8 | Self::Numeric | Self::Float4 | Self::Float8 => Category::Number,
            Self::Text | Self::Bpchar => Category::String,
            Self::Date | Self::Timestamp | Self::TimestampTz | Self::Time => Category::DateTime,
            Self::Interval => Category::Timespan,
            Self::Unknown => Category::Unknown,
            other => Category::Other(other),
        }
    }

    /// Whether it is the preferred type of its category.
    #[must_use]
    pub fn is_preferred(self) -> bool {
        matches!(self, Self::Bool | Self::Float8 | Self::Text | Self::TimestampTz | Self::Interval)
    }

    /// Whether a value of this kind becomes one of `to` without being asked.
    #[must_use]
    pub fn becomes(self, to: Self) -> bool {
        use Kind as K;
        if self == to || self == K::Unknown || to == K::Any {
            return true;
        }
        match self {
            K::Int2 => matches!(to, K::Int4 | K::Int8 | K::Numeric | K::Float4 | K::Float8),
            K::Int4 => matches!(to, K::Int8 | K::Numeric | K::Float4 | K::Float8),
            K::Int8 => matches!(to, K::Numeric | K::Float4 | K::Float8),
            K::Numeric => matches!(to, K::Float4 | K::Float8),
            K::Float4 => to == K::Float8,
            K::Text => to == K::Bpchar,
            K::Bpchar => to == K::Text,
            K::Date => matches!(to, K::Timestamp | K::TimestampTz),
            K::Timestamp => to == K::TimestampTz,
            K::Time => to == K::Interval,
            K::TextArray => to == K::Array,
            _ => false,
        }
    }

    /// Its name as PostgreSQL says it in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Numeric => "numeric",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Text => "text",
            Self::Bpchar => "character",
            Self::Bytea => "bytea",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Time => "time",
            Self::Interval => "interval",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
            Self::TextArray => "text[]",
            Self::Array => "anyarray",
            Self::Enum => "enum",
            Self::Native => "another type",
            Self::Any => "any",
            Self::Element => "anyelement",
        }
    }
}
