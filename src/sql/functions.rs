//! The functions and operators that mappings may use, per dialect, with their result types.

/// A function or arithmetic operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Exact addition.
    Add,
}
