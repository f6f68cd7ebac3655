//! Pieces: how far the ranges of a legacy table are read, and how far it is cut into ranges.
//!
//! Per range one record says what its rows in the state show and what of it is missing, in one batch with them or behind them; earlier
//! versions wrote another one when a range was whole, which is read too. While a table is being cut its ranges stand in records of their own. A
//! version that does not know all this finds no range that is read, and reads the table again.

use serde::{Deserialize, Serialize};

use super::codec;
use super::meta::{self, ChunkRecord};
use crate::change::KeyRange;
use crate::derive::{Arrangements, Mutation, Space};
use crate::error::{Class, Error, Result};
use crate::schema::TableId;

/// A range as it is stored.
#[derive(Serialize, Deserialize)]
struct Record {
    shown: ChunkRecord,
    /// What is missing; absent: nothing.
    rest: Option<Vec<u8>>,
}

fn prefix_of(kind: &[u8], table: TableId) -> Vec<u8> {
    [kind, &table.0.to_be_bytes()].concat()
}

fn key_of(kind: &[u8], table: TableId, number: u32) -> Vec<u8> {
    [prefix_of(kind, table), number.to_be_bytes().to_vec()].concat()
}

const PIECE: &[u8] = b"piece/";
const CHUNK: &[u8] = b"chunk/";
const CUT: &[u8] = b"cut/";
const WHOLE: &[u8] = b"whole/";

fn damaged() -> Error {
    Error::new(Class::Local, "the state is damaged: a record of a range")
}

/// Gives each range of a table of which rows are in the state: its number, what they show, and what of it is missing.
///
/// # Errors
/// `Local` if a record is damaged.
pub fn each(store: &dyn Arrangements, table: TableId, visit: &mut dyn FnMut(u32, ChunkRecord, Option<KeyRange>)) -> Result<()> {
    each_numbered(store, &prefix_of(CHUNK, table), &mut |index, value| {
        visit(index, serde_json::from_slice(value).map_err(|_| damaged())?, None);
        Ok(())
    })?;
    each_numbered(store, &prefix_of(PIECE, table), &mut |index, value| {
        let Record { shown, rest } = serde_json::from_slice(value).map_err(|_| damaged())?;
        let rest = rest.map(|rest| codec::decode_ranges(&rest)?.pop().ok_or_else(damaged));
        visit(index, shown, rest.transpose()?);
        Ok(())
    })
}

/// Gives each record under a prefix that a number follows.
fn each_numbered(store: &dyn Arrangements, prefix: &[u8], visit: &mut dyn FnMut(u32, &[u8]) -> Result<()>) -> Result<()> {
    store.scan(Space::Meta, prefix, None, &mut |key, value| {
        let number = key.get(prefix.len()..).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        visit(number.ok_or_else(damaged)?, value)?;
        Ok(true)
    })
}

/// Says that further rows of a range are in the state: all of it if there is no `rest`. Belongs behind its rows, or into their batch.
///
/// # Errors
/// `Local` if a record is damaged.
pub fn advance(
    store: &dyn Arrangements,
    (table, index): (TableId, u32),
    more: ChunkRecord,
    rest: Option<&KeyRange>,
) -> Result<Mutation> {
    let key = key_of(PIECE, table, index);
    let shown = match meta::record::<Record>(store, &key)? {
        Some(Record { mut shown, .. }) => {
            shown.join(more);
            shown
        }
        None => more,
    };
    meta::put(key, &Record { shown, rest: rest.map(|rest| codec::encode_ranges(std::slice::from_ref(rest))) })
}

/// Gives the ranges into which a table is cut so far, in their order. Answers whether they are all of it.
///
/// # Errors
/// `Local` if a record is damaged.
pub fn each_cut(store: &dyn Arrangements, table: TableId, visit: &mut dyn FnMut(u32, KeyRange)) -> Result<bool> {
    let mut give = |ranges: Vec<KeyRange>, first: u32| (first..).zip(ranges).for_each(|(index, range)| visit(index, range));
    if let Some(ranges) = meta::ranges(store, table)? {
        give(ranges, 0);
        return Ok(true);
    }
    let mut next = 0;
    each_numbered(store, &prefix_of(CUT, table), &mut |first, value| {
        let ranges = codec::decode_ranges(value)?;
        if first != next {
            return Err(damaged());
        }
        next = u32::try_from(ranges.len()).ok().and_then(|count| first.checked_add(count)).ok_or_else(damaged)?;
        give(ranges, first);
        Ok(())
    })?;
    Ok(store.get(Space::Meta, &prefix_of(WHOLE, table))?.is_some())
}

/// Writes further ranges of a table, and whether they are the last; `first` is how many there are before them.
#[must_use]
pub fn put_cut(table: TableId, first: u32, ranges: &[KeyRange], is_whole: bool) -> Vec<Mutation> {
    let put = |key, value| Mutation { space: Space::Meta, key, value: Some(value) };
    let mut mutations = Vec::new();
    if !ranges.is_empty() {
        mutations.push(put(key_of(CUT, table, first), codec::encode_ranges(ranges)));
    }
    if is_whole {
        mutations.push(put(prefix_of(WHOLE, table), Vec::new()));
    }
    mutations
}

/// Deletes all records of a table's ranges: it is cut and read again.
///
/// # Errors
/// `Local` if a record is damaged.
pub fn forget(store: &dyn Arrangements, table: TableId) -> Result<Vec<Mutation>> {
    let mut mutations = vec![meta::forget_ranges(table)];
    mutations.push(Mutation { space: Space::Meta, key: prefix_of(WHOLE, table), value: None });
    for kind in [CHUNK, PIECE, CUT] {
        mutations.extend(forgotten(store, kind, table)?);
    }
    Ok(mutations)
}

fn forgotten(store: &dyn Arrangements, kind: &[u8], table: TableId) -> Result<Vec<Mutation>> {
    let mut mutations = Vec::new();
    each_numbered(store, &prefix_of(kind, table), &mut |number, _| {
        mutations.push(Mutation { space: Space::Meta, key: key_of(kind, table, number), value: None });
        Ok(())
    })?;
    Ok(mutations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{BinlogPosition, Position};
    use crate::state::memory::MemoryStore;
    use crate::state::{Durability, Store};
    use crate::value::Value;

    const TABLE: TableId = TableId(3);

    fn shown(offset: u64) -> ChunkRecord {
        let high = Position::Binlog(BinlogPosition {
            server: "s".into(),
            file: "binlog.000001".into(),
            offset,
            gtid: String::new(),
            prepared_from: None,
            altered: Vec::new(),
        });
        ChunkRecord { high, row_count: 2, bytes: 10, exact: true, visibility: None }
    }

    fn range(after: i64) -> KeyRange {
        KeyRange { after: Some([Value::Int(after)].into()), up_to: Some([Value::Int(after + 9)].into()) }
    }

    #[test]
    fn a_range_adds_up_until_it_is_whole() {
        let store = MemoryStore::default();
        let take = |index, offset, rest: Option<KeyRange>| {
            let mutation = advance(&store, (TABLE, index), shown(offset), rest.as_ref()).unwrap();
            store.commit(vec![mutation], Durability::Synced).unwrap();
        };
        let found = || {
            let mut found = Vec::new();
            each(&store, TABLE, &mut |index, shown, rest| found.push((index, shown, rest))).unwrap();
            found
        };
        store.commit(vec![meta::put(key_of(CHUNK, TABLE, 4), &shown(1)).unwrap()], Durability::Synced).unwrap();
        take(7, 30, Some(range(2)));
        take(7, 20, Some(range(4)));
        let two = ChunkRecord { row_count: 4, bytes: 20, ..shown(30) };
        assert_eq!(found(), [(4, shown(1), None), (7, two, Some(range(4)))], "what an earlier version read counts too");
        take(7, 10, None);
        let whole = ChunkRecord { row_count: 6, bytes: 30, ..shown(30) };
        assert_eq!(found(), [(4, shown(1), None), (7, whole, None)], "the greatest of their high marks");
        store.commit(forget(&store, TABLE).unwrap(), Durability::Synced).unwrap();
        assert_eq!(found(), []);
    }

    #[test]
    fn a_table_is_cut_by_and_by() {
        let store = MemoryStore::default();
        let put = |first, ranges: &[KeyRange], is_whole| {
            store.commit(put_cut(TABLE, first, ranges, is_whole), Durability::Synced).unwrap();
        };
        let found = || {
            let mut found = Vec::new();
            let is_whole = each_cut(&store, TABLE, &mut |index, range| found.push((index, range)))?;
            Ok::<_, Error>((found, is_whole))
        };
        put(0, &[range(0), range(10)], false);
        put(2, &[range(20)], false);
        let three: Vec<_> = (0..).zip([range(0), range(10), range(20)]).collect();
        assert_eq!(found().unwrap(), (three.clone(), false));
        put(3, &[], true);
        assert_eq!(found().unwrap(), (three, true));
        put(5, &[range(50)], false);
        assert!(found().is_err(), "ranges without a number in between");
        store.commit(forget(&store, TABLE).unwrap(), Durability::Synced).unwrap();
        assert_eq!(found().unwrap(), (vec![], false));
        // As earlier versions wrote it.
        store.commit(vec![meta::put_ranges(TABLE, &[range(0)])], Durability::Synced).unwrap();
        assert_eq!(found().unwrap(), (vec![(0, range(0))], true));
    }
}
