//! Load: every target row derived once from the arrangements and copied into empty tables.
//!
//! The state stands still while it is loaded, so a slice derives the same rows however often it runs. A slice is durable in the state
//! (fingerprints) before it is copied, and the checkpoint row moves its cursor in the transaction of the copy: after a crash the load
//! goes on behind the last slice the target has.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::apply::Writes;
use super::backfill::blocking;
use super::board::LoadStatus;
use super::reconcile::DIFFERENCE;
use super::retry::Retry;
use super::run::{Engine, Owned};
use super::start::is_reconciling;
use super::steps::LoadStep;
use crate::derive::{self, Loaded, Shared, Space};
use crate::error::{Class, Error, Result};
use crate::plan::NodeId;
use crate::source::Source;
use crate::state::Durability;
use crate::state::meta::{self, Stage};
use crate::state::parts::Parts;
use crate::target::{Advance, Checkpoint, Phase, Target};
use crate::value::Value;
use crate::write::WriteBatch;

/// Where the next slice starts; stored in the checkpoint row as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// Index of the target table in its mapping.
    table: usize,
    /// UNION ALL branch.
    branch: usize,
    /// Anchor key behind which the slice starts.
    after: Option<Vec<u8>>,
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Loads every mapping that is not live yet, then makes the engine's stage live.
    pub(super) async fn load(&self, owned: &mut [Owned]) -> Result<()> {
        self.fill_accumulators().await?;
        for mapping in owned.iter_mut() {
            if is_reconciling(&mapping.checkpoint) {
                let difference = self.difference(mapping, DIFFERENCE).await?;
                let parts = Parts::new(&*self.store, mapping.id, DIFFERENCE, &difference);
                self.go_live(mapping, Writes::Parts(&parts)).await?;
                self.store.clear(Space::OutboxPart(mapping.id))?;
            } else if mapping.checkpoint.phase == Phase::Loading {
                self.load_mapping(mapping).await?;
                self.go_live(mapping, Writes::Whole(WriteBatch::default())).await?;
            }
        }
        let mut mutations = Vec::new();
        for mapping in owned.iter() {
            mutations.push(meta::put_sequence(mapping.id, mapping.checkpoint.sequence)?);
        }
        let mut progress = self.progress()?;
        progress.stage = Stage::Live;
        mutations.push(meta::put_progress(&progress)?);
        self.store.commit(mutations, Durability::Synced)?;
        self.board.enter(Stage::Live);
        Ok(())
    }

    async fn load_mapping(&self, mapping: &mut Owned) -> Result<()> {
        let mut cursor = match &mapping.checkpoint.load_cursor {
            None => Cursor::default(),
            Some(text) => serde_json::from_str(text).map_err(|error| {
                let message = format!("the load cursor in the checkpoint row of mapping {} does not decode", mapping.name);
                Error::new(Class::Person, message).with_hint("run with `--rebuild`").because(error)
            })?,
        };
        self.show_loaded_tables(mapping, &cursor);
        // In the place of the sorters, which are done.
        let shared = Arc::new(Shared::new(&self.plan, self.options.sort_bytes_max));
        let mut derived = match self.node(mapping, &cursor)? {
            Some(node) => Some(self.derive_slice(node, cursor.clone(), &shared).await?),
            None => None,
        };
        // The next slice is derived while the target copies this one.
        while let (Some(slice), Some(node)) = (derived.take(), self.node(mapping, &cursor)?) {
            let next = self.behind(node, &cursor, slice.next.clone())?;
            let next_node = self.node(mapping, &next)?;
            let anchors = slice.anchors;
            let copied = self.copy_slice(mapping, node, &next, slice);
            let (copied, following) = match next_node {
                Some(next_node) => {
                    tokio::join!(copied, async { Some(self.derive_slice(next_node, next.clone(), &shared).await) })
                }
                None => (copied.await, None),
            };
            let (checkpoint, row_count, byte_count) = copied?;
            mapping.checkpoint = checkpoint;
            self.show_slice(mapping, (&cursor, &next), anchors, (row_count, byte_count));
            derived = following.transpose()?;
            cursor = next;
        }
        let target = self.target(mapping.id)?;
        for node in &self.mapping(mapping.id)?.nodes {
            let table = &self.node_plan(*node)?.table;
            let began = Instant::now();
            self.retried(|| target.create_indexes(table)).await?;
            self.board.took(LoadStep::TargetIndex, began.elapsed(), table.indexes.len() as u64);
        }
        Ok(())
    }

    /// The node a cursor stands at; `None` behind the last.
    fn node(&self, mapping: &Owned, cursor: &Cursor) -> Result<Option<NodeId>> {
        Ok(self.mapping(mapping.id)?.nodes.get(cursor.table).copied())
    }

    /// The cursor behind a slice: the same branch, the next branch, or the next table.
    fn behind(&self, node: NodeId, cursor: &Cursor, next: Option<Vec<u8>>) -> Result<Cursor> {
        let branches = self.node_plan(node)?.branches.len();
        Ok(match next {
            Some(after) => Cursor { after: Some(after), ..cursor.clone() },
            None if cursor.branch + 1 < branches => Cursor { branch: cursor.branch + 1, after: None, ..cursor.clone() },
            None => Cursor { table: cursor.table + 1, ..Cursor::default() },
        })
    }

    async fn derive_slice(&self, node: NodeId, cursor: Cursor, shared: &Arc<Shared>) -> Result<Loaded> {
        let (engine, shared) = (self.clone(), Arc::clone(shared));
        blocking(move || {
            let anchors_max = engine.options.load_anchors_max;
            let began = Instant::now();
            let loaded = derive::load(
                &engine.plan,
                (&*engine.store, &shared),
                (node, cursor.branch),
                cursor.after.as_deref(),
                anchors_max,
            )?;
            engine.board.took(LoadStep::Derive, began.elapsed(), loaded.rows.len() as u64);
            Ok(loaded)
        })
        .await
    }

    /// Makes a slice durable in the state, then copies it; a lost answer is settled by reading the checkpoint back.
    async fn copy_slice(
        &self,
        mapping: &Owned,
        node: NodeId,
        next: &Cursor,
        mut slice: Loaded,
    ) -> Result<(Checkpoint, u64, u64)> {
        let (engine, mutations, row_count) = (self.clone(), std::mem::take(&mut slice.mutations), slice.rows.len() as u64);
        blocking(move || {
            let began = Instant::now();
            engine.store.commit(mutations, Durability::Synced)?;
            engine.board.took(LoadStep::Emit, began.elapsed(), row_count);
            Ok(())
        })
        .await?;
        let table = &self.node_plan(node)?.table;
        let began = Instant::now();
        let byte_count = slice.rows.iter().flatten().map(Value::payload_bytes).sum::<usize>() as u64;
        let mut checkpoint = mapping.checkpoint.clone();
        checkpoint.sequence += 1;
        checkpoint.load_cursor = Some(
            serde_json::to_string(next).map_err(|error| Error::bug("a load cursor cannot be written as JSON").because(error))?,
        );
        let advance = Advance { expected_sequence: mapping.checkpoint.sequence, next: checkpoint };
        let target = self.target(mapping.id)?;
        let mut retry = Retry::new(self.options.retry_for);
        loop {
            let Err(error) = target.load(table, &slice.rows, &advance).await else { break };
            retry.failed(error, &self.board).await?;
            if self.has_landed(mapping, &advance).await? {
                break;
            }
        }
        retry.succeeded(&self.board);
        self.board.took(LoadStep::Copy, began.elapsed(), row_count);
        Ok((advance.next, row_count, byte_count))
    }

    /// Whether the target already holds the checkpoint of an advance whose answer was lost.
    pub(super) async fn has_landed(&self, mapping: &Owned, advance: &Advance) -> Result<bool> {
        let target = self.target(mapping.id)?;
        let found = self.retried_for(mapping.id, || target.checkpoint(&mapping.name)).await?;
        let found = found.ok_or_else(|| super::start::checkpoint_lost(&mapping.name))?;
        if found.owner_epoch != advance.next.owner_epoch || found.state_id != advance.next.state_id {
            return Err(super::start::fenced_out(&mapping.name));
        }
        Ok(found.sequence == advance.next.sequence && advance.next.sequence != advance.expected_sequence)
    }

    /// Makes a mapping live: from this commit on, every state a reader sees is a prefix of the source.
    pub(super) async fn go_live(&self, mapping: &mut Owned, writes: Writes<'_>) -> Result<()> {
        let progress = self.progress()?;
        let mut next = mapping.checkpoint.clone();
        next.sequence += 1;
        next.phase = Phase::Live;
        next.load_cursor = None;
        next.frontier = self.frontier(&progress.applied);
        next.source_committed_at_us = progress.committed_at_us;
        let advance = Advance { expected_sequence: mapping.checkpoint.sequence, next };
        self.apply_until_landed(mapping, advance, writes).await
    }

    fn show_loaded_tables(&self, mapping: &Owned, cursor: &Cursor) {
        self.board.update(|status| {
            let loads = status.mappings.get_mut(mapping.id.0 as usize).map(|mapping| mapping.loads.iter_mut());
            loads.into_iter().flatten().take(cursor.table).for_each(|load| load.done = true);
        });
    }

    fn show_slice(&self, mapping: &Owned, (cursor, next): (&Cursor, &Cursor), anchors: u64, (rows, bytes): (u64, u64)) {
        self.show_load(mapping, cursor.table, |load| {
            load.row_count += rows;
            load.byte_count += bytes;
            load.anchor_count += anchors;
            load.done = next.table > cursor.table;
        });
    }

    /// Shows how far the first load, or the comparison, of a target table is.
    pub(super) fn show_load(&self, mapping: &Owned, table: usize, change: impl FnOnce(&mut LoadStatus)) {
        self.board.update(|status| {
            let Some(status) = status.mappings.get_mut(mapping.id.0 as usize) else { return };
            status.sequence = mapping.checkpoint.sequence;
            if let Some(load) = status.loads.get_mut(table) {
                change(load);
            }
        });
    }
}
