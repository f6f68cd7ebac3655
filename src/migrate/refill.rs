//! Refill: everything of one mapping is derived again while the others stay live, and its target becomes right by one difference.
//!
//! The rows are derived from a snapshot of the state at the boundary of an epoch, so that they are one prefix however long that takes; what
//! changes meanwhile is marked. The difference against what the target holds is one outbox entry: from its commit on the mapping is one that
//! only marked since the snapshot, and goes on by a jump. A crash before that commit begins again.

use std::sync::Arc;

use super::backfill::blocking;
use super::run::{Engine, Owned};
use crate::derive::{Arrangements, Mutation, Space};
use crate::error::{Class, Error, Result};
use crate::plan::MappingId;
use crate::source::Source;
use crate::state::outbox::{self, Entry, Mark};
use crate::state::standing::{self, Cause, Standing};
use crate::state::{Durability, SortedEntries, Store, meta};
use crate::target::Target;
use crate::write::WriteBatch;

/// The store with its rows, indexes and records as they were at one moment, and what belongs to single mappings as it is.
struct Frozen {
    live: Arc<dyn Store>,
    then: Arc<dyn Arrangements>,
}

impl Frozen {
    fn of(&self, space: Space) -> &dyn Arrangements {
        match space {
            Space::Emitted(_)
            | Space::Scratch(_)
            | Space::Dirty(_)
            | Space::Sweep(_)
            | Space::Outbox(_)
            | Space::OutboxPart(_) => &*self.live,
            _ => &*self.then,
        }
    }
}

impl Arrangements for Frozen {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.of(space).get(space, key)
    }

    fn get_each(&self, space: Space, keys: &[Vec<u8>], visit: crate::derive::VisitEach<'_>) -> Result<()> {
        self.of(space).get_each(space, keys, visit)
    }

    fn scan_many(&self, space: Space, prefixes: &[Vec<u8>], visit: crate::derive::VisitMany<'_>) -> Result<()> {
        self.of(space).scan_many(space, prefixes, visit)
    }

    fn scan(&self, space: Space, prefix: &[u8], after: Option<&[u8]>, visit: crate::derive::Visit<'_>) -> Result<()> {
        self.of(space).scan(space, prefix, after, visit)
    }
}

impl Store for Frozen {
    fn commit(&self, mutations: Vec<Mutation>, durability: Durability) -> Result<()> {
        self.live.commit(mutations, durability)
    }

    fn ingest(&self, space: Space, entries: &mut dyn SortedEntries) -> Result<()> {
        self.live.ingest(space, entries)
    }

    fn sync(&self) -> Result<()> {
        self.live.sync()
    }

    fn clear(&self, space: Space) -> Result<()> {
        self.live.clear(space)
    }

    fn snapshot(&self) -> Arc<dyn Arrangements> {
        Arc::clone(&self.then)
    }

    fn disk_bytes(&self) -> u64 {
        self.live.disk_bytes()
    }
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Derives everything of a mapping again. Nothing waits in its outbox. Answers whether there is something to look at.
    pub(super) async fn refill(&self, mapping: &Owned) -> Result<bool> {
        let (engine, id) = (self.clone(), mapping.id);
        let Some(frozen) = blocking(move || engine.freeze(id)).await? else { return Ok(false) };
        tracing::info!("mapping {}: everything is derived again, and compared with its target", mapping.name);
        let sequence = meta::sequence(&*self.store, id)? + 1;
        match frozen.difference(mapping, sequence).await {
            Ok(parts) => {
                let engine = self.clone();
                blocking(move || engine.refilled(id, sequence, parts, &frozen)).await?;
                Ok(true)
            }
            Err(error) if matches!(error.class(), Class::Person | Class::Mapping | Class::Preflight) => {
                let engine = self.clone();
                blocking(move || {
                    let at = engine.places.boundary();
                    engine.halt(id, Cause::Data, error, true, &at)
                })
                .await?;
                Ok(false)
            }
            Err(error) => {
                // It begins again: until then nothing is marked.
                self.places.with(id, |place| place.standing.iter_mut().for_each(|standing| standing.everything = true));
                Err(error)
            }
        }
    }

    /// This engine over the state as it is between two epochs; from then on changes are marked for the mapping. Only in memory: durably
    /// everything counts as changed until the difference is. `None` in the middle of a transaction.
    fn freeze(&self, id: MappingId) -> Result<Option<Self>> {
        let _at = self.places.boundary();
        if self.progress()?.partial.is_some() {
            return Ok(None);
        }
        self.clear_marks(id)?;
        for node in &self.mapping(id)?.nodes {
            // What a sweep has not come to is derived with everything else.
            [Space::Emitted(*node), Space::Sweep(*node)].into_iter().try_for_each(|space| self.store.clear(space))?;
        }
        self.places.with(id, |place| {
            (place.mark_bytes, place.sweeps) = (0, 0);
            if let Some(standing) = &mut place.standing {
                (standing.cause, standing.everything) = (Cause::Filling, false);
            }
        });
        self.show_standing(id);
        let frozen = Frozen { live: Arc::clone(&self.store), then: self.store.snapshot() };
        Ok(Some(Self { store: Arc::new(frozen), ..self.clone() }))
    }

    /// Puts the difference into the outbox; the mapping then only has to catch up from the snapshot.
    fn refilled(&self, id: MappingId, sequence: u64, parts: Vec<crate::state::parts::PartRecord>, frozen: &Self) -> Result<()> {
        let _at = self.places.boundary();
        let then = frozen.progress()?;
        let Some(before) = self.standing(id) else { return Err(Error::bug("a mapping that is filled has no standing")) };
        if before.everything {
            return Ok(()); // the marks since the snapshot went beyond their bound: it begins again
        }
        let reason = "what changed while it was filled is derived".to_owned();
        let standing = Standing { cause: Cause::Behind, reason, hint: None, position: then.applied.clone(), ..before };
        let mark = Mark { position: then.applied, committed_at_us: then.committed_at_us };
        let bytes: u64 = parts.iter().map(|part| part.bytes).sum();
        let entry = outbox::put(id, &Entry { sequence, mark, writes: WriteBatch::default(), parts, sweeps: 0 })?;
        let name = &self.mapping(id)?.name;
        let records = vec![entry, meta::put_sequence(id, sequence)?, standing::put_standing(name, Some(&standing))?];
        self.store.commit(records, Durability::Synced)?;
        self.outbox_grew(id, bytes);
        if let Some(touched) = self.touched.get(id.0 as usize) {
            touched.restart(sequence); // too many to remember one by one
        }
        self.places.with(id, |place| place.standing = Some(standing));
        self.show_standing(id);
        Ok(())
    }
}
