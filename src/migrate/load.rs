//! Load: every target row derived once from the arrangements and copied into empty tables.
//!
//! The state stands still while it is loaded, so a slice derives the same rows however often it runs. A slice is durable in the state
//! (fingerprints) before it is copied, and the checkpoint row moves its cursor in the transaction of the copy: after a crash the load
//! goes on behind the last slice the target has. How slices get there is in [`super::slices`].

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::apply::Writes;
use super::board::LoadStatus;
use super::reconcile::DIFFERENCE;
use super::run::{Engine, Owned};
use super::start::is_reconciling;
use super::steps::LoadStep;
use crate::derive::Space;
use crate::error::{Class, Error, Result};
use crate::source::Source;
use crate::state::Durability;
use crate::state::meta::{self, Stage};
use crate::state::parts::Parts;
use crate::target::{Advance, Phase, Target};
use crate::write::WriteBatch;

/// Where the next slice starts; stored in the checkpoint row as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Index of the target table in its mapping.
    pub(super) table: usize,
    /// UNION ALL branch.
    pub(super) branch: usize,
    /// Anchor key behind which the slice starts.
    pub(super) after: Option<Vec<u8>>,
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
        let cursor = match &mapping.checkpoint.load_cursor {
            None => Cursor::default(),
            Some(text) => serde_json::from_str(text).map_err(|error| {
                let message = format!("the load cursor in the checkpoint row of mapping {} does not decode", mapping.name);
                Error::new(Class::Person, message).with_hint("run with `--rebuild`").because(error)
            })?,
        };
        self.show_loaded_tables(mapping, &cursor);
        self.load_slices(mapping, cursor).await?;
        let target = self.target(mapping.id)?;
        let waits = self.board.snapshot().waiting;
        for node in &self.mapping(mapping.id)?.nodes {
            let table = &self.node_plan(*node)?.table;
            let began = Instant::now();
            self.board.waiting(Some(format!("the target builds the key and the indexes of {}", table.name)));
            self.retried(|| target.create_indexes(table)).await?;
            self.board.took(LoadStep::TargetIndex, began.elapsed(), table.indexes.len() as u64);
        }
        self.board.waiting(waits);
        Ok(())
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
