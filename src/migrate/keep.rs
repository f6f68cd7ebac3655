//! Keep: what a live mapping's own task does: takes it over, applies what waits, goes on after a halt.
//!
//! Everything that goes wrong with one target, or that one target refuses, stays here: the engine and the other mappings go on.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::apply::Writes;
use super::backfill::blocking;
use super::run::{Engine, Owned};
use crate::derive::Space;
use crate::error::{Class, Result};
use crate::plan::MappingId;
use crate::source::Source;
use crate::state::meta::Progress;
use crate::state::outbox::Pending;
use crate::state::standing::{Cause, Standing};
use crate::state::{Durability, meta, outbox, parts};
use crate::target::gate::Gate;
use crate::target::{Advance, Target};
use crate::write::WriteBatch;

/// How long a keeper sleeps when nobody wakes it.
const IDLE: Duration = Duration::from_millis(50);

/// What to do after a look at a mapping.
enum Next {
    /// Look again at once.
    Again,
    /// Look again when something happened.
    Wait,
    /// Nothing is left to do, and the engine ends.
    End,
}

/// Whether what lies behind a gate never becomes durable; why is said where that happened.
fn is_shut(gate: Option<&Gate>) -> bool {
    gate.is_some_and(Gate::is_shut)
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Keeps one mapping until `stop` is set and nothing waits for its target that can be applied now.
    ///
    /// # Errors
    /// What concerns the whole engine: another engine has the mapping, the state's disk failed, a bug.
    pub(super) async fn keep(&self, id: MappingId, mut stop: watch::Receiver<bool>) -> Result<()> {
        let mut owned: Option<Owned> = None;
        let mut advanced = Instant::now();
        loop {
            let error = match self.keep_until(id, &mut owned, &mut advanced, &mut stop).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            // What the target has is read back before anything else is written.
            owned = None;
            match error.class() {
                Class::Bug | Class::Local | Class::Locked | Class::Usage => return Err(error),
                Class::Unreachable | Class::Retry => {
                    tracing::warn!(error = ?error, "the target of mapping {} has been out of reach for long", self.mapping(id)?.name);
                    self.places.remember(id, error);
                    self.contained.send_modify(|contained| {
                        contained.unreachable.insert(id);
                    });
                    if *stop.borrow() {
                        return Ok(());
                    }
                }
                Class::Person | Class::Mapping | Class::Privilege | Class::Preflight => {
                    let engine = self.clone();
                    blocking(move || {
                        let at = engine.places.boundary();
                        engine.halt(id, Cause::Target, error, false, &at)
                    })
                    .await?;
                }
            }
        }
    }

    async fn keep_until(
        &self,
        id: MappingId,
        owned: &mut Option<Owned>,
        advanced: &mut Instant,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<()> {
        loop {
            let stopping = *stop.borrow();
            // Listening begins before the look: what becomes durable behind the look and before the wait wakes the keeper too.
            let woken = self.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            match self.look(id, owned, advanced, stopping).await? {
                Next::Again => {}
                Next::End => return self.take_out(id, Vec::new()).await,
                Next::Wait => {
                    tokio::select! {
                        () = woken => {}
                        () = tokio::time::sleep(IDLE) => {}
                        _ = stop.changed() => {}
                    }
                }
            }
        }
    }

    async fn look(&self, id: MappingId, owned: &mut Option<Owned>, advanced: &mut Instant, stopping: bool) -> Result<Next> {
        // The position is read first: a mapping that runs now was derived up to there, and entries that come in between belong to a later one.
        let progress = self.progress()?;
        let (standing, sweeps) = (self.standing(id), self.places.with(id, |place| place.sweeps));
        let idle = if stopping { Next::End } else { Next::Wait };
        if !stopping && self.places.with(id, |place| std::mem::take(&mut place.is_asked)) {
            self.ask_to_resume(id).await?;
            return Ok(Next::Again);
        }
        if let Some(standing) = standing.as_ref().filter(|standing| standing.cause == Cause::Target)
            && !self.may_resume(id, standing, &progress.applied)
        {
            return Ok(idle);
        }
        let mapping = match owned {
            Some(mapping) => mapping,
            None => owned.insert(self.take_back(id).await?),
        };
        if let Some(offer) = self.ahead.take(id, mapping.checkpoint.sequence + 1) {
            let pending = Pending { entries: vec![offer.entry], bytes: offer.bytes };
            let applied = self.apply_entries(mapping, pending, Some(&offer.gate)).await;
            if is_shut(Some(&offer.gate)) {
                return Ok(idle);
            }
            applied?;
            *advanced = Instant::now();
            return Ok(Next::Again);
        }
        let pending = outbox::pending(&*self.store, id, mapping.checkpoint.sequence, self.options.apply_bytes_max)?;
        // Asked for behind what was read: some of that, the position too, may not be durable.
        let gate = self.ahead.gate();
        if is_shut(gate.as_ref()) {
            return Ok(idle);
        }
        if !pending.entries.is_empty() {
            let applied = self.apply_entries(mapping, pending, gate.as_ref()).await;
            if is_shut(gate.as_ref()) {
                return Ok(idle);
            }
            applied?;
            *advanced = Instant::now();
            return Ok(Next::Again);
        }
        if let Some(standing) = standing {
            let may_resume = !stopping && !self.waits_for_tables(id) && self.may_resume(id, &standing, &progress.applied);
            let resumes = match (may_resume, standing.everything) {
                (false, _) => false,
                (true, true) => self.refill(mapping).await?,
                (true, false) => self.resume(id, &standing).await?,
            };
            return Ok(if resumes { Next::Again } else { idle });
        }
        self.move_checkpoint(mapping, &progress, (sweeps, gate.as_ref()), (advanced, stopping), idle).await
    }

    /// Writes the checkpoint row alone where no entry does, if that is due.
    async fn move_checkpoint(
        &self,
        mapping: &mut Owned,
        progress: &Progress,
        (sweeps, gate): (u32, Option<&Gate>),
        (advanced, stopping): (&mut Instant, bool),
        idle: Next,
    ) -> Result<Next> {
        // An entry that would say so may be gone: after a crash of the target, or with a state that was derived again.
        let is_counted = mapping.checkpoint.pending_sweeps == sweeps;
        let is_due = !is_counted || stopping || self.options.until_caught_up || advanced.elapsed() >= self.options.advance_every;
        if (is_counted && mapping.checkpoint.frontier == self.frontier(&progress.applied)) || !is_due {
            return Ok(idle);
        }
        let held = self.frontier_position(&mapping.checkpoint.frontier);
        if held.is_some_and(|held| progress.applied.falls_behind(&held)) {
            return Err(super::start::state_behind(&mapping.name));
        }
        let mut next = mapping.checkpoint.clone();
        next.frontier = self.frontier(&progress.applied);
        next.source_committed_at_us = progress.committed_at_us;
        next.pending_sweeps = sweeps;
        let advance = Advance { expected_sequence: next.sequence, next };
        let writes = match gate {
            Some(gate) => Writes::Ahead(WriteBatch::default(), gate),
            None => Writes::Whole(WriteBatch::default()),
        };
        let landed = self.apply_until_landed(mapping, advance, writes).await;
        if is_shut(gate) {
            return Ok(idle);
        }
        landed?;
        *advanced = Instant::now();
        Ok(Next::Again)
    }

    /// Takes the mapping over and makes sure that the state continues what its target holds.
    async fn take_back(&self, id: MappingId) -> Result<Owned> {
        let (mapping, _) = self.retried_for(id, || self.take_over_mapping(id)).await?;
        if self.standing(id).is_some_and(|standing| standing.everything) {
            self.drop_outbox(&mapping).await?;
        } else {
            self.check_outbox(&mapping)?;
        }
        let last = meta::sequence(&*self.store, id)?;
        if let Some(touched) = self.touched.get(id.0 as usize) {
            touched.restart(last); // what was written before is not remembered
        }
        let engine = self.clone();
        let applied = mapping.checkpoint.sequence;
        blocking(move || {
            let _at = engine.places.boundary();
            engine.spent.forget(id);
            parts::settle(&*engine.store, id, meta::sequence(&*engine.store, id)?, applied)?;
            engine.outbox_is(id, outbox::pending_bytes(&*engine.store, id, applied)?);
            Ok(())
        })
        .await?;
        self.show_checkpoint(&mapping);
        Ok(mapping)
    }

    /// What waits for a mapping of which everything is derived again is of no use; its entries go on behind its checkpoint.
    async fn drop_outbox(&self, mapping: &Owned) -> Result<()> {
        let (engine, id, sequence) = (self.clone(), mapping.id, mapping.checkpoint.sequence);
        blocking(move || {
            let _at = engine.places.boundary();
            engine.spent.forget(id);
            [Space::Outbox(id), Space::OutboxPart(id)].into_iter().try_for_each(|space| engine.store.clear(space))?;
            engine.store.commit(vec![meta::put_sequence(id, sequence)?], Durability::Synced)
        })
        .await
    }

    /// Whether a halted mapping whose outbox is empty may go on.
    fn may_resume(&self, id: MappingId, standing: &Standing, applied: &crate::position::Position) -> bool {
        let asked = || self.places.with(id, |place| place.resume_behind.clone());
        match standing.cause {
            Cause::Behind | Cause::FactHeld | Cause::Filling => true,
            Cause::Paused | Cause::Data | Cause::Fact | Cause::Target | Cause::Schema => {
                asked().is_some_and(|position| applied.contains(&position))
            }
        }
    }

    /// Tries to make a halted mapping current. Answers whether it runs.
    async fn resume(&self, id: MappingId, standing: &Standing) -> Result<bool> {
        let (engine, cause) = (self.clone(), standing.cause);
        blocking(move || {
            let at = engine.places.boundary();
            match cause {
                Cause::FactHeld => engine.look_after_facts(id, &at).map(|()| engine.standing(id).is_none()),
                _ => engine.jump(id, &at),
            }
        })
        .await
    }
}
