//! Reconcile: tables that already hold rows become right by one difference in one transaction.
//!
//! A rebuild after lost state and the adoption of a filled table are the same: what the target holds is noted as fingerprints by output
//! key, every row is derived once, and what is missing, different or too much waits in parts on disk and is applied in one transaction,
//! deletes included.

use super::backfill::blocking;
use super::run::{Engine, Owned};
use super::touched::key_of;
use crate::derive::{self, Arrangements, Mutation, Shared, Space, StepPart};
use crate::error::{Error, Result};
use crate::plan::{MappingId, NodeId};
use crate::source::Source;
use crate::state::Durability;
use crate::state::parts::{self, PartRecord};
use crate::target::Target;
use crate::value::{Row, Value, row};
use crate::write::TableWrites;

/// Rows read from the target at once, as far as their bytes allow.
const PAGE_ROWS: u32 = 5_000;
/// Rows of the first page, whose width is not known.
const FIRST_PAGE_ROWS: u32 = 64;
/// Bytes that a page should have in memory.
const PAGE_BYTES: usize = 4 << 20;
/// Rows of the target that are deleted in one part of the difference.
const SURPLUS_ROWS: usize = 20_000;
/// The sequence under which the parts of the difference wait: that of an entry which is never written, so that a start which finds them
/// drops them.
pub(super) const DIFFERENCE: u64 = u64::MAX;

/// A part of the derived rows, compared.
struct Slice {
    next: Option<Vec<u8>>,
    part: Option<PartRecord>,
    row_count: u64,
    byte_count: u64,
    anchor_count: u64,
}

/// The parts of one entry while they are written.
struct Draft {
    sequence: u64,
    parts: Vec<PartRecord>,
}

impl Draft {
    /// The sequence and the number of the next part.
    fn next(&self) -> (u64, usize) {
        (self.sequence, self.parts.len())
    }
}

/// Rows of the page behind one of so many rows and bytes. It grows by and by, so that wider rows are noticed before they are many.
fn next_page(rows: usize, bytes: usize, before: u32) -> u32 {
    let fitting = bytes.checked_div(rows).and_then(|width| PAGE_BYTES.checked_div(width)).unwrap_or(usize::MAX);
    u32::try_from(fitting).unwrap_or(u32::MAX).min(before.saturating_mul(4)).clamp(1, PAGE_ROWS)
}

fn encoded(values: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    row::encode(values, &mut bytes);
    bytes
}

impl<S: Source, T: Target> Engine<S, T> {
    /// What turns the tables of a mapping into the rows of the state as it stands, written to the outbox in parts of entry `sequence`.
    pub(super) async fn difference(&self, mapping: &Owned, sequence: u64) -> Result<Vec<PartRecord>> {
        self.store.clear(Space::OutboxPart(mapping.id))?;
        let mut parts = Draft { sequence, parts: Vec::new() };
        // What an earlier load counted is not of this one.
        (0..self.mapping(mapping.id)?.nodes.len())
            .for_each(|index| self.show_load(mapping, index, |load| *load = load.begun_again()));
        for (index, node) in self.mapping(mapping.id)?.nodes.iter().enumerate() {
            self.note_target(mapping, *node).await?;
            self.compare_derived(mapping, index, *node, &mut parts).await?;
            self.add_surplus(mapping, index, *node, &mut parts)?;
        }
        self.store.sync()?;
        Ok(parts.parts)
    }

    /// Notes what the target table holds.
    async fn note_target(&self, mapping: &Owned, node: NodeId) -> Result<()> {
        let table = &self.node_plan(node)?.table;
        let target = self.target(mapping.id)?;
        self.store.clear(Space::Scratch(node))?;
        let (mut after, mut page): (Option<Row>, _) = (None, FIRST_PAGE_ROWS);
        loop {
            let (_, rows) =
                self.retried_for(mapping.id, || target.read_after(&mapping.name, table, after.as_ref(), page)).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(key_of(table, last));
            page = next_page(rows.len(), rows.iter().flatten().map(Value::size_bytes).sum(), page);
            let noted = rows.iter().map(|row| Mutation {
                space: Space::Scratch(node),
                key: encoded(&key_of(table, row)),
                value: Some(row::fingerprint(row).to_be_bytes().to_vec()),
            });
            self.store.commit(noted.collect(), Durability::Buffered)?;
        }
    }

    /// Derives every row; rows that the target has equal are struck from the note, others are upserts.
    async fn compare_derived(&self, mapping: &Owned, table: usize, node: NodeId, parts: &mut Draft) -> Result<()> {
        for branch in 0..self.node_plan(node)?.branches.len() {
            let mut after = None;
            loop {
                let (engine, from, id, number) = (self.clone(), after.clone(), mapping.id, parts.next());
                let slice = blocking(move || engine.compare_slice((id, table, node), branch, from, number)).await?;
                self.show_load(mapping, table, |load| {
                    load.row_count += slice.row_count;
                    load.byte_count += slice.byte_count;
                    load.anchor_count += slice.anchor_count;
                });
                parts.parts.extend(slice.part);
                match slice.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        self.show_load(mapping, table, |load| load.done = true);
        Ok(())
    }

    fn compare_slice(
        &self,
        (mapping, position, node): (MappingId, usize, NodeId),
        branch: usize,
        after: Option<Vec<u8>>,
        number: (u64, usize),
    ) -> Result<Slice> {
        let loaded = {
            let store = (&*self.store as &dyn Arrangements, &Shared::new(&self.plan, 0));
            derive::load(&self.plan, store, (node, branch), after.as_deref(), self.options.slice_of_load())?
        };
        let table = &self.node_plan(node)?.table;
        let (row_count, anchor_count) = (loaded.rows.len() as u64, loaded.anchors);
        let byte_count = loaded.rows.iter().flatten().map(Value::payload_bytes).sum::<usize>() as u64;
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
        let mut part = None;
        if !upserts.is_empty() {
            let (waiting, record) = self.difference_part(mapping, position, number, vec![], upserts)?;
            mutations.extend(waiting);
            part = Some(record);
        }
        self.store.commit(mutations, Durability::Synced)?;
        Ok(Slice { next: loaded.next, part, row_count, byte_count, anchor_count })
    }

    /// What is left in the note is in the target only.
    fn add_surplus(&self, mapping: &Owned, position: usize, node: NodeId, parts: &mut Draft) -> Result<()> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let (mut keys, mut last) = (Vec::new(), None);
            self.store.scan(Space::Scratch(node), &[], after.as_deref(), &mut |key, _| {
                keys.push(row::decode(key)?);
                last = Some(key.to_vec());
                Ok(keys.len() < SURPLUS_ROWS)
            })?;
            after = last;
            if keys.is_empty() {
                return self.store.clear(Space::Scratch(node));
            }
            let (mutations, record) = self.difference_part(mapping.id, position, parts.next(), keys, vec![])?;
            self.store.commit(mutations, Durability::Buffered)?;
            parts.parts.push(record);
        }
    }

    fn difference_part(
        &self,
        mapping: MappingId,
        position: usize,
        (sequence, number): (u64, usize),
        deletes: Vec<Row>,
        upserts: Vec<Row>,
    ) -> Result<(Vec<Mutation>, PartRecord)> {
        let many = |_| Error::bug("a difference has too many parts");
        let writes = TableWrites { table: u32::try_from(position).map_err(many)?, deletes, upserts };
        let part = StepPart { mapping, writes, fingerprints: vec![], progress: (0, 0) };
        parts::put(sequence, u32::try_from(number).map_err(many)?, &part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_target_are_bounded_by_bytes() {
        assert_eq!(next_page(64, 64 * 200, FIRST_PAGE_ROWS), 256);
        assert_eq!(next_page(4_096, 4_096 * 200, 4_096), PAGE_ROWS);
        assert_eq!(next_page(64, 64 * 60_000, FIRST_PAGE_ROWS), 69);
        assert_eq!(next_page(5_000, 5_000 * 60_000, PAGE_ROWS), 69, "wider rows count at once");
        assert_eq!(next_page(1, 1 << 30, 1), 1);
    }
}
