//! Cuts a target table into ranges of the leading key column, in the source's order.
//!
//! The target is scanned once in its own order. Every n-th leading key value becomes a boundary; sorted by the source's rule they cut the
//! key space the way the source's `>` and `<=` do, whatever collation the target has. Each held key is noted by hash in its
//! range, so that a row which only the target has is found when its range is compared. 16 bytes a row.

use std::cmp::Ordering;

use super::statement::Range;
use crate::error::Result;
use crate::migrate::touched::{key_hash, key_of};
use crate::schema::{DataType, SourceCatalog, TargetTable};
use crate::target::Target;
use crate::value::{KeyKind, Row, Value};

/// Rows read from the target at once.
const PAGE_ROWS: u32 = 5_000;

/// A range with the hashes of the keys the target held in it when it was cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// The range.
    pub range: Range,
    /// Key hashes.
    pub held: Vec<u128>,
}

/// How the source orders a key column of this type; `None` where its order is not known here.
#[must_use]
pub fn order_of(data_type: &DataType, catalog: &SourceCatalog) -> Option<KeyKind> {
    match data_type {
        DataType::Integer { .. } | DataType::Year => Some(KeyKind::Integer),
        DataType::Decimal { .. } => Some(KeyKind::Decimal),
        DataType::Text { collation, .. } => catalog.collations.get(collation).cloned().map(KeyKind::Text),
        DataType::Bytes { .. } => Some(KeyKind::Bytes),
        DataType::Date => Some(KeyKind::Date),
        DataType::DateTime { .. } => Some(KeyKind::DateTime),
        _ => None,
    }
}

/// Scans the target and cuts it into ranges of about `rows_max` rows.
///
/// # Errors
/// The target cannot be read.
pub async fn cut<T: Target>(target: &T, mapping: &str, table: &TargetTable, order: Option<&KeyKind>, rows_max: usize) -> Result<Vec<Cut>> {
    let mut keys: Vec<(Value, u128)> = Vec::new();
    let mut after: Option<Row> = None;
    loop {
        let (_, rows) = target.read_after(mapping, table, after.as_ref(), PAGE_ROWS).await?;
        let Some(last) = rows.last() else { break };
        after = Some(key_of(table, last));
        keys.extend(rows.iter().map(|row| {
            let key = key_of(table, row);
            (key.first().cloned().unwrap_or(Value::Null), key_hash(&key))
        }));
    }
    match order {
        Some(order) => cut_sorted(keys, order, rows_max),
        None => Ok(vec![Cut { range: Range { after: None, up_to: None }, held: keys.into_iter().map(|(_, hash)| hash).collect() }]),
    }
}

fn cut_sorted(keys: Vec<(Value, u128)>, order: &KeyKind, rows_max: usize) -> Result<Vec<Cut>> {
    let mut encoded = Vec::with_capacity(keys.len());
    for (value, hash) in keys {
        let mut bytes = Vec::new();
        order.encode(&value, &mut bytes)?;
        encoded.push((bytes, value, hash));
    }
    encoded.sort_by(|left, right| left.0.cmp(&right.0));
    let mut cuts = Vec::new();
    let mut current = Cut { range: Range { after: None, up_to: None }, held: Vec::new() };
    let mut previous: Option<(Vec<u8>, Value)> = None;
    for (bytes, value, hash) in encoded {
        // A boundary stands between different values only: rows that share the leading value stay together.
        if let Some((last_bytes, last_value)) = &previous
            && current.held.len() >= rows_max
            && last_bytes.cmp(&bytes) != Ordering::Equal
        {
            current.range.up_to = Some(last_value.clone());
            let next = Cut { range: Range { after: Some(last_value.clone()), up_to: None }, held: Vec::new() };
            cuts.push(std::mem::replace(&mut current, next));
        }
        current.held.push(hash);
        previous = Some((bytes, value));
    }
    cuts.push(current);
    Ok(cuts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_everything_once_and_keep_equal_values_together() {
        let keys = [5, 1, 3, 3, 3, 2, 9].iter().enumerate().map(|(hash, key)| (Value::Int(*key), hash as u128)).collect();
        let cuts = cut_sorted(keys, &KeyKind::Integer, 2).unwrap();
        let held: Vec<usize> = cuts.iter().map(|cut| cut.held.len()).collect();
        assert_eq!(held, [2, 3, 2]);
        assert_eq!(cuts[0].range, Range { after: None, up_to: Some(Value::Int(2)) });
        assert_eq!(cuts[1].range, Range { after: Some(Value::Int(2)), up_to: Some(Value::Int(3)) });
        assert_eq!(cuts[2].range, Range { after: Some(Value::Int(3)), up_to: None });
    }

    #[test]
    fn an_empty_target_is_one_open_range() {
        let cuts = cut_sorted(Vec::new(), &KeyKind::Integer, 2).unwrap();
        assert_eq!(cuts, [Cut { range: Range { after: None, up_to: None }, held: vec![] }]);
    }
}
