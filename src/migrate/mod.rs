//! Migrate: the flow that drives a plan from an empty state to live and keeps it there.
//!
//! [`run`] reads as one page: take over, snapshot, catch up, load, live. Each stage is a file; each can be killed at any moment and
//! goes on from the state's records. Decisions live in `derive` and in pure functions here; this module moves data and waits.

mod ahead;
pub mod apply;
pub mod backfill;
pub mod board;
mod cutting;
mod durable;
pub mod epoch;
pub mod evolve;
mod feed;
mod fill;
pub mod forecast;
mod gather;
mod groups;
pub mod histogram;
mod indexes;
mod keep;
pub mod load;
pub mod merge;
pub mod meters;
pub mod options;
pub mod outbox_forecast;
mod outboxes;
pub mod pace;
mod pacing;
pub mod reconcile;
mod refill;
pub mod replay;
mod resume;
pub mod retry;
pub mod run;
mod schema_change;
mod slice_pace;
mod slices;
mod spent;
mod standing;
pub mod start;
pub mod steps;
mod sweeps;
#[cfg(test)]
mod tests;
pub mod throttle;
pub mod touched;
mod worker;

pub use board::{Board, EngineStatus};
pub use options::EngineOptions;
pub use run::{Ended, Engine};
pub use standing::Answer;
