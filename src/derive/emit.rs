//! Derived rows become emitted fingerprints and target writes: only what differs from the last emission is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::derive::prefetch::{Known, prefetch};
use crate::derive::reader::Reader;
use crate::derive::rows::{Environment, Execution};
use crate::derive::stored::Stored;
use crate::derive::view::{Entries, View};
use crate::derive::{Mutation, Space};
use crate::error::{Class, Error, Result, ResultExt};
use crate::plan::output::convert;
use crate::plan::{Anchor, BranchPlan, NodeId, NodePlan};
use crate::schema::TableId;
use crate::sql::query::AliasId;
use crate::value::{Row, Value, row};
use crate::write::TableWrites;

/// One branch of one node.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    /// The node's id.
    pub(crate) id: NodeId,
    /// The node.
    pub(crate) node: &'a NodePlan,
    /// The branch's index in the node.
    pub(crate) number: u16,
    /// The branch.
    pub(crate) branch: &'a BranchPlan,
}

/// The rows of one anchor, as the target sees them: by output key, with fingerprints.
pub(crate) struct Derived {
    /// Where the anchor's emissions are kept.
    pub(crate) prefix: Vec<u8>,
    /// Output key, fingerprint and row, in the order of the keys.
    pub(crate) rows: Vec<(Vec<u8>, u128, Row)>,
}

impl Derived {
    /// Approximate size of its rows in memory.
    pub(crate) fn size_bytes(&self) -> usize {
        self.rows.iter().map(|(key, _, row)| key.len() + row.iter().map(Value::size_bytes).sum::<usize>()).sum()
    }
}

/// Mutations of the fingerprints, and what to write by output key.
pub(crate) type Difference = (Vec<Mutation>, Vec<(Vec<u8>, Write)>);

/// What one write does to an output key.
pub(crate) enum Write {
    /// The row as it is now.
    Upsert(Row),
    /// The row is gone.
    Delete,
}

impl Write {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Upsert(row) => row.iter().map(Value::size_bytes).sum(),
            Self::Delete => 0,
        }
    }
}

/// What a collected write costs beside its key and row: nodes of the map, and the mutation of its fingerprint.
const BYTES_PER_WRITE: usize = 256;

impl<'a> Part<'a> {
    /// The stored table of the anchor.
    pub(crate) fn anchor_table(&self) -> Result<TableId> {
        let first = self.branch.anchor.members().next();
        self.table_of(first.map_or(AliasId(usize::MAX), |(alias, _)| alias))
    }

    /// The stored table of an alias of the branch.
    pub(crate) fn table_of(&self, alias: AliasId) -> Result<TableId> {
        let definition = self.branch.branch.aliases.get(alias.0);
        definition.and_then(|definition| definition.table).ok_or_else(|| Error::bug("an anchor is no stored table"))
    }

    /// Where the emissions of an anchor are kept.
    pub(crate) fn prefix(&self, anchor: &[u8]) -> Vec<u8> {
        let mut prefix = self.number.to_be_bytes().to_vec();
        prefix.extend_from_slice(anchor);
        prefix
    }

    /// Reads what sorted anchors ask for in one go.
    pub(crate) fn prefetch(&self, reader: &Reader<'_>, anchors: &[Vec<u8>], given: Option<&[Arc<Stored>]>) -> Result<Known> {
        prefetch(reader, self.branch, anchors, given)
    }

    /// Derives one anchor from the state as it is; `known` is what the prefetch knows of it. `is_there`: it was read a moment ago, and need not be
    /// looked for.
    pub(crate) fn derive(
        &self,
        reader: &Reader<'_>,
        (anchor, is_there): (&[u8], bool),
        known: Option<&[Environment]>,
    ) -> Result<Derived> {
        let is_gone = match &self.branch.anchor {
            Anchor::Row { alias } if !is_there => reader.row(self.table_of(*alias)?, anchor)?.is_none(),
            Anchor::Row { .. } | Anchor::Group { .. } => false,
        };
        let outputs = if is_gone { vec![] } else { Execution { reader, branch: self.branch, anchor, known }.run()? };
        let mut rows = Vec::with_capacity(outputs.len());
        for output in outputs {
            let row = self.convert(output).context(|| format!("cannot derive a row of {}", self.node.table.name))?;
            rows.push((self.output_key(&row), row::fingerprint(&row), row));
        }
        rows.sort_by(|(left, ..), (right, ..)| left.cmp(right));
        let is_twice = rows.iter().zip(rows.iter().skip(1)).any(|((left, ..), (right, ..))| left == right);
        if is_twice {
            return Err(self.two_rows());
        }
        Ok(Derived { prefix: self.prefix(anchor), rows })
    }

    fn convert(&self, output: Row) -> Result<Row> {
        let columns = &self.node.table.columns;
        output.into_vec().into_iter().zip(columns).map(|(value, column)| convert(value, column, &self.node.policies)).collect()
    }

    fn output_key(&self, row: &[Value]) -> Vec<u8> {
        let mut key = Vec::with_capacity(16 * self.node.table.key.len());
        row::encode_columns(row, &self.node.table.key, &mut key);
        key
    }

    /// Two rows of the source claim one key of the target.
    pub(crate) fn two_rows(&self) -> Error {
        let columns = self.node.table.key.iter().filter_map(|column| self.node.table.columns.get(*column));
        let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
        Error::new(Class::Person, format!("two source rows give the same key [{}] of {}", names.join(", "), self.node.table.name))
            .with_hint("the legacy data breaks what the key proof stands on: correct the rows or the mapping's key")
    }

    /// The fingerprints to store for a first emission.
    pub(crate) fn emissions(&self, derived: &Derived) -> impl Iterator<Item = Mutation> {
        let space = Space::Emitted(self.id);
        derived.rows.iter().map(move |(key, fingerprint, _)| {
            let key = [derived.prefix.as_slice(), key].concat();
            Mutation { space, key, value: Some(fingerprint.to_be_bytes().to_vec()) }
        })
    }

    /// Compares sorted anchors with their last emissions, which are read in one go; nothing for those that do not differ.
    pub(crate) fn differences(&self, view: &View<'_>, derived: Vec<Derived>) -> Result<Vec<Difference>> {
        let prefixes: Vec<Vec<u8>> = derived.iter().map(|derived| derived.prefix.clone()).collect();
        let emitted = match prefixes.as_slice() {
            [prefix] => vec![view.entries(Space::Emitted(self.id), prefix)?],
            _ => view.entries_of(Space::Emitted(self.id), &prefixes, &|_, key, value| Ok((key.to_vec(), value.to_vec())))?,
        };
        Ok(derived.into_iter().zip(emitted).filter_map(|(derived, emitted)| self.difference(emitted, derived)).collect())
    }

    /// Compares an anchor with what was last emitted of it: the mutations of the fingerprints, and what to write by output key; `None` if
    /// nothing differs.
    fn difference(&self, emitted: Entries, derived: Derived) -> Option<Difference> {
        let space = Space::Emitted(self.id);
        let mut mutations = Vec::new();
        let mut writes = Vec::new();
        let rows = derived.rows.into_iter().map(|(key, fingerprint, row)| (key, (fingerprint, row)));
        let mut now: BTreeMap<Vec<u8>, (u128, Row)> = rows.collect();
        for (key, value) in emitted {
            let output = key.get(derived.prefix.len()..).unwrap_or_default().to_vec();
            match now.get(&output) {
                Some((fingerprint, _)) if fingerprint.to_be_bytes().as_slice() == value => {
                    now.remove(&output);
                }
                Some(_) => {}
                None => {
                    mutations.push(Mutation { space, key, value: None });
                    writes.push((output, Write::Delete));
                }
            }
        }
        for (output, (fingerprint, row)) in now {
            let key = [derived.prefix.as_slice(), &output].concat();
            mutations.push(Mutation { space, key, value: Some(fingerprint.to_be_bytes().to_vec()) });
            writes.push((output, Write::Upsert(row)));
        }
        (!mutations.is_empty()).then_some((mutations, writes))
    }
}

/// The writes of one target table while they are collected.
#[derive(Default)]
pub(crate) struct Collected {
    writes: BTreeMap<Vec<u8>, Write>,
    /// Approximate size in memory of everything that was added.
    pub(crate) bytes: usize,
}

impl Collected {
    /// Adds a write. An upsert beats a delete of the same key: the row moved from one anchor to another. `false`: two rows claim the key.
    #[must_use]
    pub(crate) fn add(&mut self, key: Vec<u8>, write: Write) -> bool {
        match (self.writes.get(&key), &write) {
            (Some(Write::Upsert(_)), Write::Upsert(_)) => return false,
            (Some(Write::Upsert(_)), Write::Delete) => {}
            _ => {
                self.bytes += BYTES_PER_WRITE + key.len() + write.size_bytes();
                self.writes.insert(key, write);
            }
        }
        true
    }

    /// Hashes of the keys of all upserts.
    pub(crate) fn upserted(&self) -> impl Iterator<Item = u128> {
        let upserts = self.writes.iter().filter(|(_, write)| matches!(write, Write::Upsert(_)));
        upserts.map(|(key, _)| xxhash_rust::xxh3::xxh3_128(key))
    }

    /// The writes in key order.
    pub(crate) fn finish(self, table: u32) -> Result<TableWrites> {
        let mut writes = TableWrites { table, ..TableWrites::default() };
        for (key, write) in self.writes {
            match write {
                Write::Upsert(row) => writes.upserts.push(row),
                Write::Delete => writes.deletes.push(row::decode(&key)?),
            }
        }
        Ok(writes)
    }
}
