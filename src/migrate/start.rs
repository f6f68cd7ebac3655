//! Start: may this state continue what the targets hold, and who owns the mappings now.
//!
//! The answers are decided by [`decide`], a pure function over what was found; everything that does not continue provably is
//! refused with the command that settles it.

use super::options::StartMode;
use super::run::{Engine, Owned};
use crate::error::{Class, Error, Result};
use crate::plan::MappingId;
use crate::position::Frontier;
use crate::schema::TargetTable;
use crate::source::Source;
use crate::state::meta::Stage;
use crate::target::{Checkpoint, Phase, TableState, Target};

/// What was found about one mapping at the start of a run.
#[derive(Debug)]
pub struct Found<'a> {
    /// Its name.
    pub mapping: &'a str,
    /// The id of the state folder.
    pub state_id: &'a str,
    /// Stage of the state.
    pub stage: Stage,
    /// What the state contains.
    pub applied: &'a Frontier,
    /// The checkpoint row.
    pub checkpoint: Option<&'a Checkpoint>,
    /// Target tables that hold rows.
    pub filled: &'a [String],
    /// How the run was started.
    pub mode: StartMode,
}

/// The tables of a mapping as they are.
#[derive(Debug, Default)]
struct Held<'t> {
    /// Names of those that hold rows.
    filled: Vec<String>,
    /// Those that do not exist.
    absent: Vec<&'t TargetTable>,
    /// Those that a load has not put their keys on yet.
    unkeyed: Vec<&'t TargetTable>,
}

/// How the mapping begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go on with the row that is there.
    Continue,
    /// First row, empty tables: backfill and load.
    First,
    /// Backfill, then one difference against what the tables hold.
    Reconcile,
}

/// Decides how a mapping begins.
///
/// # Errors
/// The refusal, with the command that settles it.
pub fn decide(found: &Found) -> Result<Decision> {
    let fresh = found.stage < Stage::Live;
    match (found.mode, found.checkpoint) {
        (StartMode::Adopt, Some(checkpoint)) if checkpoint.state_id != found.state_id => Err(Error::new(
            Class::Preflight,
            format!("mapping {} has a checkpoint row: its tables belong to an engine already", found.mapping),
        )
        .with_hint("use `--rebuild` to take them over with a new snapshot")),
        (_, Some(checkpoint)) if checkpoint.state_id == found.state_id => {
            // Before live, a live row is this state's own only in the moment between the last load and the state's own record of
            // it; anything else is an old copy of the folder, whose fingerprints say nothing about the target.
            let settled = !fresh || (found.stage == Stage::Load && checkpoint.frontier == *found.applied);
            if checkpoint.phase == Phase::Live && !is_reconciling(checkpoint) && !settled {
                return Err(state_behind(found.mapping));
            }
            // A reconciling run that was interrupted before its one difference goes on reconciling.
            Ok(if is_reconciling(checkpoint) { Decision::Reconcile } else { Decision::Continue })
        }
        (StartMode::Rebuild, Some(_)) | (StartMode::Rebuild | StartMode::Adopt, None) if fresh => Ok(Decision::Reconcile),
        (_, Some(_)) => Err(other_state(found.mapping)),
        (_, None) if !fresh => Err(checkpoint_lost(found.mapping)),
        (_, None) => match found.filled {
            [] => Ok(Decision::First),
            filled => Err(Error::new(
                Class::Preflight,
                format!("target table {} holds rows that no checkpoint of mapping {} explains", filled.join(", "), found.mapping),
            )
            .with_hint("empty it, or run `strangler diff` to see what would change and then `strangler run --adopt`")),
        },
    }
}

/// The load cursor of a mapping whose tables become right by one difference.
pub const RECONCILING: &str = "\"reconciling\"";

/// Whether a checkpoint row waits for its one difference.
#[must_use]
pub fn is_reconciling(checkpoint: &Checkpoint) -> bool {
    checkpoint.load_cursor.as_deref() == Some(RECONCILING)
}

/// The checkpoint row belongs to another state folder.
#[must_use]
pub fn other_state(mapping: &str) -> Error {
    Error::new(
        Class::Person,
        format!("the checkpoint row of mapping {mapping} belongs to another state folder, or its state was deleted"),
    )
    .with_hint(
        "restore that state folder, or run `strangler run --rebuild`: a new snapshot, and the difference applied to the target",
    )
}

/// The target lost its checkpoint row.
#[must_use]
pub fn checkpoint_lost(mapping: &str) -> Error {
    Error::new(Class::Person, format!("the target holds no checkpoint row of mapping {mapping}, but the state says it was live"))
        .with_hint("if the target was replaced, run `strangler run --rebuild`")
}

/// The target lost tables.
#[must_use]
pub fn table_lost(mapping: &str, tables: &[String]) -> Error {
    let tables = tables.join(", ");
    Error::new(
        Class::Person,
        format!("target table {tables} of mapping {mapping} is gone, but its checkpoint row says that it was filled"),
    )
    .with_hint("run `strangler run --rebuild`, which creates and fills it again")
}

/// Another engine took the mapping over.
#[must_use]
pub fn fenced_out(mapping: &str) -> Error {
    Error::new(Class::Locked, format!("another engine took mapping {mapping} over"))
        .with_hint("one engine at a time may write a mapping; stop the other one")
}

/// The state is older than the target.
#[must_use]
pub fn state_behind(mapping: &str) -> Error {
    Error::new(Class::Person, format!("the target is ahead of the state of mapping {mapping}: the state folder is an old copy"))
        .with_hint("restore the newest state folder, or run `strangler run --rebuild`")
}

/// The target is older than the outbox reaches back.
#[must_use]
pub fn target_behind(mapping: &str) -> Error {
    Error::new(Class::Person, format!("the target of mapping {mapping} went back to a time that the outbox no longer reaches"))
        .with_hint("run `strangler run --rebuild`")
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Creates what is missing, decides per mapping, and takes the mappings over.
    pub(super) async fn take_over(&self) -> Result<Vec<(Owned, Decision)>> {
        let mut owned = Vec::new();
        for id in self.mapping_ids() {
            // Whole: an answer that was lost shows in the checkpoint row that is read again.
            owned.push(self.retried_for(id, || self.take_over_mapping(id)).await?);
        }
        Ok(owned)
    }

    pub(super) async fn take_over_mapping(&self, id: MappingId) -> Result<(Owned, Decision)> {
        let plan = self.mapping(id)?;
        let target = self.target(id)?;
        let checkpoint = target.checkpoint(&plan.name).await?;
        let tables = self.tables_of(id)?;
        let held = self.inspected(id, &tables, checkpoint.as_ref()).await?;
        let progress = self.progress()?;
        // A mapping that came to a live state begins as in a new one.
        let is_filled_anew = self.standing(id).is_some_and(|standing| standing.everything);
        let stage = if is_filled_anew && checkpoint.is_none() { Stage::Snapshot } else { progress.stage };
        let applied = self.frontier(&progress.applied);
        let found = Found {
            mapping: &plan.name,
            state_id: &self.state_id,
            stage,
            applied: &applied,
            checkpoint: checkpoint.as_ref(),
            filled: &held.filled,
            mode: self.options.start,
        };
        let decision = decide(&found)?;
        if decision == Decision::Continue && !held.absent.is_empty() && !is_filled_anew {
            let lost: Vec<String> = held.absent.iter().map(|table| table.name.clone()).collect();
            return Err(table_lost(&plan.name, &lost)); // made anew it would be empty, and nothing would ever fill it
        }
        target.create(&tables).await?;
        let next = self.first_row(&plan.name, decision, checkpoint.as_ref())?;
        let checkpoint = target.take_over(checkpoint.as_ref(), next).await?;
        // Only now: whoever finds a table without its key finds the row that explains it.
        self.settle_keys(id, &held, (!is_filled_anew).then_some(decision)).await?;
        self.board.checkpoint_written(id.0 as usize, checkpoint.source_committed_at_us, |status| {
            status.phase = checkpoint.phase;
            status.sequence = checkpoint.sequence;
            status.position = self.frontier_position(&checkpoint.frontier);
        });
        Ok((Owned { id, name: plan.name.clone(), checkpoint }, decision))
    }

    /// What a mapping's tables are.
    async fn inspected<'t>(&self, id: MappingId, tables: &'t [TargetTable], checkpoint: Option<&Checkpoint>) -> Result<Held<'t>> {
        let (target, name) = (self.target(id)?, &self.mapping(id)?.name);
        let is_loading = checkpoint.is_some_and(|checkpoint| checkpoint.phase == Phase::Loading);
        let mut held = Held::default();
        for table in tables {
            let has_rows = match target.inspect(table).await? {
                TableState::Absent => {
                    held.absent.push(table);
                    false
                }
                TableState::Unkeyed { has_rows } if is_loading => {
                    held.unkeyed.push(table);
                    has_rows
                }
                TableState::Unkeyed { .. } => return Err(altered(name, &[TableState::without_key(table, &table.name)])),
                TableState::Present { has_rows } => has_rows,
                TableState::Differs(differences) => return Err(altered(name, &differences)),
            };
            if has_rows {
                held.filled.push(table.name.clone());
            }
        }
        Ok(held)
    }

    /// Takes the keys off tables that a load is about to fill, and puts them on where none goes on; `load` is how the load of the mapping begins, if there is
    /// to be one.
    async fn settle_keys(&self, id: MappingId, held: &Held<'_>, load: Option<Decision>) -> Result<()> {
        let target = self.target(id)?;
        match load {
            Some(Decision::First) => {
                for table in &held.absent {
                    target.defer_key(table).await?;
                }
            }
            Some(Decision::Continue) => {}
            // What was loaded so far was never to be trusted, and cannot be compared with by key.
            Some(Decision::Reconcile) | None => {
                for table in &held.unkeyed {
                    target.begin_again(table).await?;
                }
            }
        }
        Ok(())
    }

    /// The row with which this engine takes a mapping over.
    fn first_row(&self, mapping: &str, decision: Decision, current: Option<&Checkpoint>) -> Result<Checkpoint> {
        let owner_epoch = current.map_or(0, |current| current.owner_epoch) + 1;
        Ok(match (decision, current) {
            (Decision::Continue, Some(current)) => Checkpoint { owner_epoch, ..current.clone() },
            (Decision::Continue | Decision::First, _) => Checkpoint {
                mapping: mapping.to_owned(),
                state_id: self.state_id.clone(),
                sequence: 0,
                owner_epoch,
                frontier: self.frontier(&self.progress()?.applied),
                source_committed_at_us: 0,
                phase: Phase::Loading,
                load_cursor: None,
                pending_sweeps: 0,
                quarantined: 0,
            },
            // The tables keep the promise of their old checkpoint until the one difference: frontier and phase stay.
            (Decision::Reconcile, current) => Checkpoint {
                mapping: mapping.to_owned(),
                state_id: self.state_id.clone(),
                sequence: current.map_or(0, |current| current.sequence),
                owner_epoch,
                frontier: current.map_or_else(Default::default, |current| current.frontier.clone()),
                source_committed_at_us: current.map_or(0, |current| current.source_committed_at_us),
                phase: current.map_or(Phase::Loading, |current| current.phase),
                load_cursor: Some(RECONCILING.to_owned()),
                pending_sweeps: 0,
                quarantined: 0,
            },
        })
    }
}

/// A target table differs from its declaration.
#[must_use]
pub fn altered(mapping: &str, differences: &[crate::target::TableDifference]) -> Error {
    let list: Vec<String> =
        differences.iter().map(|difference| format!("{}: {}", difference.object, difference.message)).collect();
    Error::new(
        Class::Preflight,
        format!("a target table of mapping {mapping} is not as the mapping declares it: {}", list.join("; ")),
    )
    .with_hint("change the table back, or adapt the mapping; `strangler plan` prints the expected definition")
}

#[cfg(test)]
mod tests {
    use super::*;

    static NOWHERE: Frontier = Frontier(std::collections::BTreeMap::new());

    fn row(state_id: &str, phase: Phase) -> Checkpoint {
        Checkpoint {
            mapping: "m".into(),
            state_id: state_id.into(),
            sequence: 3,
            owner_epoch: 1,
            frontier: Frontier::default(),
            source_committed_at_us: 0,
            phase,
            load_cursor: None,
            pending_sweeps: 0,
            quarantined: 0,
        }
    }

    fn found<'a>(stage: Stage, checkpoint: Option<&'a Checkpoint>, filled: &'a [String], mode: StartMode) -> Found<'a> {
        Found { mapping: "m", state_id: "mine", stage, applied: &NOWHERE, checkpoint, filled, mode }
    }

    fn refused(found: &Found) -> Class {
        decide(found).unwrap_err().class()
    }

    #[test]
    fn a_new_state_needs_empty_tables_without_a_checkpoint() {
        let filled = ["orders".to_owned()];
        let other = row("other", Phase::Live);
        assert_eq!(decide(&found(Stage::Snapshot, None, &[], StartMode::Continue)).unwrap(), Decision::First);
        assert_eq!(refused(&found(Stage::Snapshot, None, &filled, StartMode::Continue)), Class::Preflight);
        assert_eq!(refused(&found(Stage::Snapshot, Some(&other), &[], StartMode::Continue)), Class::Person);
    }

    #[test]
    fn rebuild_and_adopt_reconcile_in_a_new_state_only() {
        let filled = ["orders".to_owned()];
        let (mine, other) = (row("mine", Phase::Live), row("other", Phase::Live));
        assert_eq!(decide(&found(Stage::Snapshot, Some(&other), &filled, StartMode::Rebuild)).unwrap(), Decision::Reconcile);
        assert_eq!(decide(&found(Stage::Snapshot, None, &filled, StartMode::Adopt)).unwrap(), Decision::Reconcile);
        assert_eq!(refused(&found(Stage::Snapshot, Some(&other), &filled, StartMode::Adopt)), Class::Preflight);
        assert_eq!(decide(&found(Stage::Live, Some(&mine), &filled, StartMode::Continue)).unwrap(), Decision::Continue);
    }

    #[test]
    fn an_old_copy_of_the_folder_from_before_live_is_refused() {
        let mut mine = row("mine", Phase::Live);
        assert_eq!(decide(&found(Stage::Load, Some(&mine), &[], StartMode::Continue)).unwrap(), Decision::Continue);
        assert_eq!(refused(&found(Stage::CatchUp, Some(&mine), &[], StartMode::Continue)), Class::Person);
        let later = crate::position::BinlogPosition {
            server: "s".into(),
            file: "b.000001".into(),
            offset: 9,
            gtid: String::new(),
            prepared_from: None,
            altered: Vec::new(),
        };
        mine.frontier.0.insert("erp".into(), crate::position::Position::Binlog(later));
        assert_eq!(refused(&found(Stage::Load, Some(&mine), &[], StartMode::Continue)), Class::Person);
    }

    #[test]
    fn an_interrupted_reconciliation_goes_on_reconciling() {
        let mut mine = row("mine", Phase::Loading);
        mine.load_cursor = Some(RECONCILING.to_owned());
        assert_eq!(decide(&found(Stage::CatchUp, Some(&mine), &[], StartMode::Continue)).unwrap(), Decision::Reconcile);
    }

    #[test]
    fn a_live_state_without_its_checkpoint_row_asks_a_person() {
        assert_eq!(refused(&found(Stage::Live, None, &[], StartMode::Continue)), Class::Person);
    }
}
