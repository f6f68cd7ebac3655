//! Where the time of a first load goes: work and rows per step, since the engine started.
//!
//! Steps run beside each other, several at once on several threads, so their times add up to more than the load takes; the time
//! of a stage is that of the clock on the wall.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::state::meta::Stage;

/// What a first load is made of, in the order of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadStep {
    /// Chunks come from the source.
    Read,
    /// Their rows go into the state.
    Store,
    /// Indexes are made from the stored rows.
    Index,
    /// The spool is replayed over the stored rows.
    Replay,
    /// Groups are added up.
    Group,
    /// Target rows are derived.
    Derive,
    /// Fingerprints of target rows go into the state.
    Emit,
    /// Target rows are copied.
    Copy,
    /// Indexes of the target are made.
    TargetIndex,
}

impl LoadStep {
    /// Every step.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::Store,
        Self::Index,
        Self::Replay,
        Self::Group,
        Self::Derive,
        Self::Emit,
        Self::Copy,
        Self::TargetIndex,
    ];

    /// The words for it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Read => "reading the source",
            Self::Store => "storing rows",
            Self::Index => "making indexes",
            Self::Replay => "replaying changes",
            Self::Group => "adding up groups",
            Self::Derive => "deriving rows",
            Self::Emit => "storing fingerprints",
            Self::Copy => "copying to the target",
            Self::TargetIndex => "making indexes of the target",
        }
    }
}

/// What one step took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTime {
    /// The step.
    pub step: LoadStep,
    /// Milliseconds of work, those of several threads added.
    pub work_ms: u64,
    /// Rows, index entries or transactions it handled.
    pub row_count: u64,
}

/// What one stage took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageTime {
    /// The stage.
    pub stage: Stage,
    /// Milliseconds from its beginning to its end, or until now.
    pub wall_ms: u64,
}

/// The times of all steps and stages.
#[derive(Debug, Clone, Default)]
pub(super) struct Times {
    steps: [(Duration, u64); LoadStep::ALL.len()],
    stages: Vec<(Stage, Duration)>,
    stage: Option<(Stage, Instant)>,
}

impl Times {
    /// A step took so long for so many rows.
    pub(super) fn took(&mut self, step: LoadStep, time: Duration, row_count: u64) {
        if let Some((total, rows)) = self.steps.get_mut(step as usize) {
            *total += time;
            *rows += row_count;
        }
    }

    /// A stage begins, and the one before it ends.
    pub(super) fn enter(&mut self, stage: Stage) {
        if let Some((before, began)) = self.stage.take() {
            self.stages.push((before, began.elapsed()));
        }
        self.stage = Some((stage, Instant::now()));
    }

    /// What the steps that did anything took.
    pub(super) fn steps(&self) -> Vec<StepTime> {
        let times = LoadStep::ALL.into_iter().zip(&self.steps).filter(|(_, (time, rows))| !time.is_zero() || *rows > 0);
        times.map(|(step, (time, rows))| StepTime { step, work_ms: milliseconds(*time), row_count: *rows }).collect()
    }

    /// What the stages of the first load took, the one at hand so far.
    pub(super) fn stages(&self) -> Vec<StageTime> {
        let running = self.stage.map(|(stage, began)| (stage, began.elapsed()));
        let stages = self.stages.iter().copied().chain(running).filter(|(stage, _)| *stage != Stage::Live);
        stages.map(|(stage, time)| StageTime { stage, wall_ms: milliseconds(time) }).collect()
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up_and_stages_follow_one_another() {
        let mut times = Times::default();
        assert!(times.steps().is_empty() && times.stages().is_empty());
        times.took(LoadStep::Copy, Duration::from_millis(20), 3);
        times.took(LoadStep::Copy, Duration::from_millis(30), 4);
        times.took(LoadStep::Read, Duration::ZERO, 9);
        let read = StepTime { step: LoadStep::Read, work_ms: 0, row_count: 9 };
        assert_eq!(times.steps(), [read, StepTime { step: LoadStep::Copy, work_ms: 50, row_count: 7 }]);
        for stage in [Stage::Snapshot, Stage::Load, Stage::Live] {
            times.enter(stage);
        }
        let stages: Vec<Stage> = times.stages().iter().map(|time| time.stage).collect();
        assert_eq!(stages, [Stage::Snapshot, Stage::Load], "a live engine has no end");
    }

    #[test]
    fn every_step_has_its_place() {
        assert!(LoadStep::ALL.iter().enumerate().all(|(place, step)| *step as usize == place));
    }
}
