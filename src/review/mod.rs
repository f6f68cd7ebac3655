//! Review: what a person reads before anything is written.

pub mod diff;
