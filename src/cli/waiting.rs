//! Waiting: the start of a run stands still while a database is down, and says why.
//!
//! A step of the start is tried again while its fault passes by itself, with growing pauses. Meanwhile the reason goes to stderr whenever
//! it is another one, and `status` gets it over the control socket, which the engine itself serves later.

use std::time::Duration;

use super::control::{self, Answers, Serving};
use super::exit::Failure;
use super::printer::Printer;
use super::project::Project;
use crate::error::Result;
use crate::migrate::board::MappingStatus;
use crate::migrate::retry::Retry;
use crate::migrate::{Answer, Board, EngineStatus};
use crate::page;
use crate::state::meta::Identity;

/// The start of one run.
pub struct Waiting<'a> {
    project: &'a Project,
    printer: &'a Printer,
    board: Board,
    retry: Retry,
    told: Option<String>,
    serving: Option<(Serving, Option<page::Serving>)>,
}

/// An engine that has not begun answers only how it stands.
struct Starting(Board);

impl Answers for Starting {
    fn status(&self) -> EngineStatus {
        self.0.snapshot()
    }

    fn board(&self) -> Board {
        self.0.clone()
    }

    fn identity(&self) -> Option<&Identity> {
        None
    }

    fn touched(&self, _mapping: &str, _table: &str, _since: u64, _keys: &[u128]) -> Option<Vec<bool>> {
        None
    }

    fn halt(&self, _mapping: &str, _goes_on: bool) -> Result<Option<Answer>> {
        Ok(None)
    }
}

impl<'a> Waiting<'a> {
    /// A start that waits at most `retry_for` for one fault to pass. The caller holds the lock of the state folder.
    #[must_use]
    pub fn new(project: &'a Project, printer: &'a Printer, retry_for: Duration) -> Self {
        let mappings = project.mappings.iter().map(|mapping| MappingStatus::new(&mapping.name.value, Vec::new()));
        let board = Board::new(Vec::new(), mappings.collect());
        Self { project, printer, board, retry: Retry::new(retry_for), told: None, serving: None }
    }

    /// Runs `step` until it works, or fails for good.
    ///
    /// # Errors
    /// What does not pass by itself, or has not passed in time; the control socket cannot be made.
    pub async fn until<R>(&mut self, mut step: impl AsyncFnMut() -> Result<R, Failure>) -> Result<R, Failure> {
        loop {
            let error = match step().await {
                Ok(answer) => {
                    self.retry.succeeded(&self.board);
                    return Ok(answer);
                }
                Err(Failure::Error(error)) if error.class().is_transient() => error,
                Err(failure) => return Err(failure),
            };
            if self.serving.is_none() {
                let socket = control::serve(&self.project.config.state, Starting(self.board.clone()))?;
                self.serving = Some((socket, page::serve_at(self.project.config.metrics, &self.board).await?));
            }
            let reason = Retry::reason(&error);
            if self.told.as_ref() != Some(&reason) {
                self.printer.note(&reason);
                self.told = Some(reason);
            }
            self.retry.failed(error, &self.board).await?;
        }
    }
}
