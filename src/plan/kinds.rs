//! How values of a type become key bytes by the type's own equality, and when one equality is at least as fine as another.

use crate::schema::{DataType, SourceCatalog};
use crate::value::KeyKind;

/// The key kind of a type's own equality: what GROUP BY, DISTINCT and unique keys of the source go by. `None`: the type has no
/// equality that the engine can reproduce, or its collation is not in the catalogue.
pub(crate) fn own_kind(data_type: &DataType, catalog: &SourceCatalog) -> Option<KeyKind> {
    match data_type {
        DataType::Boolean | DataType::Integer { .. } | DataType::Bit { .. } | DataType::Year => Some(KeyKind::Integer),
        DataType::Decimal { .. } => Some(KeyKind::Decimal),
        DataType::Float | DataType::Double => Some(KeyKind::Double),
        DataType::Text { collation, .. } | DataType::Enum { collation, .. } | DataType::Set { collation, .. } => {
            catalog.collations.get(collation).cloned().map(KeyKind::Text)
        }
        DataType::Bytes { .. } => Some(KeyKind::Bytes),
        DataType::Date => Some(KeyKind::Date),
        DataType::DateTime { .. } | DataType::Timestamp { .. } => Some(KeyKind::DateTime),
        DataType::Time { .. } => Some(KeyKind::Time),
        DataType::Null | DataType::Json | DataType::Unsupported { .. } => None,
    }
}

/// Whether two kinds call the same values equal, wherever both apply: then a key that is unique by one is unique by the other, and
/// a group of one is never split by the other.
pub(crate) fn agree(left: &KeyKind, right: &KeyKind) -> bool {
    use KeyKind::{Date, DateTime, Decimal, Integer};
    left == right || matches!((left, right), (Decimal, Integer) | (Integer, Decimal) | (DateTime, Date) | (Date, DateTime))
}
