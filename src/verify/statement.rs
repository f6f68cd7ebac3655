//! The mapping's own SELECT, restricted to a key range or to some keys.
//!
//! The text of the mapping is never changed: it becomes a derived table, and the server pushes the condition down to its indexes. Values
//! stand in the text as literals, because MariaDB does not push a condition on a parameter into a UNION or a grouped SELECT.

use crate::error::Result;
use crate::schema::TargetTable;
use crate::value::{Row, Value};

/// A range of values of the leading key column: `after` excluded, `up_to` included.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// Lower bound; `None`: from the start.
    pub after: Option<Value>,
    /// Upper bound; `None`: to the end.
    pub up_to: Option<Value>,
}

/// How the source spells values and names.
pub trait Dialect {
    /// A value as a literal.
    ///
    /// # Errors
    /// The source has no such value.
    fn literal(&self, value: &Value) -> Result<String>;

    /// A name, quoted.
    fn identifier(&self, name: &str) -> String;
}

fn key_names(table: &TargetTable, dialect: &impl Dialect) -> Vec<String> {
    let columns = table.key.iter().filter_map(|index| table.columns.get(*index));
    columns.map(|column| dialect.identifier(&column.name)).collect()
}

fn wrapped(sql: &str, condition: &str, dialect: &impl Dialect) -> String {
    // The line break ends a comment that the mapping's text may end with.
    let sql = sql.trim_end().trim_end_matches(';');
    format!("SELECT * FROM (\n{sql}\n) AS {} WHERE {condition}", dialect.identifier("mapping"))
}

/// The rows of a mapped table in a range of its leading key column; `dialect` is the source's.
///
/// # Errors
/// A bound has no literal.
pub fn of_range(sql: &str, table: &TargetTable, range: &Range, dialect: &impl Dialect) -> Result<String> {
    let leading = key_names(table, dialect).into_iter().next().unwrap_or_default();
    let mut conditions = Vec::new();
    for (operator, bound) in [(">", &range.after), ("<=", &range.up_to)] {
        if let Some(bound) = bound {
            conditions.push(format!("{leading} {operator} {}", dialect.literal(bound)?));
        }
    }
    if conditions.is_empty() {
        conditions.push("1 = 1".to_owned());
    }
    Ok(wrapped(sql, &conditions.join(" AND "), dialect))
}

/// The rows of a mapped table with one of the given keys.
///
/// # Errors
/// A key value has no literal.
pub fn of_keys(sql: &str, table: &TargetTable, keys: &[Row], dialect: &impl Dialect) -> Result<String> {
    let names = key_names(table, dialect);
    let (mut leading, mut any) = (Vec::new(), Vec::new());
    for key in keys {
        let values = key.iter().map(|value| dialect.literal(value)).collect::<Result<Vec<_>>>()?;
        leading.extend(values.first().cloned());
        let one: Vec<String> = names.iter().zip(&values).map(|(name, value)| format!("{name} = {value}")).collect();
        any.push(format!("({})", one.join(" AND ")));
    }
    leading.dedup();
    // What the second half says already, the first half says in the form that an index can use.
    let name = names.into_iter().next().unwrap_or_default();
    Ok(wrapped(sql, &format!("{name} IN ({}) AND ({})", leading.join(", "), any.join(" OR ")), dialect))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{TargetColumn, TargetType};

    fn table() -> TargetTable {
        let column = |name: &str| TargetColumn {
            name: name.into(),
            target_type: TargetType::Text,
            nullable: false,
            description: String::new(),
        };
        TargetTable {
            schema: None,
            name: "orders".into(),
            columns: vec![column("name"), column("주문`번호"), column("line")],
            key: vec![1, 2],
            indexes: vec![],
            description: String::new(),
        }
    }

    struct Quoting;

    impl Dialect for Quoting {
        fn literal(&self, value: &Value) -> Result<String> {
            Ok(match value {
                Value::Text(text) => format!("'{text}'"),
                other => format!("<{}>", other.type_name()),
            })
        }

        fn identifier(&self, name: &str) -> String {
            format!("`{}`", name.replace('`', "``"))
        }
    }

    #[test]
    fn a_range_wraps_the_text_as_it_is() {
        let range = Range { after: Some(Value::text("a")), up_to: None };
        let statement = of_range("SELECT 1 -- one;\n;", &table(), &range, &Quoting).unwrap();
        assert_eq!(statement, "SELECT * FROM (\nSELECT 1 -- one;\n\n) AS `mapping` WHERE `주문``번호` > 'a'");
        let open = Range { after: None, up_to: None };
        assert!(of_range("SELECT 1", &table(), &open, &Quoting).unwrap().ends_with("WHERE 1 = 1"));
    }

    #[test]
    fn keys_are_compared_column_by_column_and_led_by_what_an_index_can_use() {
        let keys = [("a", 1), ("a", 2), ("b", 2)].map(|(leading, line)| Row::from([Value::text(leading), Value::Int(line)]));
        let statement = of_keys("SELECT 1", &table(), &keys, &Quoting).unwrap();
        let one = |leading: &str| format!("(`주문``번호` = '{leading}' AND `line` = <integer>)");
        let expected = format!("WHERE `주문``번호` IN ('a', 'b') AND ({} OR {} OR {})", one("a"), one("a"), one("b"));
        assert!(statement.ends_with(&expected), "{statement}");
    }
}
