//! Consecutive epochs become one target transaction: per key the last write wins.

use std::collections::BTreeMap;

use super::touched::{key_hash, key_of};
use crate::schema::TargetTable;
use crate::value::Row;
use crate::write::{TableWrites, WriteBatch};

enum Last {
    Delete(Row),
    Upsert(Row),
}

/// One batch with the effect of `batches` in order. `tables` are the mapping's target tables.
#[must_use]
pub fn merge(batches: Vec<WriteBatch>, tables: &[TargetTable]) -> WriteBatch {
    if batches.len() < 2 {
        return batches.into_iter().next().unwrap_or_default();
    }
    let mut last: BTreeMap<u32, BTreeMap<u128, Last>> = BTreeMap::new();
    for writes in batches.into_iter().flat_map(|batch| batch.tables) {
        let Some(table) = tables.get(writes.table as usize) else { continue };
        let keys = last.entry(writes.table).or_default();
        for key in writes.deletes {
            keys.insert(key_hash(&key), Last::Delete(key));
        }
        for row in writes.upserts {
            keys.insert(key_hash(&key_of(table, &row)), Last::Upsert(row));
        }
    }
    let tables = last.into_iter().map(|(table, keys)| {
        let mut writes = TableWrites { table, ..TableWrites::default() };
        for write in keys.into_values() {
            match write {
                Last::Delete(key) => writes.deletes.push(key),
                Last::Upsert(row) => writes.upserts.push(row),
            }
        }
        writes
    });
    WriteBatch { tables: tables.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{TargetColumn, TargetType};
    use crate::value::Value;

    fn table() -> TargetTable {
        let column = |name: &str| TargetColumn {
            name: name.into(),
            target_type: TargetType::BigInt,
            nullable: false,
            description: String::new(),
        };
        TargetTable {
            schema: None,
            name: "t".into(),
            columns: vec![column("v"), column("k")],
            key: vec![1],
            indexes: vec![],
            description: String::new(),
        }
    }

    fn upsert(value: i64, key: i64) -> WriteBatch {
        let upserts = vec![Row::from([Value::Int(value), Value::Int(key)])];
        WriteBatch { tables: vec![TableWrites { table: 0, deletes: vec![], upserts }] }
    }

    fn delete(key: i64) -> WriteBatch {
        WriteBatch { tables: vec![TableWrites { table: 0, deletes: vec![Row::from([Value::Int(key)])], upserts: vec![] }] }
    }

    #[test]
    fn the_last_write_of_a_key_wins_whatever_came_before() {
        let merged = merge(vec![upsert(1, 7), delete(7), upsert(2, 7), upsert(5, 8), delete(8)], &[table()]);
        let writes = &merged.tables[0];
        assert_eq!(writes.upserts, [Row::from([Value::Int(2), Value::Int(7)])]);
        assert_eq!(writes.deletes, [Row::from([Value::Int(8)])]);
    }
}
