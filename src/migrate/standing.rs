//! Which mappings run, and what an epoch does for each.
//!
//! A mapping that stops does not stop the engine: from the boundary of an epoch on it is only marked for, durably, until it goes on. What is
//! here mirrors the durable records; it changes between two epochs, under [`Boundary`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::board::now_us;
use super::run::Engine;
use super::slice_pace::SlicePace;
use super::sweeps::Total;
use crate::derive::{BrokenKey, Duty, Failure, Space};
use crate::error::{Class, Error, Result};
use crate::plan::MappingId;
use crate::position::Position;
use crate::source::Source;
use crate::state::Durability;
use crate::state::standing::{self, Cause, Standing};
use crate::target::Target;

/// One mapping's place among those that run.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Why it does not run; `None`: it does.
    pub(super) standing: Option<Standing>,
    /// It may go on once the state contains this.
    pub(super) resume_behind: Option<Position>,
    /// Bytes of marks since they were last counted.
    pub(super) mark_bytes: u64,
    /// Jobs of sweeps that are under way.
    pub(super) sweeps: u32,
    /// Rows that the sweeps under way have derived.
    pub(super) swept: u64,
    /// Rows that they are known to reach.
    pub(super) reached: Total,
    /// What their slices take.
    pub(super) pace: SlicePace,
    /// Sequence of the entry that the target has, as far as this run has seen it.
    pub(super) landed: u64,
    /// The entries with which the last slices ended, older first.
    pub(super) slice_ends: [u64; 2],
    /// Keys that break a fact, and since when, by the engine's clock.
    pub(super) broken: Vec<BrokenKey>,
    /// A person asked it to go on.
    pub(super) is_asked: bool,
    /// When the fact broke, milliseconds of the engine's clock.
    pub(super) broken_at_ms: u64,
}

/// What came of asking a mapping to halt or to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was done, or will be.
    Done,
    /// It is so already, or is something that comes before it.
    Already(&'static str),
    /// It can go on only with a rebuild.
    NeedsRebuild,
}

/// Held between two epochs: nothing else changes the state's rows or a mapping's duty meanwhile.
pub(super) type Boundary<'b> = MutexGuard<'b, ()>;

/// The places of all mappings.
#[derive(Clone, Default)]
pub(super) struct Places {
    places: Arc<Mutex<Vec<Place>>>,
    boundary: Arc<Mutex<()>>,
    /// What ended mappings in this run, for the end of the engine.
    errors: Arc<Mutex<BTreeMap<MappingId, Error>>>,
}

impl Places {
    /// Waits for the end of the epoch at hand. Blocks: not for async code.
    pub(super) fn boundary(&self) -> Boundary<'_> {
        self.boundary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a mapping waits or has stopped for, as the error with which the engine ends if nothing else goes on.
    pub(super) fn remember(&self, mapping: MappingId, error: Error) {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).insert(mapping, error);
    }

    /// The mapping goes on.
    pub(super) fn forget(&self, mapping: MappingId) {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).remove(&mapping);
    }

    /// Reads or changes the place of a mapping.
    pub(super) fn with<R>(&self, mapping: MappingId, change: impl FnOnce(&mut Place) -> R) -> R {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let index = mapping.0 as usize;
        if places.len() <= index {
            places.resize_with(index + 1, Place::default);
        }
        match places.get_mut(index) {
            Some(place) => change(place),
            None => change(&mut Place::default()),
        }
    }
}

/// What the mappings' targets contain, and which mappings are not waited for.
#[derive(Debug, Default)]
pub(super) struct Contained {
    /// Per mapping, the position and commit time of its checkpoint.
    pub(super) positions: BTreeMap<MappingId, (Position, i64)>,
    /// Stopped or paused.
    pub(super) excused: BTreeSet<MappingId>,
    /// Changes of hot rows are on their way to the targets: those are no prefix yet.
    pub(super) sweeping: BTreeSet<MappingId>,
    /// They do not run, but go on by themselves.
    pub(super) waiting: BTreeSet<MappingId>,
    /// Stopped: a person must act.
    pub(super) stopped: BTreeSet<MappingId>,
    /// Their targets have been out of reach for longer than is waited.
    pub(super) unreachable: BTreeSet<MappingId>,
}

impl Contained {
    /// Whether no mapping goes on: each has stopped, or has been without its target for longer than is waited.
    pub(super) fn has_nothing_left(&self, mapping_count: usize) -> bool {
        self.stopped.union(&self.unreachable).count() == mapping_count
    }
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Why a mapping does not run; `None`: it does.
    pub(super) fn standing(&self, mapping: MappingId) -> Option<Standing> {
        self.places.with(mapping, |place| place.standing.clone())
    }

    /// What an epoch does for each mapping.
    pub(super) fn duties(&self) -> Vec<Duty> {
        let duty = |standing: &Option<Standing>| match standing {
            None => Duty::Derive,
            Some(standing) if standing.everything => Duty::Rest,
            Some(_) => Duty::Mark,
        };
        self.mapping_ids().map(|id| self.places.with(id, |place| duty(&place.standing))).collect()
    }

    /// Reads the standings of an earlier run. What a person was asked to mend is tried again once the state contains what the source
    /// holds now; what was paused stays so.
    pub(super) fn recall_standings(&self, now: Option<&Position>) -> Result<()> {
        for id in self.mapping_ids() {
            let Some(standing) = standing::standing(&*self.store, &self.mapping(id)?.name)? else { continue };
            let goes_on = !matches!(standing.cause, Cause::Paused | Cause::Schema);
            self.places.with(id, |place| {
                place.resume_behind = now.filter(|_| goes_on).cloned();
                place.mark_bytes = u64::MAX; // counted at the first mark
                place.standing = Some(standing);
            });
            self.show_standing(id);
        }
        Ok(())
    }

    /// Whether any mapping does not run, by the state's records.
    pub(super) fn has_standings(&self) -> Result<bool> {
        for mapping in &self.plan.mappings {
            if standing::standing(&*self.store, &mapping.name)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Halts a mapping at the boundary, durably. With `everything`, its marks are given up.
    pub(super) fn halt(&self, id: MappingId, cause: Cause, error: Error, everything: bool, _at: &Boundary<'_>) -> Result<()> {
        let name = self.mapping(id)?.name.clone();
        let before = self.standing(id);
        let position = match &before {
            Some(before) => before.position.clone(),
            None => self.progress()?.applied,
        };
        let everything = everything || before.is_some_and(|before| before.everything);
        let (reason, hint) = (self.reason_of(&error), error.hint().map(str::to_owned));
        let standing = Standing { cause, reason, hint, position, since_us: now_us(), everything };
        self.store.commit(vec![standing::put_standing(&name, Some(&standing))?], Durability::Synced)?;
        if everything {
            self.clear_marks(id)?;
        }
        let hint = standing.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        match cause.needs_person() {
            true => tracing::error!("mapping {name} stopped at {}: {}{hint}", standing.position, standing.reason),
            false => tracing::warn!("mapping {name} is {} at {}: {}", cause.word(), standing.position, standing.reason),
        }
        self.places.with(id, |place| {
            let (broken, sweeps) = (std::mem::take(&mut place.broken), place.sweeps);
            *place = Place { standing: Some(standing), broken, sweeps, ..Place::default() };
        });
        if cause.needs_person() {
            self.places.remember(id, error);
        }
        self.show_standing(id);
        Ok(())
    }

    /// The mapping runs again; its durable record went in the batch that made it current.
    pub(super) fn released(&self, id: MappingId) -> Result<()> {
        self.places.with(id, |place| *place = Place { sweeps: place.sweeps, ..Place::default() });
        self.places.forget(id);
        self.clear_marks(id)?;
        tracing::info!("mapping {} goes on", self.mapping(id)?.name);
        self.show_standing(id);
        Ok(())
    }

    /// Gives up the marks of a mapping's anchors.
    pub(super) fn clear_marks(&self, id: MappingId) -> Result<()> {
        self.mapping(id)?.nodes.iter().try_for_each(|node| self.store.clear(Space::Dirty(*node)))
    }

    /// A mapping failed in its duty at the boundary: one that derived marks from now on, one that marked cannot even do that.
    pub(super) fn fail(&self, failure: Failure, at: &Boundary<'_>) -> Result<()> {
        let Failure { mapping, error, broken } = failure;
        let is_fact = !broken.is_empty();
        let before = self.standing(mapping);
        if is_fact && before.is_none() && !self.options.facts_grace.is_zero() {
            let now_ms = self.options.clock.now_ms();
            self.places.with(mapping, |place| place.broken = broken);
            self.halt(mapping, Cause::FactHeld, error, false, at)?;
            self.places.with(mapping, |place| place.broken_at_ms = now_ms);
            return Ok(());
        }
        self.halt(mapping, if is_fact { Cause::Fact } else { Cause::Data }, error, before.is_some(), at)
    }

    /// The error with which the engine ends when every mapping has stopped.
    pub(super) fn all_stopped(&self) -> Error {
        let mut errors = self.places.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, error)) = errors.pop_first() {
            return error;
        }
        let standing = self.mapping_ids().find_map(|id| self.standing(id));
        standing.map_or_else(
            || Error::bug("no mapping has stopped"),
            |standing| match standing.hint {
                Some(hint) => Error::new(Class::Person, standing.reason).with_hint(hint),
                None => Error::new(Class::Person, standing.reason),
            },
        )
    }

    /// Halts a mapping because a person asked for it. Blocks until the epoch at hand is over.
    ///
    /// # Errors
    /// The state's disk failed.
    pub fn pause(&self, id: MappingId) -> Result<Answer> {
        let at = self.places.boundary();
        if let Some(standing) = self.standing(id) {
            return Ok(Answer::Already(standing.cause.word()));
        }
        let error = Error::new(Class::Person, "a person paused it").with_hint("`strangler resume` lets it go on");
        self.halt(id, Cause::Paused, error, false, &at)?;
        Ok(Answer::Done)
    }

    /// Lets a halted mapping try to go on.
    pub fn resume_asked(&self, id: MappingId) -> Answer {
        let answer = match self.standing(id) {
            None => Answer::Already("running"),
            Some(standing) if standing.cause == Cause::Schema => Answer::NeedsRebuild,
            Some(_) => Answer::Done,
        };
        if answer == Answer::Done {
            self.places.with(id, |place| place.is_asked = true);
            self.wake.notify_waiters();
        }
        answer
    }

    /// The mappings that do not run because a person must act or asked for it, with why.
    #[must_use]
    pub fn halted(&self) -> Vec<(String, Standing)> {
        let of_person = |standing: &Standing| standing.cause.is_at_rest();
        let named = |id| Some((self.mapping(id).ok()?.name.clone(), self.standing(id).filter(of_person)?));
        self.mapping_ids().filter_map(named).collect()
    }

    /// The mappings whose targets have been out of reach for longer than is waited.
    #[must_use]
    pub fn out_of_reach(&self) -> Vec<String> {
        let contained = self.contained.borrow();
        contained.unreachable.iter().filter_map(|id| Some(self.mapping(*id).ok()?.name.clone())).collect()
    }

    /// An error in one line, its causes behind it.
    fn reason_of(&self, error: &Error) -> String {
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            reason.push_str(&format!(": {error}"));
            cause = error.source();
        }
        reason
    }

    /// Brings the board, and whoever waits for checkpoints, up to date with a mapping's place.
    pub(super) fn show_standing(&self, id: MappingId) {
        // One that is about to be tried again is waited for.
        let (standing, is_tried) = self.places.with(id, |place| (place.standing.clone(), place.resume_behind.is_some()));
        self.contained.send_modify(|contained| {
            contained.excused.remove(&id);
            contained.stopped.remove(&id);
            contained.waiting.remove(&id);
            if standing.is_some() {
                contained.waiting.insert(id);
            }
            if let Some(standing) = standing.as_ref().filter(|_| !is_tried) {
                if standing.cause.is_at_rest() {
                    contained.excused.insert(id);
                }
                if standing.cause.needs_person() {
                    contained.stopped.insert(id);
                }
            }
        });
        self.board.update(|status| {
            if let Some(mapping) = status.mappings.get_mut(id.0 as usize) {
                mapping.halted = standing;
            }
        });
    }
}
