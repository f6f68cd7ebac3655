//! Rows of small tables, decoded once for all slices of a first load: codes, items, customers that thousands of orders join.
//!
//! The state must stand still as long as this is used. What it may hold is bounded in bytes, and shared out beforehand: the smallest tables
//! first, by the source's own estimates, and no table more than is left.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::derive::keys::KeyMap;
use crate::derive::stored::Stored;
use crate::plan::Plan;
use crate::schema::TableId;
use crate::value::Value;

/// What a decoded row costs beside its values: its key twice, its places in maps, and its counts.
const BYTES_PER_ROW: usize = 160;
/// What a value is taken to cost before it is known.
const BYTES_PER_VALUE: usize = 48;

/// A row that so many keys ask for on average is asked for often.
const OFTEN: usize = 4;

/// Rows by base key; `None` for a key without a row.
pub(crate) type RowsByKey = KeyMap<Option<Arc<Stored>>>;

/// Decoded rows by table.
#[derive(Debug)]
pub struct Shared {
    /// By table of the plan; `None` for one that is too large.
    tables: Vec<Option<SharedRows>>,
}

/// Decoded rows of one table, by base key; `None` for a key without a row.
#[derive(Debug)]
pub(crate) struct SharedRows {
    rows: RwLock<RowsByKey>,
    bytes_left: Arc<AtomicUsize>,
}

impl Shared {
    /// Room for the rows of small tables, `bytes_max` in all.
    #[must_use]
    pub fn new(plan: &Plan, bytes_max: usize) -> Self {
        let bytes_left = Arc::new(AtomicUsize::new(bytes_max));
        let mut sizes: Vec<(u64, usize)> = Vec::new();
        for (place, table) in plan.tables.iter().enumerate() {
            let row_bytes = BYTES_PER_ROW + BYTES_PER_VALUE * table.layout.columns.len();
            sizes.push((table.schema.row_estimate.saturating_mul(row_bytes as u64), place));
        }
        sizes.sort_unstable();
        let mut tables: Vec<Option<SharedRows>> = plan.tables.iter().map(|_| None).collect();
        let mut taken = 0_u64;
        for (bytes, place) in sizes {
            taken = taken.saturating_add(bytes);
            if let Some(slot) = tables.get_mut(place).filter(|_| taken <= bytes_max as u64) {
                *slot = Some(SharedRows { rows: RwLock::default(), bytes_left: Arc::clone(&bytes_left) });
            }
        }
        Self { tables }
    }

    /// The rows of a table, if it is one of the small ones.
    pub(crate) fn table(&self, id: TableId) -> Option<&SharedRows> {
        self.tables.get(id.0 as usize)?.as_ref()
    }
}

impl SharedRows {
    /// Moves what is known of some keys to `memory`; the others stay. Where `asked` says that rows are asked for often they are copied: threads
    /// that count the users of one row wait for each other. A copy lacks the places that are bits of `unread`.
    pub(crate) fn recall(&self, unknown: &mut Vec<Vec<u8>>, memory: &mut RowsByKey, (asked, unread): (usize, u64)) {
        let often = asked > OFTEN * unknown.len();
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        unknown.retain(|key| {
            let known = rows.get(key);
            if let Some(stored) = known {
                let copy = |stored: &Arc<Stored>| if often { Arc::new(stored.without(unread)) } else { Arc::clone(stored) };
                memory.insert(key.clone(), stored.as_ref().map(copy));
            }
            known.is_none()
        });
    }

    /// Remembers rows that were read, as many as there is room for.
    pub(crate) fn remember(&self, read: Vec<(Vec<u8>, Option<Arc<Stored>>)>) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for (key, stored) in read {
            let values: usize = stored.iter().flat_map(|stored| stored.row.iter()).map(Value::size_bytes).sum();
            let bytes = BYTES_PER_ROW + 2 * key.len() + values;
            let room = self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
            if room.is_err() {
                return;
            }
            if rows.insert(key, stored).is_some() {
                // Another slice has read it meanwhile.
                self.bytes_left.fetch_add(bytes, Ordering::Relaxed);
            }
        }
    }
}
