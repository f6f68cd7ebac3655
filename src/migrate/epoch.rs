//! An epoch: one or more source transactions, derived together and durable in one batch.
//!
//! Nothing here grows with the size of a transaction or with how many rows join a changed one. Writes beyond a bound go to the outbox in
//! parts before the batch that makes them count; a transaction beyond a bound is an epoch of its own, taken in slice by slice. The
//! batch with the outbox entry is the last, and only it moves the position: a crash before it takes the epoch up again where its
//! slices ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::board::SweepStatus;
use super::meters::{self, Births};
use super::run::Engine;
use super::touched::{key_hash, key_of};
use crate::change::spilled::{Changes, Spilled};
use crate::change::{Change, Operation, SchemaChange, SourceEvent, Transaction};
use crate::derive::{self, Arrangements, Bounds, Duty, Failure, Mutation, Outlets, Space, Step, StepPart, duty_of};
use crate::error::{Class, Error, Result};
use crate::plan::MappingId;
use crate::position::Position;
use crate::source::Source;
use crate::state::meta::{self, Partial, Progress, Stage};
use crate::state::outbox::{self, Entry, Mark};
use crate::state::parts::{self, PartRecord};
use crate::state::spool::position_of;
use crate::state::{Durability, Store};
use crate::target::Target;
use crate::write::WriteBatch;

/// The source transactions of one step.
#[derive(Default)]
pub(super) struct Epoch {
    /// What comes before `changes`, of a transaction that is too large for memory.
    spilled: Option<Spilled>,
    pub(super) changes: Vec<Change>,
    pub(super) end: Option<(Position, i64)>,
    pub(super) transactions: u64,
    pub(super) schema_change: Option<SchemaChange>,
    /// When its transactions with changes were committed.
    births: Vec<Instant>,
    bytes: usize,
    /// The one transaction of this epoch is taken in by slices.
    is_sliced: bool,
    bounds: SliceBounds,
}

#[derive(Clone, Default)]
struct SliceBounds {
    epoch_bytes_max: usize,
    slice_bytes_max: usize,
    /// From so many bytes on there is a backlog: as much came while the last epoch was derived.
    backlog_bytes_min: usize,
    /// A transaction that was begun by slices goes on so, whatever the bounds are now.
    begun: Option<Position>,
}

impl Epoch {
    /// Says when the transaction that was added last was committed.
    pub(super) fn was_born(&mut self, at: Instant) {
        self.births.push(at);
    }

    /// Adds an event. A transaction that must be alone ends the epoch so far, which is the answer then.
    pub(super) fn take(&mut self, event: SourceEvent) -> Option<Self> {
        let is_sliced = matches!(&event, SourceEvent::Transaction(transaction) if self.bounds.asks_for_slices(transaction));
        let full = (is_sliced && !self.is_empty()).then(|| {
            let fresh = Self { bounds: self.bounds.clone(), ..Self::default() };
            std::mem::replace(self, fresh)
        });
        let committed_at_us = self.end.as_ref().map_or(0, |(_, at)| *at);
        let position = position_of(&event).clone();
        match event {
            SourceEvent::Transaction(transaction) => {
                self.bytes += transaction.bytes;
                self.transactions += u64::from(transaction.has_changes());
                self.end = Some((position, transaction.committed_at_us));
                self.spilled = transaction.spilled;
                self.changes.extend(transaction.changes);
                self.is_sliced = is_sliced;
            }
            SourceEvent::Heartbeat { .. } => self.end = Some((position, committed_at_us)),
            SourceEvent::SchemaChange(change) => self.schema_change = Some(change),
        }
        full
    }

    /// Whether what it has was waiting for it, with more behind.
    pub(super) fn is_of_a_backlog(&self) -> bool {
        self.bytes >= self.bounds.backlog_bytes_min
    }

    /// Whether more events may join.
    pub(super) fn is_open(&self) -> bool {
        self.schema_change.is_none() && !self.is_sliced && self.bytes < self.bounds.epoch_bytes_max
    }

    /// How many changes it has.
    pub(super) fn change_count(&self) -> usize {
        self.spilled.as_ref().map_or(0, Spilled::count) + self.changes.len()
    }

    /// Its changes in log order, those on disk first.
    fn all_changes(&self) -> Result<Changes<'_>> {
        let held = self.changes.iter().cloned().map(Ok);
        Ok(match &self.spilled {
            Some(spilled) => Box::new(spilled.read()?.chain(held)),
            None => Box::new(held),
        })
    }

    /// Whether nothing came.
    pub(super) fn is_empty(&self) -> bool {
        self.end.is_none() && self.schema_change.is_none()
    }
}

impl SliceBounds {
    fn asks_for_slices(&self, transaction: &Transaction) -> bool {
        let truncates = |change: &Change| change.operation == Operation::Truncate;
        transaction.spilled.is_some()
            || transaction.bytes > self.slice_bytes_max
            || transaction.changes.iter().any(truncates)
            || self.begun.as_ref() == Some(&transaction.position)
    }
}

/// The outbox entries of an epoch while their parts are written.
pub(super) struct Draft<'e> {
    store: &'e dyn Store,
    /// When what it makes durable was committed, where that is known.
    births: Births,
    parts: BTreeMap<MappingId, Vec<PartRecord>>,
}

impl<'e> Draft<'e> {
    /// A draft without parts. What an attempt that failed left behind is dropped first.
    pub(super) fn begin(store: &'e dyn Store, mappings: impl Iterator<Item = MappingId>) -> Result<Self> {
        for mapping in mappings {
            parts::discard(store, mapping, meta::sequence(store, mapping)?)?;
        }
        Ok(Self { store, births: Births::default(), parts: BTreeMap::new() })
    }

    pub(super) fn take(&mut self, part: &StepPart) -> Result<()> {
        let sequence = meta::sequence(self.store, part.mapping)? + 1;
        let parts = self.parts.entry(part.mapping).or_default();
        let number = u32::try_from(parts.len()).map_err(|_| Error::bug("an epoch has too many parts"))?;
        let (mutations, record) = parts::put(sequence, number, part)?;
        parts.push(record);
        self.store.commit(mutations, Durability::Buffered)
    }

    /// Puts what is left of a mapping's writes behind its parts, if it has any.
    fn complete(&mut self, mapping: MappingId, writes: WriteBatch) -> Result<(WriteBatch, Vec<PartRecord>)> {
        if !self.parts.contains_key(&mapping) {
            return Ok((writes, Vec::new()));
        }
        for writes in writes.tables {
            self.take(&StepPart { mapping, writes, fingerprints: vec![], progress: (0, 0) })?;
        }
        Ok((WriteBatch::default(), self.parts.get(&mapping).cloned().unwrap_or_default()))
    }
}

impl<S: Source, T: Target> Engine<S, T> {
    /// An epoch without events.
    pub(super) fn epoch(&self) -> Result<Epoch> {
        let begun = self.progress()?.partial.map(|partial| partial.position);
        let (epoch_bytes_max, slice_bytes_max) = (self.options.epoch_bytes_max, self.options.slice_bytes_max);
        let backlog_bytes_min = self.options.queue_bytes_max.min(epoch_bytes_max) / 2;
        Ok(Epoch { bounds: SliceBounds { epoch_bytes_max, slice_bytes_max, backlog_bytes_min, begun }, ..Epoch::default() })
    }

    /// Derives an epoch and makes it durable, with its entries in the outbox. A mapping that fails gets another duty, and the epoch is
    /// taken again for all.
    pub(super) fn commit_epoch(&self, epoch: &Epoch) -> Result<()> {
        let at = self.places.boundary();
        loop {
            let duties = self.duties();
            let failures = self.try_epoch(epoch, &duties)?;
            if failures.is_empty() {
                break;
            }
            failures.into_iter().try_for_each(|failure| self.fail(failure, &at))?;
        }
        self.look_after_all(&at)
    }

    fn try_epoch(&self, epoch: &Epoch, duties: &[Duty]) -> Result<Vec<Failure>> {
        let Some((position, committed_at_us)) = epoch.end.clone() else { return Ok(Vec::new()) };
        let before = self.progress()?;
        let committed_at_us = if committed_at_us == 0 { before.committed_at_us } else { committed_at_us };
        let deriving: Vec<MappingId> = self.mapping_ids().filter(|id| duty_of(duties, *id) == Duty::Derive).collect();
        let mut draft = Draft::begin(&*self.store, deriving.iter().copied())?;
        let mut partial = before.partial.clone();
        let mut marked = 0;
        let mut mark = |marks: Vec<Mutation>| {
            marked += marks.len();
            // A mapping that only marks gives some with every epoch.
            if marked > self.options.hot_anchors_min {
                self.board.waiting(Some(format!("a change reaches very many rows: {marked} are found")));
            }
            self.take_marks(marks)
        };
        let step = if epoch.is_sliced {
            let failures = self.take_slices(epoch, &position, before, duties)?;
            if !failures.is_empty() {
                return Ok(failures);
            }
            partial = None;
            let total = epoch.change_count();
            self.board.waiting(Some(format!("the rows that a transaction of {total} row changes reaches are derived")));
            derive::derive_dirty(&self.plan, &*self.store, duties, self.options.part_bytes_max, &mut |part| {
                self.take_part(&mut draft, &part)
            })?
        } else {
            if !epoch.changes.is_empty()
                && let Some(partial) = &partial
            {
                return Err(half_taken(partial, &position));
            }
            let outlets = Outlets { parts: &mut |part| self.take_part(&mut draft, &part), marks: &mut mark };
            let has_many = epoch.changes.len() >= self.options.many_changes_min;
            let bounds = Bounds {
                part_bytes_max: self.options.part_bytes_max,
                anchors_max: self.options.hot_anchors_min,
                shared_bytes_max: if has_many { self.options.shared_bytes_max } else { 0 },
            };
            let store: &dyn Arrangements = if has_many { &*self.bulk } else { &*self.store };
            if has_many {
                self.hot.give_way();
            }
            let step = || derive::step_in_parts(&self.plan, store, &epoch.changes, duties, bounds, outlets);
            self.board.meters().timed(meters::Stage::Step, step)?
        };
        if !step.failures.is_empty() {
            return Ok(step.failures);
        }
        for key in &step.broken {
            self.places.with(key.mapping, |place| place.broken.push(key.clone()));
        }
        draft.births = Births::new(epoch.births.clone());
        let mark = Mark { position: position.clone(), committed_at_us };
        let progress = Progress { stage: Stage::Live, applied: position.clone(), committed_at_us, partial };
        let is_marked = epoch.is_sliced || step.is_marked || marked > self.options.hot_anchors_min;
        self.commit_step(step, draft, &mark, vec![meta::put_progress(&progress)?])?;
        if is_marked {
            deriving.into_iter().try_for_each(|id| self.clear_marks(id))?;
            self.board.waiting(None);
        }
        self.board.update(|status| status.applied = Some(position));
        Ok(Vec::new())
    }

    /// The last batch of an epoch, with `records`: with it the entries count and the position moves. It is not durable yet in the end; who shows
    /// anything of it to somebody outside waits for that.
    pub(super) fn commit_step(&self, step: Step, mut draft: Draft<'_>, mark: &Mark, records: Vec<Mutation>) -> Result<()> {
        let mut mutations = step.mutations;
        let (mut added, mut whole, mut swept) = (Vec::new(), Vec::new(), Vec::new());
        for (id, writes) in self.mapping_ids().zip(step.writes) {
            let (writes, parts) = draft.complete(id, writes)?;
            let (before, sweeps) = (self.places.with(id, |place| place.sweeps), self.sweeps_after(id, &mutations)?);
            if writes.is_empty() && parts.is_empty() && sweeps == before {
                continue;
            }
            let sequence = meta::sequence(&*self.store, id)? + 1;
            self.note_touched(id, sequence, &writes, !parts.is_empty())?;
            let bytes = parts.iter().map(|part| part.bytes).sum::<u64>();
            let entry = Entry { sequence, mark: mark.clone(), writes, parts, sweeps };
            let record = outbox::put(id, &entry)?;
            let own_bytes = record.value.as_ref().map_or(0, Vec::len) as u64;
            self.board.meters().committing(id.0 as usize, sequence, &draft.births);
            added.push((id, sequence, bytes + own_bytes));
            mutations.push(record);
            if sweeps != before {
                swept.push((id, sweeps));
            }
            mutations.push(meta::put_sequence(id, sequence)?);
            if entry.parts.is_empty() {
                whole.push((id, entry, own_bytes));
            }
        }
        mutations.extend(records);
        mutations.extend(self.spent.take());
        added.iter().for_each(|(id, _, bytes)| self.outbox_grew(*id, *bytes));
        // The targets hear of it while the disk takes it in; they show nothing of it before it is there.
        let (offered, began) = (self.ahead.offer(whole), Instant::now());
        self.wake.notify_waiters();
        self.store.commit(mutations, Durability::Buffered)?;
        self.durable.committed();
        // Behind the batch and before the gate: who reads the count before the entries finds them both, or neither.
        swept.into_iter().for_each(|(id, sweeps)| self.set_sweeps(id, sweeps));
        let (board, wake) = (self.board.clone(), Arc::clone(&self.wake));
        self.durable.then(move || {
            board.meters().record(meters::Stage::StateCommit, began.elapsed());
            added.iter().for_each(|(id, sequence, _)| board.meters().committed(id.0 as usize, *sequence));
            offered.made_durable();
            wake.notify_waiters();
        });
        let sweep = self.sweep_status();
        self.board.update(|status| status.sweep = sweep);
        if draft.parts.is_empty() {
            return Ok(());
        }
        self.board.waiting(Some("the fingerprints of a very large change are put in their places".to_owned()));
        draft.parts.keys().try_for_each(|mapping| parts::fold(&*self.store, *mapping))?;
        self.board.waiting(None);
        Ok(())
    }

    /// Makes a part durable, and shows how far the epoch is: one that has parts is long enough to be asked for.
    pub(super) fn take_part(&self, draft: &mut Draft<'_>, part: &StepPart) -> Result<()> {
        let (row_count, row_total) = part.progress;
        let mapping = self.mapping(part.mapping)?.name.clone();
        self.board.update(|status| status.sweep = Some(SweepStatus { mapping, row_count, row_total, left_s: None }));
        draft.take(part)
    }

    /// Makes marks durable and counts them.
    fn take_marks(&self, marks: Vec<Mutation>) -> Result<()> {
        if let Some(Mutation { space: Space::Dirty(node), .. }) = marks.first() {
            let bytes = marks.iter().map(|mark| mark.key.len() as u64).sum();
            let mapping = self.node_plan(*node)?.mapping;
            self.places.with(mapping, |place| place.mark_bytes = place.mark_bytes.saturating_add(bytes));
        }
        self.store.commit(marks, Durability::Buffered)
    }

    /// Brings the changes of one transaction into the arrangements, slice by slice, and marks the anchors that they affect.
    fn take_slices(&self, epoch: &Epoch, position: &Position, before: Progress, duties: &[Duty]) -> Result<Vec<Failure>> {
        let mut done = match &before.partial {
            Some(partial) if partial.position == *position => partial.changes_done,
            Some(partial) => return Err(half_taken(partial, position)),
            None => 0,
        };
        let (total, rows_max) = (epoch.change_count(), self.options.slice_rows_max);
        let mut rest = epoch.all_changes()?.skip(done);
        let mut slice = Vec::new();
        loop {
            let mut bytes = slice.iter().map(Change::size_bytes).sum::<usize>();
            while slice.len() < rows_max.max(1)
                && bytes < self.options.slice_bytes_max
                && let Some(change) = rest.next().transpose()?
            {
                bytes += change.size_bytes();
                slice.push(change);
            }
            if slice.is_empty() {
                return Ok(Vec::new());
            }
            self.board.waiting(Some(format!("a transaction of {total} row changes is taken in, {done} are done")));
            let marked = derive::mark(&self.plan, &*self.store, &slice, duties, rows_max, &mut |marks| self.take_marks(marks))?;
            if !marked.failures.is_empty() {
                return Ok(marked.failures);
            }
            done += marked.changes_done;
            slice.drain(..marked.changes_done.min(slice.len()));
            let partial = Some(Partial { position: position.clone(), changes_done: done });
            let mut mutations = marked.mutations;
            mutations.push(meta::put_progress(&Progress { partial, ..before.clone() })?);
            self.store.commit(mutations, Durability::Buffered)?;
        }
    }

    fn note_touched(&self, mapping: MappingId, sequence: u64, writes: &WriteBatch, is_in_parts: bool) -> Result<()> {
        let Some(touched) = self.touched.get(mapping.0 as usize) else { return Ok(()) };
        if is_in_parts {
            touched.restart(sequence); // too many to remember one by one
            return Ok(());
        }
        let nodes = &self.mapping(mapping)?.nodes;
        for table in &writes.tables {
            let Some(node) = nodes.get(table.table as usize) else { continue };
            let target = &self.node_plan(*node)?.table;
            let upserted = table.upserts.iter().map(|row| key_hash(&key_of(target, row)));
            let keys = table.deletes.iter().map(|key| key_hash(key)).chain(upserted);
            touched.note(*node, sequence, keys);
        }
        Ok(())
    }
}

/// The log does not go on with the transaction that the state holds in part.
fn half_taken(partial: &Partial, found: &Position) -> Error {
    let message = format!(
        "the state holds a part of the transaction that ends at {}, but the source's log goes on with one that ends at {found}",
        partial.position
    );
    Error::new(Class::Person, message).with_hint("run with --rebuild: the tables are read again and only differences are applied")
}
