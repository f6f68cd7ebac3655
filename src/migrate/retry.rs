//! Waiting out passing faults: growing pauses ([`Backoff`]), a bound on the whole, the reason on the board.

use std::time::{Duration, Instant};

use super::board::Board;
use crate::error::{Error, Result};
use crate::source::backoff::Backoff;

/// The state of one wait.
#[derive(Debug)]
pub struct Retry {
    retry_for: Duration,
    since: Option<Instant>,
    backoff: Backoff,
    /// The mapping whose target is waited for; `None`: what all wait for.
    mapping: Option<usize>,
}

impl Retry {
    /// A wait that gives up after `retry_for` without a success.
    #[must_use]
    pub fn new(retry_for: Duration) -> Self {
        Self { retry_for, since: None, backoff: Backoff::default(), mapping: None }
    }

    /// The same, for the target of one mapping: its index in the plan.
    #[must_use]
    pub fn of_mapping(self, mapping: usize) -> Self {
        Self { mapping: Some(mapping), ..self }
    }

    fn show(&self, board: &Board, reason: Option<String>) {
        match self.mapping {
            Some(mapping) => board.waiting_for(mapping, reason),
            None => board.waiting(reason),
        }
    }

    /// The step worked: the next fault starts anew.
    pub fn succeeded(&mut self, board: &Board) {
        if self.since.take().is_some() {
            self.show(board, None);
        }
        self.backoff.reset();
    }

    /// The reason on the board does not hold any more, although nothing has succeeded yet.
    pub fn hide(&self, board: &Board) {
        if self.since.is_some() {
            self.show(board, None);
        }
    }

    /// Why the next try is waited for, and what would help.
    #[must_use]
    pub fn reason(error: &Error) -> String {
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("waiting to try again: {error}{hint}")
    }

    /// Sleeps before the next try.
    ///
    /// # Errors
    /// `error` itself if it does not pass by itself or the bound is reached.
    pub async fn failed(&mut self, error: Error, board: &Board) -> Result<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if !error.class().is_transient() || since.elapsed() > self.retry_for {
            return Err(error);
        }
        tracing::debug!(error = ?error, "waiting before the next try");
        self.show(board, Some(Self::reason(&error)));
        self.backoff.pause().await;
        Ok(())
    }
}
