//! Compares what the source answers with what the target holds, as typed values, key by key. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::migrate::touched::{key_hash, key_of};
use crate::schema::TargetTable;
use crate::value::{Row, Value, row};

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
    /// The source answers more than one row with this key, which the proof of the key excludes.
    Repeated,
}

/// A key with its difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// Key values, in key order.
    pub key: Row,
    /// What differs.
    pub difference: Difference,
    /// A hash of both rows: two readings that differ in the same way have the same.
    pub rows: u128,
}

/// Rows by the hash of their key.
#[derive(Debug, Default)]
pub struct Rows {
    by_hash: BTreeMap<u128, Row>,
    repeated: BTreeSet<u128>,
}

impl Rows {
    /// Rows of a table.
    #[must_use]
    pub fn of(table: &TargetTable, rows: impl IntoIterator<Item = Row>) -> Self {
        let mut found = Self::default();
        found.extend(table, rows);
        found
    }

    /// Adds rows.
    pub fn extend(&mut self, table: &TargetTable, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            let hash = key_hash(&key_of(table, &row));
            if self.by_hash.insert(hash, row).is_some() {
                self.repeated.insert(hash);
            }
        }
    }

    /// Keeps the rows whose hash is wanted.
    pub fn retain(&mut self, wanted: impl Fn(u128) -> bool) {
        self.by_hash.retain(|hash, _| wanted(*hash));
        self.repeated.retain(|hash| wanted(*hash));
    }

    /// The hashes of the keys.
    pub fn hashes(&self) -> impl Iterator<Item = u128> + '_ {
        self.by_hash.keys().copied()
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self, table: &TargetTable) -> Vec<Row> {
        self.by_hash.values().map(|row| key_of(table, row)).collect()
    }

    /// How many different keys.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.by_hash.len() as u64
    }
}

/// Every key of either side that differs, in a stable order.
#[must_use]
pub fn compare(table: &TargetTable, source: &Rows, target: &Rows) -> Vec<Mismatch> {
    let hashes: BTreeSet<u128> = source.hashes().chain(target.hashes()).collect();
    let mut mismatches = Vec::new();
    for hash in hashes {
        let (key, difference) = match (source.by_hash.get(&hash), target.by_hash.get(&hash)) {
            (Some(expected), _) if source.repeated.contains(&hash) => (key_of(table, expected), Difference::Repeated),
            (Some(expected), None) => (key_of(table, expected), Difference::Missing),
            (None, Some(found)) => (key_of(table, found), Difference::Surplus),
            (Some(expected), Some(found)) => match changed(table, expected, found) {
                columns if columns.is_empty() => continue,
                columns => (key_of(table, expected), Difference::Changed(columns)),
            },
            (None, None) => continue,
        };
        let rows = hash_of_both(source.by_hash.get(&hash), target.by_hash.get(&hash));
        mismatches.push(Mismatch { key, difference, rows });
    }
    mismatches
}

fn hash_of_both(expected: Option<&Row>, found: Option<&Row>) -> u128 {
    let digest = |row: Option<&Row>| Value::text(row.map_or_else(String::new, |row| row::fingerprint(row).to_string()));
    row::fingerprint(&[digest(expected), digest(found)])
}

fn changed(table: &TargetTable, expected: &Row, found: &Row) -> Vec<String> {
    let differing = table.columns.iter().enumerate().filter(|(index, _)| expected.get(*index) != found.get(*index));
    differing.map(|(_, column)| column.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{TargetColumn, TargetType};

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
        Rows::of(&table(), pairs.iter().map(|(key, value)| Row::from([Value::text(*key), value.clone()])))
    }

    #[test]
    fn a_key_that_the_source_answers_twice_is_no_clean_row() {
        let source = rows(&[("a", Value::Null), ("a", Value::Null), ("b", Value::Null)]);
        let target = rows(&[("a", Value::Null), ("b", Value::Null)]);
        let found = compare(&table(), &source, &target);
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((&one.key, &one.difference), (&Row::from([Value::text("a")]), &Difference::Repeated));
    }

    #[test]
    fn f112_null_against_a_value_and_against_empty_text_differs() {
        let source = rows(&[("a", Value::Null), ("b", Value::text("")), ("c", Value::text("x")), ("d", Value::Null)]);
        let target = rows(&[("a", Value::text("")), ("b", Value::Null), ("c", Value::text("x")), ("e", Value::Null)]);
        let found: BTreeMap<String, Difference> = compare(&table(), &source, &target)
            .into_iter()
            .map(|mismatch| (format!("{:?}", mismatch.key), mismatch.difference))
            .collect();
        let changed = Difference::Changed(vec!["v".into()]);
        let expected = [("a", changed.clone()), ("b", changed), ("d", Difference::Missing), ("e", Difference::Surplus)];
        assert_eq!(found.len(), expected.len());
        for (key, difference) in expected {
            let name = format!("{:?}", Row::from([Value::text(key)]));
            assert_eq!(found.get(&name), Some(&difference), "key {key}");
        }
    }
}
