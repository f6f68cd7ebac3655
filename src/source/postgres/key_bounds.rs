//! Ranges of a key as SQL conditions: row comparison, which an index over the key answers, with literals of the columns' own types.

use super::decode::value::to_text;
use super::names::{identifier, literal};
use crate::change::KeyRange;
use crate::error::{Error, Result};
use crate::schema::{StoredColumn, TableLayout};
use crate::value::Value;

/// The columns of a layout's identity in key order.
///
/// # Errors
/// `Bug` if the layout's identity names a column it does not have.
pub(super) fn key_columns(layout: &TableLayout) -> Result<Vec<&StoredColumn>> {
    let column = |index: &usize| {
        let missing = || Error::bug(format!("the identity of {} names a column it does not store", layout.name));
        layout.columns.get(*index).ok_or_else(missing)
    };
    layout.identity.iter().flatten().map(column).collect()
}

/// The condition of a range; `true` for an open one.
///
/// # Errors
/// `Bug` if a bound does not fit the key.
pub(super) fn condition(columns: &[&StoredColumn], range: &KeyRange) -> Result<String> {
    let mut terms = Vec::new();
    for (operator, bound) in [(">", &range.after), ("<=", &range.up_to)] {
        if let Some(bound) = bound {
            terms.push(comparison(columns, operator, bound)?);
        }
    }
    Ok(if terms.is_empty() { "true".to_owned() } else { terms.join(" AND ") })
}

fn comparison(columns: &[&StoredColumn], operator: &str, values: &[Value]) -> Result<String> {
    if columns.is_empty() || columns.len() != values.len() {
        return Err(Error::bug("a key bound does not have the columns of its key"));
    }
    let names: Vec<String> = columns.iter().map(|column| identifier(&column.column.name)).collect();
    let literals = columns.iter().zip(values).map(|(column, value)| key_literal(column, value)).collect::<Result<Vec<_>>>()?;
    Ok(format!("({}) {operator} ({})", names.join(", "), literals.join(", ")))
}

fn key_literal(column: &StoredColumn, value: &Value) -> Result<String> {
    let misfit = || Error::bug(format!("a bound of key column {} has no literal", column.column.name));
    let text = to_text(value, Some(&column.column.data_type)).ok_or_else(misfit)?;
    Ok(format!("{}::{}", literal(&text), column.column.native_type))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, DataType, Generated};

    #[test]
    fn f79_a_composite_bound_is_a_row_of_typed_literals() {
        let column = |name: &str, data_type, native_type: &str| StoredColumn {
            ordinal: 0,
            column: Column {
                name: name.into(),
                data_type,
                native_type: native_type.into(),
                nullable: false,
                generated: Generated::No,
                comment: String::new(),
            },
        };
        let text = DataType::Text { length: None, fixed: false, charset: "UTF8".into(), collation: "default".into() };
        let (a, b) = (column("A", DataType::Integer { bits: 32, unsigned: false }, "integer"), column("b", text, "text"));
        let range = KeyRange { after: Some([Value::Int(-1), Value::text("x'; DROP")].into()), up_to: None };
        let expected = r#"("A", "b") > ('-1'::integer, 'x''; DROP'::text)"#;
        assert_eq!(condition(&[&a, &b], &range).unwrap(), expected);
    }
}
