//! Review: what a person reads before anything is written: the preflight report, the preview of the plan, and the dry run.

pub mod advice;
pub mod diff;
pub mod fan_out;
pub mod preflight;
pub mod preview;
