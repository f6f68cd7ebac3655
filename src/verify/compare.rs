//! Compares what the source answers with what the target holds, as typed values, key by key. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::migrate::touched::{key_hash, key_of};
use crate::schema::TargetTable;
use crate::value::Row;

/// How a row differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// The source answers the row, the target lacks it.
    Missing,
    /// The target holds a row that the source does not answer.
    Surplus,
    /// Both have the row; these columns differ.
    Changed(Vec<String>),
}

/// A key with its difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// Key values, in key order.
    pub key: Row,
    /// What differs.
    pub difference: Difference,
}

/// Rows by the hash of their key.
pub type Rows = BTreeMap<u128, Row>;

/// Rows by the hash of their key.
#[must_use]
pub fn by_key(table: &TargetTable, rows: impl IntoIterator<Item = Row>) -> Rows {
    rows.into_iter().map(|row| (key_hash(&key_of(table, &row)), row)).collect()
}

/// Every key of either side that differs, in a stable order.
#[must_use]
pub fn compare(table: &TargetTable, source: &Rows, target: &Rows) -> Vec<Mismatch> {
    let hashes: BTreeSet<&u128> = source.keys().chain(target.keys()).collect();
    let mut mismatches = Vec::new();
    for hash in hashes {
        let (key, difference) = match (source.get(hash), target.get(hash)) {
            (Some(expected), None) => (key_of(table, expected), Difference::Missing),
            (None, Some(found)) => (key_of(table, found), Difference::Surplus),
            (Some(expected), Some(found)) => match changed(table, expected, found) {
                columns if columns.is_empty() => continue,
                columns => (key_of(table, expected), Difference::Changed(columns)),
            },
            (None, None) => continue,
        };
        mismatches.push(Mismatch { key, difference });
    }
    mismatches
}

fn changed(table: &TargetTable, expected: &Row, found: &Row) -> Vec<String> {
    let differing = table.columns.iter().enumerate().filter(|(index, _)| expected.get(*index) != found.get(*index));
    differing.map(|(_, column)| column.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{TargetColumn, TargetType};
    use crate::value::Value;

    fn table() -> TargetTable {
        let column = |name: &str| TargetColumn {
            name: name.into(),
            target_type: TargetType::Text,
            nullable: true,
            description: String::new(),
        };
        TargetTable {
            schema: None,
            name: "t".into(),
            columns: vec![column("k"), column("v")],
            key: vec![0],
            indexes: vec![],
            description: String::new(),
        }
    }

    fn rows(pairs: &[(&str, Value)]) -> Rows {
        by_key(&table(), pairs.iter().map(|(key, value)| Row::from([Value::text(*key), value.clone()])))
    }

    #[test]
    fn f112_null_against_a_value_and_against_empty_text_differs() {
        let source = rows(&[("a", Value::Null), ("b", Value::text("")), ("c", Value::text("x")), ("d", Value::Null)]);
        let target = rows(&[("a", Value::text("")), ("b", Value::Null), ("c", Value::text("x")), ("e", Value::Null)]);
        let found: BTreeMap<String, Difference> =
            compare(&table(), &source, &target).into_iter().map(|mismatch| (format!("{:?}", mismatch.key), mismatch.difference)).collect();
        let changed = Difference::Changed(vec!["v".into()]);
        let expected = [("a", changed.clone()), ("b", changed), ("d", Difference::Missing), ("e", Difference::Surplus)];
        assert_eq!(found.len(), expected.len());
        for (key, difference) in expected {
            let name = format!("{:?}", Row::from([Value::text(key)]));
            assert_eq!(found.get(&name), Some(&difference), "key {key}");
        }
    }
}
