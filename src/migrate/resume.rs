//! Resume: a mapping that only marked becomes current by one jump, and what happens to it between two epochs.
//!
//! The marked anchors are derived from the state as it is and compared with what was last emitted; the difference is one outbox entry, so
//! that the target goes from the prefix at which the mapping halted to the state's own in one transaction.

use std::sync::atomic::Ordering;

use super::epoch::Draft;
use super::run::Engine;
use super::standing::Boundary;
use crate::derive::{self, Duty, Space};
use crate::error::{Class, Error, Result};
use crate::plan::MappingId;
use crate::source::Source;
use crate::state::outbox::Mark;
use crate::state::standing::{self, Cause};
use crate::target::Target;

impl<S: Source, T: Target> Engine<S, T> {
    /// Makes a halted mapping current, or says again why it cannot be. Answers whether it runs.
    pub(super) fn jump(&self, id: MappingId, at: &Boundary<'_>) -> Result<bool> {
        let Some(standing) = self.standing(id) else { return Ok(true) };
        let progress = self.progress()?;
        if progress.partial.is_some() || standing.everything {
            return Ok(false);
        }
        let duties: Vec<Duty> = self.mapping_ids().map(|mapping| if mapping == id { Duty::Derive } else { Duty::Rest }).collect();
        let mut draft = Draft::begin(&*self.store, std::iter::once(id))?;
        let bound = self.options.part_bytes_max;
        let mut step =
            derive::derive_dirty(&self.plan, &*self.store, &duties, bound, &mut |part| self.take_part(&mut draft, &part))?;
        if let Some(failure) = step.failures.pop() {
            let is_fact = !failure.broken.is_empty();
            if standing.cause == Cause::FactHeld && is_fact && self.is_within_grace(id) {
                self.places.with(id, |place| place.broken = failure.broken);
                return Ok(false);
            }
            self.halt(id, if is_fact { Cause::Fact } else { Cause::Data }, failure.error, false, at)?;
            return Ok(false);
        }
        let mark = Mark { position: progress.applied, committed_at_us: progress.committed_at_us };
        let runs = standing::put_standing(&self.mapping(id)?.name, None)?;
        self.commit_step(step, draft, &mark, vec![runs])?;
        self.released(id)?;
        Ok(true)
    }

    fn is_within_grace(&self, id: MappingId) -> bool {
        let since_ms = self.places.with(id, |place| place.broken_at_ms);
        let lasted_ms = self.options.clock.now_ms().saturating_sub(since_ms);
        u128::from(lasted_ms) <= self.options.facts_grace.as_millis()
    }

    /// After an epoch: held facts, marks at their bound, outboxes at theirs.
    pub(super) fn look_after_all(&self, at: &Boundary<'_>) -> Result<()> {
        for id in self.mapping_ids() {
            self.look_after_facts(id, at)?;
            self.bound_marks(id)?;
        }
        self.bound_outboxes(at)
    }

    /// A mapping whose fact was broken goes on once it holds again; it stops when that takes too long.
    pub(super) fn look_after_facts(&self, id: MappingId, at: &Boundary<'_>) -> Result<()> {
        let Some(standing) = self.standing(id).filter(|standing| standing.cause == Cause::FactHeld) else { return Ok(()) };
        let mut broken = self.places.with(id, |place| std::mem::take(&mut place.broken));
        let mut still = Vec::new();
        while let Some(key) = broken.pop() {
            if !still.contains(&key) && !derive::holds(&self.plan, &*self.store, &key)? {
                still.push(key);
            }
        }
        let is_whole = still.is_empty();
        self.places.with(id, |place| place.broken = still);
        if is_whole && self.jump(id, at)? {
            return Ok(());
        }
        if !self.is_within_grace(id) && self.standing(id).is_some_and(|standing| standing.cause == Cause::FactHeld) {
            let error = Error::new(Class::Person, standing.reason);
            let hint = standing.hint.unwrap_or_else(|| "correct the rows on the source and start again".to_owned());
            self.halt(id, Cause::Fact, error.with_hint(hint), false, at)?;
        }
        Ok(())
    }

    /// Marks beyond their bound are given up: everything counts as changed then.
    fn bound_marks(&self, id: MappingId) -> Result<()> {
        let Some(mut standing) = self.standing(id).filter(|standing| !standing.everything) else { return Ok(()) };
        let bytes_max = self.options.marks_bytes_max;
        if self.places.with(id, |place| place.mark_bytes) <= bytes_max {
            return Ok(());
        }
        // Counted with every mark that was written twice; what is there decides.
        let mut bytes = 0;
        for node in &self.mapping(id)?.nodes {
            self.store.scan(Space::Dirty(*node), &[], None, &mut |key, _| {
                bytes += key.len() as u64;
                Ok(bytes <= bytes_max)
            })?;
        }
        self.places.with(id, |place| place.mark_bytes = bytes);
        if bytes <= bytes_max {
            return Ok(());
        }
        standing.everything = true;
        let name = &self.mapping(id)?.name;
        let record = standing::put_standing(name, Some(&standing))?;
        self.store.commit(vec![record], crate::state::Durability::Synced)?;
        tracing::warn!("mapping {name} has more marks than {bytes_max} bytes: all its rows are derived again when it goes on");
        self.places.with(id, |place| place.standing = Some(standing));
        self.clear_marks(id)?;
        self.show_standing(id);
        Ok(())
    }

    /// A mapping whose entries wait beyond its share of the outbox's bound only marks what changes: the stream never waits for a target.
    fn bound_outboxes(&self, at: &Boundary<'_>) -> Result<()> {
        let share = self.outbox_share();
        for id in self.mapping_ids().filter(|id| self.standing(*id).is_none()) {
            let bytes = self.outbox_of(id).load(Ordering::Relaxed);
            if bytes > share {
                let message = format!(
                    "its target is behind: {bytes} bytes wait for it, which is more than its share of the outbox, {share} bytes; changes are \
                     only marked until the target has taken what waits, then it goes on by one jump"
                );
                self.halt(id, Cause::Behind, Error::new(Class::Retry, message), false, at)?;
            }
        }
        Ok(())
    }

    /// Lets a mapping go on once the state contains what its source holds now.
    pub(super) async fn ask_to_resume(&self, id: MappingId) -> Result<()> {
        let now = self.retried(|| self.source.current_position()).await?;
        self.places.with(id, |place| place.resume_behind = Some(now));
        self.show_standing(id);
        self.wake.notify_waiters();
        Ok(())
    }
}
