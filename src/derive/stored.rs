//! Stored rows: their keys, their bytes and their index entries.
//!
//! A keyed table's entry is identity key -> encoded row. A bag's is row hash -> count (8 bytes, big-endian), encoded row. An
//! index entry is index key ++ base key -> nothing; a NULL part of a plain equality means no entry.

use std::ops::Range;
use std::sync::Arc;

use crate::derive::Space;
use crate::derive::keys::Keys;
use crate::error::{Error, Result};
use crate::plan::{BranchPlan, IndexId, IndexPart, IndexPlan, Plan, TablePlan};
use crate::schema::TableId;
use crate::sql::evaluate::{Scope, with_value};
use crate::sql::query::{AliasId, Expr, Select};
use crate::value::{Row, Value, row};

/// In front of a bag's row stands how often it is there.
pub(crate) const COUNT_BYTES: usize = 8;

/// A stored row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    /// Its key in the base keyspace.
    pub(crate) key: Vec<u8>,
    /// Its values, in layout order.
    pub(crate) row: Row,
    /// How many equal rows there are; 1 but for bags.
    pub(crate) count: u64,
    /// Places that were not decoded, as bits; what stands there is no value. See [`crate::plan::BranchPlan::unread`].
    pub(crate) unread: u64,
}

impl Stored {
    /// The value of a column; `None` if there is none, or if it was not decoded.
    pub(crate) fn column(&self, place: usize) -> Option<&Value> {
        self.row.get(place).filter(|_| place >= u64::BITS as usize || self.unread >> place & 1 == 0)
    }

    /// A copy that lacks the places that are bits of `unread`.
    pub(crate) fn without(&self, unread: u64) -> Self {
        let unread = unread | self.unread;
        let mut bits = unread;
        let copied = |value: &Value| {
            let is_read = bits & 1 == 0;
            bits >>= 1;
            if is_read { value.clone() } else { Value::Null }
        };
        Self { key: self.key.clone(), row: self.row.iter().map(copied).collect(), count: self.count, unread }
    }
}

/// A table of the plan by id.
pub(crate) fn table(plan: &Plan, id: TableId) -> Result<&TablePlan> {
    plan.tables.get(id.0 as usize).ok_or_else(|| Error::bug(format!("table {} is not in the plan", id.0)))
}

/// An index of the plan by id.
pub(crate) fn index(plan: &Plan, id: IndexId) -> Result<&IndexPlan> {
    plan.indexes.get(id.0 as usize).ok_or_else(|| Error::bug(format!("index {} is not in the plan", id.0)))
}

/// The table whose rows an index finds by their whole identity: at most one under a key.
pub(crate) fn identified_by(plan: &Plan, id: IndexId) -> Result<Option<TableId>> {
    let index = index(plan, id)?;
    let identity = &table(plan, index.table)?.identity_kinds;
    let is_whole = index.over_identity && !index.parts.is_empty() && index.parts.len() == identity.len();
    Ok(is_whole.then_some(index.table))
}

/// The base key of a row.
pub(crate) fn base_key(table: &TablePlan, values: &[Value]) -> Result<Vec<u8>> {
    let Some(identity) = &table.layout.identity else { return Ok(row::fingerprint(values).to_be_bytes().to_vec()) };
    let mut key = Vec::with_capacity(10 * identity.len());
    for (column, kind) in identity.iter().zip(&table.identity_kinds) {
        let value = values.get(*column).ok_or_else(|| Error::bug(format!("a row of {} is too short", table.layout.name)))?;
        kind.encode(value, &mut key)?;
    }
    Ok(key)
}

/// The base value of a row.
pub(crate) fn encode_base(table: &TablePlan, stored: &Stored) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 * stored.row.len());
    if table.layout.identity.is_none() {
        bytes.extend_from_slice(&stored.count.to_be_bytes());
    }
    row::encode(&stored.row, &mut bytes);
    bytes
}

/// The row of a base entry.
pub(crate) fn decode_base(table: &TablePlan, key: Vec<u8>, bytes: &[u8]) -> Result<Stored> {
    decode_read(table, key, bytes, 0)
}

/// The row of a base entry; the places of `unread` are left out.
pub(crate) fn decode_read(table: &TablePlan, key: Vec<u8>, bytes: &[u8], unread: u64) -> Result<Stored> {
    if table.layout.identity.is_some() {
        return Ok(Stored { key, row: row::decode_without(bytes, unread)?, count: 1, unread });
    }
    let broken = || Error::bug(format!("a stored row of {} has no count", table.layout.name));
    let (count, rest) = bytes.split_at_checked(COUNT_BYTES).ok_or_else(broken)?;
    let count = u64::from_be_bytes(count.try_into().map_err(|_| broken())?);
    Ok(Stored { key, row: row::decode_without(rest, unread)?, count, unread })
}

/// Rows of a branch's anchors that were read already, by the positions of their keys and their stored bytes.
pub(crate) fn decoded(
    table: &TablePlan,
    branch: &BranchPlan,
    (keys, bytes): (&Keys, &Keys),
    positions: Range<usize>,
) -> Result<Vec<Arc<Stored>>> {
    let unread = branch.unread.get(&table.layout.id).copied().unwrap_or(0);
    let row = |position| decode_read(table, keys.key(position).to_vec(), bytes.key(position), unread).map(Arc::new);
    positions.map(row).collect()
}

/// The index key of a row; `None` if the index has no entry for it.
pub(crate) fn index_key(index: &IndexPlan, values: &[Value]) -> Result<Option<Vec<u8>>> {
    let mut key = Vec::with_capacity(10 * index.parts.len());
    Ok(push_index_key(index, &OneRow { alias: AliasId(0), values }, &mut key)?.then_some(key))
}

/// Appends the index key of a row; `false` if the index has no entry for it, whatever was appended.
pub(crate) fn push_index_key(index: &IndexPlan, row: &dyn Scope, key: &mut Vec<u8>) -> Result<bool> {
    for part in &index.parts {
        if !push_part(part, &part.expr, row, key)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The index key that probe values ask for; `None` if nothing can answer.
pub(crate) fn probe_key(index: &IndexPlan, values: &[Expr], scope: &dyn Scope) -> Result<Option<Vec<u8>>> {
    let mut key = Vec::with_capacity(10 * index.parts.len());
    Ok(push_probe_key(index, values, scope, &mut key)?.then_some(key))
}

/// Appends the index key that probe values ask for; `false` if nothing can answer, whatever was appended.
pub(crate) fn push_probe_key(index: &IndexPlan, values: &[Expr], scope: &dyn Scope, key: &mut Vec<u8>) -> Result<bool> {
    for (part, value) in index.parts.iter().zip(values) {
        if !push_part(part, value, scope, key)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Appends one part of a key; `false` for a NULL that equals nothing.
fn push_part(part: &IndexPart, value: &Expr, scope: &dyn Scope, key: &mut Vec<u8>) -> Result<bool> {
    with_value(value, scope, |value| {
        if value.is_null() && !part.null_safe {
            return Ok(false);
        }
        part.kind.encode(value, key).map(|()| true)
    })
}

/// All index entries of a row.
pub(crate) fn index_entries(plan: &Plan, table: &TablePlan, stored: &Stored) -> Result<Vec<(Space, Vec<u8>)>> {
    let mut entries = Vec::new();
    for id in &table.indexes {
        let Some(index) = plan.indexes.get(id.0 as usize).filter(|index| !index.over_identity) else { continue };
        if let Some(mut key) = index_key(index, &stored.row)? {
            key.extend_from_slice(&stored.key);
            entries.push((Space::Index(*id), key));
        }
    }
    Ok(entries)
}

/// A scope of one bound row and nothing else: for index expressions and walks.
pub(crate) struct OneRow<'a> {
    /// The alias it is bound to.
    pub(crate) alias: AliasId,
    /// Its values.
    pub(crate) values: &'a [Value],
}

impl Scope for OneRow<'_> {
    fn column(&self, alias: AliasId, column: usize) -> Result<&Value> {
        let bound = if alias == self.alias { self.values.get(column) } else { None };
        bound.ok_or_else(|| Error::bug(format!("column {column} of alias {} is not in reach of one row", alias.0)))
    }

    fn aggregate(&self, index: usize) -> Result<&Value> {
        Err(Error::bug(format!("aggregate {index} is not in reach of one row")))
    }

    fn scalar_subquery(&self, _: &Select) -> Result<Value> {
        Err(Error::bug("a subquery is not in reach of one row"))
    }

    fn exists(&self, _: &Select) -> Result<bool> {
        Err(Error::bug("a subquery is not in reach of one row"))
    }
}

/// A scope of one stored row, for the members of groups that stand alone.
pub(crate) struct OneStored<'a> {
    /// The alias it is bound to.
    pub(crate) alias: AliasId,
    /// The row.
    pub(crate) stored: &'a Stored,
}

impl Scope for OneStored<'_> {
    fn column(&self, alias: AliasId, column: usize) -> Result<&Value> {
        let bound = if alias == self.alias { self.stored.column(column) } else { None };
        bound.ok_or_else(|| Error::bug(format!("column {column} of alias {} is not in reach of one row", alias.0)))
    }

    fn aggregate(&self, index: usize) -> Result<&Value> {
        Err(Error::bug(format!("aggregate {index} is not in reach of one row")))
    }

    fn scalar_subquery(&self, _: &Select) -> Result<Value> {
        Err(Error::bug("a subquery is not in reach of one row"))
    }

    fn exists(&self, _: &Select) -> Result<bool> {
        Err(Error::bug("a subquery is not in reach of one row"))
    }
}

/// A scope of some columns of one row: for index expressions, whose columns are known beforehand.
pub(crate) struct SomeColumns<'a> {
    /// The values of the columns that were read.
    pub(crate) values: &'a [Option<Value>],
}

impl Scope for SomeColumns<'_> {
    fn column(&self, alias: AliasId, column: usize) -> Result<&Value> {
        let bound = self.values.get(column).filter(|_| alias == AliasId(0)).and_then(Option::as_ref);
        bound.ok_or_else(|| Error::bug(format!("column {column} of alias {} was not read", alias.0)))
    }

    fn aggregate(&self, index: usize) -> Result<&Value> {
        Err(Error::bug(format!("aggregate {index} is not in reach of one row")))
    }

    fn scalar_subquery(&self, _: &Select) -> Result<Value> {
        Err(Error::bug("a subquery is not in reach of one row"))
    }

    fn exists(&self, _: &Select) -> Result<bool> {
        Err(Error::bug("a subquery is not in reach of one row"))
    }
}
