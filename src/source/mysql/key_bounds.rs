//! Key ranges as SQL: bounds that the server computed go back to it as literals, in a form that its optimiser reads as one range.
//!
//! In: the key columns of a layout and a [`KeyRange`]. Out: a WHERE condition. `(a, b) > (x, y)` is written as
//! `a >= x AND (a > x OR (a = x AND b > y))`: the redundant first term is what gives the index its range.

use crate::change::KeyRange;
use crate::error::{Class, Error, Result};
use crate::schema::{DataType, StoredColumn, TableLayout};
use crate::value::Value;

use super::names::{hex, identifier};

/// The columns of a layout's identity in key order.
///
/// # Errors
/// `Bug` if the layout's identity names a column it does not have.
pub fn key_columns(layout: &TableLayout) -> Result<Vec<&StoredColumn>> {
    layout
        .identity
        .iter()
        .flatten()
        .map(|index| {
            layout
                .columns
                .get(*index)
                .ok_or_else(|| Error::bug(format!("the identity of {} names a column it does not store", layout.name)))
        })
        .collect()
}

/// The condition of a range; `TRUE` for an open one.
///
/// # Errors
/// `Bug` if a bound does not fit the key; `Preflight` for a key whose values cannot be written as literals.
pub fn condition(columns: &[&StoredColumn], range: &KeyRange) -> Result<String> {
    let mut terms = Vec::new();
    if let Some(after) = &range.after {
        terms.push(bound(columns, after, '>', false)?);
    }
    if let Some(up_to) = &range.up_to {
        terms.push(bound(columns, up_to, '<', true)?);
    }
    Ok(if terms.is_empty() { "TRUE".to_owned() } else { terms.join(" AND ") })
}

fn bound(columns: &[&StoredColumn], values: &[Value], side: char, inclusive: bool) -> Result<String> {
    if columns.is_empty() || columns.len() != values.len() {
        return Err(Error::bug("a key bound does not have the columns of its key"));
    }
    let mut condition = String::new();
    // From the last column to the first, each wraps what follows it.
    for (column, value) in columns.iter().zip(values).rev() {
        let name = identifier(&column.column.name);
        let literal = key_literal(column, value)?;
        condition = if condition.is_empty() {
            format!("{name} {side}{} {literal}", if inclusive { "=" } else { "" })
        } else {
            format!("{name} {side}= {literal} AND ({name} {side} {literal} OR ({name} = {literal} AND {condition}))")
        };
    }
    Ok(format!("({condition})"))
}

/// A key value as a literal of the column's own type, charset and collation.
fn key_literal(column: &StoredColumn, value: &Value) -> Result<String> {
    let misfit = || Error::bug(format!("a bound of key column {} has another type than the column", column.column.name));
    Ok(match (&column.column.data_type, value) {
        (_, Value::Int(number)) => number.to_string(),
        (_, Value::UInt(number)) => number.to_string(),
        (_, Value::Decimal(number)) => number.to_string(),
        (_, Value::Double(number)) => format!("{number:e}"),
        (_, Value::Float(number)) => format!("{:e}", f64::from(*number)),
        (_, Value::Bytes(bytes)) => format!("x'{}'", hex(bytes)),
        (_, Value::Date(date)) => format!("'{date}'"),
        (_, Value::DateTime(moment)) => format!("'{}'", moment.format(6)),
        (_, Value::Time(time)) => format!("'{}'", time.format(6)),
        (DataType::Text { charset, collation, .. }, Value::Text(text)) => {
            format!("CONVERT(_utf8mb4 x'{}' USING {charset}) COLLATE {collation}", hex(text.as_bytes()))
        }
        // The server orders labels by their number, and compares them with a number by it.
        (DataType::Enum { labels, .. }, Value::Text(text)) => enum_number(column, labels, text)?.to_string(),
        (DataType::Set { labels, .. }, Value::Text(text)) => set_number(labels, text).ok_or_else(misfit)?.to_string(),
        _ => return Err(misfit()),
    })
}

fn enum_number(column: &StoredColumn, labels: &[String], text: &str) -> Result<usize> {
    match labels.iter().position(|label| label == text) {
        Some(_) if text.is_empty() => Err(Error::new(
            Class::Preflight,
            format!(
                "key column {} is an ENUM with an empty label, which cannot be told from an invalid value",
                column.column.name
            ),
        )),
        Some(index) => Ok(index + 1),
        None if text.is_empty() => Ok(0),
        None => Err(Error::bug(format!("a bound of key column {} is none of its labels", column.column.name))),
    }
}

fn set_number(labels: &[String], text: &str) -> Option<u64> {
    if text.is_empty() {
        return Some(0);
    }
    text.split(',').try_fold(0, |bits, part| {
        let index = labels.iter().position(|label| label == part)?;
        Some(bits | 1_u64.checked_shl(u32::try_from(index).ok()?)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, Generated};

    fn column(name: &str, data_type: DataType) -> StoredColumn {
        let column = Column {
            name: name.into(),
            data_type,
            native_type: String::new(),
            nullable: false,
            generated: Generated::No,
            comment: String::new(),
        };
        StoredColumn { ordinal: 0, column }
    }

    #[test]
    fn composite_bounds_keep_a_range_on_the_first_column() {
        let (a, b) = (column("a", DataType::Integer { bits: 32, unsigned: false }), column("b", DataType::Date));
        let date = Value::Date(crate::value::Date { year: 2024, month: 1, day: 2 });
        let range = KeyRange { after: Some([Value::Int(1), date].into()), up_to: None };
        assert_eq!(condition(&[&a, &b], &range).unwrap(), "(`a` >= 1 AND (`a` > 1 OR (`a` = 1 AND `b` > '2024-01-02')))");
    }

    #[test]
    fn labels_are_bounded_by_their_number() {
        let labels = vec!["Y".to_owned(), "N".to_owned()];
        let e = column("e", DataType::Enum { labels: labels.clone(), charset: String::new(), collation: String::new() });
        let s = column("s", DataType::Set { labels, charset: String::new(), collation: String::new() });
        let range = KeyRange { after: None, up_to: Some([Value::text("N"), Value::text("Y,N")].into()) };
        assert_eq!(condition(&[&e, &s], &range).unwrap(), "(`e` <= 2 AND (`e` < 2 OR (`e` = 2 AND `s` <= 3)))");
    }
}
