//! Review: what a person reads before anything is written: the preflight report and the preview of the plan.

pub mod preflight;
pub mod preview;
