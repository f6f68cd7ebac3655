//! The mapping's own SELECT, restricted to a key range or to some keys.
//!
//! The text of the mapping is never changed: it becomes a derived table, and the server pushes the condition down to its indexes.

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

/// A statement with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// SQL in the source's dialect.
    pub sql: String,
    /// Values of its placeholders.
    pub parameters: Vec<Value>,
}

fn quoted(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

fn key_names(table: &TargetTable) -> Vec<String> {
    table.key.iter().filter_map(|index| table.columns.get(*index)).map(|column| quoted(&column.name)).collect()
}

fn wrapped(sql: &str, condition: &str) -> String {
    // The line break ends a comment that the mapping's text may end with.
    let sql = sql.trim_end().trim_end_matches(';');
    format!("SELECT * FROM (\n{sql}\n) AS `mapping` WHERE {condition}")
}

/// The rows of a mapped table in a range of its leading key column.
#[must_use]
pub fn of_range(sql: &str, table: &TargetTable, range: &Range) -> Statement {
    let leading = key_names(table).into_iter().next().unwrap_or_default();
    let mut conditions = Vec::new();
    let mut parameters = Vec::new();
    for (operator, bound) in [(">", &range.after), ("<=", &range.up_to)] {
        if let Some(bound) = bound {
            conditions.push(format!("{leading} {operator} ?"));
            parameters.push(bound.clone());
        }
    }
    if conditions.is_empty() {
        conditions.push("1 = 1".to_owned());
    }
    Statement { sql: wrapped(sql, &conditions.join(" AND ")), parameters }
}

/// The rows of a mapped table with one of the given keys.
#[must_use]
pub fn of_keys(sql: &str, table: &TargetTable, keys: &[Row]) -> Statement {
    let names = key_names(table);
    let one = names.iter().map(|name| format!("{name} = ?")).collect::<Vec<_>>().join(" AND ");
    let condition = keys.iter().map(|_| format!("({one})")).collect::<Vec<_>>().join(" OR ");
    let parameters = keys.iter().flat_map(|key| key.iter().cloned()).collect();
    Statement { sql: wrapped(sql, &condition), parameters }
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

    #[test]
    fn a_range_wraps_the_text_as_it_is() {
        let range = Range { after: Some(Value::text("a")), up_to: None };
        let statement = of_range("SELECT 1 -- one;\n;", &table(), &range);
        assert_eq!(statement.sql, "SELECT * FROM (\nSELECT 1 -- one;\n\n) AS `mapping` WHERE `주문``번호` > ?");
        assert_eq!(statement.parameters, [Value::text("a")]);
    }

    #[test]
    fn keys_are_compared_column_by_column() {
        let keys = [Row::from([Value::text("a"), Value::Int(1)]), Row::from([Value::text("b"), Value::Int(2)])];
        let statement = of_keys("SELECT 1", &table(), &keys);
        assert!(statement.sql.ends_with("WHERE (`주문``번호` = ? AND `line` = ?) OR (`주문``번호` = ? AND `line` = ?)"));
        assert_eq!(statement.parameters.len(), 4);
    }
}
