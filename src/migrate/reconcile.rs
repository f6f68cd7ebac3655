//! Reconcile: tables that already hold rows become right by one difference in one transaction.
//!
//! A rebuild after lost state and the adoption of a filled table are the same: what the target holds is noted as fingerprints by output
//! key, every row is derived once, and what is missing, different or too much becomes one write batch, deletes included.

use super::backfill::blocking;
use super::run::{Engine, Owned};
use super::touched::key_of;
use crate::derive::{self, Mutation, Space};
use crate::error::{Class, Error, Result};
use crate::plan::NodeId;
use crate::source::Source;
use crate::state::Durability;
use crate::target::Target;
use crate::value::{Row, row};
use crate::write::{TableWrites, WriteBatch};

/// Rows read from the target at once.
const PAGE_ROWS: u32 = 5_000;
/// Rows of the one difference; it is held in memory and applied in one transaction.
const DIFFERENCE_ROWS_MAX: usize = 1_000_000;

/// A part of the derived rows, compared.
struct Slice {
    next: Option<Vec<u8>>,
    upserts: Vec<Row>,
    row_count: u64,
    anchor_count: u64,
}

fn encoded(values: &[crate::value::Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    row::encode(values, &mut bytes);
    bytes
}

impl<S: Source, T: Target> Engine<S, T> {
    /// What turns the tables of a mapping into the rows of the state as it stands.
    pub(super) async fn difference(&self, mapping: &Owned) -> Result<WriteBatch> {
        let mut tables = Vec::new();
        for (index, node) in self.mapping(mapping.id)?.nodes.iter().enumerate() {
            self.note_target(mapping, *node).await?;
            let mut writes = TableWrites { table: u32::try_from(index).unwrap_or(u32::MAX), ..TableWrites::default() };
            self.compare_derived(mapping, index, *node, &mut writes).await?;
            self.add_surplus(*node, &mut writes).await?;
            tables.push(writes);
        }
        Ok(WriteBatch { tables })
    }

    /// Notes what the target table holds.
    async fn note_target(&self, mapping: &Owned, node: NodeId) -> Result<()> {
        let table = &self.node_plan(node)?.table;
        let target = self.target(mapping.id)?;
        self.store.clear(Space::Scratch(node))?;
        let mut after: Option<Row> = None;
        loop {
            let (_, rows) = self.retried(|| target.read_after(&mapping.name, table, after.as_ref(), PAGE_ROWS)).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(key_of(table, last));
            let noted = rows.iter().map(|row| Mutation {
                space: Space::Scratch(node),
                key: encoded(&key_of(table, row)),
                value: Some(row::fingerprint(row).to_be_bytes().to_vec()),
            });
            self.store.commit(noted.collect(), Durability::Buffered)?;
        }
    }

    /// Derives every row; rows that the target has equal are struck from the note, others are upserts.
    async fn compare_derived(&self, mapping: &Owned, table: usize, node: NodeId, writes: &mut TableWrites) -> Result<()> {
        for branch in 0..self.node_plan(node)?.branches.len() {
            let mut after = None;
            loop {
                let (engine, from) = (self.clone(), after.clone());
                let slice = blocking(move || engine.compare_slice(node, branch, from)).await?;
                self.show_load(mapping, table, |load| {
                    load.row_count += slice.row_count;
                    load.anchor_count += slice.anchor_count;
                });
                writes.upserts.extend(slice.upserts);
                bounded(writes)?;
                match slice.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        self.show_load(mapping, table, |load| load.done = true);
        Ok(())
    }

    fn compare_slice(&self, node: NodeId, branch: usize, after: Option<Vec<u8>>) -> Result<Slice> {
        let loaded = derive::load(&self.plan, &*self.store, node, branch, after.as_deref(), self.options.load_anchors_max)?;
        let table = &self.node_plan(node)?.table;
        let (row_count, anchor_count) = (loaded.rows.len() as u64, loaded.anchors);
        let mut mutations = loaded.mutations;
        let mut upserts = Vec::new();
        for row in loaded.rows {
            let key = encoded(&key_of(table, &row));
            let held = self.store.get(Space::Scratch(node), &key)?;
            if held.as_deref() != Some(row::fingerprint(&row).to_be_bytes().as_slice()) {
                upserts.push(row);
            }
            mutations.push(Mutation { space: Space::Scratch(node), key, value: None });
        }
        self.store.commit(mutations, Durability::Synced)?;
        Ok(Slice { next: loaded.next, upserts, row_count, anchor_count })
    }

    /// What is left in the note is in the target only.
    async fn add_surplus(&self, node: NodeId, writes: &mut TableWrites) -> Result<()> {
        self.store.scan(Space::Scratch(node), &[], None, &mut |key, _| {
            writes.deletes.push(row::decode(key)?);
            bounded(writes)?;
            Ok(true)
        })?;
        self.store.clear(Space::Scratch(node))
    }
}

fn bounded(writes: &TableWrites) -> Result<()> {
    if writes.deletes.len() + writes.upserts.len() <= DIFFERENCE_ROWS_MAX {
        return Ok(());
    }
    let message = format!("the target differs in more than {DIFFERENCE_ROWS_MAX} rows, the bound of one difference");
    Err(Error::new(Class::Person, message).with_hint("empty the target tables, `strangler reset --execute`, then run again"))
}
