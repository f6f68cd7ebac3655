//! How values of a type become key bytes by the type's own equality, and when one equality is at least as fine as another.

use crate::plan::expr::bare_column;
use crate::schema::{DataType, SourceCatalog};
use crate::sql::functions::Function;
use crate::sql::query::{AliasId, Expr, ExprKind};
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

/// A column of another source behind its adoption, with its own type.
pub(crate) fn adopted(expr: &Expr) -> Option<(AliasId, usize, &DataType)> {
    let ExprKind::Call { function: Function::Adopted(_), arguments } = &expr.kind else { return None };
    let own = arguments.first()?;
    bare_column(own).map(|(alias, column)| (alias, column, &own.data_type))
}

/// The column that a value of an expression, up to equality by `rule`, gives one value of, up to the column's own equality. Text of another source
/// is compared by a collation of the dialect: only one that tells all bytes apart is sure to be as fine as the column's own.
pub(crate) fn pinned(expr: &Expr, rule: &KeyKind, catalog: &SourceCatalog) -> Option<(AliasId, usize)> {
    if let Some(column) = bare_column(expr) {
        return agree(rule, &own_kind(&expr.data_type, catalog)?).then_some(column);
    }
    let (alias, column, own) = adopted(expr)?;
    let is_as_fine = match rule {
        KeyKind::Text(_) => is_by_bytes(rule),
        _ => agree(rule, &own_kind(own, catalog)?),
    };
    is_as_fine.then_some((alias, column))
}

/// Whether texts are equal exactly if their bytes are.
pub(crate) fn is_by_bytes(rule: &KeyKind) -> bool {
    let KeyKind::Text(collation) = rule else { return false };
    match collation.postgres_behaviour() {
        Some(behaviour) => behaviour.deterministic,
        None => matches!(collation.name(), "C" | "utf8mb4_0900_bin" | "utf8mb4_nopad_bin"),
    }
}
