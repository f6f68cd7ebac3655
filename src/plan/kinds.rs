//! How values of a type become key bytes by the type's own equality, and when one equality is at least as fine as another.

use crate::schema::{DataType, SourceCatalog};
use crate::value::{Collation, KeyKind};

/// The key kind of a type's own equality: what GROUP BY, DISTINCT and unique keys of the source go by. `None`: the type has no
/// equality that the engine can reproduce, or its collation is not in the catalogue.
pub(crate) fn own_kind(data_type: &DataType, catalog: &SourceCatalog) -> Option<KeyKind> {
    match data_type {
        DataType::Boolean | DataType::Integer { .. } | DataType::Bit { .. } | DataType::Year => Some(KeyKind::Integer),
        DataType::Decimal { .. } | DataType::Numeric => Some(KeyKind::Decimal),
        DataType::Float | DataType::Double => Some(KeyKind::Double),
        DataType::Text { collation, .. } | DataType::Enum { collation, .. } | DataType::Set { collation, .. } => {
            let found = catalog.collations.get(collation);
            let equal_by_bytes = |found: &&Collation| found.postgres_behaviour().is_none_or(|behaviour| behaviour.deterministic);
            found.filter(equal_by_bytes).cloned().map(KeyKind::Text)
        }
        DataType::Bytes { .. } | DataType::Uuid => Some(KeyKind::Bytes),
        DataType::Date => Some(KeyKind::Date),
        DataType::DateTime { .. } | DataType::Timestamp { .. } | DataType::TimestampTz { .. } => Some(KeyKind::DateTime),
        DataType::Time { .. } | DataType::TimeOfDay { .. } => Some(KeyKind::Time),
        DataType::Interval => Some(KeyKind::Interval),
        DataType::NamedEnum { .. } => Some(by_text()),
        DataType::Native { name, .. } if DataType::native_equality(name) => Some(by_text()),
        DataType::Array { element } if is_canonical_in_text(element) => Some(by_text()),
        DataType::Array { .. } | DataType::Native { .. } | DataType::Jsonb => None,
        DataType::Null | DataType::Json | DataType::Unsupported { .. } => None,
    }
}

/// Equality of PostgreSQL's texts: by bytes.
fn by_text() -> KeyKind {
    KeyKind::Text(Collation::binary("C", "UTF8", false))
}

/// Whether equal elements have equal texts, so that arrays of them are equal exactly if their texts are.
fn is_canonical_in_text(element: &DataType) -> bool {
    match element {
        DataType::Boolean | DataType::Integer { .. } | DataType::Bytes { .. } | DataType::Uuid | DataType::Date => true,
        DataType::DateTime { .. } | DataType::TimeOfDay { .. } | DataType::NamedEnum { .. } => true,
        DataType::Text { fixed, .. } => !fixed,
        DataType::Native { name, .. } => DataType::native_equality(name),
        _ => false,
    }
}

/// Whether two kinds call the same values equal, wherever both apply: then a key that is unique by one is unique by the other, and
/// a group of one is never split by the other.
pub(crate) fn agree(left: &KeyKind, right: &KeyKind) -> bool {
    use KeyKind::{Date, DateTime, Decimal, Integer};
    left == right || matches!((left, right), (Decimal, Integer) | (Integer, Decimal) | (DateTime, Date) | (Date, DateTime))
}
