//! Differences: how a differing row is named to people and programs, by its key, never by its other values.

use serde::Serialize;

use crate::schema::TargetTable;
use crate::value::{Row, Value};
use crate::verify::compare::{Difference, Mismatch};

/// A difference as JSON.
#[derive(Debug, Serialize)]
pub struct DifferenceRecord {
    key: serde_json::Map<String, serde_json::Value>,
    difference: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<String>,
}

impl DifferenceRecord {
    /// The record of a mismatch in `table`.
    #[must_use]
    pub fn of(table: &TargetTable, mismatch: &Mismatch) -> Self {
        let (difference, columns) = match &mismatch.difference {
            Difference::Missing => ("missing", Vec::new()),
            Difference::Surplus => ("surplus", Vec::new()),
            Difference::Changed(columns) => ("changed", columns.clone()),
            Difference::Repeated => ("repeated", Vec::new()),
        };
        let key = key_names(table).zip(&mismatch.key).map(|(name, value)| (name.to_owned(), json(value))).collect();
        Self { key, difference, columns }
    }
}

/// The key of a row, e.g. `order_id = '2024010100012', line_no = 2`.
#[must_use]
pub fn key_text(table: &TargetTable, key: &Row) -> String {
    key_names(table).zip(key).map(|(name, value)| format!("{name} = {}", literal(value))).collect::<Vec<_>>().join(", ")
}

fn key_names(table: &TargetTable) -> impl Iterator<Item = &str> {
    table.key.iter().filter_map(|index| table.columns.get(*index)).map(|column| column.name.as_str())
}

/// A value as it can be pasted into a WHERE of the target.
fn literal(value: &Value) -> String {
    match value {
        // What would move the cursor or hide itself is written visibly.
        Value::Text(text) if text.chars().any(char::is_control) => {
            format!("E'{}'", text.chars().map(visible).collect::<String>())
        }
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Bytes(bytes) => format!("'\\x{}'", hex(bytes)),
        Value::Date(date) => format!("'{date}'"),
        Value::DateTime(moment) => format!("'{}'", moment.format(6)),
        Value::Time(time) => format!("'{}'", time.format(6)),
        Value::Interval(interval) => format!("'{interval}'"),
        Value::NonFinite(number) => format!("'{number}'"),
        other => plain(other),
    }
}

/// A character of an escaped literal.
fn visible(character: char) -> String {
    match character {
        '\'' => "''".to_owned(),
        '\\' => "\\\\".to_owned(),
        control if control.is_control() => format!("\\u{:04x}", u32::from(control)),
        other => other.to_string(),
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Int(number) => (*number).into(),
        Value::UInt(number) => (*number).into(),
        Value::Text(text) => serde_json::Value::String(text.to_string()),
        Value::Bytes(bytes) => hex(bytes).into(),
        Value::DateTime(moment) => moment.format(6).into(),
        Value::Time(time) => time.format(6).into(),
        other => plain(other).into(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::NonFinite(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Bytes(bytes) => hex(bytes),
        Value::Date(date) => date.to_string(),
        Value::DateTime(moment) => moment.format(6),
        Value::Time(time) => time.format(6),
        Value::Interval(interval) => interval.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{TargetColumn, TargetType};

    #[test]
    fn a_key_can_be_pasted_and_cannot_write_to_the_terminal() {
        let column = |name: &str| TargetColumn {
            name: name.into(),
            target_type: TargetType::Text,
            nullable: false,
            description: String::new(),
        };
        let table = TargetTable {
            schema: None,
            name: "orders".into(),
            columns: vec![column("secret"), column("주문"), column("line")],
            key: vec![1, 2],
            indexes: vec![],
            description: String::new(),
        };
        let key = Row::from([Value::text("O'Brien"), Value::Int(-2)]);
        assert_eq!(key_text(&table, &key), "주문 = 'O''Brien', line = -2");
        let key = Row::from([Value::text("a\u{1b}[2J"), Value::Null]);
        assert_eq!(key_text(&table, &key), r"주문 = E'a\u001b[2J', line = NULL");
        let mismatch = Mismatch { key, difference: Difference::Changed(vec!["secret".into()]), rows: 0 };
        let record = serde_json::to_value(DifferenceRecord::of(&table, &mismatch)).unwrap();
        assert_eq!(
            record,
            serde_json::json!({"key": {"주문": "a\u{1b}[2J", "line": null}, "difference": "changed", "columns": ["secret"]})
        );
    }
}
